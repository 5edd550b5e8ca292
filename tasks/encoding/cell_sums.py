"""What one pass over a column keeps: sums of the target per level and cell, which can be added up in any grouping.

A cell is a set of rows whose targets are seen together or not at all. An encoding is made from the sum of the cells
that it may see, in an order that only the plan decides, never from a total minus the rest: the subtraction leaves
rounding errors that carry the hidden rows' targets. Sums of partitions are added up in the order of the partitions.

For classes the sums are counts, so they are exact in whatever order they are made. For numbers they are rows, sum and
squared deviations from the mean, which do not cancel as sums of squares do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.encoding.moments import Counts, Moments, Numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]

LEAST_BINS = 2**20  # so many bins are counted into at a time, or twice as many as there are rows


class Items(NamedTuple):
    """What is added up: rows of a table, or sums of partitions, in order.

    Attributes
    ----------
    level : array of int, shape (m,)
    bin : array of int, shape (m,)
        The cell; for classes the class times the number of cells, and the cell.
    rows : array of float, shape (m,), or None
        How many rows an item is; None where each is one.
    sums : array of float, shape (m,), or None
        Of the target; None for classes.
    squares : array of float, shape (m,), or None
        Sum of squared deviations from the item's own mean; None for single rows and classes.
    """

    level: Integers
    bin: Integers
    rows: Floats | None = None
    sums: Floats | None = None
    squares: Floats | None = None

    def chosen(self, which: Integers | slice) -> Items:
        """Some of the items, in the order given."""
        return Items(*(None if values is None else values[which] for values in self))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Block:
    """The sums of a range of levels.

    Attributes
    ----------
    first, width : int
        The range of levels.
    place : array of int, shape (b,), or None
        Where each occupied bin stands in an array of shape (bins, width), ascending. None where the sums are that whole
        array: it takes less room once it is half full.
    sums : arrays of shape (b,)
        Counts for classes; rows, sum and squared deviations for numbers.
    """

    first: int
    width: int
    place: Integers | None
    sums: tuple[NDArray[Any], ...]

    def dense(self, bins: int, kinds: int) -> list[NDArray[Any]]:
        """The first kinds of sums, those of bins without rows included; arrays of shape (bins, width)."""
        return [self.spread_out(values, bins).reshape(bins, self.width) for values in self.sums[:kinds]]

    def spread_out(self, values: NDArray[Any], bins: int) -> NDArray[Any]:
        """One kind of sums with those of bins without rows."""
        if self.place is None:
            return values
        array = np.zeros(bins * self.width, dtype=values.dtype)
        array[self.place] = values
        return array


@dataclass(frozen=True)
class CellSums:
    """Sums of the target per level and cell of one column.

    Attributes
    ----------
    levels, cells : int
        How many there are; a missing value is a level.
    classes : int or None
        Of the target; None for numbers.
    blocks : tuple of Block
        By range of levels, ascending.
    """

    levels: int
    cells: int
    classes: int | None
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, items: Items, levels: int, cells: int, classes: int | None) -> CellSums:
        """Add up rows of a table, or sums of partitions, in their order.

        Memory is bounded by the number of items, however many levels and cells there are: levels are taken in ranges.
        """
        bins = (classes or 1) * cells
        width = min(levels, max(1, max(LEAST_BINS, 2 * len(items.level)) // bins))
        if width == levels:
            return cls(levels, cells, classes, (block_of(items, 0, width, bins),))
        ordered, blocks = items.chosen(np.argsort(items.level, kind="stable")), []
        for first in range(0, levels, width):
            size = min(width, levels - first)
            start, end = np.searchsorted(ordered.level, (first, first + size))
            blocks.append(block_of(ordered.chosen(slice(start, end)), first, size, bins))
        return cls(levels, cells, classes, tuple(blocks))

    def items(self) -> Items:
        """The sums of all occupied bins, to be added up again; see `of`."""
        columns = []
        for block in self.blocks:
            place = np.flatnonzero(block.sums[0]) if block.place is None else block.place
            bins, level = np.divmod(place, block.width)
            chosen = slice(None) if block.place is not None else place
            columns.append([level + block.first, bins, *(values[chosen].astype(np.float64) for values in block.sums)])
        return Items(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))

    def moments(self, sees: NDArray[np.bool_], *, spread: bool) -> Iterator[tuple[int, slice, Moments]]:
        """Rows, mean and squared deviations of each level, made from the cells that each context sees.

        Parameters
        ----------
        sees : array of bool, shape (contexts, cells)
        spread : bool
            Whether squared deviations are wanted; zeros are given otherwise.

        Yields
        ------
        (int, slice, Moments)
            Number of a context, a range of levels, and their moments, which broadcast to (outputs, levels): one output,
            or one per class where there are more than two.
        """
        cells_of, seen = groups_of(sees)
        order = sorted(range(len(seen)), key=seen.__getitem__)  # a context that goes on with another comes after it
        for block in self.blocks:
            dense = block.dense((self.classes or 1) * self.cells, 3 if spread else 2)
            cells: Any = Counts.of(dense[0], self.cells) if self.classes else Numbers.of(*dense)
            groups = [summed(cells, members) for members in cells_of]
            running = cells.nothing()
            added: list[int] = []
            for context in order:
                if seen[context][: len(added)] != added:
                    running, added = cells.nothing(), []
                for group in seen[context][len(added) :]:
                    running.add(groups[group])
                added = seen[context]
                yield context, slice(block.first, block.first + block.width), running.moments()


def groups_of(sees: NDArray[np.bool_]) -> tuple[list[list[int]], list[list[int]]]:
    """Put cells that no context tells apart into one group, so that they are added up once.

    Returns
    -------
    list of list of int
        The cells of each group, ascending; groups by their first cell. What no context sees is in none.
    list of list of int
        The groups that each context sees, ascending.

    Examples
    --------
    >>> groups_of(np.array([[True, True, False, False], [True, True, False, True]]))
    ([[0, 1], [3]], [[0], [0, 1]])
    """
    alike: dict[bytes, list[int]] = {}
    for cell in np.flatnonzero(sees.any(axis=0)).tolist():
        alike.setdefault(sees[:, cell].tobytes(), []).append(cell)
    groups = list(alike.values())
    return groups, [[number for number, cells in enumerate(groups) if row[cells[0]]] for row in sees]


def summed(cells: Counts | Numbers, members: list[int]) -> Any:
    """The sum of some cells, in their order."""
    if len(members) == 1:
        return cells[members[0]]
    total: Any = cells.nothing()
    for cell in members:
        total.add(cells[cell])
    return total


def block_of(items: Items, first: int, width: int, bins: int) -> Block:
    """Add up the items of a range of levels."""
    place = items.bin * np.intp(width)
    place += items.level
    place -= first
    rows = np.bincount(place, items.rows, minlength=bins * width)
    if items.sums is None:
        kinds: list[NDArray[Any]] = [rows.astype(np.int32 if rows.sum() < 2**31 else np.int64)]
    else:
        kinds = [rows.astype(np.float64), *sums_and_squares(place, items, rows)]
    if len(rows) <= len(items.level):
        return Block(first, width, None, tuple(kinds))
    occupied = np.flatnonzero(rows)
    narrow: Integers = occupied.astype(np.int32 if len(rows) < 2**31 else np.int64)
    return Block(first, width, narrow, tuple(values[occupied] for values in kinds))


def sums_and_squares(place: Integers, items: Items, rows: NDArray[Any]) -> tuple[Floats, Floats]:
    """Sum of the target in each bin, and squared deviations from its mean; `place` is each item's bin."""
    assert items.sums is not None  # noqa: S101  (told by the caller)
    one = 1.0 if items.rows is None else items.rows
    sums = np.bincount(place, items.sums, minlength=len(rows)).astype(np.float64)
    mean = sums / np.maximum(rows, 1)
    within = one * np.square(items.sums / one - mean[place])
    if items.squares is not None:
        within += items.squares
    return sums, np.bincount(place, within, minlength=len(rows)).astype(np.float64)


def merged(parts: Sequence[CellSums], places: Sequence[Integers], levels: int) -> CellSums:
    """Add up the sums of partitions, in their order.

    Parameters
    ----------
    parts : sequence of CellSums
        Of the same cells and classes.
    places : sequence of array of int
        For each partition the new place of each of its levels.
    levels : int
        How many there are together.

    Returns
    -------
    CellSums
        Of classes: the very sums of the whole table. Of numbers: the same partitions in the same order give the same
        bits, whoever made them when; the whole table's sums differ by rounding.
    """
    items = [part.items() for part in parts]
    moved = [each._replace(level=place[each.level]) for each, place in zip(items, places, strict=True)]
    columns: Any = (None if values[0] is None else np.concatenate(values) for values in zip(*moved, strict=True))
    return CellSums.of(Items(*columns), levels, parts[0].cells, parts[0].classes)
