"""Cells: what a column's values are counted into, the same for the reference and for every batch.

Numbers are counted in cells between edges that lie near quantiles of the reference. All edges of a column are whole
multiples of a power of two, so a value is scaled without rounding, and its cell is a lookup on a uniform grid: no
search, no sort, and yet to the last bit the cell that a binary search would find. (Only a number so small that it
vanishes beside the width of a cell counts as 0.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

Role = Literal["feature", "prediction", "decision", "target", "loss"]
NUMBER_CELLS = 32
LEVEL_CELLS = 32
GRID_CELLS = 2048  # of the uniform grid, at least, between the 0.1 % and the 99.9 % quantile
TAIL = 0.001
HUGE, FINEST = 2.0**1000, -900  # edges stay below, and steps above, what a power of two scales without loss
FAR = 0.1  # farther outside the reference's range than this share of it is out of range


@dataclass(frozen=True, eq=False)
class NumericCells:
    """Cells of numbers, or of moments as seconds since 1970.

    Attributes
    ----------
    edges : array of float64, shape (k,), ascending
        Whole multiples of `2**exponent`. Cell 0 holds x < edges[0], cell j holds edges[j-1] <= x < edges[j].
    exponent : int
    least, greatest : float or None
        The reference's range; None where it has no finite value.
    kind : "number" or "time"
        A batch's column of the other kind is a break.
    """

    edges: Floats
    exponent: int = 0
    least: float | None = None
    greatest: float | None = None
    kind: Literal["number", "time"] = "number"

    @property
    def size(self) -> int:
        """Length of the counts: k + 1 cells of finite values, then `missing` (null), then `invalid` (nan, inf)."""
        return len(self.edges) + 3

    @property
    def finite(self) -> slice:
        """The cells of finite values."""
        return slice(0, len(self.edges) + 1)

    @cached_property
    def places(self) -> Counts:
        """The edges as numbers of cells of the uniform grid."""
        return np.asarray(np.ldexp(self.edges, -self.exponent), dtype=np.int64)

    @property
    def far(self) -> tuple[float, float]:
        """Bounds that a value passes when it is out of range."""
        if self.least is None or self.greatest is None:
            return -np.inf, np.inf
        room = FAR * (self.greatest - self.least) or FAR * abs(self.least) or FAR
        return self.least - room, self.greatest + room

    def count(self, values: Floats) -> Counts:
        """Count finite values per cell, as `numpy.searchsorted(edges, values, side="right")` would; shape (k + 1,)."""
        if not len(self.edges):
            return np.array([len(values)])
        first, last = float(self.places[0] - 1), float(self.places[-1])
        with np.errstate(over="ignore"):
            scaled = values * np.ldexp(1.0, -self.exponent)
        np.floor(scaled, out=scaled)
        np.maximum(scaled, first, out=scaled)
        np.minimum(scaled, last, out=scaled)
        scaled -= first
        fine = np.bincount(scaled.astype(np.intp), minlength=int(last - first) + 1)
        return np.add.reduceat(fine, np.concatenate(([0], self.places - int(first))))


@dataclass(frozen=True, eq=False)
class CategoryCells:
    """Cells of a category: one per frequent level, then `rest` (other levels of the reference), `new`, and `missing`.

    Attributes
    ----------
    levels : tuple of str
        Most frequent first. Those of a private column are hashes.
    known : array of uint64, ascending
        Hashes of the reference's other levels.
    told : bool
        Whether new levels are told from rare ones: False where the reference has too many levels to keep.
    private : bool
    """

    levels: tuple[str, ...]
    known: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    told: bool = True
    private: bool = False

    @property
    def size(self) -> int:
        """Length of the counts."""
        return len(self.levels) + 3

    @cached_property
    def places(self) -> dict[str, int]:
        """Cell of each frequent level."""
        return {level: place for place, level in enumerate(self.levels)}

    def cells_of(self, levels: Sequence[str]) -> NDArray[np.intp]:
        """The cell of each of some levels, shape (n,)."""
        shown = [concealed(level) for level in levels] if self.private else levels
        cells = np.array([self.places.get(level, -1) for level in shown], dtype=np.intp)
        others = np.flatnonzero(cells < 0)
        hashes = hashes_of([levels[place] for place in others.tolist()])
        is_known = np.isin(hashes, self.known) if self.told else np.ones(len(hashes), dtype=bool)
        cells[others] = np.where(is_known, len(self.levels), len(self.levels) + 1)
        return cells


Cells = NumericCells | CategoryCells


def null_cell(cells: Cells) -> int:
    """Where a column's counts have its nulls."""
    return -2 if isinstance(cells, NumericCells) else -1


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of all columns.

    Attributes
    ----------
    columns : mapping of str to NumericCells or CategoryCells
        By name, in order of name.
    roles : mapping of str to str
        What each column is to the model.
    time : str or None
        The column that says when a row is from.
    together : tuple of (str, str)
        Columns whose values are missing together: an earlier one by name, and a later one that has no other partner.
    """

    columns: Mapping[str, Cells]
    roles: Mapping[str, Role]
    time: str | None = None
    together: tuple[tuple[str, str], ...] = ()


def hashes_of(levels: Sequence[str]) -> NDArray[np.uint64]:
    """64 bits of BLAKE2b of each level: among a million levels two are the same with a chance of 3e-8."""
    digests = b"".join(blake2b(level.encode("utf-8", "surrogatepass"), digest_size=8).digest() for level in levels)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def concealed(level: str) -> str:
    """What stands for a private level.

    >>> concealed("Ann")
    '#57bbf9d03acd3cac'
    """
    return f"#{int(hashes_of([level])[0]):016x}"


def numeric_cells(values: Floats, least: float | None, greatest: float | None, kind: str = "number") -> NumericCells:
    """Lay cells for a column of numbers.

    Parameters
    ----------
    values : array of float, shape (n,)
        A sample of the reference, finite.
    least, greatest : float or None
        Its whole range.

    Examples
    --------
    >>> numeric_cells(np.array([1.0, 1.0, 2.0, 4.0]), 1.0, 4.0).edges.tolist()
    [2.0, 4.0]
    >>> cells = numeric_cells(np.array([5.0, 5.0]), 5.0, 5.0)  # cells below, at and above the one value
    >>> cells.count(np.array([4.9, 5.0, 5.1])).tolist()
    [1, 1, 1]
    """
    ordered = np.clip(np.sort(values), -HUGE, HUGE)
    if not len(ordered):
        return NumericCells(np.empty(0), 0, least, greatest, "time" if kind == "time" else "number")
    distinct = np.unique(ordered)
    if 1 < len(distinct) <= NUMBER_CELLS and fits_grid(distinct):
        exponent = grid_exponent(float(np.diff(distinct).min()), distinct)
        places = np.floor(np.ldexp(distinct[1:], -exponent))
    else:
        exponent, places = at_quantiles(ordered)
    edges = np.ldexp(np.unique(places), exponent)
    return NumericCells(edges, exponent, least, greatest, "time" if kind == "time" else "number")


def fits_grid(distinct: Floats) -> bool:
    """Whether a uniform grid can tell a few distinct values apart without being large."""
    gap = float(np.diff(distinct).min())
    return gap > 0 and float(distinct[-1] - distinct[0]) / gap < 2**15


def grid_exponent(step: float, values: Floats) -> int:
    """The greatest power of two up to a step; not so small that values are no exact multiples of it any more."""
    largest = float(np.abs(values).max())
    finest = int(np.frexp(largest)[1]) - 51 if largest else FINEST
    return max(int(np.frexp(step)[1]) - 1, finest, FINEST)


def at_quantiles(ordered: Floats) -> tuple[int, Floats]:
    """Edges at quantiles, and around single values that hold many rows; as an exponent and places on its grid."""
    low, high = np.quantile(ordered, [TAIL, 1 - TAIL], method="inverted_cdf")
    wanted = np.quantile(ordered, np.arange(1, NUMBER_CELLS) / NUMBER_CELLS, method="inverted_cdf")
    span = float(high - low) or float(abs(high)) or 1.0
    exponent = grid_exponent(span / GRID_CELLS, np.array([low, high]))
    places = np.floor(np.ldexp(wanted, -exponent))
    heavy = places[:-1][places[1:] == places[:-1]]
    return exponent, np.concatenate((places, heavy + 1))
