"""What an encoding is made of: how many rows a level has, the mean of their targets, and how far they spread.

Sums of cells can be added to each other here; none is ever subtracted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Moments(NamedTuple):
    """Sums over rows; arrays that broadcast to (outputs, levels)."""

    rows: Floats
    mean: Floats
    squares: Floats  # sum of squared deviations from `mean`


class Counts:
    """Rows of each class and level: whole numbers, so sums are exact in any order."""

    def __init__(self, counts: NDArray[np.integer[Any]]) -> None:
        self.counts = counts  # shape (classes, levels), or (classes, cells, levels)

    @classmethod
    def of(cls, counts: NDArray[np.integer[Any]], cells: int) -> Counts:
        """All cells of a block."""
        return cls(counts.reshape(-1, cells, counts.shape[1]))

    def __getitem__(self, cell: int) -> Counts:
        return Counts(self.counts[:, cell])

    def nothing(self) -> Counts:
        """The sum of no cell."""
        return Counts(np.zeros((len(self.counts), self.counts.shape[2]), dtype=self.counts.dtype))

    def add(self, more: Counts) -> None:
        """Add a cell, or a sum of some."""
        self.counts += more.counts

    def moments(self) -> Moments:
        """Of the share of each class, or of class 1 where there are two."""
        rows = self.counts.sum(axis=0, dtype=np.float64)
        ones = (self.counts[1:] if len(self.counts) == 2 else self.counts).astype(np.float64)
        mean = ones / np.maximum(rows, 1)
        return Moments(rows, mean, mean * (rows - ones))


class Numbers:
    """Rows of each level, the mean of their targets, and squared deviations from it where they are wanted.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque (1983), "Algorithms for computing the sample variance",
    doi:10.1080/00031305.1983.10483115.
    """

    def __init__(self, rows: Floats, mean: Floats, squares: Floats | None) -> None:
        self.rows, self.mean, self.squares = rows, mean, squares  # shape (levels,), or (cells, levels)

    @classmethod
    def of(cls, rows: Floats, sums: Floats, squares: Floats | None = None) -> Numbers:
        """All cells of a block."""
        return cls(rows, sums / np.maximum(rows, 1), squares)

    def __getitem__(self, cell: int) -> Numbers:
        return Numbers(self.rows[cell], self.mean[cell], None if self.squares is None else self.squares[cell])

    def nothing(self) -> Numbers:
        """The sum of no cell."""
        rows, mean, squares = np.zeros((3, self.rows.shape[1]))
        return Numbers(rows, mean, None if self.squares is None else squares)

    def add(self, more: Numbers) -> None:
        """Add a cell, or a sum of some."""
        together = self.rows + more.rows
        apart = more.mean - self.mean
        step = apart * (more.rows / np.maximum(together, 1))
        if self.squares is not None and more.squares is not None:
            self.squares += more.squares
            self.squares += apart * step * self.rows
        self.mean += step
        self.rows = together

    def moments(self) -> Moments:
        """Of the target."""
        squares = np.zeros_like(self.mean) if self.squares is None else self.squares.copy()
        return Moments(self.rows, self.mean[None].copy(), squares[None])


def shrunken_means(found: Moments, everything: Moments, smooth: float | Literal["auto"]) -> Floats:
    """Encoding of each level: its mean, shrunk towards the mean of all rows.

    Parameters
    ----------
    found : Moments, shape (outputs, levels)
    everything : Moments, shape (outputs, 1)
        All rows; their mean is the prior, and the encoding of a level without rows. Without a row all is NaN.
    smooth : float >= 0, or "auto"
        Weight of the prior, in rows. "auto" weighs by the variance within the level against that of all rows.

    Returns
    -------
    array of float, shape (outputs, levels)

    References
    ----------
    D. Micci-Barreca (2001), doi:10.1145/507533.507538, in the form of scikit-learn's TargetEncoder.
    """
    prior = everything.mean if everything.rows[0] else np.full_like(everything.mean, np.nan)
    if smooth == "auto":
        weight = everything.squares / np.maximum(everything.rows, 1) * np.square(found.rows)
        total = weight + found.squares
    else:
        weight = np.broadcast_to(found.rows, found.mean.shape)
        total = weight + smooth
    trust = np.divide(weight, total, out=np.zeros_like(found.mean), where=total > 0)
    encodings: Floats = np.where(found.rows > 0, trust * found.mean + (1 - trust) * prior, prior)
    return encodings
