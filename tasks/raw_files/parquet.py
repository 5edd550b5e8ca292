"""Parquet: each value as the text that a CSV would hold; lines are row numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.rows import RawChunk, column_aliases

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

ROWS = 1 << 16  # per chunk


def open_parquet(path: Path) -> parquet.ParquetFile:
    """Open a Parquet file; page checksums, where it has some, are compared.

    Raises
    ------
    UnreadableFileError
        If its footer is damaged or missing.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path, page_checksum_verification=True, pre_buffer=False, buffer_size=1 << 16)
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(f"the Parquet file is cut or damaged ({first_line(error)})") from error


def parquet_chunks(file: parquet.ParquetFile) -> Iterator[RawChunk]:
    """Rows of a Parquet file.

    Raises
    ------
    UnreadableFileError
        If a page is damaged.
    """
    import numpy as np
    import pyarrow as pa

    begin = 1
    try:
        for batch in file.iter_batches(batch_size=ROWS):
            aliases = column_aliases(batch.num_columns)
            texts = pa.table([as_text(column) for column in batch.columns], names=aliases)
            lines = np.arange(begin, begin + batch.num_rows, dtype=np.int64)
            begin += batch.num_rows
            yield RawChunk(texts, lines, [], RawRow(texts))
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(
            f"the Parquet file is damaged at row {begin} or behind ({first_line(error)})"
        ) from error


class RawRow:
    """A chunk's rows as JSON."""

    def __init__(self, texts: pa.Table) -> None:
        self.texts = texts

    def __call__(self, row: int) -> str:
        """One row's texts."""
        return json.dumps([column[row].as_py() for column in self.texts.columns], ensure_ascii=False)


def as_text(column: pa.Array) -> pa.Array:
    """A column's values as texts; nested ones as JSON."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_text(column.dictionary_decode())
    if pa.types.is_null(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    if not pa.types.is_nested(kind) and not pa.types.is_binary(kind) and not pa.types.is_large_binary(kind):
        try:
            return column.cast(pa.string())
        except pa.ArrowException:
            pass
    return pa.array([None if value is None else json_text(value) for value in column.to_pylist()], pa.string())


def json_text(value: Any) -> str:
    """A value that has no text of its own."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    return json.dumps(value, ensure_ascii=False, default=str)


def first_line(error: BaseException) -> str:
    """The first line of what a library says."""
    return str(error).split("\n", 1)[0]
