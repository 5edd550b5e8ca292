"""Section `gate`: what a candidate must show before it takes the champion's place."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from configs.sections.values import ColumnName, Section, Tuple


class Budgets(Section):
    """Limits that refuse a challenger; what has none is measured and told all the same."""

    calibration: float | None = Field(
        None, ge=0, lt=1e9, description="how much greater the expected calibration error may be, in the target's unit"
    )
    explanation: float | None = Field(
        None,
        ge=0,
        le=1,
        description="how far the features' shares of the explanation may move: 0 is not at all, 1 to other features",
    )
    fairness: float | None = Field(
        None,
        ge=0,
        lt=1e9,
        description="how far groups of a protected column may be apart: in selection and error rates (0 to 1), for a "
        "regression in mean errors, in the target's unit",
    )
    size: float | None = Field(None, gt=0, lt=1e9, description="how large the bundle may be, in megabytes")
    latency: float | None = Field(
        None, gt=0, lt=1e9, description="how long one row may take, as a multiple of the champion's time"
    )


class Gate(Section):
    """When a challenger takes the champion's place."""

    promote: Literal["better", "not_worse"] = Field("not_worse", description="what a challenger must be")
    margin: float = Field(0.0, ge=0, lt=1e9, description="what counts as a difference, in units of the metric")
    slice_margin: float | None = Field(
        None,
        ge=0,
        lt=1e9,
        description="how much worse a slice of evaluate.slices may be, in units of the metric; only told when absent",
    )
    twins: int = Field(
        4,
        ge=0,
        le=100,
        description="trainings with other seeds that tell a gain from luck, before a challenger counts as better",
    )
    approval: Literal["auto", "manual"] = Field("auto", description="whether a person has the last word")
    environment: Literal["stop", "warn"] = Field(
        "stop",
        description="where the champion was made with other versions of libraries that shape results: end the run, or "
        "go on and tell how its golden batch differs here",
    )
    cost_margin: float | None = Field(
        None,
        ge=0,
        lt=1e9,
        description="how much dearer by train.costs a row may become; only a rise that is sure refuses when absent",
    )
    protected: Tuple[ColumnName] = Field((), description="columns whose groups are to be treated alike")
    budgets: Budgets = Field(Budgets(), description="limits that refuse")
