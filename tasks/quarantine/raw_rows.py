"""A landed text file, row by row: the text of each, and the file with some of them replaced or left out.

Where rows begin is what the raw reader says, by which `ingest` reads too, so no second reader parts the file. A row
goes on to the line before the next one, the last one to the footer.
"""

from __future__ import annotations

import csv
import gzip
import io
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from configs.errors import DataError
from configs.schema import Pipeline
from configs.sections.source import DeclaredDialect
from tasks.batch import RAW, landed_by_name, name_of
from tasks.raw_files import RawFile, open_raw
from tasks.raw_files.compression import expanded
from tasks.raw_files.dialect import Compression
from tasks.table import FILE, LINE, read_table
from tasks.version.pins import LOCK, raw_pin, read_raw_pin, stage_entries


class NotYetReadError(DataError):
    """The last run read other batches than have landed, so lines and rows do not belong together."""


class OtherFormatError(DataError):
    """A file whose rows cannot be changed one by one."""


class NoSuchRowError(DataError):
    """No row begins on a line."""


class Layout(NamedTuple):
    """How a raw text file writes a row: the columns of its header, in order, and its dialect."""

    names: list[str]
    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    is_trailed: bool = False  # each row ends in one more delimiter
    compression: Compression = "none"
    footer: int = 0  # records at the end that are no rows

    @property
    def dialect(self) -> dict[str, Any]:
        """The same for the `csv` module."""
        quoting = csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL
        return {"delimiter": self.delimiter, "quotechar": self.quote, "escapechar": self.escape, "quoting": quoting}

    def cells(self, text: str) -> list[str] | None:
        """The cells of a row's text; None where it does not part into as many as the header has."""
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), strict=True, **self.dialect))
        except csv.Error:
            return None
        found = rows[0] if len(rows) == 1 else []
        if self.is_trailed and len(found) == len(self.names) + 1 and not found[-1]:
            found = found[:-1]
        return found if len(found) == len(self.names) else None

    def text(self, cells: Iterable[str], end: str) -> str:
        """A row's text with its line end.

        Raises
        ------
        OtherFormatError
            If the dialect has no way to write a cell.
        """
        written = io.StringIO()
        try:
            csv.writer(written, lineterminator="\r\n", **self.dialect).writerow([*cells, *[""] * self.is_trailed])
        except csv.Error as error:
            raise OtherFormatError(f"a cell cannot be written with delimiter {self.delimiter!r}: {error}") from error
        return written.getvalue().removesuffix("\r\n") + end  # either of the two in a cell is a reason for quotes


def layout_of(raw: RawFile) -> Layout:
    """How a raw file is written: the one place here that knows which files are read.

    Raises
    ------
    OtherFormatError
        If its rows are no lines of text.
    """
    found = raw.dialect
    is_plain = found.format == "csv" and found.line_ends in ("lf", "crlf", "mixed")
    if not is_plain or found.other_encoding or found.spaces or "a\n".encode(found.encoding) != b"a\n":
        encoding = f"{found.encoding} and {found.other_encoding}" if found.other_encoding else found.encoding or "none"
        raise OtherFormatError(
            f"{raw.path}: rows are changed one by one in text with lines that end in LF; this is {found.format}, "
            f"encoding {encoding}, line ends {found.line_ends}, spaces {found.spaces or 'none'} at its delimiters. "
            "Land a corrected file in its place with `--replace`, or erase the whole batch."
        )
    return Layout(
        list(raw.names),
        found.delimiter,
        found.quote,
        found.escape,
        found.encoding,
        found.trailing_delimiter,
        found.compression,
        found.footer,
    )


@dataclass(frozen=True)
class RawRows:
    """A raw file whose rows begin on known lines, numbered from 1 and in order; its content is decompressed."""

    content: bytes
    starts: Sequence[int]
    layout: Layout

    @cached_property
    def lines(self) -> list[bytes]:
        """Lines with their ends, as an editor counts them."""
        return self.content.splitlines(keepends=True) if b"\r" not in self.content else split_at_lf(self.content)

    @cached_property
    def end(self) -> int:
        """Lines up to the end of the last row: blank ones at the end of the file and a footer are none of it."""
        end = len(self.lines)
        while end > self.starts[-1] and not self.lines[end - 1].strip(b"\r\n\x1a"):
            end -= 1
        return max(end - self.layout.footer, self.starts[-1])

    def span(self, line: int) -> slice:
        """Places in `lines` of the row that begins on a line.

        Raises
        ------
        NoSuchRowError
            If none does.
        """
        place = bisect_left(self.starts, line)
        if place == len(self.starts) or self.starts[place] != line:
            raise NoSuchRowError(f"line {line}: no row begins there")
        return slice(line - 1, self.starts[place + 1] - 1 if place + 1 < len(self.starts) else self.end)

    def text(self, line: int) -> str:
        """The row that begins on a line, without its line end; bytes that are no text are escaped."""
        found = b"".join(self.lines[self.span(line)])
        return found.decode(self.layout.encoding, errors="backslashreplace").rstrip("\r\n")

    def changed(self, rows: Mapping[int, list[str] | None]) -> bytes:
        """The file with other cells in some rows, by line; None leaves a row out. All other bytes of its text stay."""
        lines: list[bytes] = list(self.lines)
        for line, cells in rows.items():
            span = self.span(line)
            end = "\r\n" if lines[span][-1].endswith(b"\r\n") else "\n"
            new = b"" if cells is None else self.layout.text(cells, end).encode(self.layout.encoding)
            lines[span] = [new] + [b""] * (span.stop - span.start - 1)
        return compressed(b"".join(lines), self.layout.compression)


