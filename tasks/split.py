"""Stage `split`: for each valid row, whether it is trained on, validated on, held out, or left outside.

Where a row goes follows from its name, time, group and target (`tasks.folds`), never from the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import ConfigError, DataError
from configs.schema import Pipeline
from tasks.atomic import write_json
from tasks.folds import (
    MICROSECOND,
    TooFewRowsError,
    group_codes,
    group_folds,
    lack,
    microseconds,
    order_keys,
    strata,
    stratified_folds,
    time_blocks,
)
from tasks.holdout import NO_TIME, Rows, embargo, held_out, refuse_parts, why_not_trained_on
from tasks.stage import run_as_command
from tasks.table import BATCH, LINE, read_batches, read_table, to_frame, write_table
from tasks.target import target_column, target_values

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from tasks.folds import Integers, Mask

__all__ = ["DeclaredSplit", "declared_split", "embargo", "load_split", "main", "split_rows", "time_values"]

TRAIN, HOLDOUT, OUTSIDE = "train", "holdout", "outside"
NOT_VALIDATED = -1


class FoldError(DataError):
    """A fold cannot be trained or judged."""


def time_values(frame: pd.DataFrame, pipeline: Pipeline) -> pd.Series | None:
    """When each row happened, as datetime64[us, UTC], NaT where missing; None for a pipeline without a time column.

    A date stands for its midnight in UTC: only the order and whole days count.
    """
    import pandas as pd

    if pipeline.time.column is None:
        return None
    values = frame[pipeline.time.column]
    if pipeline.columns[pipeline.time.column].type == "date":
        return pd.to_datetime(values).astype("datetime64[us]").dt.tz_localize("UTC")
    return values.astype("datetime64[us, UTC]")


def group_values(frame: pd.DataFrame, pipeline: Pipeline) -> NDArray[np.object_] | None:
    """The group of each row, None where missing; None for a pipeline that is not split by group."""
    if pipeline.split_kind != "group" or pipeline.split.group is None:
        return None
    values = frame[pipeline.split.group].astype(object)
    return values.where(values.notna(), None).to_numpy()


def rows_of(frame: pd.DataFrame, pipeline: Pipeline) -> Rows:
    """What a split looks at, of the valid rows."""
    if pipeline.split_kind == "time" and pipeline.time.column is None:
        raise ConfigError("split: kind is 'time', but time.column is not declared. Declare it, or choose 'stratified'.")
    if pipeline.split_kind == "group" and pipeline.split.group is None:
        raise ConfigError(
            "split: kind is 'group', but split.group is not declared. Name the column whose rows go together."
        )
    times = time_values(frame, pipeline)
    return Rows(
        batch=frame[BATCH],
        line=frame[LINE],
        target=np.asarray(target_values(frame, pipeline.target, pipeline.task), dtype=np.float64),
        times=None if times is None else microseconds(times),
        groups=group_values(frame, pipeline),
    )


def split_rows(rows: Rows, pipeline: Pipeline) -> pd.DataFrame:
    """Say for each row where it goes.

    Returns
    -------
    DataFrame, shape (n_rows, 5), in the order of `rows`
        `_batch`, `_line`; `part`: train, holdout or outside; `fold`: the one that the row is validated in, -1 for none;
        `reason` why a row is outside: no_target, no_time, no_group, before_window or gap, else ''.

    Raises
    ------
    HoldoutError, FoldError
        If a part or a side of a fold has no row, or one class only of a binary target.
    """
    import pandas as pd

    reason = why_unusable(rows, pipeline.split_kind)
    held = np.zeros(len(reason), dtype=np.bool_)
    held[reason == ""] = held_out(rows.where(reason == ""), pipeline)
    candidate = (reason == "") & ~held
    reason[candidate] = why_not_trained_on(rows.where(candidate), rows.where(held), pipeline)
    train = (reason == "") & ~held
    refuse_parts(rows, train, held, pipeline)
    fold = np.full(len(reason), NOT_VALIDATED, dtype=np.int16)
    fold[train] = fold_numbers(rows.where(train), pipeline)
    part = np.where(train, TRAIN, np.where(held, HOLDOUT, OUTSIDE))
    refuse_folds(rows.where(train), fold[train], pipeline)
    return pd.DataFrame({BATCH: rows.batch, LINE: rows.line, "part": part, "fold": fold, "reason": reason})


def why_unusable(rows: Rows, kind: str) -> NDArray[np.object_]:
    """Why a row can be in no part: '' where it can."""
    reason = np.full(len(rows.batch), "", dtype=object)
    if kind == "group" and rows.groups is not None:
        reason[[group is None for group in rows.groups]] = "no_group"
    if kind == "time" and rows.times is not None:
        reason[rows.times == NO_TIME] = "no_time"
    reason[np.isnan(rows.target)] = "no_target"
    return reason


def fold_numbers(rows: Rows, pipeline: Pipeline) -> Integers:
    """The fold that validates each training row, -1 for none.

    For kind `time` the rows are cut into one block more than there are folds: the first is only learnt from, and fold k
    validates block k + 1.

    Raises
    ------
    FoldError
        If there are fewer rows, instants or groups than folds.
    """
    split = pipeline.split
    try:
        if pipeline.split_kind == "time" and rows.times is not None:
            return time_blocks(rows.times, split.folds + 1) - 1
        keys = order_keys(rows.batch, rows.line, split.seed + 1)  # not the order that drew the holdout
        stratum = strata(rows.target, pipeline.task)
        if pipeline.split_kind == "group" and rows.groups is not None:
            classes = stratum if pipeline.task == "binary" else None
            return group_folds(group_codes(rows.groups), classes, keys, folds=split.folds, seed=split.seed)
        return stratified_folds(stratum, keys, split.folds)
    except TooFewRowsError as error:
        raise FoldError(
            f"split.folds: {error}. Lower split.folds, widen split.window, or land more batches."
        ) from error


def refuse_folds(rows: Rows, fold: NDArray[np.int16], pipeline: Pipeline) -> None:
    """Raise when a side of a fold has no row, or one class only of a binary target."""
    splitter = DeclaredSplit(fold, rows.times if pipeline.split_kind == "time" else None, embargo(pipeline))
    for number, (train, valid) in enumerate(splitter.split()):
        for side, chosen in (("train on", train), ("validate on", valid)):
            lacking = lack(rows.target[chosen], pipeline.task)
            if lacking:
                raise FoldError(
                    f"split: fold {number} of {pipeline.split.folds}: {lacking} to {side}. Lower split.folds or "
                    "split.gap, widen split.window, or land more batches."
                )


class DeclaredSplit:
    """The declared folds as a scikit-learn splitter over the TRAIN rows, in their order in the split table.

    Parameters
    ----------
    fold : array of int, shape (n_train,)
        The fold that validates each row, from 0; -1 for none.
    times : array of int64, shape (n_train,), or None
        Microseconds; None where rows are not split by time.
    embargo : timedelta
        A fold of time trains on the rows whose time + embargo is no later than its first validated row; other folds on
        the rows of all other folds.

    Examples
    --------
    >>> folds = DeclaredSplit(np.array([-1, 0, 0, 1]), np.array([1, 2, 3, 4]), timedelta(0))
    >>> [(train.tolist(), valid.tolist()) for train, valid in folds.split()]
    [([0], [1, 2]), ([0, 1, 2], [3])]
    """

    def __init__(self, fold: NDArray[np.integer[Any]], times: Integers | None, embargo: timedelta) -> None:
        self.fold = fold
        self.times = times
        self.embargo = embargo

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1

    def split(
        self, X: Any = None, y: ArrayLike | None = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the positions of each fold's training and validation rows, among the TRAIN rows."""
        if X is not None and len(X) != len(self.fold):
            raise FoldError(f"{len(X)} rows to split; the split was declared for {len(self.fold)} training rows")
        for number in range(self.get_n_splits()):
            valid = self.fold == number
            yield np.flatnonzero(self.trained_on(valid)), np.flatnonzero(valid)

    def trained_on(self, valid: Mask) -> Mask:
        """The rows that the fold with these validation rows learns from."""
        if self.times is None or not valid.any():
            return ~valid
        early: Mask = self.times + self.embargo // MICROSECOND <= self.times[valid].min()
        return ~valid & early


