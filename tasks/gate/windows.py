"""Which rows two models may be compared on: rows that neither was trained on, the newest and some older ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.split import HOLDOUT, OUTSIDE, TRAIN, group_values, load_split, split_path, time_values
from tasks.table import BATCH, LINE, read_batches, to_frame
from tasks.target import target_values
from tasks.training.rows import MisalignedRowsError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Positions = NDArray[np.intp]


@dataclass(frozen=True)
class JudgedRows:
    """All valid rows of the challenger's project, and the ones that both models may be judged on.

    Attributes
    ----------
    frame : DataFrame, shape (n, d)
        All declared columns, `_batch` and `_line`.
    target : array of float, shape (n,)
    newest : array of int
        Positions of the challenger's holdout, without the rows that the champion was trained on.
    anchor : array of int
        Positions of the nearest older rows that neither was trained on: as many as the newest at most.
    left_out : int
        Held-out rows that the champion was trained on.
    """

    frame: pd.DataFrame
    target: Floats
    newest: Positions
    anchor: Positions
    left_out: int


def judged_rows(pipeline: Pipeline, champion_split: pd.DataFrame | None) -> JudgedRows:
    """Read the challenger's valid rows, and choose the ones to judge by.

    Parameters
    ----------
    pipeline : Pipeline
        The current directory holds its valid rows and their split.
    champion_split : DataFrame or None
        `_batch`, `_line` and `part` of the rows that the champion's split knew.

    Raises
    ------
    MisalignedRowsError
        If the split does not name the valid rows in their order.
    """
    frame = to_frame(read_batches(Path(f"data/valid/{pipeline.name}"), [LINE, *pipeline.columns]))
    split = load_split(pipeline)
    require_aligned(frame, split, pipeline)
    target = np.asarray(target_values(frame, pipeline.target, pipeline.task), dtype=np.float64)
    known = trained_by(champion_split, frame)
    held_out = (split["part"] == HOLDOUT).to_numpy()
    newest = np.flatnonzero(held_out & ~known)
    older = np.flatnonzero(before_training(frame, split, target, pipeline) & ~known)
    nearest = older[np.argsort(age_order(frame, pipeline)[older], kind="stable")][len(older) - len(newest) :]
    anchor = nearest if len(older) > len(newest) else older
    return JudgedRows(frame, target, newest, np.sort(anchor), int((held_out & known).sum()))


def require_aligned(frame: pd.DataFrame, split: pd.DataFrame, pipeline: Pipeline) -> None:
    """Refuse a split of other rows."""
    if len(frame) != len(split) or not all(np.array_equal(frame[key], split[key]) for key in (BATCH, LINE)):
        raise MisalignedRowsError(
            f"{split_path(pipeline)} names {len(split)} rows, data/valid/{pipeline.name} has {len(frame)}, and they "
            f"are not the same in one order. Run `dvc repro split@{pipeline.name}`."
        )


def trained_by(split: pd.DataFrame | None, frame: pd.DataFrame) -> Mask:
    """Which rows a model was trained on: a row is known by its batch and its line in the batch's file."""
    import pandas as pd

    if split is None:
        return np.zeros(len(frame), dtype=np.bool_)
    trained = pd.MultiIndex.from_frame(split.loc[split["part"] == TRAIN, [BATCH, LINE]])
    return np.asarray(pd.MultiIndex.from_frame(frame[[BATCH, LINE]]).isin(trained), dtype=np.bool_)


def before_training(frame: pd.DataFrame, split: pd.DataFrame, target: Floats, pipeline: Pipeline) -> Mask:
    """Which usable rows lie before all that the challenger was trained on.

    Where rows are split by time, by their time: rows in the gap before the holdout are outside too, but no older.
    Otherwise a usable row is outside only because the declared window did not reach its batch or time.
    """
    outside = (split["part"] == OUTSIDE).to_numpy() & ~np.isnan(target)
    times, groups = time_values(frame, pipeline), group_values(frame, pipeline)
    if pipeline.split_kind == "time" and times is not None:
        first = times[(split["part"] == TRAIN).to_numpy()].min()
        return np.asarray(outside & (times < first), dtype=np.bool_)
    grouped = True if groups is None else [group is not None for group in groups]
    return np.asarray(outside & grouped, dtype=np.bool_)


def age_order(frame: pd.DataFrame, pipeline: Pipeline) -> NDArray[np.int64]:
    """A number per row that grows with its time; without one, with its place in the order of batches."""
    times = time_values(frame, pipeline)
    return np.asarray(range(len(frame)) if times is None else times.astype("int64"), dtype=np.int64)
