"""Make a profile of the reference: a first pass to lay the cells, a second one to count into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from configs.errors import DataError
from tasks.drift.profile.cells import Grid, NumericCells
from tasks.drift.profile.observing import observe_table, tables_of
from tasks.drift.profile.profile import Block, Covariance, Declared, Profile
from tasks.drift.profile.summary import Summary, empty_summary
from tasks.drift.profile.survey import Survey, SurveyedLevels, SurveyedNumbers, laid_grid, survey
from tasks.drift.profile.values import levels_of, numbers_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

MOST_BLOCKS = 600  # so that a profile of 20 columns stays under 1 MB; older batches are in the total alone
MOST_PER_BATCH = 8


def make_profile(
    chunks: Iterable[tuple[str, pa.Table]],
    declared: Declared,
    *,
    rows: int = 20_000,
    seed: int = 0,
    grid: Grid | None = None,
) -> Profile:
    """Make the profile of a reference.

    Parameters
    ----------
    chunks : iterable of (str, Table)
        Name of a batch, and some of its rows; batches in order of time, the tables of one batch one after the other. It
        is gone through twice: a list, or an object that reads anew each time; what an iterator gives is held.
    declared : Declared
        Whose profile it is, of which columns.
    rows : int, >= 0
        Rows of the sample; 0 for none.
    seed : int
        Of the sample.
    grid : Grid, optional
        Cells of another partition's profile, so that both can be merged exactly.

    Raises
    ------
    DataError
        If there is no row, a column is absent, or its type is not counted.
    """
    held = list(chunks) if isinstance(chunks, Iterator) else chunks
    found = survey(held, declared.roles, rows, seed)
    if not sum(found.rows.values()):
        raise DataError("the reference has no row; a profile needs some. See how many rows `validate` let through.")
    cells = grid or laid_grid(found, declared)
    blocks, older = counted(held, found, cells)
    parts = [block.summary for block in blocks]
    total = sum([older, *parts], empty_summary(cells))
    sample = found.sample.rows(rows)
    return Profile(
        declared.pipeline,
        cells,
        tuple(replace(block, summary=kept_of_block(block.summary, cells)) for block in blocks),
        replace(total, outside={}),
        covariance_of(found.sample.rows(found.sample.size), cells),
        declared.importance,
        None if sample is None else sample.drop_columns(sorted(declared.private & set(sample.column_names))),
        declared.hashes,
    )


def counted(chunks: Iterable[tuple[str, pa.Table]], found: Survey, grid: Grid) -> tuple[list[Block], Summary]:
    """Count each batch in a few blocks; batches that are too old for a block of their own are summed up."""
    batches = [name for name, rows in found.rows.items() if rows]
    recent = set(batches[-MOST_BLOCKS:])
    per_batch = max(1, min(MOST_PER_BATCH, MOST_BLOCKS // max(1, len(recent))))
    blocks, older = [], empty_summary(grid)
    for name, parts in groupby(chunks, key=lambda chunk: chunk[0]):
        if not found.rows[name]:
            continue
        number = list(found.rows).index(name)
        for piece in tables_of((table for _, table in parts), -(-found.rows[name] // per_batch)):
            summary = observe_table(piece, grid)
            if name in recent:
                blocks.append(Block(name, replace(summary, outside=only_here(piece, found, number))))
            else:
                older += summary
    return blocks, older


def kept_of_block(summary: Summary, grid: Grid) -> Summary:
    """A block without moments, and of rows missing in two columns only what is tested."""
    together = {pair: rows for pair, rows in summary.co_missing.items() if pair in grid.together}
    return replace(summary, moments={}, co_missing=together)


def only_here(table: pa.Table, found: Survey, batch: int) -> dict[str, int]:
    """Rows of a batch that would be out of range, or of a new level, were it judged by all other batches."""
    if len(found.rows) < 2:
        return {}
    outside = {name: outside_rest(table.column(name), column, batch) for name, column in found.columns.items()}
    return {name: rows for name, rows in outside.items() if rows}


def outside_rest(column: pa.ChunkedArray, surveyed: SurveyedNumbers | SurveyedLevels, batch: int) -> int:
    """Such rows of one column."""
    if isinstance(surveyed, SurveyedLevels):
        levels, rows, _ = levels_of(column)
        return int(rows[[surveyed.batch[level] == batch for level in levels]].sum()) if levels else 0
    if surveyed.range() == surveyed.range(without=batch):
        return 0
    low, high = NumericCells(np.empty(0), 0, *surveyed.range(without=batch)).far
    return sum(int(np.count_nonzero((values < low) | (values > high))) for values in numbers_of(column))


def covariance_of(sample: pa.Table | None, grid: Grid) -> Covariance:
    """Second moments of the numeric columns, from the sample, before it is cut to what is kept."""
    names = [name for name, cells in grid.columns.items() if isinstance(cells, NumericCells) and cells.kind == "number"]
    if sample is None or not names:
        return Covariance((), np.empty(0), np.empty((0, 0), dtype=np.int64), np.empty((0, 0)))
    values = np.stack([dense_numbers(sample.column(name)) for name in names], axis=1)
    known = np.isfinite(values)
    means = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    apart = np.where(known, values - means, 0.0)
    pairs = np.einsum("ia,ib->ab", known.astype(np.int64), known.astype(np.int64))  # no BLAS: the same on any machine
    return Covariance(tuple(names), means, pairs, np.einsum("ia,ib->ab", apart, apart))


def dense_numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column as float64, nan where it is null; shape (n,)."""
    found = np.full(len(column), np.nan)
    known = column.is_valid().to_numpy()
    found[known] = np.concatenate([np.empty(0), *numbers_of(column)])
    return found
