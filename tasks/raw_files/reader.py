"""The door: open a file, say how it is written, read it."""

from __future__ import annotations

import re
import shlex
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate, chain
from pathlib import Path
from types import TracebackType
from typing import Self

from configs.sections.source import DeclaredDialect
from tasks.raw_files.asked import AskedColumns
from tasks.raw_files.dialect import Dialect, Format
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.json_array import array_chunks, is_json_array, names_of_array
from tasks.raw_files.json_lines import is_json_lines, json_chunks, keys_of
from tasks.raw_files.kinds import PARQUET, looks_like_json
from tasks.raw_files.layout import refuse_too_wide
from tasks.raw_files.opened import OpenedFile
from tasks.raw_files.parquet import open_parquet, parquet_chunks
from tasks.raw_files.rows import RawChunk, RawTable, column_aliases
from tasks.raw_files.table_text import read_table
from tasks.raw_files.texts import open_text

JSON_NAMES = (".jsonl", ".ndjson")
NOTHING_DECLARED, ANY_ENCODING = DeclaredDialect(), DeclaredDialect(encoding="iso-8859-1")


class RawFile:
    """A file that is being read; made by `open_raw`, used in a `with` block.

    Attributes
    ----------
    dialect : Dialect
        Its notes are complete when all chunks have been taken.
    names : tuple of str
        The header's names, which may be empty or repeat; c1, c2, ... where there is no header.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of what was opened
        self,
        path: Path,
        opened: OpenedFile,
        dialect: Dialect,
        names: tuple[str, ...],
        rows: Callable[[AskedColumns | None], Iterator[RawChunk]],
        notes: list[str] | None = None,
    ) -> None:
        self.path, self.names = path, names
        self._opened, self._dialect, self._rows = opened, dialect, rows
        self._taken: Iterator[RawChunk] = iter(())
        self._notes = [] if notes is None else notes

    @property
    def dialect(self) -> Dialect:
        """How the file is written."""
        return replace(self._dialect, notes=(*self._dialect.notes, *self._notes))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._taken, Generator):
            self._taken.close()
        self._opened.file.close()

    def chunks(self, asked: AskedColumns | None = None) -> Iterator[RawChunk]:
        """Rows of the file, once, in order.

        Parameters
        ----------
        asked : AskedColumns, optional
            Which columns to read and as what; all and as text, where the file is no delimited text or nothing is asked.

        Raises
        ------
        UnreadableFileError
            If the file turns out to be damaged, or joined of two with other orders of columns, or changes while it is
            read.
        """
        with located(self.path):
            self._taken = self._rows(asked)
            for chunk in self._taken:
                refuse_reordered(chunk)
                self._note_refused(chunk)
                yield chunk
            self._opened.refuse_changed()

    def _note_refused(self, chunk: RawChunk) -> None:
        """Tell where the encoding changes."""
        for reason in ("not_utf8", "other_encoding", "not_decodable"):
            first = next((record.line for record in chunk.refused if record.reason == reason), None)
            if first is not None and not any(f"({reason})" in note for note in self._notes):
                self._notes.append(f"line {first} is the first that is not in {self.dialect.encoding} ({reason})")


def refuse_reordered(chunk: RawChunk) -> None:
    """Refuse a file in which the header stands again with its names in another order, and rows behind it.

    Raises
    ------
    UnreadableFileError
        Names the line.
    """
    for record in chunk.refused:
        if record.reason == "reordered_header":
            raise UnreadableFileError(
                f"line {record.line} is the header in another order, {record.raw.strip()!r}: two files were joined, "
                "and the rows behind it belong to other columns. Put each into a file of its own"
            )


@contextmanager
def located(path: Path) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except UnreadableFileError as error:
        text = str(error)
        raise UnreadableFileError(text if text.startswith(f"{path}: ") else f"{path}: {text}") from error


def open_raw(path: Path, declared: DeclaredDialect | None = None) -> RawFile:
    r"""Open a table file: detect how it is written, as far as that is not declared, and read its header.

    Parameters
    ----------
    path : Path
        A regular file; a link is followed.
    declared : DeclaredDialect, optional
        What is known of the dialect.

    Raises
    ------
    UnreadableFileError
        With the file's name: it is missing, no regular file, empty, of another format, damaged, or its header cannot
        be read.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = file.write_text("name;age\nAda;36\nAlan;41;7\n")
    >>> with open_raw(file) as raw:
    ...     chunks = list(raw.chunks())
    >>> raw.names, raw.dialect.delimiter, chunks[0].texts.to_pylist(), chunks[0].refused[0].reason
    (('name', 'age'), ';', [{'c1': 'Ada', 'c2': '36'}], 'too_many_columns')
    """
    with located(path):
        opened = OpenedFile(path)
        try:
            return opened_as(path, opened, declared or NOTHING_DECLARED)
        except BaseException:
            opened.file.close()
            raise


def opened_as(path: Path, opened: OpenedFile, declared: DeclaredDialect) -> RawFile:
    """Choose the format."""
    if is_parquet(opened, declared):
        opened.whole = True
        file = open_parquet(path)
        names = tuple(file.schema_arrow.names)
        refuse_too_wide(len(names))
        return RawFile(path, opened, Dialect(format="parquet"), names, lambda _: parquet_chunks(file))
    notes: list[str] = []
    text = open_text(opened, declared, notes.append)
    form = json_format(path, text.head, declared)
    if form is not None:
        whole = text.head if text.ended else text.head[: text.head.rfind(b"\n") + 1]
        is_array = form == "json_array"
        names = names_of_array(text.head) if is_array else keys_of(whole)
        refuse_too_wide(len(names))
        found, chunks = replace(text.dialect, format=form), array_chunks if is_array else json_chunks
        body = chain([text.head], text.rest)
        return RawFile(path, opened, found, names, lambda _: chunks(body, names, found.encoding), notes)
    dialect, names, rows = read_table(text, declared, notes.append)
    return RawFile(path, opened, dialect, names, rows, notes)


def is_parquet(opened: OpenedFile, declared: DeclaredDialect) -> bool:
    """Whether a file is declared to be Parquet or begins as one."""
    return declared.format == "parquet" or (declared.format is None and opened.peek(len(PARQUET)) == PARQUET)


def json_format(path: Path, text: bytes, declared: DeclaredDialect) -> Format | None:
    """Which JSON a text is, lines or an array of objects; None where it is none, and JSON of another kind is refused.

    Raises
    ------
    UnreadableFileError
        If it is another JSON document.
    """
    if declared.format is not None:
        return declared.format if declared.format in ("json_lines", "json_array") else None
    if not looks_like_json(text):
        return None
    if is_json_array(text):
        return "json_array"
    if any(suffix in JSON_NAMES for suffix in path.suffixes) or is_json_lines(text):
        return "json_lines"
    raise UnreadableFileError(
        "this is JSON, but neither one object per line nor an array of objects. Write the rows as lines, as "
        f"`{as_lines(path, text)}` does, or declare source.dialect.format: json_lines if each line is a row"
    )


def as_lines(path: Path, text: bytes) -> str:
    """The command that writes the array inside of a JSON document as lines; what its key seems to be is written out."""
    found = re.search(rb'"([A-Za-z_][A-Za-z0-9_]{0,40})"\s*:\s*\[\s*\{', text)
    key = found[1].decode() if found else ""
    return f"jq -c '.{key}[]' {shlex.quote(path.name)} > {shlex.quote(path.stem + '.jsonl')}"


def refuse_unreadable(path: Path) -> None:
    """Refuse what no declaration can make a table of: other formats, empty and damaged files. No row is read.

    Raises
    ------
    UnreadableFileError
        With the file's name.
    """
    with located(path), OpenedFile(path) as opened:
        if is_parquet(opened, NOTHING_DECLARED):
            open_parquet(path)
            return
        text = open_text(opened, ANY_ENCODING, lambda note: None)
        json_format(path, text.head, NOTHING_DECLARED)


def read_raw(path: Path, declared: DeclaredDialect | None = None) -> RawTable:
    r"""Read a whole file at once, for files that fit into memory; see `open_raw`.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = file.write_text("name,age\nAda,36\n")
    >>> read_raw(file).texts.to_pylist()
    [{'c1': 'Ada', 'c2': '36'}]
    """
    import numpy as np
    import pyarrow as pa

    with open_raw(path, declared) as raw:
        chunks = list(raw.chunks())
    aliases = column_aliases(len(raw.names))
    texts = pa.concat_tables(
        [
            pa.table([[]] * len(aliases), schema=pa.schema([(name, pa.string()) for name in aliases])),
            *(chunk.texts for chunk in chunks),
        ]
    )
    lines = np.concatenate([np.zeros(0, np.int64), *(chunk.lines for chunk in chunks)])
    refused = [record for chunk in chunks for record in chunk.refused]
    return RawTable(texts, lines, refused, raw.dialect, raw.names, RawOfChunks(chunks))


class RawOfChunks:
    """From a row of all chunks to its record."""

    def __init__(self, chunks: Sequence[RawChunk]) -> None:
        self.chunks = chunks
        self.begins = list(accumulate((len(chunk.lines) for chunk in chunks), initial=0))

    def __call__(self, row: int) -> str:
        """One record as it stands in the file."""
        place = bisect_right(self.begins, row) - 1
        return self.chunks[place].raw(row - self.begins[place])
