"""Stands in for `tasks.raw_files` until that is merged: the same interface over `tasks.records`, CSV only.

The whole file is held in memory here; the rows are handed out in chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.records import NotCsvError, Records, RefusedRecord, read_header, split_records

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

UnreadableFileError = NotCsvError
CHUNK_ROWS = 1 << 17


@dataclass(frozen=True)
class RawChunk:
    """Consecutive records of a file: rows of text named c1, c2, ..., their lines, and the records that are no row."""

    texts: pa.Table
    lines: NDArray[np.int64]
    refused: list[RefusedRecord]
    raw: Callable[[int], str]


@dataclass(frozen=True)
class RawFile:
    """An open file: the names of its header, and its records."""

    names: tuple[str, ...]
    records: Records

    def chunks(self) -> Iterator[RawChunk]:
        """All records, in order."""
        records, refused = self.records, list(self.records.refused)
        texts = parse_texts(records, self.names, self.names)
        texts = texts.rename_columns([f"c{number}" for number in range(1, len(self.names) + 1)])
        for begin in range(0, max(1, len(records.lines)), CHUNK_ROWS):
            lines = records.lines[begin : begin + CHUNK_ROWS]
            is_last = begin + CHUNK_ROWS >= len(records.lines)
            upto = len(refused) if is_last else sum(each.line < lines[-1] for each in refused)
            yield RawChunk(
                texts.slice(begin, CHUNK_ROWS),
                lines,
                refused[:upto],
                lambda row, begin=begin: records.text(begin + row),  # type: ignore[misc]
            )
            refused = refused[upto:]


@contextmanager
def open_raw(path: Path) -> Iterator[RawFile]:
    """Open a raw file.

    Raises
    ------
    UnreadableFileError
        If it is no CSV with a header.
    """
    names, body, first_line = read_header(path.read_bytes())
    yield RawFile(tuple(names), split_records(body, len(names), first_line))


def parse_texts(records: Records, names: Sequence[str], wanted: Sequence[str]) -> pa.Table:
    """Parse the sound records: a table of strings, wanted columns only, each text as it stands in the file."""
    import pyarrow as pa
    from pyarrow import csv

    aliases = [f"c{number}" for number in range(len(names))]
    chosen = [alias for alias, name in zip(aliases, names, strict=True) if name in wanted]
    if not records.sound:
        return pa.table({alias: pa.array([], pa.string()) for alias in chosen})
    return csv.read_csv(
        pa.BufferReader(records.sound),
        read_options=csv.ReadOptions(column_names=aliases, block_size=1 << 24),
        parse_options=csv.ParseOptions(newlines_in_values=records.multiline, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(aliases, pa.string()), include_columns=chosen, strings_can_be_null=False
        ),
    )
