"""Section `train`: the task, its metric, the trees, and what mistakes cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from configs.sections.values import ColumnName, Finite, Section, Tuple

BinaryMetric = Literal["roc_auc", "average_precision", "log_loss", "brier"]
MulticlassMetric = Literal["log_loss", "accuracy", "roc_auc", "brier"]
RegressionMetric = Literal["rmse", "mae", "r2"]
Task = Literal["binary", "multiclass", "regression"]
DEFAULT_METRICS: dict[Task, BinaryMetric | MulticlassMetric | RegressionMetric] = {
    "binary": "roc_auc",
    "multiclass": "log_loss",
    "regression": "rmse",
}


class TreeParams(Section):
    """XGBoost's own parameters, by its own names; the ones that Holdfast sets itself are not among them."""

    max_depth: int = Field(6, ge=1, le=30, description="of a tree")
    learning_rate: float = Field(0.1, gt=0, le=1, description="shrinkage of each tree")
    min_child_weight: float = Field(1.0, ge=0, lt=1e9, description="least sum of Hessians in a leaf")
    subsample: float = Field(1.0, gt=0, le=1, description="share of rows per tree")
    colsample_bytree: float = Field(1.0, gt=0, le=1, description="share of columns per tree")
    colsample_bylevel: float = Field(1.0, gt=0, le=1, description="share of columns per level of a tree")
    gamma: float = Field(0.0, ge=0, lt=1e9, description="least gain of a split")
    reg_alpha: float = Field(0.0, ge=0, lt=1e9, description="L1 penalty of leaf weights")
    reg_lambda: float = Field(1.0, ge=0, lt=1e9, description="L2 penalty of leaf weights")
    max_bin: int = Field(256, ge=2, le=65535, description="bins of the histograms")
    max_delta_step: float = Field(0.0, ge=0, lt=1e9, description="largest step of a leaf's weight; 0 is no limit")
    grow_policy: Literal["depthwise", "lossguide"] = Field("depthwise", description="which leaf is split next")
    max_leaves: int = Field(0, ge=0, le=2**20, description="leaves of a tree; 0 is no limit")


class Costs(Section):
    """What one decision costs, in a unit of your own; a gain is a negative cost. `{}` where nobody can say."""

    false_positive: Finite | None = Field(None, description="binary: to act on a row that turns out to be 0")
    false_negative: Finite | None = Field(None, description="binary: not to act on a row that turns out to be 1")
    true_positive: Finite = Field(0.0, description="binary: to act on a row that turns out to be 1")
    true_negative: Finite = Field(0.0, description="binary: not to act on a row that turns out to be 0")
    matrix: Tuple[Tuple[Finite]] | None = Field(
        None,
        description="binary or multiclass: one list per actual class, in order of the classes, of what each decision "
        "costs, in the same order",
    )
    over: float | None = Field(None, ge=0, lt=1e9, description="regression: each unit predicted too much")
    under: float | None = Field(None, ge=0, lt=1e9, description="regression: each unit predicted too little")


class Train(Section):
    """How the model is trained."""

    task: Task | None = Field(
        None, description="from the target's type when absent; `multiclass` for a category of three or more levels"
    )
    metric: BinaryMetric | MulticlassMetric | RegressionMetric | None = Field(
        None, description="roc_auc, log_loss (multiclass) or rmse when absent"
    )
    params: TreeParams = Field(TreeParams(), description="XGBoost's parameters")
    rounds: int = Field(1000, ge=1, le=100_000, description="boosting rounds at the most")
    early_stopping_rounds: int = Field(30, ge=1, le=10_000, description="rounds without a better score that end a fit")
    early_stopping_share: float = Field(
        0.1, gt=0, lt=1, description="share of a fit's training rows that early stopping watches"
    )
    seed: int = Field(7, ge=0, lt=2**31, description="of XGBoost's sampling and of early stopping's rows")
    weight: ColumnName | None = Field(
        None, description="a numeric column, above 0: how much a row counts in training; no feature"
    )
    balance: bool = Field(False, description="let the classes weigh alike in training, however rare")
    monotone: dict[ColumnName, Literal["increasing", "decreasing"]] = Field(
        default_factory=dict, description="numeric features along which the prediction may only rise, or only fall"
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        "cpu", description="what the trees are grown on; `auto` takes CUDA where there is one, and records it"
    )
    calibration: Literal["none", "sigmoid", "isotonic"] = Field(
        "none", description="how scores become probabilities, learned on out-of-fold rows only"
    )
    costs: Costs = Field(Costs(), description="what decisions cost: they set the threshold that the model decides by")
    audit: Literal["stop", "warn", "off"] = Field(
        "stop", description="what a leak that the audit finds does: end the run, or only be told"
    )
