"""What a batch's mean may be by chance: the spread of the reference's own stretches of about its size.

Rows in time order are alike, so a batch's mean varies more than as many rows drawn one by one would. Here whole
stretches of the history are compared with the rest of it, as the batch is compared with all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.profile.profile import Profile

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

LEAST_STRETCHES = 3


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

        Above all k values the rank only says "at most 1 / (k + 1)"; then Student's t with k - 1 degrees of freedom says
        how far above, never more than the rank does.

        References
        ----------
        The rank is exact where batch and stretches are exchangeable: V. Vovk, A. Gammerman, G. Shafer (2005),
        "Algorithmic Learning in a Random World", chapter 2. The tail is the classical prediction interval for one more
        observation of a normal sample.

        Examples
        --------
        >>> null = Null(np.array([0.50, 0.51, 0.49, 0.52]))
        >>> null.p_value(0.505), round(null.p_value(0.60), 4)
        (0.6, 0.0028)
        """
        rank = (1 + int(np.count_nonzero(self.values >= found))) / (len(self.values) + 1)
        return rank if found <= self.values.max() else min(rank, self.tail(found))

    def tail(self, found: float) -> float:
        """The fitted upper tail."""
        from scipy.special import stdtr

        scale = self.scale()
        return float(stdtr(len(self.values) - 1, -(found - self.values.mean()) / scale)) if scale else 0.0

    def scale(self) -> float:
        """Standard deviation of the distance of one more value from the mean of these."""
        return float(self.values.std(ddof=1)) * math.sqrt(1 + 1 / len(self.values))

    def threshold(self, alpha: float) -> float:
        """The value that a quiet batch exceeds with probability `alpha`: by rank where the history has enough of them.

        >>> null = Null(np.array([0.50, 0.51, 0.49, 0.52]))
        >>> null.threshold(0.25), round(null.threshold(0.01), 3)
        (0.52, 0.57)
        """
        from scipy.special import stdtrit

        k = len(self.values)
        if alpha * (k + 1) >= 1:
            return float(np.sort(self.values)[k - int(alpha * (k + 1) + 1e-9)])
        fitted = float(self.values.mean()) + self.scale() * float(stdtrit(k - 1, 1 - alpha))
        return max(fitted, float(self.values.max()))

    def widened(self, alpha: float) -> str | None:
        """What is said where the history is too short for `alpha` to be read off it."""
        k = len(self.values)
        if alpha * (k + 1) >= 1:
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

    def deviations(self, rows: int) -> Floats:
        """How far means of so many rows are from the mean of the rest of the history; shape (k,).

        Neighbouring blocks are joined to stretches of at least so many rows. A longer stretch varies less: it is
        stretched by the root of its length, as for rows that know nothing of each other. Where neighbours are alike,
        that is too wide, never too narrow.
        """
        block_rows, block_sums = self.rows.sum(axis=1), (self.rows * self.values).sum(axis=1)
        own = joined(block_rows, block_sums, rows)
        rest_rows, rest_sums = block_rows.sum() - own[:, 0], block_sums.sum() - own[:, 1]
        own, rest_rows, rest_sums = (part[rest_rows > 0] for part in (own, rest_rows, rest_sums))
        apart = own[:, 1] / own[:, 0] - rest_sums / rest_rows
        return np.asarray(apart * np.sqrt(own[:, 0] / rows))


def joined(rows: Integers, sums: Floats, least: int) -> Floats:
    """Join neighbouring blocks to stretches of at least some rows: their rows and sums, shape (k, 2).

    What is left at the end is left out.

    >>> joined(np.array([2, 2, 3, 1]), np.array([2.0, 4.0, 3.0, 9.0]), 3).tolist()
    [[4.0, 6.0], [3.0, 3.0]]
    """
    found, counted, total = [], 0, 0.0
    for block_rows, block_sum in zip(rows.tolist(), sums.tolist(), strict=True):
        counted, total = counted + block_rows, total + block_sum
        if counted >= least:
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
