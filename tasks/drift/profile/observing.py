"""Count a batch: one pass over its columns, in memory that does not depend on how many rows there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.drift.profile.cells import CategoryCells, Cells, Grid, NumericCells, null_cell
from tasks.drift.profile.summary import HOURS, Moments, Summary, empty_summary
from tasks.drift.profile.values import kind_of, levels_of, numbers_of
from tasks.model.device import thread_count

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

THREADED = 200_000  # values from which on threads pay
MONDAY = 72  # hours from Monday to Thursday, the first day of 1970


class Observed(NamedTuple):
    """One column of some rows."""

    counts: Counts
    moments: Moments | None = None
    outside: int = 0
    found: str | None = None  # what stood there instead of values of the column's type


def observe(table: pa.Table | Iterable[pa.Table], grid: Grid) -> Summary:
    """Count rows per cell of the grid.

    Parameters
    ----------
    table : Table, or tables one after the other
        Columns that the grid does not have are of no matter; one that is absent, or of another type, is a break.
    grid : Grid

    Returns
    -------
    Summary
        Of no rows where there are none.
    """
    total = empty_summary(grid)
    for part in [table] if hasattr(table, "column_names") else table:
        total = total + observe_table(part, grid)
    return total


def observe_table(table: pa.Table, grid: Grid) -> Summary:
    """Count the rows of one table."""
    names = list(grid.columns)
    found = dict(zip(names, in_threads(table, grid, names), strict=True))
    start, end, hours = moments_of(table, grid.time)
    return Summary(
        rows=table.num_rows,
        counts={name: column.counts for name, column in found.items()},
        moments={name: column.moments for name, column in found.items() if column.moments is not None},
        outside={name: column.outside for name, column in found.items() if column.outside},
        time_of_week=hours,
        start=start,
        end=end,
        co_missing=co_missing(table, names),
        breaks={name: column.found for name, column in found.items() if column.found is not None},
    )


def in_threads(table: pa.Table, grid: Grid, names: list[str]) -> Iterable[Observed]:
    """Observe each column; in threads where that pays: NumPy and Arrow let go of the interpreter."""
    threads = min(thread_count(), len(names))
    if threads < 2 or table.num_rows * len(names) < THREADED:
        return [observe_column(table, name, grid.columns[name]) for name in names]
    with ThreadPoolExecutor(threads) as crew:
        return list(crew.map(lambda name: observe_column(table, name, grid.columns[name]), names))


def observe_column(table: pa.Table, name: str, cells: Cells) -> Observed:
    """Count one column, or say what is there instead."""
    if table.schema.get_field_index(name) < 0:
        there = len(table.schema.get_all_field_indices(name))
        return broken(cells, table.num_rows, 0, f"{there} columns of the name" if there else "no such column")
    column = table.column(name)
    kind, expected = kind_of(column.type), cells.kind if isinstance(cells, NumericCells) else "category"
    if kind == "nothing":
        counts = np.zeros(cells.size, dtype=np.int64)
        counts[null_cell(cells)] = table.num_rows
        return Observed(counts, Moments() if isinstance(cells, NumericCells) else None)
    if kind != expected:
        return broken(cells, table.num_rows, column.null_count, f"{column.type} where a {expected} was")
    return observe_numbers(column, cells) if isinstance(cells, NumericCells) else observe_levels(column, cells)


def broken(cells: Cells, rows: int, nulls: int, found: str) -> Observed:
    """All values as invalid numbers, or as new levels."""
    counts = np.zeros(cells.size, dtype=np.int64)
    counts[null_cell(cells)] = nulls
    if isinstance(cells, NumericCells):
        counts[-1] = rows - nulls
        return Observed(counts, Moments(), found=found)
    counts[-2] = rows - nulls
    return Observed(counts, outside=rows - nulls, found=found)


def observe_numbers(column: pa.ChunkedArray, cells: NumericCells) -> Observed:
    """Count numbers, and add up their moments."""
    counts, moments, outside = np.zeros(cells.size, dtype=np.int64), Moments(), 0
    low, high = cells.far
    for values in numbers_of(column):
        finite = values
        if not np.isfinite(values.sum()):
            finite = values[np.isfinite(values)]
            counts[-1] += len(values) - len(finite)
        if len(finite):
            counts[cells.finite] += cells.count(finite)
            found = moments_of_values(finite)
            outside += far_outside(finite, found, low, high)
            moments += found
    counts[-2] = column.null_count
    return Observed(counts, moments, outside)


def moments_of_values(values: Floats) -> Moments:
    """Moments of some finite values; without BLAS, whose order of adding depends on its threads."""
    with np.errstate(over="ignore"):
        mean = float(values.mean())
        apart = values - mean
        deviations = float(np.einsum("i,i->", apart, apart))
    return Moments(len(values), mean, deviations, float(values.min()), float(values.max()))


def far_outside(values: Floats, moments: Moments, low: float, high: float) -> int:
    """How many values lie below `low` or above `high`."""
    if moments.least >= low and moments.greatest <= high:
        return 0
    return int(np.count_nonzero((values < low) | (values > high)))


def observe_levels(column: pa.ChunkedArray, cells: CategoryCells) -> Observed:
    """Count levels."""
    counts = np.zeros(cells.size, dtype=np.int64)
    found = levels_of(column)
    np.add.at(counts, cells.cells_of(found.levels), found.rows)
    counts[-1] = found.missing
    return Observed(counts, outside=int(counts[-2]))


def moments_of(table: pa.Table, time: str | None) -> tuple[float | None, float | None, Counts | None]:
    """First and last moment in seconds since 1970, and rows per hour of the week as the column's own zone shows it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if time is None or table.schema.get_field_index(time) < 0 or kind_of(table.column(time).type) != "time":
        return None, None, None
    column = table.column(time)
    hours, start, end = np.zeros(HOURS, dtype=np.int64), np.inf, -np.inf
    for seconds in numbers_of(column):
        if len(seconds):
            start, end = min(start, float(seconds.min())), max(end, float(seconds.max()))
    zoned = pa.types.is_timestamp(column.type) and column.type.tz is not None
    for seconds in numbers_of(pc.local_timestamp(column) if zoned else column):
        hour = (np.floor(seconds / 3600).astype(np.int64) + MONDAY) % HOURS
        hours += np.bincount(hour, minlength=HOURS)
    return (start, end, hours) if start <= end else (None, None, hours)


