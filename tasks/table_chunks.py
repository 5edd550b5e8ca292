"""A batch's Parquet file read a part at a time: memory does not grow with its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tasks.table import read_errors_told

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

CHUNK_ROWS = 1 << 18


class Rows(Protocol):
    """A batch's rows, to be asked for by column and a part at a time."""

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All rows in order, some at a time; these columns, or all."""

    def whole(self, columns: Sequence[str]) -> pa.Table:
        """All rows at once, of these columns, in this order."""


class RowsInMemory:
    """Rows of a table.

    Parameters
    ----------
    table : Table
    chunk_rows : int, >= 1
        The most rows that a chunk has.
    """

    def __init__(self, table: pa.Table, chunk_rows: int = CHUNK_ROWS) -> None:
        self.table = table
        self.chunk_rows = chunk_rows
        self.names: list[str] = table.column_names
        self.num_rows: int = table.num_rows

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """See `Rows`."""
        table = self.table if columns is None else self.table.select(columns)
        for start in range(0, self.num_rows, self.chunk_rows):
            yield table.slice(start, self.chunk_rows)

    def whole(self, columns: Sequence[str]) -> pa.Table:
        """See `Rows`."""
        return self.table.select(columns)


class RowsOfFile:
    """Rows of a Parquet file, read anew each time they are asked for, page checksums verified.

    Raises
    ------
    CorruptionError
        Here and whenever rows are read, if a byte is not what was written.
    DataError
        If there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.opened() as file:
            self.names: list[str] = file.schema_arrow.names
            self.num_rows: int = file.metadata.num_rows
            self.schema: pa.Schema = file.schema_arrow

    def without(self, *columns: str) -> RowsOfFile:
        """The same rows, of which some columns are not seen."""
        seen = copy(self)
        seen.names = [name for name in self.names if name not in columns]
        return seen

    @contextmanager
    def opened(self) -> Iterator[pq.ParquetFile]:
        """Open the file for one reading."""
        import pyarrow.parquet as pq

        with (
            read_errors_told(self.path),
            pq.ParquetFile(self.path, page_checksum_verification=True, memory_map=False) as file,
        ):
            yield file

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """See `Rows`."""
        import pyarrow as pa

        with self.opened() as file:
            for batch in file.iter_batches(CHUNK_ROWS, columns=columns or self.names, use_threads=False):
                yield pa.Table.from_batches([batch])

    def whole(self, columns: Sequence[str]) -> pa.Table:
        """See `Rows`."""
        with self.opened() as file:
            return file.read(columns=list(columns)).select(columns)