def compressed(content: bytes, compression: Compression) -> bytes:
    """Bytes as a file of that compression holds them."""
    import pyarrow as pa

    if compression == "gzip":
        return gzip.compress(content, mtime=0)
    return content if compression == "none" else pa.Codec(compression).compress(content, asbytes=True)


def split_at_lf(content: bytes) -> list[bytes]:
    r"""Lines that end at LF alone, with their ends.

    >>> split_at_lf(b"a\rb\nc")
    [b'a\rb\n', b'c']
    """
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def rows_of_file(file: Path, declared: DeclaredDialect) -> RawRows:
    """The rows of a landed file.

    Raises
    ------
    OtherFormatError
        If its rows are no lines of text.
    """
    with open_raw(file, declared) as raw:
        layout = layout_of(raw)
        starts: list[int] = []
        for chunk in raw.chunks():
            starts += [*chunk.lines.tolist(), *(record.line for record in chunk.refused)]
    content = file.read_bytes()
    if layout.compression != "none":
        content = b"".join(expanded(io.BytesIO(content).read, layout.compression))
    return RawRows(content, sorted(starts), layout)


def rows_of_files(pipeline: Pipeline, names: Collection[str]) -> dict[str, RawRows]:
    """The rows of landed files, by name.

    Raises
    ------
    OtherFormatError
        If there is a file the rows of which are no lines of text.
    """
    there = landed_by_name(pipeline.name)
    return {name: rows_of_file(there[name], pipeline.source.dialect) for name in names}


def batches_of_rows(pipeline: Pipeline, names: Collection[str]) -> dict[str, dict[int, str]]:
    """The batch of each row of landed files as the last run dealt them: by name of file, by the line it begins on.

    Raises
    ------
    NotYetReadError
        If the last run read other bytes than have landed.
    """
    require_read(pipeline.name)
    there = landed_by_name(pipeline.name)
    wanted = {there[name].as_posix(): name for name in names}
    found: dict[str, dict[int, str]] = {name: {} for name in names}
    for path, column in files_of_rows(pipeline.name):
        table = read_table(path, [LINE, column])
        for file, line in zip(table[column].to_pylist(), table[LINE].to_pylist(), strict=True):
            if file in wanted:
                found[wanted[file]][line] = path.stem
    return found


def files_of_rows(pipeline: str) -> Iterator[tuple[Path, str]]:
    """Files of typed and of refused rows, each with its column that names the raw file."""
    for folder, column in ((Path("data/typed", pipeline), FILE), (Path("data/quarantine", pipeline, "ingest"), "file")):
        yield from ((path, column) for path in sorted(folder.glob("*.parquet")))


def name_of_row(pipeline: Pipeline, batch: str, file: str) -> str:
    """Name of the landed file that a row is of, by its batch and the file that the quarantine names."""
    if pipeline.source.batch == "file":
        return batch
    folder = f"{RAW / pipeline.name}/"
    return name_of(file.removeprefix(folder)) if file.startswith(folder) else file


def require_read(pipeline: str) -> None:
    """Refuse to go by lines while what has landed is not what the last run read."""
    if not was_read(pipeline):
        raise not_yet_read(pipeline)


def was_read(pipeline: str) -> bool:
    """Whether the last run read the bytes that have landed."""
    pin = raw_pin(pipeline)
    entries = stage_entries(LOCK.read_bytes(), pipeline, partial=True) if LOCK.is_file() else {}
    read = entries["ingest"].deps.get(str(RAW / pipeline)) if "ingest" in entries else None
    return read is not None and pin.is_file() and read.md5 == read_raw_pin(pin.read_bytes(), pipeline).md5


def not_yet_read(pipeline: str) -> NotYetReadError:
    """The error where lines are told of other bytes than have landed."""
    return NotYetReadError(
        f"{RAW / pipeline}: has landed, but the last run read other bytes, so no line can be found in them. "
        f"`holdfast run {pipeline}` first."
    )
