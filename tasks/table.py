"""Parquet as Holdfast writes and reads it: zstd, page checksums on both sides, one file per batch.

A typed row keeps `_line`, the line of the raw file that it came from; with the file's name, its batch, that names the
row through all stages. Where a batch has rows of several files, a row also keeps `_file`, and whoever reads batches is
given one number for both as `_line`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import CorruptionError, DataError
from tasks.atomic import atomic_file

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LINE = "_line"
BATCH = "_batch"
FILE = "_file"  # of batches that several files may have rows of
LINE_BITS = 32  # of the number that stands for file and line


def write_table(table: pa.Table, path: Path) -> None:
    """Write one Parquet file atomically, with page checksums, without pandas' metadata."""
    import pyarrow.parquet as pq

    with atomic_file(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(None), temporary, compression="zstd", write_page_checksum=True, version="2.6"
        )


@contextmanager
def table_writer(
    path: Path, schema: pa.Schema, categories: Collection[str] = ()
) -> Iterator[Callable[[pa.Table], None]]:
    """Write one Parquet file atomically, table by table, each a row group; what is written is not held in memory.

    Parameters
    ----------
    path : Path
    schema : Schema
        As the file is read. A file without a row has it all the same.
    categories : collection of str
        Columns of strings that are written by their dictionary: a table that has them as dictionaries is not encoded
        once more.

    Yields
    ------
    callable
        Writes a table of `schema`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    by_level = pa.dictionary(pa.int32(), pa.string())
    stored = pa.schema([field.with_type(by_level) if field.name in categories else field for field in schema])

    def write(table: pa.Table) -> None:
        columns = [
            column.dictionary_encode() if field.type == by_level and column.type != by_level else column
            for column, field in zip(table.columns, stored, strict=True)
        ]
        if table.num_rows:
            writer.write_table(pa.table(columns, schema=stored), row_group_size=table.num_rows)

    has_line = LINE in schema.names  # ascending, and each its own: differences take the least room
    with (
        atomic_file(path) as temporary,
        pq.ParquetWriter(
            temporary,
            stored,
            compression="zstd",
            write_page_checksum=True,
            version="2.6",
            write_batch_size=1 << 16,  # values encoded at a time
            store_schema=False,  # which would read dictionaries as such
            use_dictionary=[name for name in schema.names if name != LINE],
            column_encoding={LINE: "DELTA_BINARY_PACKED"} if has_line else None,
        ) as writer,
    ):
        yield write


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read one Parquet file; a byte that is not what was written is an error.

    Raises
    ------
    CorruptionError
        If a page's checksum does not match or the file is no whole Parquet file.
    DataError
        If there is no such file.
    """
    import pyarrow.parquet as pq

    with read_errors_told(path):
        if columns is None:  # the other way imports pandas
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                return file.read()
        return pq.read_table(
            path, columns=columns, page_checksum_verification=True, memory_map=False, partitioning=None
        )


@contextmanager
def read_errors_told(path: Path) -> Iterator[None]:
    """Tell what reading a Parquet file raises; see `read_table`."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; run the stage that makes it, or `dvc repro`.") from error
    except (OSError, pa.ArrowException) as error:
        raise CorruptionError(
            f"{path}: not the Parquet file that was written ({error}). Restore it with `dvc checkout --force`, "
            "or run the stage that makes it again with `dvc repro --force`."
        ) from error


def batch_files(folder: Path) -> list[Path]:
    """The batches of a folder of Parquet files, in order of name.

    Raises
    ------
    DataError
        If the folder has none.
    """
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise DataError(f"{folder}: no batch; at least one Parquet file was expected. Run the stage before this one.")
    return files


def read_batches(folder: Path, columns: list[str] | None = None) -> pa.Table:
    """All batches of a folder as one table, with the column `_batch` in front: batches by name, rows as in the file."""
    import pyarrow as pa

    tables = []
    for file in batch_files(folder):
        table = read_named(file, columns)
        tables.append(table.add_column(0, BATCH, pa.repeat(pa.scalar(file.stem, pa.string()), table.num_rows)))
    return pa.concat_tables(tables)


def read_named(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read one batch; where rows keep their file, `_line` numbers file and line at once, and `_file` is left out."""
    import pyarrow.parquet as pq

    if columns is not None and LINE not in columns:
        return read_table(path, columns)
    with read_errors_told(path):
        has_files = FILE in pq.read_schema(path).names
    if not has_files:
        return read_table(path, columns)
    table = read_table(path, None if columns is None else [*columns, FILE])
    place = table.column_names.index(LINE)
    return table.set_column(place, LINE, row_numbers(table[FILE], table[LINE])).drop_columns([FILE])


def row_numbers(files: pa.ChunkedArray, lines: pa.ChunkedArray) -> pa.ChunkedArray:
    """Number rows by the names of their files and by their lines alone: a further file changes no number.

    Parameters
    ----------
    files : ChunkedArray of string, shape (n,)
    lines : ChunkedArray of int64, shape (n,)

    Returns
    -------
    ChunkedArray of int64, shape (n,)
        `line_of_row` gives the line.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = files.unify_dictionaries().dictionary_encode().combine_chunks()
    numbers = pa.array([file_number(name) << LINE_BITS for name in encoded.dictionary.to_pylist()], pa.int64())
    return pc.add(pa.chunked_array([numbers.take(encoded.indices)]), lines)


def file_number(file: str) -> int:
    """A number of 31 bits for a file, by its name; no two files of a batch share one (`tasks.ingestion.gathering`)."""
    return int.from_bytes(hashlib.sha256(file.encode()).digest()[:4], "little") >> 1


def line_of_row(number: int) -> int:
    """The line that a row's number tells, which is the line itself where each file is a batch.

    >>> line_of_row(7), line_of_row((file_number("data/raw/demo/a.csv") << LINE_BITS) + 7)
    (7, 7)
    """
    return int(number) & ((1 << LINE_BITS) - 1)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A pandas frame whose nullable integers and booleans stay what they are (`Int64`, `boolean`); text is `str`.

    A decimal is float64, the number that a model reads: Parquet keeps it exactly.
    """
    import pandas as pd
    import pyarrow as pa

    for position, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type):
            table = table.set_column(position, column.name, nearest_doubles(table.column(position)))
    kept = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=kept.get)
    return frame


def nearest_doubles(decimals: pa.ChunkedArray) -> pa.ChunkedArray:
    """The doubles nearest to decimals: through their text, since Arrow's own cast may miss by one unit."""
    import pyarrow as pa

    return decimals.cast(pa.string()).cast(pa.float64())