def declared_split(split: pd.DataFrame, times: pd.Series | None, pipeline: Pipeline) -> DeclaredSplit:
    """The splitter over the TRAIN rows of a split table.

    Parameters
    ----------
    split : DataFrame, shape (n_rows, 4)
        `load_split`: all rows.
    times : Series of datetime64[us, UTC], shape (n_rows,), or None
        `time_values` of the same rows in the same order.
    """
    train = (split["part"] == TRAIN).to_numpy()
    by_time = pipeline.split_kind == "time" and times is not None
    return DeclaredSplit(
        split["fold"].to_numpy()[train],
        microseconds(times)[train] if by_time else None,  # type: ignore[arg-type]  # by_time says so
        embargo(pipeline),
    )


def split_path(pipeline: Pipeline) -> Path:
    """Where the stage writes where each row goes."""
    return Path(f"data/split/{pipeline.name}.parquet")


def load_split(pipeline: Pipeline) -> pd.DataFrame:
    """Where each row goes: `_batch`, `_line`, `part`, `fold`, one row per valid row, in the order of `read_batches`."""
    return to_frame(read_table(split_path(pipeline)))


def split_metrics(table: pd.DataFrame, splitter: DeclaredSplit, pipeline: Pipeline) -> dict[str, Any]:
    """Count the rows of each part, each reason and each fold."""
    parts = {part: int((table["part"] == part).sum()) for part in (TRAIN, HOLDOUT, OUTSIDE)}
    outside = table.loc[table["part"] == OUTSIDE, "reason"].value_counts()
    reasons = {str(reason): int(rows) for reason, rows in sorted(outside.items())}
    folds = [
        {"fold": number, "train": len(train), "valid": len(valid)}
        for number, (train, valid) in enumerate(splitter.split())
    ]
    return {"kind": pipeline.split_kind, "rows": {**parts, "outside_reasons": reasons}, "folds": folds}


def needed_columns(pipeline: Pipeline) -> list[str]:
    """The columns that say where a row goes, in order of declaration."""
    needed = {target_column(pipeline.target), pipeline.time.column, pipeline.split.group}
    return [LINE, *(name for name in pipeline.columns if name in needed)]


def main(pipeline: Pipeline) -> None:
    """Stage `split` of dvc.yaml: read the valid rows, write where each goes and the counts."""
    import pyarrow as pa

    frame = to_frame(read_batches(Path(f"data/valid/{pipeline.name}"), needed_columns(pipeline)))
    table = split_rows(rows_of(frame, pipeline), pipeline)
    schema = pa.schema({BATCH: pa.string(), LINE: pa.int64(), "part": pa.string(), "fold": pa.int16()})
    write_table(pa.Table.from_pandas(table[schema.names], schema=schema, preserve_index=False), split_path(pipeline))
    metrics = split_metrics(table, declared_split(table, time_values(frame, pipeline), pipeline), pipeline)
    write_json(Path(f"metrics/{pipeline.name}/split.json"), metrics)
    rows = metrics["rows"]
    print(f"split: {rows['train']} rows to train on, {rows['holdout']} held out, {rows['outside']} outside", flush=True)


if __name__ == "__main__":
    run_as_command("split")
