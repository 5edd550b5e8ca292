"""Rows as Great Expectations handles them best: NumPy's own types where there are no nulls, each distinct row once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

EXACT_IN_FLOAT = 2**53
EXACT_DIGITS = 15  # of a decimal that a float gives back as it was
TOO_MANY = 1 << 62


def native_frame(table: pa.Table, compared: Sequence[str] = ()) -> pd.DataFrame:
    """A frame whose integers and booleans are NumPy's where they have no nulls, else pandas' nullable ones.

    GX compares native integers as arrays and everything else row by row.

    Parameters
    ----------
    table : Table
    compared : sequence of str
        Columns that GX compares with each other, where it raises on pandas' NA: with nulls they become float, if that
        is exact, or object; a date becomes a datetime, since None cannot be compared.
    """
    import pyarrow as pa

    from tasks.table import to_frame

    frame = to_frame(decimals_as_floats(table))
    for name in frame.columns:
        kind = table[name].type
        is_integer = pa.types.is_integer(kind)
        if pa.types.is_date(kind) and name in compared:
            frame[name] = frame[name].astype("datetime64[s]")
        if not is_integer and not pa.types.is_boolean(kind):
            continue
        if not table[name].null_count:
            frame[name] = frame[name].astype("int64" if is_integer else "bool")
        elif name in compared and is_integer and exact_as_float(table[name]):
            frame[name] = frame[name].astype("float64")
        elif name in compared:
            frame[name] = frame[name].astype("object").where(frame[name].notna(), None)
    return frame


def decimals_as_floats(table: pa.Table) -> pa.Table:
    """Decimals of at most 15 digits as the floats that YAML's numbers are compared with; longer ones stay exact."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type) and field.type.precision <= EXACT_DIGITS:
            table = table.set_column(place, field.name, table.column(place).cast(pa.float64()))
    return table


def exact_as_float(values: pa.ChunkedArray) -> bool:
    """Whether integers stay what they are as floats."""
    import pyarrow.compute as pc

    return all(abs(end or 0) <= EXACT_IN_FLOAT for end in pc.min_max(values).as_py().values())


def missing(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Whether each value is null or NaN, which pandas takes for one."""
    import pyarrow.compute as pc

    return np.asarray(pc.is_null(values, nan_is_null=True))


def distinct_rows(table: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
    """Each distinct row once, and for each row which of them it is.

    Parameters
    ----------
    table : Table, n rows

    Returns
    -------
    Table, m rows; array of int64, shape (n,)
        Every `table` row is the distinct row that the array names; two that differ in a bit are two.
    """
    codes, levels = np.zeros(table.num_rows, dtype=np.int64), 1
    for column in table.columns:
        own, count = codes_of(column)
        if levels * count >= TOO_MANY:
            codes, levels = renumbered(codes)
        codes, levels = codes * count + own, levels * count
    codes, levels = renumbered(codes) if levels > table.num_rows else (codes, levels)
    places = np.full(levels, -1, dtype=np.int64)
    places[codes[::-1]] = np.arange(table.num_rows - 1, -1, -1)  # the first row of each code is written last
    present = np.flatnonzero(places >= 0)
    order = np.full(levels, -1, dtype=np.int64)
    order[present] = np.arange(len(present))
    return table.take(places[present]), order[codes]


def codes_of(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], int]:
    """A whole number for each value, alike where the values are alike to the bit, and one more than the greatest."""
    import pyarrow as pa

    values = column.combine_chunks()
    if pa.types.is_floating(values.type):
        values = values.view(pa.int64())  # 0.0 and -0.0 are told apart, as their texts are
    encoded = values.dictionary_encode(null_encoding="encode")
    return np.asarray(encoded.indices).astype(np.int64), len(encoded.dictionary)


def renumbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """The same codes as numbers without gaps."""
    distinct, inverse = np.unique(codes, return_inverse=True)
    return inverse.astype(np.int64), len(distinct)
