"""A sample of a file's rows as text: all of a small file, places evenly through a large one, at most 100,000 rows.

Time and memory are bounded whatever the file's size: of a large file the beginning and `PLACES` pieces at even
distances are read, each from a line break on.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 100_000
MOST_CELLS = 10_000_000
WHOLE = 64 << 20  # bytes up to which a file is read as a whole
HEAD = 4 << 20  # bytes of a larger file's beginning
PLACES = 60
PIECE = 1 << 20  # bytes of each place


class SampleError(DataError):
    """A file of which no sample can be drawn."""


@dataclass(frozen=True)
class Sample:
    """Some rows of a file, as text.

    Attributes
    ----------
    names : tuple of str
        The header.
    texts : Table of string, shape (n_rows, n_columns)
        In the order of the file.
    file_rows : int
        Rows that the file has: counted where it was read as a whole, else estimated by its size.
    is_whole : bool
        Whether all rows were looked at.
    how : str
        Which rows these are, in words.
    """

    names: tuple[str, ...]
    texts: pa.Table
    file_rows: int
    is_whole: bool
    how: str


def sample_rows(path: Path) -> Sample:
    """Draw a sample of a file.

    Raises
    ------
    SampleError
        If it is no regular file, or has no row that can be read.
    NotCsvError
        If it is of another format; both name the file.
    """
    from tasks.ingest import parse_texts
    from tasks.records import NotCsvError, read_header, split_records

    size = size_of(path)
    content = path.read_bytes() if size <= WHOLE else pieces(path, size)
    try:
        names, body, first_line = read_header(content)
    except NotCsvError as error:
        raise NotCsvError(f"{path}:1: {error}.") from error
    records = split_records(body, len(names), first_line)
    texts = parse_texts(records, names, names) if len({*names}) == len(names) else None
    return drawn(path, tuple(names), texts, size, len(content))


def size_of(path: Path) -> int:
    """Bytes of a regular file."""
    try:
        found = path.stat()
    except OSError as error:
        raise SampleError(f"{path}: cannot be read ({error.strerror}); name a file with rows of data.") from error
    if not stat.S_ISREG(found.st_mode):
        raise SampleError(f"{path}: is no regular file; name one file with rows of data, such as {path}/2024-01.csv.")
    return found.st_size


def drawn(path: Path, names: tuple[str, ...], texts: pa.Table | None, size: int, read: int) -> Sample:
    """Thin the rows that were read out to as many as are looked at."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or texts is None:
        raise SampleError(f"{path}:1: the header names {', '.join(map(repr, twice))} more than once; rename one.")
    if texts.num_rows == 0:
        raise SampleError(f"{path}: a header and no row that can be read; at least one row is expected.")
    is_all = read >= size
    kept = thinned(texts, min(MOST_ROWS, MOST_CELLS // len(names)))
    rows = texts.num_rows if is_all else round(texts.num_rows * size / read)
    is_whole = is_all and kept.num_rows == texts.num_rows
    many = "all" if is_whole else "evenly spread"
    places = "" if is_all else f", from the beginning and {PLACES} places evenly through the file"
    about = "" if is_all else "about "
    how = f"{kept.num_rows:,} rows, {many} of {about}{rows:,}{places}"
    return Sample(names, kept.rename_columns([f"c{number}" for number in range(len(names))]), rows, is_whole, how)


def thinned(texts: pa.Table, most: int) -> pa.Table:
    """At most so many rows, at even distances."""
    if texts.num_rows <= most:
        return texts
    return texts.take(np.linspace(0, texts.num_rows - 1, most).astype(np.int64))


def pieces(path: Path, size: int) -> bytes:
    """The beginning of a file, and whole lines from places at even distances behind it."""
    with path.open("rb") as file:
        parts = [whole_lines(file.read(HEAD))]
        for start in np.linspace(HEAD, size - PIECE, PLACES).astype(np.int64).tolist():
            file.seek(start, os.SEEK_SET)
            piece = file.read(PIECE)
            parts.append(whole_lines(piece[piece.find(b"\n") + 1 :]))
    return b"".join(parts)


def whole_lines(piece: bytes) -> bytes:
    """A piece of a file up to its last line break."""
    return piece[: piece.rfind(b"\n") + 1]
