"""What one batch was like in ways that a profile's counts cannot tell: runs of one value, copies of rows, gaps in time.

Small enough to be kept of each reference batch beside the profile. Made in one pass over typed rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.table import BATCH, LINE

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Positions = NDArray[np.intp]

SKETCH = 512  # least hashes of rows that are kept
TIMELESS = 128  # the same, of rows without their moment
FEW_LEVELS = 20  # of a category whose levels may be sites, each with a feed of its own
ALL = ""  # of runs: rows of all levels together


@dataclass(frozen=True)
class Habits:
    """One batch.

    Attributes
    ----------
    name : str
    rows : int
    runs : dict of category (`ALL` for none) to dict of numeric column to int
        The longest run of one value, in rows in order of time; within the levels of a category that has few.
    copies : float
        Share of the rows that have the same row before them.
    gap : float
        The longest time without a row, in seconds; 0 where rows have no time.
    sketch : tuple of int, ascending
        The `SKETCH` least hashes of different rows.
    content : str
        A hash of all rows, in whatever order.
    timeless : tuple of int, ascending
        The `TIMELESS` least hashes of different rows without their moment; none where rows have no time.
    """

    name: str
    rows: int
    runs: Mapping[str, Mapping[str, int]]
    copies: float
    gap: float
    sketch: tuple[int, ...]
    content: str
    timeless: tuple[int, ...] = ()


def habits_of(name: str, rows: pa.Table, time: str | None = None) -> Habits:
    """What a batch of typed rows is like.

    Parameters
    ----------
    name : str
        Of the batch.
    rows : Table
        In any order; without a column of time their order counts.
    time : str, optional
        The column that says when a row happened.
    """
    ordered = in_time(rows, time)
    hashes = row_hashes(ordered)
    return Habits(
        name,
        ordered.num_rows,
        longest_runs(ordered),
        1 - len(np.unique(hashes)) / max(1, len(hashes)),
        longest_gap(seconds(ordered, time)),
        sketch_of(hashes, SKETCH),
        hashlib.sha256(np.sort(hashes).tobytes()).hexdigest(),
        timeless_sketch(ordered, time),
    )


def sketch_of(hashes: NDArray[np.uint64], size: int) -> tuple[int, ...]:
    """The least different hashes, ascending."""
    return tuple(int(each) for each in np.unique(hashes)[:size])


def timeless_sketch(rows: pa.Table, time: str | None) -> tuple[int, ...]:
    """The sketch of rows without their moment; empty where nothing else is in them, or they have no moment."""
    if time is None or time not in rows.column_names or set(rows.column_names) <= {time, BATCH, LINE}:
        return ()
    return sketch_of(row_hashes(rows.drop_columns(time)), TIMELESS)


def to_plain(habits: Habits) -> dict[str, Any]:
    """For JSON."""
    return asdict(habits)


def from_plain(plain: Mapping[str, Any]) -> Habits:
    """From JSON."""
    return Habits(**{**plain, "sketch": tuple(plain["sketch"]), "timeless": tuple(plain.get("timeless", ()))})


def in_time(rows: pa.Table, time: str | None) -> pa.Table:
    """The rows in order of time, those of one time as they were; without a time as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if time is None or time not in rows.column_names or is_sorted(seconds(rows, time)):
        return rows
    keys = pa.table({"time": rows[time], "place": np.arange(rows.num_rows)})
    return rows.take(pc.sort_indices(keys, sort_keys=[("time", "ascending"), ("place", "ascending")]))


def is_sorted(moments: NDArray[np.float64] | None) -> bool:
    """Whether no moment is before the one above it."""
    return moments is not None and bool(np.all(np.diff(moments) >= 0))


def seconds(rows: pa.Table, time: str | None) -> NDArray[np.float64] | None:
    """When each row happened, in seconds since 1970, UTC; NaN where missing; None where no column says it."""
    if time is None or time not in rows.column_names:
        return None
    return as_seconds(rows[time])


