"""How Parquet stores a column: by its dictionary, which pays where values come again, by differences, bytes, or plain.

To look each value up in a dictionary is most of what writing a number takes. Where a dictionary would hardly be smaller
than what it stands for, that time is saved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

FEW = 512  # distinct numbers that a dictionary finds fast
ROOM = 3  # bits more per value that differences may take
DIFFERENCES, BYTES, PLAIN = "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "PLAIN"


def column_encodings(table: pa.Table) -> dict[str, str]:
    """Encodings of the columns that are not best stored by a dictionary, judged by some of a file's rows.

    Parameters
    ----------
    table : Table, shape (n, columns)

    Returns
    -------
    dict of str to str
        Names as Parquet's writer takes them, by column.

    Examples
    --------
    >>> import pyarrow as pa
    >>> thousand = range(1000)
    >>> column_encodings(pa.table({"id": thousand, "hour": [7] * 1000, "share": [each / 7 for each in thousand]}))
    {'id': 'DELTA_BINARY_PACKED', 'share': 'BYTE_STREAM_SPLIT'}
    """
    found = {name: encoding_of(table.column(name)) for name in table.column_names}
    return {name: encoding for name, encoding in found.items() if encoding is not None}


def encoding_of(values: pa.ChunkedArray) -> str | None:
    """How to store a column; None by its dictionary, or where the type leaves no choice."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types, type_ = pa.types, values.type
    is_whole = types.is_int64(type_) or types.is_timestamp(type_) or types.is_date32(type_)
    if not (is_whole or types.is_float64(type_) or types.is_string(type_)):
        return None
    distinct = pc.count_distinct(values).as_py()
    if is_whole:
        return DIFFERENCES if has_short_differences(values, distinct) else None
    if distinct <= max(FEW, len(values) // 2):
        return None
    return BYTES if types.is_float64(type_) else PLAIN


def has_short_differences(values: pa.ChunkedArray, distinct: int) -> bool:
    """Whether differences of whole numbers take about as few bits as their places in a dictionary, or it helps none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if distinct <= FEW:
        return False
    numbers = values.cast(pa.int32() if pa.types.is_date32(values.type) else pa.int64())
    ends = pc.min_max(numbers).as_py()
    bits = (ends["max"] - ends["min"]).bit_length() + 1
    return bool(bits <= distinct.bit_length() + ROOM or distinct > len(values) // 2)
