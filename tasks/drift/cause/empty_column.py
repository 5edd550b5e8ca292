"""A column that is no longer there: absent, or without a value in all rows, from a moment on, or of one site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.segments import strongest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import LevelColumn, NumberColumn, View

FEWEST = 30  # rows in a row without a value; a batch that has fewer must lack all
USUALLY_THERE = 0.6  # most of the reference's rows that may be missing
ALL_BUT = 0.995  # share of a segment that is missing
SURPRISE = 25.0  # logarithm of how unlikely so many are
FLOOR = 0.002  # share of missing values that is thought possible where the reference has none


def empty_columns(view: View) -> Iterator[Cause]:
    """The columns that were usually there and are not."""
    for name in view.absent:
        yield view.cause("empty_column", (name,), None, "the reference has this column, the batch lacks it", 0.98)
    if not view.rows:
        return
    for numbers in view.numbers.values():
        if is_usually_there(numbers):
            yield from emptied(view, numbers.name, np.isnan(numbers.values), numbers.missing)
    for levels in view.levels.values():
        if is_usually_there(levels):
            yield from emptied(view, levels.name, levels.codes < 0, levels.missing)


def is_usually_there(column: NumberColumn | LevelColumn) -> bool:
    """Whether the column has a value in most of the reference's rows, and in each of its batches."""
    return column.missing <= USUALLY_THERE and column.most_missing < ALL_BUT


def emptied(view: View, name: str, missing: NDArray[np.bool_], usual: float) -> Iterator[Cause]:
    """The segment without a value, if it is too long for chance."""
    if missing.sum() < 5:
        return
    share = max(usual, FLOOR)
    scores = np.where(missing, float(np.log(0.99 / share)), float(np.log(0.01 / (1 - share))))
    segment = strongest(scores, np.arange(view.rows), view.rows, view.groups)
    count, held = int(missing[segment.rows].sum()), int(segment.rows.sum())
    enough = count >= FEWEST or (count == view.rows and count >= 5)
    if not enough or count < ALL_BUT * held or count * -np.log(share) - np.log(view.rows) < min(SURPRISE, 5.0 * held):
        return
    evidence = f"{count} of {held} rows have no value, where {usual:.1%} of the reference's rows have none"
    yield view.cause("empty_column", (name,), segment, evidence, 0.95 if share < 0.2 else 0.85)
