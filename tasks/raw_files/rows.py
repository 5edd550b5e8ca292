"""What the raw reader hands out: rows of text with their lines, and the records that are no row, with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.raw_files.dialect import Dialect

    Positions = NDArray[np.int64]

LONGEST_RECORD = 1 << 22  # bytes
LONGEST_SHOWN = 10_000  # bytes of a refused record
NOT_DECODED = re.compile(rb"\xed[\xb0-\xb3][\x80-\xbf]")  # a lone surrogate: how `encodings` passes on such a byte

DETAILS = {
    "misplaced_quote": "a quote inside an unquoted field, text behind a closing quote, or a quote that never closes; "
    "fields with quotes are quoted as a whole, and a quote inside is written twice or escaped",
    "stray_cr": "a carriage return inside an unquoted field; lines end in LF or CRLF here",
    "nul_byte": "a NUL byte",
    "not_utf8": "bytes that are no UTF-8 (escaped in raw); save the file as UTF-8, or declare source.dialect.encoding",
    "not_decodable": "bytes that are no text in {encoding} (escaped in raw); declare another source.dialect.encoding",
    "other_encoding": "the bytes are UTF-8 in a file of {encoding}; save the file in one encoding",
    "blank_line": "a blank line between rows",
    "record_too_long": f"longer than {LONGEST_RECORD} bytes",
    "too_few_columns": "{fields} fields where the header has {width}",
    "too_many_columns": "{fields} fields where the header has {width}",
    "comment": "begins with # and has {fields} fields where the header has {width}: a comment between rows",
    "no_trailing_delimiter": "text behind the delimiter that ends each row of this file",
    "repeated_header": "the header once more",
    "reordered_header": "the header's names in another order",
    "inner_mark": "a byte order mark inside the file, where another one was joined to it; leave the mark out",
    "footer": "a note at the end of the file, {fields} fields where the header has {width}",
    "title": "above the header that stands once more: a title, or nothing but delimiters",
    "padded_footer": "a note at the end of the file in one of its fields, or nothing but delimiters beside one",
    "totals_row": "the file's last record is a total, not a row",
    "not_json": "no JSON: {problem}",
    "not_an_object": "JSON, but no object with a key for each column",
    "unknown_key": "key {problem} stands in none of the first records",
    "duplicate_key": "key {problem} stands there more than once",
}


class RefusedRecord(NamedTuple):
    """A record that is no row of the table: its first line, why, and its text."""

    line: int
    reason: str
    detail: str
    raw: str


@dataclass(frozen=True)
class RawChunk:
    """Consecutive records of a file.

    Attributes
    ----------
    texts : Table of string, shape (n, columns)
        As the text stands in the file, unquoted; null only where the format has one. Columns are named c1, c2, ...
        by position, because names of a header may repeat; `RawFile.names` has the names. Where a caller asked for
        columns (`AskedColumns`) these, and in the forms asked for.
    lines : array of int64, shape (n,)
        Line of the file where each row starts; for Parquet its number, from 1.
    refused : list of RefusedRecord
        In order of line.
    raw : callable
        From a row's index to the record as it stands in the file, without its line end.
    reread : callable or None
        From the name of a column that holds numbers to its texts; None where none does.
    """

    texts: pa.Table
    lines: Positions
    refused: list[RefusedRecord]
    raw: Callable[[int], str]
    reread: Callable[[str], pa.ChunkedArray] | None = None


@dataclass(frozen=True)
class RawTable:
    """A whole file at once; see `RawChunk`."""

    texts: pa.Table
    lines: Positions
    refused: list[RefusedRecord]
    dialect: Dialect
    names: tuple[str, ...]
    raw: Callable[[int], str]


def shown(content: bytes) -> str:
    """Bytes as text for a quarantine: what was not decoded is escaped, and very long ones are cut."""
    head = NOT_DECODED.sub(lambda found: f"\\x{undecoded_byte(found[0]):02x}".encode(), content[:LONGEST_SHOWN])
    text = head.decode("utf-8", errors="backslashreplace").rstrip("\r\n")
    return text if len(content) <= LONGEST_SHOWN else f"{text}... ({len(content)} bytes)"


def undecoded_byte(surrogate: bytes) -> int:
    """The byte of the file that stands as a lone surrogate, U+DC00 plus the byte, where it could not be decoded."""
    return ord(surrogate.decode("utf-8", errors="surrogatepass")) - 0xDC00


def refusal(line: int, reason: str, content: bytes, **facts: object) -> RefusedRecord:
    """A refused record, described by its reason's text."""
    return RefusedRecord(line, reason, DETAILS[reason].format(**facts), shown(content))


def column_aliases(width: int) -> list[str]:
    """Names of a chunk's columns, by position.

    >>> column_aliases(2)
    ['c1', 'c2']
    """
    return [column_alias(place) for place in range(width)]


def column_alias(place: int) -> str:
    """Name of a chunk's column, by its position from 0."""
    return f"c{place + 1}"
