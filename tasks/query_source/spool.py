"""The rows of a query that have not landed yet, as one Parquet file."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from tasks.query_source.columns import common_schema, key_of, require_distinct, table_of
from tasks.query_source.connection import Secrets, connected, url_of
from tasks.query_source.watermarks import (
    Watermark,
    Window,
    file_name,
    kind_of,
    require_one_kind,
    require_watermark,
    text_of,
    window,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from configs.schema import Pipeline

SPOOL = Path(".holdfast/queries")
CHUNK = 20_000  # rows
BIND = re.compile(r"(?<![:\w\\]):(?=\w)")


class NoRowsError(DataError):
    """The query has not found a row yet, so there is nothing that could have landed."""


def new_rows(pipeline: Pipeline, landed: Sequence[Path], gone: Collection[str], secrets: Secrets) -> list[Path]:
    """Write the rows that the query finds and that have not landed to a file, named as the batch that they will be.

    Rows at the last watermark are asked for again and told by their values, each as often as the query has it: one that
    was committed late is not lost, and none lands twice.

    Parameters
    ----------
    pipeline : Pipeline
        Whose source is a query.
    landed : sequence of Path
        Every batch that has landed and is still whole.
    gone : collection of str
        Names of batches that lost rows, or all of them.
    secrets : callable (name) -> str
        Reads a Prefect Secret block.

    Returns
    -------
    list of Path
        One file under `.holdfast/queries/<pipeline>/`, or none where no row is new.

    Raises
    ------
    NoRowsError, NoUrlError, QueryError, QueryColumnsError, WatermarkError
        Nothing is left behind.
    """
    asked = window(landed, gone, pipeline.source.overlap)
    url = url_of(pipeline, secrets)
    folder = SPOOL / pipeline.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with connected(url, pipeline.name) as connection:
            parts, mark = write_parts(connection, pipeline, asked, folder)
        if mark is None and asked.newest is None:
            raise NoRowsError(f"configs/{pipeline.name}.yaml: source.sql finds no row. Nothing has landed.")
        if mark is None:
            shutil.rmtree(folder)
            return []
        taken = {*gone, *(file.name for file in landed)}
        return [join_parts(parts, folder / file_name(mark, taken))]
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def write_parts(
    connection: Connection, pipeline: Pipeline, asked: Window, folder: Path
) -> tuple[list[Path], Watermark | None]:
    """Write the new rows in parts as they come; their files, and the greatest watermark, None without any."""
    from pyarrow import feather

    column = str(pipeline.source.watermark)
    parts: list[Path] = []
    mark: Watermark | None = None
    with connection.execute(selected(pipeline.source.sql, column, asked)) as result:
        names = list(result.keys())
        require_distinct(names, column)
        place, standing = names.index(column), Standing(asked, names)
        for rows in result.partitions(CHUNK):
            require_marks([row[place] for row in rows], column, asked.newest)
            new = [row for row in rows if not standing.takes(row, row[place])]
            if new:
                mark = new[-1][place]
                parts.append(folder / f"part-{len(parts)}")
                feather.write_feather(table_of(names, new), parts[-1], compression="lz4")
    return parts, mark


def require_marks(marks: Sequence[Any], column: str, newest: Watermark | None) -> None:
    """Refuse rows whose watermarks have no order among themselves and with what has landed."""
    for mark in marks:
        require_watermark(mark, column)
    kinds: dict[str, Watermark] = {kind_of(mark): mark for mark in marks}
    require_one_kind([*kinds.values(), *([] if newest is None else [newest])])


def selected(sql: str, column: str, asked: Window) -> Select[Any]:
    """The query, with the rows of the window alone, in order of the watermark.

    Rows without a watermark are asked for too, so that they can be refused rather than passed over.
    """
    from sqlalchemy import ColumnElement, or_, select, text
    from sqlalchemy import column as named

    inner = BIND.sub(r"\\:", sql.strip().rstrip(";"))
    found = select(text("*")).select_from(text(f"(\n{inner}\n) AS holdfast_query"))
    mark: ColumnElement[Any] = named(column)
    if asked.since is not None:
        is_new = mark > asked.since if asked.beyond else mark >= asked.since
        found = found.where(or_(mark.is_(None), is_new))
    return found.order_by(mark)


class Standing:
    """Rows of the window that have landed, by the columns that the query has now as it had then.

    Parameters
    ----------
    asked : Window
    names : sequence of str
        The query's columns.
    """

    def __init__(self, asked: Window, names: Sequence[str]) -> None:
        from pyarrow import parquet

        tables = [parquet.read_table(file) for file in asked.files]
        shared = [name for name in names if all(name in table.column_names for table in tables)]
        self.newest = None if asked.newest is None else text_of(asked.newest)
        self.places = [names.index(name) for name in shared]
        self.counts: Counter[tuple[Any, ...]] = Counter()
        for table in tables:
            columns = [table[name].to_pylist() for name in shared]
            self.counts.update(key_of(row) for row in zip(*columns, strict=True))

    def takes(self, row: Sequence[Any], mark: Watermark) -> bool:
        """Whether a row has landed; it then counts once less."""
        if self.newest is None or text_of(mark) > self.newest:
            return False
        key = key_of([row[place] for place in self.places])
        if self.counts[key] <= 0:
            return False
        self.counts[key] -= 1
        return True


def join_parts(parts: Sequence[Path], target: Path) -> Path:
    """Put parts into one Parquet file, each column of one type, and remove them."""
    from pyarrow import feather, parquet

    schema = common_schema([feather.read_table(part, memory_map=True).schema for part in parts])
    with parquet.ParquetWriter(target, schema, compression="zstd", write_page_checksum=True) as writer:
        for part in parts:
            writer.write_table(feather.read_table(part, memory_map=True).cast(schema))
            part.unlink()
    return target
