"""What a batch's column would be, had it not drifted: the fewest rows changed that give the reference's shares again.

Numbers are moved along in their order (the optimal transport of one dimension), so a row that was among the largest
still is. Categories, missing and invalid values keep as many rows as the reference has of them; only the surplus is
dealt out anew. Rows whose cell need not change keep their very value, so a column that did not drift hardly moves.

G. Peyré, M. Cuturi (2019), "Computational Optimal Transport", section 2.6, doi:10.1561/2200000073.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


def wanted_rows(shares: Floats, rows: int) -> Integers:
    """Whole rows for shares: the largest remainders are rounded up.

    Parameters
    ----------
    shares : array of float >= 0, shape (k,)
        Need not sum to 1; not all 0.
    rows : int

    Returns
    -------
    array of int, shape (k,)
        Sums to `rows`.

    Examples
    --------
    >>> wanted_rows(np.array([1.0, 1.0, 2.0]), 5).tolist()
    [1, 1, 3]
    """
    exact = shares * (rows / shares.sum())
    found: Integers = np.floor(exact).astype(np.int64)
    short = rows - int(found.sum())
    found[np.argsort(found - exact, kind="stable")[:short]] += 1
    return found


def reassigned(cells: Integers, wanted: Integers, seed: int) -> Integers:
    """Change as few rows' cells as gives each cell the rows that are wanted of it.

    Parameters
    ----------
    cells : array of int, shape (n,), in 0..k-1
    wanted : array of int, shape (k,)
        Sums to n.
    seed : int
        Of the draw among a cell's rows.

    Returns
    -------
    array of int, shape (n,)

    Examples
    --------
    >>> reassigned(np.array([0, 0, 0, 1]), np.array([1, 3]), seed=7).tolist().count(1)
    3
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    order = generator.permutation(len(cells))
    order = order[np.argsort(cells[order], kind="stable")]  # within a cell, at random
    counts = np.bincount(cells, minlength=len(wanted))
    place = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
    surplus = order[place >= np.repeat(wanted, counts)]
    lacking = np.repeat(np.arange(len(wanted)), np.maximum(wanted - counts, 0))
    found = cells.copy()
    found[generator.permutation(surplus)] = lacking
    return found


VALUED, MISSING, INVALID = 0, 1, 2


def restored_numbers(values: Floats, edges: Floats, counts: Floats, bounds: tuple[float, float], seed: int) -> Floats:
    """Give numbers the reference's distribution, each row as near to its own value as that allows.

    Parameters
    ----------
    values : array of float, shape (n,)
        NaN where missing, infinite where invalid.
    edges : array of float, shape (k,), ascending
        Of the cells: below the first, between neighbours, from the last on.
    counts : array of int or float, shape (k + 3,)
        The reference's rows of each cell, of missing and of invalid values; not all 0.
    bounds : (float, float)
        Least and greatest value of the reference: where its outermost cells end.
    seed : int
        Of the draws where rows are alike.

    Returns
    -------
    array of float, shape (n,)
        NaN where missing or invalid.

    Examples
    --------
    >>> edges, counts = np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 5.0, 5.0, 0.0, 0.0])
    >>> restored_numbers(np.array([100.0, 102.0, 103.0, 101.0]), edges, counts, (0.0, 4.0), seed=7).round(1).tolist()
    [0.5, 2.5, 3.5, 1.5]
    """
    kinds = np.where(np.isnan(values), MISSING, np.where(np.isinf(values), INVALID, VALUED))
    valued = counts[:-2]
    kinds_wanted = wanted_rows(np.array([valued.sum(), counts[-2], counts[-1]], dtype=np.float64), len(values))
    after = reassigned(kinds, kinds_wanted, seed)
    rows = np.flatnonzero(after == VALUED)
    found = np.full(len(values), np.nan)
    if len(rows):
        level = quantile_levels(np.where(np.isfinite(values), values, np.nan)[rows], seed)
        found[rows] = nearest_values(values[rows], level, edges, valued, bounds)
    return found


