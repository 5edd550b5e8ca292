"""From a batch's rows and a profile to what the detectors look at."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.distribution import Distribution
from tasks.drift.cause.habits import as_seconds, in_time, level_codes, row_hashes, seconds
from tasks.drift.cause.view import MOST_BATCHES, LevelColumn, MomentColumn, NumberColumn, Span, View
from tasks.drift.profile.cells import CategoryCells, NumericCells, concealed
from tasks.drift.profile.summary import Summary
from tasks.drift.profile.values import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import BatchContext
    from tasks.drift.profile import Profile

    Floats = NDArray[np.float64]

KEY = "_key"  # of the sample's rows
FEW_BATCHES = 4  # below it, blocks stand for batches


def view_of(batch: Summary, rows: pa.Table, profile: Profile, context: BatchContext) -> View:
    """What is known of a batch, column by column.

    Columns that stand for the model (their role is neither a feature nor the target) are left out.
    """
    table = in_time(rows, context.time)
    parts = reference_batches(profile)
    names = [name for name in profile.grid.columns if profile.grid.roles.get(name) in {"feature", "target"}]
    sound = [name for name in names if name in table.column_names and name not in batch.breaks]
    numbers, levels = columns_of(sound, table, profile, parts, context)
    sample = profile.sample
    return View(
        rows=table.num_rows,
        times=seconds(table, context.time),
        local=local_seconds(table, context.time),
        table=table,
        numbers=numbers,
        levels=levels,
        moments=moments_of(sound, table, profile, parts, context),
        mistyped={name: found for name, found in batch.breaks.items() if name in names and name in table.column_names},
        absent=tuple(name for name in names if name not in table.column_names),
        spans=tuple(span_of(name, part) for name, part in parts),
        sample_rows=0 if sample is None else sample.num_rows,
        sample_copies=pairs_alike(sample),
        week=profile.total.time_of_week,
        sample_local=np.empty(0) if sample is None else there(local_seconds(sample, context.time)),
        context=context,
    )


def columns_of(
    names: Sequence[str],
    table: pa.Table,
    profile: Profile,
    parts: Sequence[tuple[str, Summary]],
    context: BatchContext,
) -> tuple[dict[str, NumberColumn], dict[str, LevelColumn]]:
    """The numeric columns and the categories; moments are neither."""
    numbers, levels = {}, {}
    for name in names:
        cells = profile.grid.columns[name]
        if isinstance(cells, CategoryCells):
            levels[name] = level_column(name, cells, table, profile, parts)
        elif cells.kind == "number":
            numbers[name] = number_column(name, cells, table, profile, parts)
            numbers[name] = replace(numbers[name], private=name in context.private)
    return numbers, levels


def moments_of(
    names: Sequence[str],
    table: pa.Table,
    profile: Profile,
    parts: Sequence[tuple[str, Summary]],
    context: BatchContext,
) -> dict[str, MomentColumn]:
    """The columns of moments whose reach the reference tells; the column of time, whether or not it is profiled."""
    found = {}
    for name in names:
        cells = profile.grid.columns[name]
        if not isinstance(cells, NumericCells) or cells.kind != "time":
            continue
        if cells.least is not None and cells.greatest is not None:
            found[name] = (cells.least, cells.greatest)
    ends = [end for _, part in parts for end in (part.start, part.end) if end is not None]
    if context.time is not None and context.time in table.column_names and ends:
        found[context.time] = (min(ends), max(ends))
    columns = {name: (seconds(table, name), *reach) for name, reach in found.items()}
    return {
        name: MomentColumn(name, values, first, last, name in context.private)
        for name, (values, first, last) in columns.items()
        if values is not None
    }


def reference_batches(profile: Profile) -> list[tuple[str, Summary]]:
    """The latest reference batches; their blocks, where batches are few."""
    batches = [
        (name, sum((block.summary for block in blocks[1:]), blocks[0].summary))
        for name, group in groupby(profile.blocks, key=lambda block: block.name)
        if (blocks := [*group])
    ]
    if len(batches) < FEW_BATCHES:
        return [(block.name, block.summary) for block in profile.blocks][-MOST_BATCHES:]
    return batches[-MOST_BATCHES:]


def number_column(
    name: str, cells: NumericCells, table: pa.Table, profile: Profile, parts: Sequence[tuple[str, Summary]]
) -> NumberColumn:
    """A numeric column of a batch, beside the reference's."""
    counts = profile.total.counts[name]
    found = [np.asarray(part.counts[name]) for _, part in parts]
    least, greatest = (np.nan if end is None else end for end in (cells.least, cells.greatest))
    missing = [share(each[-2:].sum(), each.sum()) for each in found]
    return NumberColumn(
        name=name,
        values=finite(as_doubles(table[name])),
        usual=Distribution(cells.edges, counts[cells.finite], least, greatest),
        batches=cumulative(found, cells),
        missing=share(counts[-2:].sum(), profile.total.rows),
        most_missing=max(missing, default=0.0),
        sample=sampled_numbers(profile, name),
        least_missing=min(missing, default=0.0),
    )


