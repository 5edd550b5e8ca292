"""Merge profiles of two partitions of one reference.

Where both have the same grid (`make_profile(..., grid=)`), the counts are those of the union exactly. Else the other's
counts are laid into this one's cells, evenly within a cell: at no edge does the share of rows below it move by more
than the share of the other's cell that the edge lies in, and edges are laid at quantiles.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from configs.errors import DataError
from tasks.drift.profile.cells import CategoryCells, Cells, Grid, NumericCells, hashes_of
from tasks.drift.profile.making import MOST_BLOCKS
from tasks.drift.profile.profile import Block, Covariance, Profile
from tasks.drift.profile.sampling import smallest
from tasks.drift.profile.summary import Summary

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]


class OtherPipelineError(DataError):
    """A profile is of another pipeline."""


def merged(one: Profile, other: Profile) -> Profile:
    """The profile of both partitions' rows; `other` is the newer one.

    Raises
    ------
    OtherPipelineError
        If they are of different pipelines.
    DataError
        If they profile different columns, or the same one as different kinds.
    """
    if one.pipeline != other.pipeline:
        raise OtherPipelineError(
            f"profiles of {one.pipeline!r} and of {other.pipeline!r} were to be merged; partitions of one pipeline can."
        )
    require_same_columns(one.grid, other.grid)
    grid = merged_grid(one.grid, other.grid)
    blocks = [
        *(Block(block.name, unlike(block.summary, one.grid, other.grid)) for block in one.blocks),
        *(
            Block(block.name, laid_anew(unlike(block.summary, other.grid, one.grid), other.grid, grid))
            for block in other.blocks
        ),
    ]
    return replace(
        one,
        grid=grid,
        blocks=tuple(blocks[-MOST_BLOCKS:]),
        total=one.total + laid_anew(other.total, other.grid, grid),
        covariance=merged_covariance(one.covariance, other.covariance),
        sample=merged_sample(one.sample, other.sample),
    )


def require_same_columns(one: Grid, other: Grid) -> None:
    """Refuse grids that cannot be brought together."""
    apart = sorted(set(one.columns) ^ set(other.columns))
    apart += [
        name for name in one.columns if name not in apart and kind(one.columns[name]) != kind(other.columns[name])
    ]
    if apart:
        raise DataError(f"column {apart[0]!r} is not in both profiles, or not of one kind; profile the same columns.")


def kind(cells: Cells) -> str:
    """What the cells are for."""
    return cells.kind if isinstance(cells, NumericCells) else "category"


def merged_grid(one: Grid, other: Grid) -> Grid:
    """The cells of `one`, with the range and the levels of both, and the pairs that are missing together in both."""
    columns = {name: merged_cells(cells, other.columns[name]) for name, cells in one.columns.items()}
    return replace(one, columns=columns, together=tuple(pair for pair in one.together if pair in other.together))


def merged_cells(one: Cells, other: Cells) -> Cells:
    """One column of `merged_grid`."""
    if isinstance(one, NumericCells) and isinstance(other, NumericCells):
        lows = [value for value in (one.least, other.least) if value is not None]
        highs = [value for value in (one.greatest, other.greatest) if value is not None]
        return replace(one, least=min(lows, default=None), greatest=max(highs, default=None))
    assert isinstance(one, CategoryCells)  # noqa: S101  (told by `require_same_columns`)
    assert isinstance(other, CategoryCells)  # noqa: S101
    more = [int(level[1:], 16) for level in other.levels] if other.private else hashes_of(other.levels)
    mine = [int(level[1:], 16) for level in one.levels] if one.private else hashes_of(one.levels)
    known = np.union1d(np.union1d(one.known, other.known), np.array(more, dtype=np.uint64))
    return replace(one, known=np.setdiff1d(known, np.array(mine, dtype=np.uint64)), told=one.told and other.told)


def unlike(summary: Summary, own: Grid, other: Grid) -> Summary:
    """A block without what the other partition has too; what cannot be told is kept."""
    kept = {name: rows for name, rows in summary.outside.items() if not covers(other.columns[name], own.columns[name])}
    return replace(summary, outside=kept)


def covers(other: Cells, own: Cells) -> bool:
    """Whether another partition's range holds this one's."""
    if not isinstance(own, NumericCells) or not isinstance(other, NumericCells):
        return False
    if own.least is None or own.greatest is None or other.least is None or other.greatest is None:
        return False
    return other.least <= own.least and own.greatest <= other.greatest


def laid_anew(summary: Summary, own: Grid, grid: Grid) -> Summary:
    """A summary's counts in another grid's cells."""
    counts = {name: moved(counts, own.columns[name], grid.columns[name]) for name, counts in summary.counts.items()}
    return replace(summary, counts=counts)


def moved(counts: Counts, own: Cells, cells: Cells) -> Counts:
    """One column's counts in other cells; see the module."""
    if isinstance(own, NumericCells) and isinstance(cells, NumericCells):
        return moved_numbers(counts, own, cells)
    assert isinstance(own, CategoryCells)  # noqa: S101  (told by `require_same_columns`)
    assert isinstance(cells, CategoryCells)  # noqa: S101
    return moved_levels(counts, own, cells)


def moved_numbers(counts: Counts, own: NumericCells, cells: NumericCells) -> Counts:
    """Spread each cell's rows evenly over it."""
    if np.array_equal(own.edges, cells.edges):
        return counts
    low = own.least if own.least is not None else 0.0
    high = own.greatest if own.greatest is not None else 0.0
    below = np.concatenate(([0], np.cumsum(counts[own.finite])))
    bounds = np.maximum.accumulate(np.concatenate(([min(low, *own.edges)], own.edges, [np.nextafter(high, np.inf)])))
    at_edges = np.rint(np.interp(cells.edges, bounds, below, left=0, right=below[-1]))
    found = np.diff(np.concatenate(([0], at_edges, [below[-1]]))).astype(np.int64)
    return np.concatenate((found, counts[-2:]))


def moved_levels(counts: Counts, own: CategoryCells, cells: CategoryCells) -> Counts:
    """Give each level's rows to its cell, or to `rest`."""
    found = np.zeros(cells.size, dtype=np.int64)
    places = [cells.places.get(level, len(cells.levels)) for level in own.levels]
    np.add.at(found, [*places, len(cells.levels), len(cells.levels) + 1, len(cells.levels) + 2], counts)
    return found


def merged_covariance(one: Covariance, other: Covariance) -> Covariance:
    """Pool second moments, as if each partition's sample counted as many rows as it has."""
    if one.columns != other.columns:
        raise DataError(f"covariances of {one.columns} and of {other.columns}; profile the same columns.")
    rows, more = np.diag(one.pairs).astype(float), np.diag(other.pairs).astype(float)
    share = more / np.maximum(rows + more, 1)
    apart = other.means - one.means
    pairs = one.pairs + other.pairs
    between = np.where(pairs > 0, one.pairs * other.pairs / np.maximum(pairs, 1), 0.0)
    products = one.products + other.products + between * np.multiply.outer(apart, apart)
    return Covariance(one.columns, one.means + apart * share, pairs, products)


def merged_sample(one: pa.Table | None, other: pa.Table | None) -> pa.Table | None:
    """The rows of the smallest keys of both, as many as the larger sample has."""
    import pyarrow as pa

    if one is None or other is None:
        return None
    return smallest(pa.concat_tables([one, other], promote_options="permissive"), max(one.num_rows, other.num_rows))
