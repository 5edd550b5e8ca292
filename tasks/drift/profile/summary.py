"""What is kept of rows: counts per cell, and what describes them. Summaries add up, in any grouping and order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.profile.cells import Grid

    Counts = NDArray[np.int64]

K = TypeVar("K")
HOURS = 168  # of a week; hour 0 begins on Monday


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared deviations from it, least and greatest of finite numbers.

    Means and deviations are floating point: another order of the rows changes their last bits. No test reads them.

    Examples
    --------
    >>> Moments(2, 1.5, 0.5, 1.0, 2.0) + Moments(1, 6.0, 0.0, 6.0, 6.0)
    Moments(count=3, mean=3.0, deviations=14.0, least=1.0, greatest=6.0)
    """

    count: int = 0
    mean: float = 0.0
    deviations: float = 0.0
    least: float = float("inf")
    greatest: float = float("-inf")

    def __add__(self, other: Moments) -> Moments:
        """Add by the update of Chan, Golub and LeVeque (1983), doi:10.1080/00031305.1983.10483115."""
        if not self.count or not other.count:
            return other if not self.count else self
        count, apart = self.count + other.count, other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * other.count / count,
            self.deviations + other.deviations + apart**2 * self.count * other.count / count,
            min(self.least, other.least),
            max(self.greatest, other.greatest),
        )

    @property
    def sd(self) -> float:
        """Standard deviation; 0 of fewer than two values."""
        return float((self.deviations / (self.count - 1)) ** 0.5) if self.count > 1 else 0.0


@dataclass(frozen=True, eq=False)
class Summary:
    """Some rows, counted.

    Attributes
    ----------
    rows : int
    counts : mapping of column to array of int64
        Rows per cell of the column's cells in the grid.
    moments : mapping of column to Moments
        Of numeric columns; the blocks of a profile have none.
    outside : mapping of column to int
        Rows farther outside the reference's range than a tenth of it, or of a new level. Of a block of the reference:
        what would be so if all its other batches were the reference.
    time_of_week : array of int64, shape (168,), or None
        Rows per hour of the week, Monday's first; None where no column says when a row is from.
    start, end : float or None
        First and last moment, in seconds since 1970.
    co_missing : mapping of (column, column) to int
        Rows in which both are null; pairs without one are left out. A profile's block has only the grid's.
    breaks : mapping of column to str
        Columns that are absent or not of their type, and what was found. Their rows count as `invalid`, or as `new`.
    """

    rows: int
    counts: Mapping[str, Counts]
    moments: Mapping[str, Moments] = field(default_factory=dict)
    outside: Mapping[str, int] = field(default_factory=dict)
    time_of_week: Counts | None = None
    start: float | None = None
    end: float | None = None
    co_missing: Mapping[tuple[str, str], int] = field(default_factory=dict)
    breaks: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: Summary) -> Summary:
        """The rows of both. Counts are whole numbers, so the sum is exact and its order is of no matter."""
        return Summary(
            self.rows + other.rows,
            {name: counts + other.counts[name] for name, counts in self.counts.items()},
            {
                name: self.moments.get(name, Moments()) + other.moments.get(name, Moments())
                for name in keys_of(self.moments, other.moments)
            },
            summed(self.outside, other.outside),
            self.time_of_week if other.time_of_week is None else hours_of(self) + other.time_of_week,
            least(self.start, other.start),
            None if (found := least(negative(self.end), negative(other.end))) is None else -found,
            summed(self.co_missing, other.co_missing),
            {**self.breaks, **other.breaks},
        )


def empty_summary(grid: Grid) -> Summary:
    """No rows."""
    return Summary(0, {name: np.zeros(cells.size, dtype=np.int64) for name, cells in grid.columns.items()})


def hours_of(summary: Summary) -> Counts:
    """Rows per hour of the week, zeros where they are not known."""
    return np.zeros(HOURS, dtype=np.int64) if summary.time_of_week is None else summary.time_of_week


def keys_of(*mappings: Mapping[str, object]) -> list[str]:
    """The keys of all, in order."""
    return sorted({key for mapping in mappings for key in mapping})


def summed(one: Mapping[K, int], other: Mapping[K, int]) -> dict[K, int]:
    """Add per key."""
    return {key: one.get(key, 0) + other.get(key, 0) for key in [*one, *(key for key in other if key not in one)]}


def negative(value: float | None) -> float | None:
    """The value's negative, so that the least of some is the greatest."""
    return None if value is None else -value


def least(one: float | None, other: float | None) -> float | None:
    """The lesser of what is known."""
    known = [value for value in (one, other) if value is not None]
    return min(known) if known else None
