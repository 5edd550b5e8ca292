"""Stage `split`: for each valid row, whether it is trained on, validated on, held out, or left outside.

Where a row goes follows from its name, time, group and target (`tasks.splitting`), never from the order of arrival.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import ConfigError
from configs.schema import Pipeline
from tasks.atomic import write_json
from tasks.splitting.folds import (
    NOT_VALIDATED,
    TooFewRowsError,
    microseconds,
    order_keys,
    strata,
    stratified_folds,
    time_and_group_folds,
    time_blocks,
)
from tasks.splitting.holdout import Rows, embargo, held_out, refuse_parts, why_not_trained_on
from tasks.splitting.split_checks import (
    refuse_costs,
    refuse_folds,
    refuse_missing_times,
    refuse_one_group,
    refuse_weights,
)
from tasks.splitting.splitter import DeclaredSplit, FoldError
from tasks.splitting.units import group_folds
from tasks.stage import run_as_command
from tasks.table import BATCH, LINE, read_batches, read_table, to_frame, write_table
from tasks.target import class_names, target_column, target_values

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tasks.splitting.folds import Integers

__all__ = ["DeclaredSplit", "FoldError", "declared_split", "embargo", "load_split", "main", "split_rows", "time_values"]

TRAIN, HOLDOUT, OUTSIDE = "train", "holdout", "outside"


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
    """The group of each row, None where missing; None for a pipeline without groups."""
    if pipeline.split_kind == "stratified" or pipeline.split.group is None:
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
        classes=class_names(frame, pipeline.target, pipeline.task),
    )


def split_rows(rows: Rows, pipeline: Pipeline) -> pd.DataFrame:
    """Say for each row where it goes.

    Returns
    -------
    DataFrame, shape (n_rows, 5), in the order of `rows`
        `_batch`, `_line`; `part`: train, holdout or outside; `fold`: the one that the row is validated in, -1 for none;
        `reason` why a row is outside: no_target, no_group, group, before_window or gap, else ''.

    Raises
    ------
    HoldoutError, FoldError
        If a part or a side of a fold has no row, or lacks a class.
    MissingTimeError, OneGroupError, EmbargoError
        See there.
    """
    import pandas as pd

    refuse_missing_times(rows, pipeline)
    reason = why_unusable(rows)
    refuse_one_group(rows.where(reason == ""), pipeline)
    held, apart = np.zeros((2, len(reason)), dtype=np.bool_)
    held[reason == ""], apart[reason == ""] = held_out(rows.where(reason == ""), pipeline)
    reason[apart] = "group"
    candidate = (reason == "") & ~held
    reason[candidate] = why_not_trained_on(rows.where(candidate), rows.where(held), pipeline)
    train = (reason == "") & ~held
    refuse_parts(rows, train, held, pipeline)
    fold = np.full(len(reason), NOT_VALIDATED, dtype=np.int16)
    fold[train] = fold_numbers(rows.where(train), pipeline)
    part = np.where(train, TRAIN, np.where(held, HOLDOUT, OUTSIDE))
    refuse_folds(rows.where(train), fold[train], pipeline)
    return pd.DataFrame({BATCH: rows.batch, LINE: rows.line, "part": part, "fold": fold, "reason": reason})


def why_unusable(rows: Rows) -> NDArray[np.object_]:
    """Why a row can be in no part: '' where it can."""
    reason = np.full(len(rows.batch), "", dtype=object)
    if rows.groups is not None:
        reason[[group is None for group in rows.groups]] = "no_group"
    reason[np.isnan(rows.target)] = "no_target"
    return reason


def fold_numbers(rows: Rows, pipeline: Pipeline) -> Integers:
    """The fold that validates each training row, -1 for none.

    For kind `time` the rows are cut into one block more than there are folds: the first is only learnt from, and fold k
    validates block k + 1, where groups are declared too of some groups only (`time_and_group_folds`).

    Raises
    ------
    FoldError
        If there are fewer rows, instants or groups than folds.
    """
    split = pipeline.split
    try:
        if pipeline.split_kind == "time" and rows.times is not None:
            if rows.groups is not None:
                return time_and_group_folds(rows.times, rows.groups, folds=split.folds, seed=split.seed + 1)
            return time_blocks(rows.times, split.folds + 1) - 1
        keys = order_keys(rows.batch, rows.line, split.seed + 1)  # not the order that drew the holdout
        if pipeline.split_kind == "group" and rows.groups is not None:
            return group_folds(rows.target, pipeline.task, rows.groups, keys, folds=split.folds, seed=split.seed + 1)
        return stratified_folds(strata(rows.target, pipeline.task), keys, split.folds)
    except TooFewRowsError as error:
        raise FoldError(
            f"split.folds: {error}. Lower split.folds, widen split.window, or land more batches.",
            key=("split", "folds"),
        ) from error


def declared_split(split: pd.DataFrame, frame: pd.DataFrame, pipeline: Pipeline) -> DeclaredSplit:
    """The splitter over the TRAIN rows of a split table.

    Parameters
    ----------
    split : DataFrame, shape (n_rows, 4)
        `load_split`: all rows.
    frame : DataFrame, shape (n_rows, n_columns)
        The typed columns of the same rows in the same order; time and group among them.
    """
    train = (split["part"] == TRAIN).to_numpy()
    times, groups = time_values(frame, pipeline), group_values(frame, pipeline)
    instants = microseconds(times)[train] if pipeline.split_kind == "time" and times is not None else None
    return DeclaredSplit(
        split["fold"].to_numpy()[train], instants, embargo(pipeline), None if groups is None else groups[train]
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
    needed = {target_column(pipeline.target), pipeline.time.column, pipeline.split.group, pipeline.train.weight}
    return [LINE, *(name for name in pipeline.columns if name in needed)]


def main(pipeline: Pipeline) -> None:
    """Stage `split` of dvc.yaml: read the valid rows, write where each goes and the counts."""
    import pyarrow as pa

    frame = to_frame(read_batches(Path(f"data/valid/{pipeline.name}"), needed_columns(pipeline)))
    rows = rows_of(frame, pipeline)
    refuse_costs(rows, pipeline)
    table = split_rows(rows, pipeline)
    refuse_weights(frame, (table["part"] == TRAIN).to_numpy(), pipeline)
    schema = pa.schema({BATCH: pa.string(), LINE: pa.int64(), "part": pa.string(), "fold": pa.int16()})
    write_table(pa.Table.from_pandas(table[schema.names], schema=schema, preserve_index=False), split_path(pipeline))
    metrics = split_metrics(table, declared_split(table, frame, pipeline), pipeline)
    write_json(Path(f"metrics/{pipeline.name}/split.json"), metrics)
    counts = metrics["rows"]
    print(
        f"split: {counts['train']} rows to train on, {counts['holdout']} held out, {counts['outside']} outside",
        flush=True,
    )


if __name__ == "__main__":
    run_as_command("split")
