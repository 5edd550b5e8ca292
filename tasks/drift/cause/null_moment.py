"""A moment that stands for a missing one: one that many rows share, long before or after all of the reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.null_token import LEAST_WORDS, segment_of

if TYPE_CHECKING:
    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import MomentColumn, View

YEAR = 365.25 * 86_400
FEWEST = 5  # rows
ALMOST_ALL = 0.9  # of the rows as far away that have the one moment; others would come of another unit of time


def null_moments(view: View) -> Iterator[Cause]:
    """The columns of moments where one is farther from the reference than this is long, and than a year."""
    for column in view.moments.values():
        yield from shared_moment(view, column)


def shared_moment(view: View, column: MomentColumn) -> Iterator[Cause]:
    """A cause, if nearly all rows that lie so far away have one moment."""
    room = max(column.last - column.first, YEAR)
    away = column.values[(column.values < column.first - room) | (column.values > column.last + room)]
    if len(away) < max(FEWEST, LEAST_WORDS * view.rows):
        return
    moments, counts = np.unique(away, return_counts=True)
    most = int(np.argmax(counts))
    if counts[most] < ALMOST_ALL * len(away):
        return
    evidence = (
        f"{column.shown(moments[most])} stands in {counts[most] / view.rows:.1%} of the rows, where the reference goes "
        f"from {column.shown(column.first)} to {column.shown(column.last)}"
    )
    segment = segment_of(view, column.values == moments[most])
    yield view.cause("null_token", (column.name,), segment, evidence, 0.985)
