"""Section `evaluate`: how the model is judged and explained, and the profile that drift is judged from."""

from __future__ import annotations

from pydantic import Field

from configs.sections.values import ColumnName, Section, Tuple


class Profile(Section):
    """What is kept of the rows that the model learned from, for later batches to be compared with."""

    rows: int = Field(
        20_000,
        ge=0,
        le=20_000,
        description="rows in the profile's sample, which has no private columns; 0 keeps none, and switches the test "
        "of all columns together off",
    )


class Evaluate(Section):
    """How the holdout is judged, and what the drift profile keeps."""

    slices: Tuple[ColumnName] = Field((), description="columns whose values are reported one by one")
    slice_rows: int = Field(
        200, ge=1, le=10**9, description="values with fewer rows in the holdout are reported together"
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="level of the intervals")
    resamples: int = Field(1000, ge=100, le=100_000, description="bootstrap resamples behind an interval")
    profile: Profile = Field(Profile(), description="the drift profile that goes with the model")
