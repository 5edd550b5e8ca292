"""A column of a table as what its cells count: numbers, or levels and how many rows have each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

SLICE = 2**16  # values that are worked on at a time, so that they stay in the processor's cache


def kind_of(dtype: pa.DataType) -> str | None:
    """What a column of an Arrow type holds: "number", "time", "category"; "nothing" where all is null; None for others.

    >>> import pyarrow as pa
    >>> kind_of(pa.int32()), kind_of(pa.timestamp("us")), kind_of(pa.bool_()), kind_of(pa.list_(pa.int8()))
    ('number', 'time', 'category', None)
    """
    from pyarrow import types

    if types.is_null(dtype):
        return "nothing"
    if types.is_integer(dtype) or types.is_floating(dtype) or types.is_decimal(dtype):
        return "number"
    if types.is_timestamp(dtype) or types.is_date(dtype):
        return "time"
    texts = dtype.value_type if types.is_dictionary(dtype) else dtype
    if types.is_string(texts) or types.is_large_string(texts) or types.is_boolean(texts):
        return "category"
    return None


def numbers_of(column: pa.ChunkedArray) -> Iterator[Floats]:
    """The values that are not null as float64, a slice at a time; moments as seconds since 1970.

    An integer beyond 2**53 becomes the nearest float64, so its order among others is kept.
    """
    for chunk in column.chunks:
        for first in range(0, len(chunk), SLICE):
            part = chunk.slice(first, SLICE)
            yield as_floats(part.drop_null() if part.null_count else part)


def as_floats(part: pa.Array) -> Floats:
    """Values without nulls as float64; without a copy where they are it already."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_decimal(part.type):  # Arrow's own cast may miss by one unit
        part = part.cast(pa.string()).cast(pa.float64())
    elif types.is_date(part.type) or types.is_timestamp(part.type):
        part = part.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return np.asarray(part.to_numpy() / 1e6)
    elif types.is_float16(part.type):
        part = part.cast(pa.float32())
    return np.asarray(part.to_numpy(zero_copy_only=False), dtype=np.float64)


class LevelCounts(NamedTuple):
    """Distinct levels of a column, rows of each, and rows that are null."""

    levels: list[str]
    rows: Counts
    missing: int


def levels_of(column: pa.ChunkedArray) -> LevelCounts:
    """Count a column's levels; truth values are the levels `true` and `false`."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_boolean(column.type):
        column = column.cast(pa.string())
    coded = column if types.is_dictionary(column.type) else column.dictionary_encode()
    coded = coded.unify_dictionaries()
    if not coded.num_chunks:
        return LevelCounts([], np.empty(0, dtype=np.int64), 0)
    names = coded.chunk(0).dictionary.cast(pa.large_string()).to_pylist()
    rows = np.zeros(len(names), dtype=np.int64)
    for chunk in coded.chunks:
        codes = chunk.indices.drop_null() if chunk.null_count else chunk.indices
        rows += np.bincount(codes.to_numpy(zero_copy_only=False), minlength=len(names))
    seen = np.flatnonzero(rows)
    return LevelCounts([names[place] for place in seen], rows[seen], len(column) - int(rows.sum()))
