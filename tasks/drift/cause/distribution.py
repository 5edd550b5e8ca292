"""The reference's distribution of one numeric column, as counts between edges, and how far other values are from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FLOOR = 1e-6  # share of the rows that a cell is thought to hold where the reference has none
EXACT = 1e-9  # relative room for the last bits of a conversion
MOST_DECIMALS = 6


@dataclass(frozen=True)
class Distribution:
    """Counts of a column's values in cells.

    Attributes
    ----------
    edges : array of float, shape (k,), ascending
    counts : array of int, shape (k + 1,)
        Values below the first edge, from each edge on up to the next, and from the last one on.
    low, high : float
        Least and greatest value; NaN where there is none.
    """

    edges: Floats
    counts: NDArray[np.int64]
    low: float
    high: float

    @property
    def rows(self) -> int:
        """How many values there are."""
        return int(self.counts.sum())

    @cached_property
    def below(self) -> Floats:
        """Share of the values below each edge."""
        return np.asarray(np.cumsum(self.counts)[:-1] / max(1, self.rows), dtype=np.float64)

    @cached_property
    def bounds(self) -> Floats:
        """The ends of all cells, shape (k + 2,)."""
        low = min(self.low, self.edges[0]) if len(self.edges) else self.low
        high = max(self.high, self.edges[-1]) if len(self.edges) else self.high
        return np.concatenate([[low], self.edges, [high]])

    @cached_property
    def log_densities(self) -> Floats:
        """Logarithm of the density in each cell."""
        widths = np.maximum(np.diff(self.bounds), 1e-9 * max(1e-9, self.high - self.low, abs(self.high)))
        shares = np.maximum(self.counts / max(1, self.rows), FLOOR)
        return np.asarray(np.log(shares / widths), dtype=np.float64)

    def log_density(self, values: Floats) -> Floats:
        """Logarithm of the density at each value; outside the range it falls as the square of the distance."""
        inside = (values >= self.low) & (values <= self.high)
        found = self.log_densities[np.searchsorted(self.edges, values, side="right")]
        reach = max(self.high - self.low, abs(self.high) * EXACT, 1e-300)
        away = np.maximum(self.low - values, values - self.high)
        outside = np.log(FLOOR / reach) - 2 * np.log1p(np.maximum(away, 0.0) / reach)
        return np.where(np.isnan(values), np.nan, np.where(inside, found, outside))

    def quantiles(self, shares: Floats, below: Floats | None = None) -> Floats:
        """The values below which the shares lie, along straight lines within cells; of other counts where given."""
        cumulative = np.concatenate([[0.0], self.below if below is None else below, [1.0]])
        return np.interp(shares, cumulative, self.bounds)


def share_below(values: Floats, edges: Floats, room: float = 0.0) -> tuple[Floats, Floats]:
    """Share of the values below each edge, at least and at most, where each value may be off by `room`."""
    ordered = np.sort(values)
    slack = room + EXACT * np.abs(edges)
    least = np.searchsorted(ordered, edges - slack, side="left") / max(1, len(values))
    most = np.searchsorted(ordered, edges + slack, side="left") / max(1, len(values))
    return least, most


def distance(below: tuple[Floats, Floats], other: Floats) -> float:
    """The greatest difference between two cumulative distributions at the edges (Kolmogorov, Smirnov).

    Parameters
    ----------
    below : two arrays of float, shape (k,)
        As `share_below` gives them.
    other : array of float, shape (k,)
    """
    least, most = below
    return float(np.maximum(least - other, other - most).max(initial=0.0))


def rounding(values: Floats) -> float:
    """By how much a value may have been rounded: half of the last decimal that is written, 0 of plain doubles.

    >>> rounding(np.array([1.25, 3.5]))
    0.005
    """
    if not len(values):
        return 0.0
    for decimals in range(MOST_DECIMALS + 1):
        scaled = values * 10.0**decimals
        if np.all(np.abs(scaled - np.round(scaled)) <= 1e-6 * np.maximum(1.0, np.abs(scaled) * 1e-6)):
            return float(0.5 * 10.0**-decimals)
    return 0.0
