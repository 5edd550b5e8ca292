"""What a batch's mean may be by chance: the spread of the reference's own stretches of about its size.

Rows in time order are alike, so a batch's mean varies more than as many rows drawn one by one would. Here whole
stretches of the history are compared with the rest of it, as the batch is compared with all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.profile.profile import Profile

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

LEAST_STRETCHES = 3
PARTS = 8  # of a history that is too short for stretches of a batch's size


@dataclass(frozen=True)
class ExponentialTail:
    """The distribution of one more value beyond a bound that `held` values passed: Pareto's.

    An exponential becomes that when its scale is estimated. A normal sample has a shorter tail, so there it errs on
    the quiet side: of values that are normal or skewed by 1 it was passed 0.3 to 1.2 times as often as it says, where
    Student's t was passed up to 9 times as often.
    """

    bound: float
    scale: float
    held: int
    share: float

    def p_value(self, found: float) -> float:
        """Probability of a value at least as large, above the bound."""
        if not self.scale:
            return 0.0
        beyond = float(1 + (found - self.bound) / (self.held * self.scale))
        return float(self.share * beyond**-self.held)

    def threshold(self, alpha: float) -> float:
        """The value that is exceeded with a probability below the share of those above the bound."""
        return self.bound + self.held * self.scale * float((self.share / alpha) ** (1 / self.held) - 1)


@dataclass(frozen=True)
class Null:
    """Values that a statistic took on quiet stretches of the history, and what they say of a new one.

    Attributes
    ----------
    values : array of float, shape (k,)
        k >= `LEAST_STRETCHES`.
    """

    values: Floats

    def p_value(self, found: float) -> float:
        """How often a quiet batch would reach a statistic: by rank, beyond the history by a fitted tail.

        Above all k values the rank only says "at most 1 / (k + 1)"; the tail says how much less.

        Examples
        --------
        >>> null = Null(np.array([0.50, 0.51, 0.49, 0.52]))
        >>> null.p_value(0.505), round(null.p_value(0.60), 4)
        (0.6, 0.0264)
        """
        rank = (1 + int(np.count_nonzero(self.values >= found))) / (len(self.values) + 1)
        if found <= self.values.max():
            return rank
        return min(rank, self.tail.p_value(found))

    def threshold(self, alpha: float) -> float:
        """The value that a quiet batch exceeds with probability `alpha`: by rank where the history has enough of them.

        Between two ranks the threshold lies as on a logarithmic scale of ranks, which is that of an exponential tail.

        References
        ----------
        The rank is exact where batch and stretches are exchangeable: V. Vovk, A. Gammerman, G. Shafer (2005),
        "Algorithmic Learning in a Random World", chapter 2.

        Examples
        --------
        >>> null = Null(np.array([0.50, 0.51, 0.49, 0.52]))
        >>> round(null.threshold(0.2), 3), round(null.threshold(0.4), 3), round(null.threshold(0.01), 2)
        (0.52, 0.51, 0.66)
        """
        k, rank = len(self.values), self.rank(alpha)
        if rank >= 1:
            return float(np.interp(np.log(rank), np.log(np.arange(1, k + 1)), np.sort(self.values)[::-1]))
        return max(self.tail.threshold(alpha), float(self.values.max()))

    def rank(self, alpha: float) -> float:
        """Which of the largest values is passed with probability `alpha`, counted from 1; below 1 none is."""
        return alpha * (len(self.values) + 1) + 1e-9

    @property
    def tail(self) -> ExponentialTail:
        """What the largest quarter of the values says of greater ones."""
        ordered, k = np.sort(self.values)[::-1], len(self.values)
        held = min(max(3, k // 4), k - 1)
        bound = float(ordered[held])
        return ExponentialTail(bound, float(ordered[:held].mean()) - bound, held, held / (k + 1))

    def widened(self, alpha: float) -> str | None:
        """What is said where the history is too short for `alpha` to be read off it."""
        k = len(self.values)
        if self.rank(alpha) >= 1:
            return None
        return (
            f"{k} stretches of history cannot show what happens once in {1 / alpha:.0f} batches: the threshold "
            f"{self.threshold(alpha):.4g} is a fitted tail's, beyond the greatest value seen, {self.values.max():.4g}"
        )


@dataclass(frozen=True)
class CountedMeans:
    """Means of a column over stretches of the history, of which only counts per cell are kept.

    Attributes
    ----------
    edges : array of float, shape (c - 1,), ascending
        Of the cells, as `numpy.searchsorted(edges, values, side="right")` numbers them.
    values : array of float, shape (c,)
        What a row of each cell counts as.
    rows : array of int, shape (b, c)
        Rows per block, in order of time, and cell.
    """

    edges: Floats
    values: Floats
    rows: Integers

    @property
    def mean(self) -> float:
        """Mean over the whole history."""
        counts = self.rows.sum(axis=0)
        return float((counts * self.values).sum() / counts.sum())

    def mean_of(self, numbers: Floats) -> float:
        """Mean of some rows, counted in the same cells."""
        return float(self.values[np.searchsorted(self.edges, numbers, side="right")].mean())

    def part_like(self, rows: int) -> int:
        """How many rows a stretch has that is held against the rest: as many, or fewer where the history is short.

        Means of fewer rows vary more, so the interval is too wide then, never too narrow.
        """
        total = int(self.rows.sum())
        return rows if total >= (LEAST_STRETCHES + 1) * rows else max(1, min(rows, total // PARTS))

    def deviations(self, rows: int) -> Floats:
        """How far means of so many rows are from the mean of the rest of the history; shape (k,).

        Neighbouring blocks are joined to stretches of about so many rows. One that is longer varies less: it is
        stretched by the root of its length, as for rows that know nothing of each other. Where neighbours are alike,
        that is too wide, never too narrow.
        """
        block_rows, block_sums = self.rows.sum(axis=1), (self.rows * self.values).sum(axis=1)
        own = joined(block_rows, block_sums, rows)
        rest_rows, rest_sums = block_rows.sum() - own[:, 0], block_sums.sum() - own[:, 1]
        own, rest_rows, rest_sums = (part[rest_rows > 0] for part in (own, rest_rows, rest_sums))
        apart = own[:, 1] / own[:, 0] - rest_sums / rest_rows
        return np.asarray(apart * np.sqrt(np.maximum(own[:, 0] / rows, 1.0)))


def joined(rows: Integers, sums: Floats, wanted: int) -> Floats:
    """Join neighbouring blocks to stretches of so many rows, but for half a block: their rows and sums, shape (k, 2).

    What is left at the end is left out.

    >>> joined(np.array([4, 4, 4, 1]), np.array([2.0, 4.0, 3.0, 9.0]), 9).tolist()
    [[8.0, 6.0]]
    """
    found, counted, total = [], 0, 0.0
    for block_rows, block_sum in zip(rows.tolist(), sums.tolist(), strict=True):
        counted, total = counted + block_rows, total + block_sum
        if counted > 0 and counted >= wanted - block_rows / 2:
            found.append((counted, total))
            counted, total = 0, 0.0
    return np.asarray(found, dtype=np.float64).reshape(-1, 2)


def cell_values(edges: Floats, counts: Integers, least: float, mean: float) -> Floats:
    """What a row of each cell counts as: the cell's middle, and in the last what makes the reference's mean right.

    A loss is skewed: most of its sum may lie in its last cell, whose middle says nothing.

    Parameters
    ----------
    edges : array of float, shape (c - 1,), ascending
    counts : array of int, shape (c,)
        The reference's rows.
    least : float
        The least value of the reference.
    mean : float
        Of the reference.

    Returns
    -------
    array of float, shape (c,)

    Examples
    --------
    >>> cell_values(np.array([1.0, 2.0]), np.array([2, 1, 1]), 0.0, 2.0).tolist()
    [0.5, 1.5, 5.5]
    """
    if not len(edges):
        return np.array([mean])
    low = np.concatenate([[min(least, edges[0])], edges])
    values = np.concatenate([(low[:-1] + low[1:]) / 2, [edges[-1]]])
    if counts[-1]:
        needed = (mean * counts.sum() - (counts[:-1] * values[:-1]).sum()) / counts[-1]
        values[-1] = max(float(needed), float(edges[-1]))
    return np.asarray(values)


def counted_means(profile: Profile, column: str) -> CountedMeans | None:
    """What a profile knows of the means of a numeric column over its history; None where it knows nothing."""
    from tasks.drift.profile.cells import NumericCells

    cells, moments = profile.grid.columns.get(column), profile.total.moments.get(column)
    if not isinstance(cells, NumericCells) or moments is None or not moments.count or not profile.blocks:
        return None
    rows = np.array([block.summary.counts[column][cells.finite] for block in profile.blocks])
    values = cell_values(cells.edges, profile.total.counts[column][cells.finite], moments.least, moments.mean)
    return CountedMeans(cells.edges, values, rows)
