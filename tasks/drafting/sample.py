"""A sample of a file's rows as text: at most 100,000, evenly through the file.

Time and memory are bounded whatever the file's size. A small file is read as a whole; of a large plain text the
beginning and `PLACES` pieces at even distances are read, each from a line break on; of another large file, such as a
compressed one, the first gigabyte of text.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.raw_files import Dialect, RawFile

MOST_ROWS = 100_000
MOST_CELLS = 10_000_000
MOST_FILES = 6
WHOLE = 64 << 20  # bytes up to which a file is read as a whole
HEAD = 4 << 20  # bytes of a larger file's beginning
PLACES = 60
PIECE = 1 << 20  # bytes of each place
MOST_TEXT = 1 << 30  # bytes of text after which no more is read
SURE = 0.9  # certainty below which a dialect is declared rather than left to be detected
MANY_REFUSED = 0.001  # share of the records


class SampleError(DataError):
    """A file of which no sample can be drawn."""


@dataclass(frozen=True)
class Sample:
    """Some rows of a file, as text.

    Attributes
    ----------
    names : tuple of str
        The header, without names that stand there more than once.
    repeated : tuple of str
        Those: nothing tells their columns apart.
    texts : Table of string, shape (n_rows, n_columns)
        In the order of the file.
    file_rows : int
        Rows that the file has, of several the least: counted where it was read to its end, else estimated.
    how : str
        Which rows these are, in words.
    dialect : dict
        What should be declared of how the file is written, because its detection is unsure; usually nothing.
    notes : tuple of str
        What was seen of how it is written.
    empty : int
        Rows drawn that have no value in any column, as spreadsheets leave them at the end; not among `texts`.
    """

    names: tuple[str, ...]
    repeated: tuple[str, ...]
    texts: pa.Table
    file_rows: int
    how: str
    dialect: dict[str, Any]
    notes: tuple[str, ...]
    empty: int = 0


@dataclass(frozen=True)
class Thinned:
    """Rows at even distances: how many there were, whether these were all of the file, and the refused by reason.

    Rows without a value in any column say nothing of the columns: they are counted in `empty` alone.
    """

    texts: pa.Table
    seen: int
    to_the_end: bool
    refused: Counter[str]
    empty: int


def sample_rows(path: Path) -> Sample:
    """Draw a sample of a file.

    Raises
    ------
    UnreadableFileError
        If it holds no table, with its name.
    SampleError
        If it has no row that can be read.
    """
    from tasks.raw_files import open_raw

    with open_raw(path) as raw:
        size = path.stat().st_size
        is_cut = size > WHOLE and has_lines(raw.dialect)
        if not is_cut:
            thinned = thin(raw)
            return sample_of(path, raw, thinned, whole_words(thinned), thinned.seen)
    with pieces(path, size) as file, open_raw(file) as raw:
        thinned = thin(raw)
        rows = round(thinned.seen * size / file.stat().st_size)
        words = f"{thinned.texts.num_rows:,} of about {rows:,} rows, from {PLACES} places evenly through the file"
        return sample_of(path, raw, thinned, words, rows)


def sample_files(files: Sequence[Path]) -> Sample:
    """Draw a sample of several files with one header: of some of them, at even distances in order.

    Parameters
    ----------
    files : sequence of Path
        In the order in which their rows are to stand; at least one.

    Raises
    ------
    UnreadableFileError, SampleError
        See `sample_rows`.
    """
    import pyarrow as pa

    chosen = [files[place] for place in np.linspace(0, len(files) - 1, min(MOST_FILES, len(files))).astype(int)]
    parts = [sample_rows(file) for file in chosen]
    first = parts[0]
    if len(parts) == 1:
        return first
    orders = [[part.names.index(name) for name in first.names] for part in parts]
    texts = pa.concat_tables(
        part.texts.select(order).rename_columns(first.texts.column_names)
        for part, order in zip(parts, orders, strict=True)
    )
    kept = every(texts, -(-texts.num_rows // most_rows(len(first.names))), 0)
    how = f"{kept.num_rows:,} rows of {len(parts)} of {len(files)} files"
    dialect = next((part.dialect for part in parts if part.dialect), {})
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    rows = min(part.file_rows for part in parts)
    return Sample(first.names, first.repeated, kept, rows, how, dialect, notes, sum(part.empty for part in parts))


def has_lines(dialect: Dialect) -> bool:
    """Whether a line can be found from the middle of the file: plain text in which a line feed is one byte."""
    return (
        dialect.format not in ("parquet", "json_array")
        and dialect.compression == "none"
        and not dialect.encoding.startswith("utf-16")
    )


def whole_words(thinned: Thinned) -> str:
    """Which rows of a file that was read from its beginning are looked at, in words."""
    kept, of = thinned.texts.num_rows + thinned.empty, "" if thinned.to_the_end else "the first "
    return f"all {kept:,} rows" if kept == thinned.seen and not of else f"{kept:,} rows evenly of {of}{thinned.seen:,}"


def sample_of(path: Path, raw: RawFile, thinned: Thinned, how: str, rows: int) -> Sample:
    """The sample, if it has a row."""
    if thinned.texts.num_rows == 0:
        told = f" ({', '.join(thinned.refused)})" if thinned.refused else ""
        seen = "".join(f" {note[:1].upper()}{note[1:]}." for note in raw.dialect.notes)
        raise SampleError(f"{path}: a header and no row that can be read{told}; at least one row is expected.{seen}")
    once = [number for number, name in enumerate(raw.names) if raw.names.count(name) == 1]
    return Sample(
        names=tuple(raw.names[number] for number in once),
        repeated=tuple(sorted({name for name in raw.names if raw.names.count(name) > 1})),
        texts=thinned.texts.select(once),
        file_rows=rows,
        how=how,
        dialect=unsure(raw.dialect),
        notes=tuple(told_of(raw.dialect, thinned)),
        empty=thinned.empty,
    )


def thin(raw: RawFile) -> Thinned:
    """Rows at even distances, of the file's first gigabyte of text; the distance doubles when there are too many."""
    import pyarrow as pa

    most = most_rows(len(raw.names))
    kept: list[pa.Table] = []
    refused: Counter[str] = Counter()
    stride, seen, read, empty, to_the_end = 1, 0, 0, 0, True
    for chunk in raw.chunks():
        rows = chunk.texts.num_rows
        drawn = every(chunk.texts, stride, -seen % stride)
        kept.append(with_a_value(drawn))
        empty += drawn.num_rows - kept[-1].num_rows
        refused.update(record.reason for record in chunk.refused)
        seen, read = seen + rows, read + chunk.texts.nbytes
        while sum(table.num_rows for table in kept) > most or sum(table.nbytes for table in kept) > WHOLE * 2:
            kept, stride, empty = [every(pa.concat_tables(kept), 2, 0)], stride * 2, empty // 2
        if read > MOST_TEXT:
            to_the_end = False
            break
    texts = pa.concat_tables(kept) if kept else pa.table({})
    return Thinned(texts, seen, to_the_end, refused, empty)