def quantile_levels(values: Floats, seed: int) -> Floats:
    """Where each value lies among all of them, 0 to 1; equal ones in random order, those without a value anywhere.

    >>> quantile_levels(np.array([30.0, 10.0]), seed=7).tolist()
    [0.75, 0.25]
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    shuffled = generator.permutation(len(values))
    unknown = np.isnan(values[shuffled])
    known = shuffled[~unknown]
    found = np.empty(len(values))
    found[shuffled[unknown]] = middles(int(unknown.sum()))
    found[known[np.argsort(values[known], kind="stable")]] = middles(len(known))
    return found


def middles(count: int) -> Floats:
    """Middles of so many equal parts of 0 to 1."""
    return (np.arange(count) + 0.5) / max(1, count)


def nearest_values(values: Floats, level: Floats, edges: Floats, counts: Floats, bounds: tuple[float, float]) -> Floats:
    """The reference's quantile at each level; a row that lies in that quantile's cell keeps its value."""
    reached = np.cumsum(counts) / counts.sum()
    cell = np.minimum(np.searchsorted(reached, level, side="right"), int(np.flatnonzero(counts)[-1]))
    below = np.concatenate([[0.0], reached])[cell]
    inside = (level - below) / (counts[cell] / counts.sum())
    low = np.minimum(np.concatenate([[bounds[0]], edges])[cell], bounds[1])
    high = np.maximum(np.concatenate([edges, [bounds[1]]])[cell], low)
    drawn = low + np.clip(inside, 0.0, 1.0) * (high - low)
    own = np.searchsorted(edges, values, side="right")
    inside_bounds = (values >= bounds[0]) & (values <= bounds[1])
    return np.where((own == cell) & inside_bounds, values, drawn)


def restored_categories(cells: Integers, counts: Floats, movable: Sequence[bool], seed: int) -> Integers:
    """Give categories the reference's shares, changing as few rows as that takes.

    Parameters
    ----------
    cells : array of int, shape (n,), in 0..k-1
    counts : array of int or float, shape (k,)
        The reference's rows of each cell.
    movable : sequence of bool, shape (k,)
        Cells that rows can be moved to: those that stand for one value. Others lose what is too much and gain nothing.
    seed : int

    Returns
    -------
    array of int, shape (n,)

    Examples
    --------
    >>> restored_categories(np.array([0, 0, 2, 2]), np.array([5.0, 5.0, 0.0]), [True, True, False], seed=7).tolist()
    [0, 0, 1, 1]
    """
    own = np.bincount(cells, minlength=len(counts))
    wanted = wanted_rows(np.asarray(counts, dtype=np.float64), len(cells))
    fixed = ~np.asarray(movable)
    wanted[fixed] = np.minimum(wanted, own)[fixed]
    free = np.where(fixed, 0.0, counts)
    if not free.sum():
        return cells
    wanted[~fixed] = wanted_rows(free[~fixed], len(cells) - int(wanted[fixed].sum()))
    return reassigned(cells, wanted, seed)


def spread(scores: Floats) -> float:
    """Standard deviation of predictions; of classes the root of half the mean squared distance from their mean.

    >>> spread(np.array([0.0, 2.0])), spread(np.array([[1.0, 0.0], [0.0, 1.0]]))
    (1.0, 0.5)
    """
    squared: Any = np.square(scores - scores.mean(axis=0))
    return float(np.sqrt(squared.mean() if scores.ndim == 1 else squared.sum(axis=1).mean() / 2))


def mean_move(before: Floats, after: Floats) -> float:
    """Mean absolute change of predictions; of classes half the sum over them, the share of probability that moved.

    >>> mean_move(np.array([0.0, 2.0]), np.array([1.0, 2.0])), mean_move(np.eye(2), np.eye(2)[::-1])
    (0.5, 1.0)
    """
    change = np.abs(after - before)
    return float(change.mean() if before.ndim == 1 else change.sum(axis=1).mean() / 2)