def cumulative(counts: Sequence[NDArray[np.int64]], cells: NumericCells) -> Floats:
    """Share of each batch's values below each edge, of the batches that have any; shape (b, k)."""
    there = [each[cells.finite] for each in counts if each[cells.finite].sum()]
    if not there:
        return np.empty((0, len(cells.edges)))
    stacked = np.stack(there)
    return np.asarray(np.cumsum(stacked, axis=1)[:, :-1] / stacked.sum(axis=1, keepdims=True), dtype=np.float64)


def level_column(
    name: str, cells: CategoryCells, table: pa.Table, profile: Profile, parts: Sequence[tuple[str, Summary]]
) -> LevelColumn:
    """A category of a batch, beside the reference's."""
    counts = profile.total.counts[name]
    codes, levels = level_codes(table[name])
    there = max(1, int(counts[:-1].sum()))
    shown = {concealed(level): level for level in levels} if cells.private else {}
    found = [np.asarray(part.counts[name], dtype=np.float64) for _, part in parts if part.rows]
    batches = np.stack(found) if found else np.empty((0, cells.size))
    new = len(cells.levels) + 1
    return LevelColumn(
        name=name,
        codes=codes,
        levels=levels,
        usual={
            shown.get(level, level): float(count) / there
            for level, count in zip(cells.levels, counts[:-3], strict=True)
            if count
        },
        rest=share(counts[-3], there),
        batches=batches / np.maximum(batches.sum(axis=1, keepdims=True), 1.0),
        missing=share(counts[-1], profile.total.rows),
        most_missing=max((share(each[-1], each.sum()) for each in found), default=0.0),
        is_known=lambda level: int(cells.cells_of([level])[0]) != new,
        new=tuple(np.array(levels, dtype=object)[cells.cells_of(levels) == new].tolist()) if levels else (),
        sample=sampled_levels(profile, name),
        private=cells.private,
    )


def sampled_numbers(profile: Profile, name: str) -> Floats:
    """The values of the sample's rows, NaN where missing; nothing where the sample lacks the column."""
    column = sampled(profile, name)
    return np.empty(0) if column is None else finite(as_doubles(column))


def sampled_levels(profile: Profile, name: str) -> NDArray[np.object_]:
    """The levels of the sample's rows, None where missing; nothing where the sample lacks the column."""
    column = sampled(profile, name)
    if column is None:
        return np.empty(0, dtype=object)
    codes, levels = level_codes(column)
    return np.array([*levels, None], dtype=object)[codes]


def sampled(profile: Profile, name: str) -> pa.ChunkedArray | None:
    """A column of the reference's sample; None where there is none."""
    if profile.sample is None or name not in profile.sample.column_names:
        return None
    return profile.sample[name]


def span_of(name: str, part: Summary) -> Span:
    """When a reference batch was, and how many rows it has."""
    return Span(name, part.start, part.end, part.rows, part.time_of_week)


def pairs_alike(sample: pa.Table | None) -> float:
    """Share of the pairs of rows that are the same."""
    if sample is None or sample.num_rows < 2:
        return 0.0
    rows = sample.drop_columns([KEY]) if KEY in sample.column_names else sample
    counts = np.unique(row_hashes(rows), return_counts=True)[1].astype(np.float64)
    return float((counts * (counts - 1)).sum() / (sample.num_rows * (sample.num_rows - 1.0)))


def local_seconds(table: pa.Table, time: str | None) -> Floats | None:
    """When each row happened as the clocks of the column's own zone showed it, in seconds since 1970."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if time is None or time not in table.column_names or kind_of(table.schema.field(time).type) != "time":
        return None
    zoned = pa.types.is_timestamp(table[time].type) and table[time].type.tz is not None
    return as_seconds(pc.local_timestamp(table[time]) if zoned else table[time])


def there(moments: Floats | None) -> Floats:
    """The moments that are known."""
    return np.empty(0) if moments is None else moments[~np.isnan(moments)]


def as_doubles(column: pa.ChunkedArray) -> Floats:
    """A column of numbers as doubles, NaN where missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def finite(values: Floats) -> Floats:
    """The values, NaN where they are not finite."""
    return np.where(np.isfinite(values), values, np.nan)


def share(part: float, whole: float) -> float:
    """Part of a whole; 0 of nothing."""
    return float(part) / float(whole) if whole else 0.0