def with_a_value(texts: pa.Table) -> pa.Table:
    """The rows that have a text in any column."""
    import pyarrow.compute as pc

    filled = np.zeros(texts.num_rows, dtype=np.bool_)
    for column in texts.columns:
        if filled.all():
            return texts
        filled |= pc.fill_null(pc.not_equal(column, ""), False).to_numpy()
    return texts if filled.all() else texts.filter(filled)


def most_rows(width: int) -> int:
    """How many rows of so many columns are looked at."""
    return max(1, min(MOST_ROWS, MOST_CELLS // max(1, width)))


def every(texts: pa.Table, stride: int, first: int) -> pa.Table:
    """Each so-many-th row."""
    return texts if stride == 1 else texts.take(np.arange(first, texts.num_rows, stride))


@contextmanager
def pieces(path: Path, size: int) -> Iterator[Path]:
    """A file of the beginning of another, and of whole lines from places at even distances behind it."""
    with TemporaryDirectory() as folder, path.open("rb") as file:
        target = Path(folder, path.name)
        with target.open("wb") as writer:
            writer.write(whole_lines(file.read(HEAD)))
            for start in np.linspace(HEAD, size - PIECE, PLACES).astype(np.int64).tolist():
                file.seek(start, os.SEEK_SET)
                piece = file.read(PIECE)
                writer.write(whole_lines(piece[piece.find(b"\n") + 1 :]))
        yield target


def whole_lines(piece: bytes) -> bytes:
    """A piece of a file up to its last line break."""
    return piece[: piece.rfind(b"\n") + 1]


def unsure(dialect: Dialect) -> dict[str, Any]:
    """The keys of `source.dialect`, where detection is not sure of them; none where it is."""
    if dialect.certainty >= SURE:
        return {}
    text = {} if dialect.other_encoding else {"encoding": dialect.encoding}  # declared, it would be that of all lines
    if dialect.format != "csv":
        return {"format": dialect.format, **text}
    marks = {"delimiter": dialect.delimiter, "quote": dialect.quote or "none", "escape": dialect.escape or "none"}
    if dialect.spaces == "behind":
        marks["delimiter"] += " "
    elif dialect.spaces:  # found only where no delimiter is declared
        del marks["delimiter"]
    return {**text, **marks, "preamble": dialect.preamble, "header": dialect.header_lines}


def told_of(dialect: Dialect, thinned: Thinned) -> Iterator[str]:
    """How the file is written where that is not the usual way, and what of it cannot be read."""
    usual = {"format": "csv", "compression": "none", "encoding": "utf-8", "delimiter": ","}
    found = {key: getattr(dialect, key) for key in usual}
    told = [f"{key} {value!r}" for key, value in found.items() if value not in (usual[key], "")]
    if told:
        yield f"found: {', '.join(told)}"
    if dialect.certainty < SURE:
        yield f"not sure ({dialect.certainty:.2f}){f': or {dialect.second}' if dialect.second else ''}"
    yield from dialect.notes
    if thinned.empty:
        rows = "1 row has" if thinned.empty == 1 else f"{thinned.empty:,} rows have"
        yield f"{rows} no value in any column: to quarantine, without a target"
    if (count := sum(thinned.refused.values())) > MANY_REFUSED * thinned.seen:
        yield f"{count:,} records cannot be read ({', '.join(sorted(thinned.refused))}): they go to quarantine"
