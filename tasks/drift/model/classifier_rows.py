"""Rows of a profile's sample and of a batch as one matrix that trees can read, column beside column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.table import BATCH, LINE

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.drift.profile.profile import Profile

    Matrix = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

NAMED_LEVELS = 30  # of a category; the rarer ones are one level together
NAMES_THE_TIME = 0.5  # share of a column's variance that lies between stretches of time


@dataclass(frozen=True)
class ComparedRows:
    """Rows of the reference and of the batch, in order of time, on the same columns.

    Attributes
    ----------
    names : tuple of str
    reference, batch : arrays of float32, shapes (r, d) and (n, d)
        NaN where missing.
    """

    names: tuple[str, ...]
    reference: Matrix
    batch: Matrix

    def only(self, kept: NDArray[np.bool_]) -> ComparedRows:
        """Some of the columns."""
        names = tuple(name for name, keep in zip(self.names, kept, strict=True) if keep)
        return ComparedRows(names, self.reference[:, kept], self.batch[:, kept])


def compared_rows(batch: pa.Table, sample: pa.Table, columns: Sequence[str]) -> ComparedRows:
    """Put the columns of both side by side.

    Parameters
    ----------
    batch, sample : pa.Table
        Typed rows, in order of time.
    columns : sequence of str
        Those to compare. Dates and timestamps are left out, since they name the batch, and so are columns that the
        sample lacks, as it does private ones. One that the batch lacks is missing in all of its rows.

    Returns
    -------
    ComparedRows
    """
    names = tuple(name for name in columns if name in sample.column_names and is_comparable(sample.schema.field(name)))
    pairs = [column_pair(batch, sample, name) for name in names]
    reference = np.column_stack([pair[0] for pair in pairs]) if pairs else np.empty((sample.num_rows, 0))
    found = np.column_stack([pair[1] for pair in pairs]) if pairs else np.empty((batch.num_rows, 0))
    return ComparedRows(names, reference.astype(np.float32), found.astype(np.float32))


def ordered_sample(profile: Profile) -> pa.Table | None:
    """A profile's sample in order of time: by batch and line where it has them, else by its column of time.

    None where nothing says which row came first: a sample is kept in the order of its draw.
    """
    sample = profile.sample
    if sample is None or BATCH not in sample.column_names:
        return in_order(sample, profile.grid.time) if has_column(sample, profile.grid.time) else None
    place = {name: number for number, name in enumerate(profile.batches)}
    names = sample.column(BATCH).to_pylist()  # batches that are too old for blocks of their own come first
    of_batch = np.array([place.get(name, -1) for name in names])
    lines = sample.column(LINE).to_numpy() if LINE in sample.column_names else np.arange(sample.num_rows)
    return sample.take(np.lexsort((lines, np.array(names, dtype=np.str_), of_batch)))


def has_column(table: pa.Table | None, name: str | None) -> bool:
    """Whether a table is there and has a column."""
    return table is not None and name in table.column_names


def in_order(table: pa.Table, time: str | None) -> pa.Table:
    """Rows by their time, those without one last, equal ones as they lie; as they lie where no column says it."""
    import pyarrow as pa

    if not has_column(table, time) or not pa.types.is_temporal(table.schema.field(time).type):
        return table
    import pyarrow.compute as pc

    return table.take(pc.sort_indices(table.column(time)))  # stable: Arrow sorts with nulls at the end


def is_comparable(field: pa.Field) -> bool:
    """Whether a column's values say something beside when they were taken."""
    import pyarrow as pa

    return not (pa.types.is_temporal(field.type) or pa.types.is_null(field.type))


def column_pair(batch: pa.Table, sample: pa.Table, name: str) -> tuple[Floats, Floats]:
    """One column of the sample and of the batch, as numbers of one meaning."""
    import pyarrow as pa

    known = sample.column(name)
    found = batch.column(name) if name in batch.column_names else pa.nulls(batch.num_rows)
    if is_category(known.type):
        levels = frequent_levels(texts(known))
        return level_codes(texts(known), levels), level_codes(texts(found), levels)
    return numbers(known), numbers(found)


def is_category(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are names, not numbers."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def texts(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Values as text; null where missing."""
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    found = values.cast(pa.string())
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def numbers(values: pa.ChunkedArray | pa.Array) -> Floats:
    """Values as numbers that a 32-bit float can hold, NaN where they are missing, infinite or no numbers."""
    import pyarrow as pa

    try:
        if pa.types.is_boolean(values.type) or pa.types.is_decimal(values.type):
            values = values.cast(pa.int8() if pa.types.is_boolean(values.type) else pa.float64())
        found = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return np.full(len(values), np.nan)
    limit = float(np.finfo(np.float32).max)
    return np.where(np.isfinite(found), np.clip(found, -limit, limit), np.nan)


def frequent_levels(values: pa.Array) -> list[str]:
    """The most frequent levels, the most frequent first; of equally frequent ones in order of text."""
    counted = {entry["values"]: entry["counts"] for entry in values.value_counts().to_pylist()}
    counted.pop(None, None)
    return sorted(counted, key=lambda level: (-counted[level], level))[:NAMED_LEVELS]


def level_codes(values: pa.Array, levels: list[str]) -> Floats:
    """The rank of each row's level by frequency, one past the last for any other, NaN where missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    code = pc.fill_null(pc.index_in(values, pa.array(levels, pa.string())), len(levels)).to_numpy()
    return np.where(values.is_null().to_numpy(zero_copy_only=False), np.nan, code.astype(np.float64))


def stretch_numbers(rows: int, length: int) -> Integers:
    """Number the stretches of neighbouring rows; rows that fill none belong to the last.

    >>> stretch_numbers(7, 3).tolist()
    [0, 0, 0, 1, 1, 1, 1]
    """
    return np.minimum(np.arange(rows) // length, max(rows // length, 1) - 1)


def names_the_time(matrix: Matrix, stretch: Integers) -> NDArray[np.bool_]:
    """Which columns tell by themselves from which stretch of time a row is, as a month or a running number does.

    Every new batch is beyond the history in them, without anything having drifted. A constant column names nothing.

    Returns
    -------
    array of bool, shape (d,)
    """
    values = matrix.astype(np.float64)
    known = ~np.isnan(values)
    whole = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - np.where(known, values, 0).sum(axis=0) / whole, 0.0)
    squares = np.square(centred).sum(axis=0)
    between = np.zeros(matrix.shape[1])
    for number in range(int(stretch.max(initial=-1)) + 1):
        part, rows = centred[stretch == number], known[stretch == number].sum(axis=0)
        between += np.square(part.sum(axis=0)) / np.maximum(rows, 1)
    return np.asarray(between > NAMES_THE_TIME * np.where(squares > 0, squares, np.inf))