def co_missing(table: pa.Table, names: list[str]) -> dict[tuple[str, str], int]:
    """Rows in which both columns of a pair are null, where there are any."""
    missing = {name: packed_nulls(table.column(name)) for name in names if has_nulls(table, name)}
    pairs = {pair: packed_count(missing[pair[0]] & missing[pair[1]]) for pair in combinations(missing, 2)}
    return {pair: rows for pair, rows in pairs.items() if rows}


def has_nulls(table: pa.Table, name: str) -> bool:
    """Whether a column is there and has a null."""
    return bool(table.schema.get_field_index(name) >= 0 and table.column(name).null_count)


def packed_nulls(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """One bit per row, set where it is null."""
    return np.packbits(column.is_null().to_numpy())


def packed_count(bits: NDArray[np.uint8]) -> int:
    """How many bits are set."""
    return int(np.bitwise_count(bits).sum())


def tables_of(batch: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Cut tables, one after the other, into pieces of some rows; the last one may be shorter."""
    import pyarrow as pa

    held: list[pa.Table] = []
    for table in batch:
        held.append(table)
        whole = pa.concat_tables(held)
        full = whole.num_rows // rows * rows
        yield from (whole.slice(first, rows) for first in range(0, full, rows))
        held = [whole.slice(full)] if whole.num_rows > full else []
    yield from held
