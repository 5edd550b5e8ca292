"""What a split refuses before anything is trained: each text names the key of the YAML, what was found and a remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from configs.errors import DataError
from configs.sections.values import format_duration
from tasks.splitting.folds import MICROSECOND, lack
from tasks.splitting.holdout import NO_TIME, Rows, embargo, embargo_key, needs_every_class
from tasks.splitting.splitter import DeclaredSplit, FoldError
from tasks.table import BATCH, LINE, line_of_row

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.splitting.folds import Mask


class MissingTimeError(DataError):
    """A row that is to be put in order by its time has none."""


class OneGroupError(DataError):
    """The column of the groups has one value only."""


class EmbargoError(DataError):
    """A target is known later than the block of time ends that the row lies in."""


class WeightError(DataError):
    """A training row has no weight, or one that is not above 0."""


class CostMatrixError(DataError):
    """The costs are not those of the classes that the data have."""


def refuse_missing_times(rows: Rows, pipeline: Pipeline) -> None:
    """Raise when a split by time has a row without one."""
    if pipeline.split_kind != "time" or rows.times is None or not (rows.times == NO_TIME).any():
        return
    without = np.flatnonzero(rows.times == NO_TIME)
    name = pipeline.time.column
    raise MissingTimeError(
        f"time.column: {len(without)} of {len(rows.times)} rows have no {name!r}, the first of them line "
        f"{line_of_row(rows.line.iloc[without[0]])} of {rows.batch.iloc[without[0]]}; a split by time puts every row "
        "in order. "
        f"Under expectations write `- {{expect_column_values_to_not_be_null: {{column: {name}}}, otherwise: "
        "quarantine}`, or `kind: stratified` under split.",
        key=("time", "column"),
    )


def refuse_one_group(rows: Rows, pipeline: Pipeline) -> None:
    """Raise when all rows are of one group: no side of any fold could be without it."""
    if rows.groups is None or not len(rows.groups):
        return
    first = rows.groups[0]
    if all(group == first for group in rows.groups):
        value = "one value" if pipeline.split.group in pipeline.private_columns else repr(first)
        raise OneGroupError(
            f"split.group: {pipeline.split.group!r} is {value} in all {len(rows.groups)} rows; a fold keeps whole "
            f"groups apart, so at least {pipeline.split.folds} values were expected (split.folds). Name another "
            "column, or remove `group` and choose another `kind`.",
            key=("split", "group"),
        )


def refuse_folds(rows: Rows, fold: NDArray[np.int16], pipeline: Pipeline) -> None:
    """Raise when a side of a fold has no row or lacks a class, or targets are known later than a fold ends.

    Parameters
    ----------
    rows, fold
        The training rows, and the fold that validates each.
    """
    by_time = pipeline.split_kind == "time"
    if by_time and rows.times is not None:
        refuse_short_folds(fold, rows.times, pipeline)
    splitter = DeclaredSplit(fold, rows.times if by_time else None, embargo(pipeline), rows.groups)
    classes = rows.classes or ()
    judged = classes if needs_every_class(pipeline) else ()
    for number, (train, valid) in enumerate(splitter.split()):
        for side, chosen, wanted in (("train on", train, classes), ("validate on", valid, judged)):
            lacking = lack(rows.target[chosen], pipeline.task, wanted)
            if lacking:
                raise FoldError(
                    f"split.folds: fold {number} of {pipeline.split.folds}: {lacking} to {side}. Lower split.folds or "
                    "split.gap, widen split.window, or land more batches.",
                    key=("split", "folds"),
                )


def refuse_short_folds(fold: NDArray[np.int16], times: NDArray[np.int64], pipeline: Pipeline) -> None:
    """Raise when targets are known later than a validated block of time ends: nothing fresh could be learnt from.

    A block ends where the next one begins; the last one a step of time after its last row.
    """
    apart, keys, numbers = embargo(pipeline), embargo_key(pipeline), np.unique(fold[fold >= 0])
    starts = [int(times[fold == number].min()) for number in numbers]
    before, last = np.unique(times)[-2:].tolist()
    lengths = np.diff([*starts, 2 * last - before])
    shortest = int(np.argmin(lengths))
    length = int(lengths[shortest]) * MICROSECOND
    if length < apart:
        raise EmbargoError(
            f"{'.'.join(keys)}: a target is used {format_duration(apart)} after its row's time (target.known_after + "
            f"split.gap), but fold {numbers[shortest]} of {pipeline.split.folds} is {format_duration(length)} long; "
            "one at least as long was expected. Lower split.folds or the delay, or widen split.window.",
            key=keys,
        )


def refuse_weights(frame: pd.DataFrame, train: Mask, pipeline: Pipeline) -> None:
    """Raise when a training row's weight is missing, infinite, 0 or below.

    Parameters
    ----------
    frame : DataFrame, shape (n, d)
        The typed columns of all valid rows.
    train : array of bool, shape (n,)
    """
    name = pipeline.train.weight
    if name is None:
        return
    weights = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(train & ~(np.isfinite(weights) & (weights > 0)))
    if len(bad):
        value, where = weights[bad[0]], f"line {line_of_row(frame[LINE].iloc[bad[0]])} of {frame[BATCH].iloc[bad[0]]}"
        said = "has no value" if np.isnan(value) else f"is {value:g}"
        said = "is private" if name in pipeline.private_columns else said
        raise WeightError(
            f"train.weight: {name!r} {said} in {where}; {len(bad)} "
            f"of {int(train.sum())} training rows have no finite number above 0. Under expectations write "
            f"`- {{expect_column_values_to_be_between: {{column: {name}, min_value: 0, strict_min: true}}, otherwise: "
            f"quarantine}}` and `- {{expect_column_values_to_not_be_null: {{column: {name}}}, otherwise: "
            "quarantine}`, or name no weight.",
            key=("train", "weight"),
        )


def refuse_costs(rows: Rows, pipeline: Pipeline) -> None:
    """Raise when the matrix of costs has another size than the data have classes."""
    matrix = pipeline.train.costs.matrix
    if matrix is None or pipeline.task == "regression":
        return
    classes = rows.classes or ("0", "1")
    sizes = [len(row) for row in matrix]
    if len(matrix) != len(classes) or any(size != len(classes) for size in sizes):
        raise CostMatrixError(
            f"train.costs.matrix: found {len(matrix)} rows of {' and '.join(map(str, dict.fromkeys(sizes)))} costs, "
            f"expected {len(classes)} rows of {len(classes)}: one per actual class and one per decision, in the order "
            f"{', '.join(map(repr, classes))}.",
            key=("train", "costs", "matrix"),
        )