def as_seconds(column: pa.ChunkedArray) -> NDArray[np.float64] | None:
    """Timestamps or dates as seconds since 1970; None of anything else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_temporal(column.type) or pa.types.is_time(column.type) or pa.types.is_duration(column.type):
        return None
    ticks = pc.cast(pc.cast(column, pa.timestamp("us", getattr(column.type, "tz", None)), safe=False), pa.int64())
    return np.asarray(pc.divide(pc.cast(ticks, pa.float64(), safe=False), 1e6).to_numpy(), dtype=np.float64)


def row_hashes(rows: pa.Table) -> NDArray[np.uint64]:
    """A hash of each row's values, whatever file and line it came from; equal rows have equal ones."""
    import pandas as pd

    names = sorted(name for name in rows.column_names if name not in {BATCH, LINE})
    if not names:
        return np.zeros(rows.num_rows, dtype=np.uint64)
    frame = rows.select(names).to_pandas()
    return np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)


def longest_gap(moments: NDArray[np.float64] | None) -> float:
    """The longest time between two rows."""
    there = np.sort(moments[~np.isnan(moments)]) if moments is not None else np.empty(0)
    return float(np.diff(there).max(initial=0.0)) if len(there) > 1 else 0.0


def longest_runs(rows: pa.Table) -> dict[str, dict[str, int]]:
    """The longest run of one value, by category with few levels and by numeric column."""
    numbers = dict(numeric_columns(rows))
    groups: dict[str, Positions | None] = {ALL: None, **few_levels(rows)}
    return {
        group: {name: run_in(values, codes)[0] for name, values in numbers.items()} for group, codes in groups.items()
    }


def numeric_columns(rows: pa.Table) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Each column of numbers, NaN where missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in rows.column_names:
        kind = rows.schema.field(name).type
        if name in {BATCH, LINE} or not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        ):
            continue
        yield name, np.asarray(pc.cast(rows[name], pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def few_levels(rows: pa.Table) -> dict[str, Positions]:
    """Codes of each category with few levels, -1 where missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for name in rows.column_names:
        kind = rows.schema.field(name).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)):
            continue
        if 2 <= pc.count_distinct(rows[name], mode="only_valid").as_py() <= FEW_LEVELS:
            found[name] = level_codes(rows[name])[0]
    return found


def level_codes(column: pa.ChunkedArray) -> tuple[Positions, tuple[str, ...]]:
    """The code of each row's level, -1 where missing, and the levels in alphabetical order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(column):
        return np.empty(0, dtype=np.intp), ()
    texts = pc.cast(column, pa.string()).combine_chunks()
    encoded = pc.dictionary_encode(texts)
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    levels = [str(each) for each in encoded.dictionary.to_pylist()]
    codes = np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.intp)
    order = np.argsort(np.array(levels, dtype=object)) if levels else np.empty(0, dtype=np.intp)
    place = np.empty(len(levels) + 1, dtype=np.intp)
    place[order], place[-1] = np.arange(len(levels)), -1
    return place[codes], tuple(levels[position] for position in order)


def run_in(values: NDArray[np.float64], codes: Positions | None = None) -> tuple[int, Positions]:
    """The longest run of one value among the rows that have one, and the rows that make it up.

    Parameters
    ----------
    values : array of float, shape (n,)
    codes : array of int, shape (n,), optional
        Runs are looked for within rows of one code; none where it is below 0.

    Returns
    -------
    int
    array of int
        Places, ascending.
    """
    there = np.flatnonzero(~np.isnan(values) if codes is None else ~np.isnan(values) & (codes >= 0))
    if not len(there):
        return 0, there
    if codes is not None:
        there = there[np.argsort(codes[there], kind="stable")]
    breaks = values[there][1:] != values[there][:-1]
    if codes is not None:
        breaks |= codes[there][1:] != codes[there][:-1]
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    lengths = np.diff(np.concatenate([starts, [len(there)]]))
    longest = int(np.argmax(lengths))
    return int(lengths[longest]), there[starts[longest] : starts[longest] + lengths[longest]]
