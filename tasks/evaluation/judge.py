"""How good predictions of held-out rows are: with intervals, beside baselines, per slice, and against the folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.sections.train import Task
from tasks.evaluation.baselines import describe
from tasks.evaluation.intervals import Bootstrap, Question, Score, interval
from tasks.evaluation.slices import slices_of
from tasks.metrics import greater_is_better, score

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from configs.sections.evaluate import Evaluate

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

METRICS: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "average_precision", "log_loss", "brier"),
    "multiclass": ("log_loss", "accuracy", "roc_auc", "brier"),
    "regression": ("rmse", "mae", "r2"),
}
LEAST_BLOCKS = 10  # with fewer days or groups, a resample is mostly a copy of the same few


@dataclass(frozen=True)
class Blocks:
    """What is drawn together in a resample: each row's block, 0..count-1, and what a block is."""

    code: Integers
    count: int
    unit: str


@dataclass(frozen=True)
class Holdout:
    """Rows that training never saw: their typed columns, their target and their blocks, in one order."""

    frame: pd.DataFrame
    target: Floats
    blocks: Blocks


def resampling_blocks(frame: pd.DataFrame, pipeline: Pipeline) -> Blocks:
    """Draw rows by local day when the split is by time, by group when it is by group, else one by one.

    Rows that share a day's weather or a patient are no independent witnesses. Fewer than `LEAST_BLOCKS` days give way
    to the time column's own values; where these are as few, to single rows. Of days and groups the fewer are drawn.
    """
    found = []
    for unit, values in candidate_blocks(frame, pipeline):
        code, levels = values.factorize(use_na_sentinel=False)
        if len(levels) >= LEAST_BLOCKS:
            found.append(Blocks(code.astype(np.int64), len(levels), unit))
    by_row = Blocks(np.arange(len(frame)), len(frame), "row")
    return min(found, key=lambda blocks: blocks.count, default=by_row)


def candidate_blocks(frame: pd.DataFrame, pipeline: Pipeline) -> list[tuple[str, pd.Series[Any]]]:
    """List what rows may be drawn by: groups, days and instants, as the rows are split."""
    groups = [] if pipeline.split.group is None else [(f"value of {pipeline.split.group}", frame[pipeline.split.group])]
    if pipeline.split_kind == "group":
        return groups
    if pipeline.split_kind != "time" or pipeline.time.column is None:
        return []
    times = frame[pipeline.time.column]
    is_timestamp = pipeline.columns[pipeline.time.column].type == "timestamp"
    days = times.dt.tz_convert(pipeline.time.timezone).dt.date if is_timestamp else times
    return [("day", days), (f"value of {pipeline.time.column}", times), *groups]


def task_of(metric: str, prediction: Floats) -> Task:
    """What is predicted, by the metric and the shape of a prediction."""
    if prediction.ndim == 2:
        return "multiclass"
    return "binary" if metric in METRICS["binary"] else "regression"


def judge(
    holdout: Holdout, predictions: Mapping[str, Floats], metric: str, settings: Evaluate, seed: int
) -> dict[str, Any]:
    """Score the model on all metrics, and the baselines and their distance from it on the declared one.

    Parameters
    ----------
    holdout : Holdout
    predictions : mapping of name to array of float, shape (n,) or (n, C)
        `model` and the baselines.
    metric : str
        The declared metric; the others of its task follow it.
    settings : Evaluate
    seed : int
        Of the resamples.

    Returns
    -------
    dict
        `holdout` (value and interval per metric), `baselines` (the same on the declared metric, and how much better
        the model is: `gain`, `gain_low`, `gain_high`), `best_baseline`.
    """
    task, level = task_of(metric, predictions["model"]), settings.confidence
    metrics = [metric, *(name for name in METRICS[task] if name != metric)]
    rungs = [name for name in predictions if name != "model"]
    asked = {("model", name): predictions["model"] for name in metrics}
    asked |= {(name, metric): predictions[name] for name in rungs}
    scores = Bootstrap(holdout.blocks.count, settings.resamples, seed).answer(
        {key: Question(key[1], holdout.target, values, holdout.blocks.code) for key, values in asked.items()}
    )
    ladder, best = compared({name: scores[name, metric] for name in ("model", *rungs)}, metric, level)
    return {
        "holdout": {name: asdict(interval(scores["model", name], level)) for name in metrics},
        "baselines": {name: {"description": describe(name, task), **rung} for name, rung in ladder.items()},
        "best_baseline": best,
    }


def compared(scores: Mapping[str, Score], metric: str, confidence: float) -> tuple[dict[str, dict[str, Any]], str]:
    """Tell each rung's score, and how much better the model is on the same resamples; name the best rung."""
    sign = 1 if greater_is_better(metric) else -1
    rungs = [name for name in scores if name != "model"]
    ladder = {}
    for name in rungs:
        gain = interval(scores["model"].gain_over(scores[name], sign), confidence)
        found = asdict(interval(scores[name], confidence))
        ladder[name] = {**found, "gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    return ladder, max(rungs, key=lambda name: sign * scores[name].value)


def judge_slices(
    holdout: Holdout, prediction: Floats, metric: str, settings: Evaluate, seed: int
) -> list[dict[str, Any]]:
    """Score the model on the levels of the declared columns, each with an interval; null where it is not defined."""
    blocks = holdout.blocks
    several = prediction.ndim == 2
    slices = slices_of(holdout.frame, settings.slices, settings.slice_rows, holdout.target, classes=several)
    everything = Question(metric, holdout.target, prediction, blocks.code)
    asked = {index: everything.part(mask) for index, (_, mask) in enumerate(slices)}
    scores = Bootstrap(blocks.count, settings.resamples, seed).answer(asked)
    return [{**name, **asdict(interval(scores[index], settings.confidence))} for index, (name, _) in enumerate(slices)]


def out_of_fold(predictions: pd.DataFrame, metric: str, holdout: float | None) -> dict[str, Any]:
    """Score per fold of the out-of-fold predictions, and how far the holdout's score is from their mean.

    Parameters
    ----------
    predictions : DataFrame
        Columns `fold`, `target`, and `prediction` or `prediction_0`, `prediction_1`, ... of several classes.
    metric : str
    holdout : float or None
        The model's score on the holdout.

    Returns
    -------
    dict
        `folds` (fold, rows, value), `mean`, `std` (with n - 1), `shift` (holdout - mean), `shift_in_std`; None
        where there is no such figure.
    """
    folds = [
        {"fold": int(str(fold)), "rows": len(part), "value": score(metric, part["target"], predicted(part))}
        for fold, part in predictions.groupby("fold", sort=True)
    ]
    values = np.array([fold["value"] for fold in folds])
    mean, std = float(values.mean()), float(values.std(ddof=1))
    shift = None if holdout is None else holdout - mean
    in_std = shift / std if shift is not None and std else None
    return {"folds": folds, "mean": mean, "std": std, "shift": shift, "shift_in_std": in_std}


def predicted(table: pd.DataFrame) -> Floats:
    """Predictions as training wrote them: a column, or one per class; shape (n,) or (n, C)."""
    if "prediction" in table.columns:
        return table["prediction"].to_numpy(np.float64)
    return table.filter(regex="^prediction_[0-9]+$").to_numpy(np.float64)
