"""Parquet as Holdfast writes and reads it: zstd, page checksums on both sides, one file per batch.

A typed row keeps `_line`, the line of the raw file that it came from; with the file's name, its batch, that names the
row through all stages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def write_table(table: pa.Table, path: Path) -> None:
    """Write one Parquet file atomically, with page checksums, without pandas' metadata."""
    import pyarrow.parquet as pq

    with atomic_file(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(None), temporary, compression="zstd", write_page_checksum=True, version="2.6"
        )


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Write one Parquet file atomically, table by table, each a row group; what is written is not held in memory.

    Yields a function that writes a table of `schema`. A file without a row has the schema all the same.
    """
    import pyarrow.parquet as pq

    def write(table: pa.Table) -> None:
        if table.num_rows:
            writer.write_table(table.replace_schema_metadata(None), row_group_size=table.num_rows)

    with (
        atomic_file(path) as temporary,
        pq.ParquetWriter(
            temporary, schema.remove_metadata(), compression="zstd", write_page_checksum=True, version="2.6"
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
        table = read_table(file, columns)
        tables.append(table.add_column(0, BATCH, pa.repeat(pa.scalar(file.stem, pa.string()), table.num_rows)))
    return pa.concat_tables(tables)


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
