"""A column's reference beside its batch, in few enough rows to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.plots import Cell
from tasks.drift.profile import CategoryCells, NumericCells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.profile import Cells, Profile, Summary

    Counts = NDArray[np.int64]
    Shares = NDArray[np.float64]

SHOWN = 10  # ranges of a number, or levels of a category


def compared(profile: Profile, batch: Summary) -> dict[str, list[Cell]]:
    """Shares of reference and batch of each column, by ranges or levels."""
    total = profile.total.counts
    return {
        name: compared_cells(cells, total[name], batch.counts[name]) for name, cells in profile.grid.columns.items()
    }


def compared_cells(cells: Cells, reference: Counts, batch: Counts) -> list[Cell]:
    """Shares of one column; of missing and other such values only where there are some.

    Parameters
    ----------
    cells : NumericCells or CategoryCells
    reference, batch : arrays of int, shape (k,)
        Rows per cell.
    """
    shares = np.stack([counts / max(1, int(counts.sum())) for counts in (reference, batch)])
    if isinstance(cells, CategoryCells):
        return level_rows(["has a value"] * len(cells.levels) if cells.private else cells.levels, shares)
    return range_rows(cells, shares)


def level_rows(levels: Sequence[str], shares: Shares) -> list[Cell]:
    """The levels that most rows of either have; then the others, new ones and missing values."""
    size = len(levels)
    order = np.argsort(-shares[:, :size].max(axis=0), kind="stable")
    shown = sorted(order[:SHOWN].tolist())
    rest = sorted(order[SHOWN:].tolist())
    found = [Cell(levels[place], *shares[:, place].tolist()) for place in shown]
    others = shares[:, [*rest, size]].sum(axis=1)
    return found + present([("other levels", others), ("new levels", shares[:, size + 1]), ("missing", shares[:, -1])])


def range_rows(cells: NumericCells, shares: Shares) -> list[Cell]:
    """About equally frequent ranges; then missing and invalid values."""
    finite = shares[:, cells.finite]
    first = starts_of(finite[0] + finite[1] * 1e-9)  # where the reference has nothing, the batch decides
    sums = np.add.reduceat(finite, first, axis=1) if finite.shape[1] else finite
    names = range_names([cells.edges[place - 1] for place in first[1:]], cells.kind == "time")
    found = [Cell(name, *column.tolist()) for name, column in zip(names, sums.T, strict=True)]
    return found + present([("missing", shares[:, -2]), ("invalid", shares[:, -1])])


def starts_of(shares: Shares) -> NDArray[np.intp]:
    """Where to cut cells into at most `SHOWN` ranges of about equal share: the first cell of each.

    >>> starts_of(np.array([0.5, 0.0, 0.25, 0.25])).tolist()
    [0, 1, 3]
    """
    below = np.concatenate(([0.0], np.cumsum(shares)[:-1]))
    bucket = np.minimum(np.floor(below / max(shares.sum(), 1e-300) * SHOWN + 1e-9), SHOWN - 1)
    return np.flatnonzero(np.diff(bucket, prepend=-1.0) > 0)


def range_names(edges: Sequence[float], are_times: bool) -> list[str]:
    """What ranges between edges are called.

    >>> range_names([1.0, 2.5], are_times=False)
    ['below 1', '1 to 2.5', 'from 2.5']
    """
    told = [moment(edge) if are_times else f"{edge:.6g}" for edge in edges]
    if not told:
        return ["any value"]
    between = [f"{low} to {high}" for low, high in pairwise(told)]
    return [f"below {told[0]}", *between, f"from {told[-1]}"]


def moment(seconds: float) -> str:
    """Seconds since 1970 as a day.

    >>> moment(86400.0)
    '1970-01-02'
    """
    return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))


def present(rows: Sequence[tuple[str, Shares]]) -> list[Cell]:
    """Those of which reference or batch has some."""
    return [Cell(name, *shares.tolist()) for name, shares in rows if shares.any()]
