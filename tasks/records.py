"""Where each record of a CSV file begins and ends, and which ones no reader should guess at.

The dialect is RFC 4180 in UTF-8: commas, LF or CRLF, fields quoted with `"` where they hold a comma, a quote or a
newline, a quote inside written twice. A byte order mark is tolerated. Everything else is refused row by row, with the
line where the row starts, instead of being read in some lenient way. Lines end at LF, so that a line number is the one
an editor shows.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from configs.errors import DataError
from tasks.lines import LF, LineTable

if TYPE_CHECKING:
    from tasks.lines import Positions

LONGEST_RECORD = 1 << 20  # bytes
FIELD = rb'(?:"(?:[^"]++|"")*+"|[^",\r\n]*+)'
RECORD = re.compile(FIELD + rb"(?:," + FIELD + rb")*+(?:\r?\n|\Z)")
QUOTED = re.compile(rb'"(?:[^"]++|"")*+"')

FOREIGN = {  # how other formats begin
    b"\x1f\x8b": "gzip-compressed data",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"BZh": "bzip2-compressed data",
    b"\xfd7zXZ\x00": "xz-compressed data",
    b"\x28\xb5\x2f\xfd": "zstd-compressed data",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF document",
    codecs.BOM_UTF32_LE: "text in UTF-32",
    codecs.BOM_UTF16_LE: "text in UTF-16",
    codecs.BOM_UTF16_BE: "text in UTF-16",
    b"version https://git-lfs": "a git-lfs pointer, not the data themselves",
}
MARKUP = re.compile(rb"\s*(?:(<!doctype|<html|<\?xml|<head|<body)|(\{\s*[\"}]|\[\s*[\[{\"\]]))", re.IGNORECASE)


DETAILS = {
    "misplaced_quote": "a quote inside an unquoted field, text behind a closing quote, or a quote that never closes; "
    "fields with quotes are quoted as a whole, and a quote inside is written twice",
    "stray_cr": "a carriage return inside an unquoted field; lines end in LF or CRLF",
    "nul_byte": "a NUL byte; CSV text in UTF-8 is expected",
    "not_utf8": "bytes that are no UTF-8 (escaped in raw); save the file as UTF-8",
    "blank_line": "a blank line between rows",
    "record_too_long": f"longer than {LONGEST_RECORD} bytes",
    "too_few_columns": "{fields} fields where the header has {width}",
    "too_many_columns": "{fields} fields where the header has {width}",
}


class NotCsvError(DataError):
    """The file is empty, of another format, or its header cannot be read."""


class RefusedRecord(NamedTuple):
    """A record that cannot be split into the header's columns: its first line, why, and its bytes as text."""

    line: int
    reason: str
    detail: str
    raw: str


@dataclass(frozen=True)
class Records:
    """The records of one file below its header.

    Attributes
    ----------
    lines, begins, ends : arrays of int64, shape (n_sound,)
        Line in the file, first byte, and byte after the last, of each sound record; offsets into `body`.
    sound : bytes
        The sound records alone, one after the other.
    multiline : bool
        Whether a sound record spans lines.
    refused : list of RefusedRecord
        In order of line.
    """

    body: bytes
    sound: bytes
    lines: Positions
    begins: Positions
    ends: Positions
    multiline: bool
    refused: list[RefusedRecord]

    def text(self, row: int) -> str:
        """One sound record as it stands in the file, without its line end."""
        return shown(self.body[self.begins[row] : self.ends[row]])


def shown(content: bytes) -> str:
    """Bytes as text for a quarantine: what is no UTF-8 is escaped, and very long ones are cut."""
    text = content[:10_000].decode("utf-8", errors="backslashreplace").rstrip("\r\n")
    return text if len(content) <= 10_000 else f"{text}... ({len(content)} bytes)"


def refuse_foreign(head: bytes) -> None:
    """Refuse content that begins as another format does.

    Raises
    ------
    NotCsvError
        Says what the content is; the caller adds the file.
    """
    if not head:
        raise NotCsvError("the file is empty; a header and at least one row are expected")
    kinds = [kind for magic, kind in FOREIGN.items() if head.startswith(magic)]
    markup = MARKUP.match(head.removeprefix(codecs.BOM_UTF8))
    if markup:
        kinds.append("JSON" if markup[2] else "an HTML or XML page")
    if kinds:
        raise NotCsvError(f"this is {kinds[0]}; CSV text in UTF-8 is expected")


def read_header(content: bytes) -> tuple[list[str], bytes, int]:
    """Split a file into the names of its header, what is below it, and the line that starts with.

    Raises
    ------
    NotCsvError
        If there is no header that is one RFC 4180 record in UTF-8.
    """
    refuse_foreign(content[:4096])
    content = content.removeprefix(codecs.BOM_UTF8)
    match = RECORD.match(content, 0, min(len(content), LONGEST_RECORD))
    if match is None or (match.end() < len(content) and content[match.end() - 1] != LF):
        first = content[:LONGEST_RECORD].split(b"\n", 1)[0]
        cause = (
            "lines that end in CR alone" if b"\r" in first.rstrip(b"\r") and b'"' not in first else "a misplaced quote"
        )
        raise NotCsvError(
            f"the header has {cause}; commas, LF or CRLF, and quotes around whole fields only are expected"
        )
    header = match[0]
    if b"\x00" in header:
        raise NotCsvError("the header has a NUL byte, as text in UTF-16 has; CSV text in UTF-8 is expected")
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotCsvError(
            f"the header is not UTF-8 (byte {header[error.start]:#04x}); save the file as UTF-8"
        ) from None
    names = next(csv.reader(io.StringIO(text, newline=""), strict=True), [])
    return names, content[match.end() :], 1 + header.count(b"\n")


def split_records(body: bytes, width: int, first_line: int) -> Records:
    """Find the records below a header.

    A record whose quotes are misplaced or never close is refused with its first line alone, and reading goes on at the
    next line: one stray quote must not swallow the rows behind it. Blank lines at the end are no records.

    Parameters
    ----------
    body : bytes
        The file below its header.
    width : int
        Number of columns of the header.
    first_line : int
        Line of the file that `body` starts with.
    """
    import numpy as np

    lines = LineTable(body)
    reasons = dict.fromkeys(np.flatnonzero(lines.has_stray_cr).tolist(), "stray_cr")
    first, last = record_spans(lines, reasons)
    begins, ends = lines.starts[first], lines.nexts[last]
    blank = lines.stops[last] == begins
    for reason, positions in (("nul_byte", lines.where(0)), ("not_utf8", invalid_utf8(body))):
        for row in np.unique(np.searchsorted(begins, positions, side="right") - 1).tolist():
            reasons.setdefault(int(first[row]), reason)
    fields = lines.fields[first]
    for row in np.flatnonzero(last > first).tolist():
        fields[row] = 1 + QUOTED.sub(b"", body[begins[row] : ends[row]]).count(b",")
    too_long = ends - begins > LONGEST_RECORD
    for row in np.flatnonzero(blank | too_long | (fields != width)).tolist():
        reasons.setdefault(int(first[row]), misfit(bool(blank[row]), bool(too_long[row]), int(fields[row]), width))

    sound = ~np.isin(first, np.fromiter(reasons, np.int64, len(reasons)))
    refused = [
        RefusedRecord(
            line=int(first[row]) + first_line,
            reason=(reason := reasons[int(first[row])]),
            detail=DETAILS[reason].format(fields=fields[row], width=width),
            raw=shown(body[begins[row] : ends[row]]),
        )
        for row in np.flatnonzero(~sound).tolist()
    ]
    return Records(
        body=body,
        sound=joined(body, begins[sound], ends[sound]),
        lines=first[sound] + first_line,
        begins=begins[sound],
        ends=ends[sound],
        multiline=bool((last > first)[sound].any()),
        refused=refused,
    )


def record_spans(lines: LineTable, reasons: dict[int, str]) -> tuple[Positions, Positions]:
    """First and last line of each record, blank lines at the end left out; `reasons` takes what is refused on the way.

    Only lines whose quotes do not add up within the line need a closer look: either a field goes on over line ends, or
    a quote is misplaced.
    """
    import numpy as np

    if lines.count == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts_record = np.ones(lines.count, dtype=bool)
    next_free = 0
    for line in np.flatnonzero(lines.has_open_quote).tolist():
        if line < next_free:
            continue
        last = last_line(lines, line)
        if last is None:
            reasons[line] = "misplaced_quote"
            continue
        reasons.pop(line, None)
        starts_record[line + 1 : last + 1] = False
        next_free = last + 1
    first = np.flatnonzero(starts_record)
    last_lines = np.append(first[1:], lines.count) - 1
    filled = np.flatnonzero(lines.stops[last_lines] > lines.starts[first])
    rows = int(filled[-1]) + 1 if len(filled) else 0
    return first[:rows], last_lines[:rows]


def last_line(lines: LineTable, line: int) -> int | None:
    """Last line of the record that starts on a line; None where no sound record starts there."""
    begin = int(lines.starts[line])
    match = RECORD.match(lines.body, begin, min(len(lines.body), begin + LONGEST_RECORD))
    if match is None:
        return None
    if match.end() < len(lines.body) and lines.body[match.end() - 1] != LF:
        return None  # cut at LONGEST_RECORD
    return int(lines.line_of(match.end() - 1))


def misfit(blank: bool, too_long: bool, fields: int, width: int) -> str:
    """Why a well-formed record is no row of the table."""
    if blank:
        return "blank_line"
    if too_long:
        return "record_too_long"
    return "too_few_columns" if fields < width else "too_many_columns"


def invalid_utf8(body: bytes) -> list[int]:
    """Positions of bytes that are no UTF-8; after each, reading goes on behind the next line end."""
    positions: list[int] = []
    view = memoryview(body)
    begin = 0
    while begin < len(body):
        try:
            codecs.utf_8_decode(view[begin:], "strict", True)
        except UnicodeDecodeError as error:
            positions.append(begin + error.start)
            begin = body.find(b"\n", positions[-1]) + 1 or len(body)
        else:
            break
    return positions


def joined(body: bytes, begins: Positions, ends: Positions) -> bytes:
    """Cut the records out of the body; neighbours are cut in one piece."""
    import numpy as np

    if len(begins) == 0:
        return b""
    gaps = np.flatnonzero(begins[1:] != ends[:-1])
    heads = begins[np.append(0, gaps + 1)].tolist()
    tails = ends[np.append(gaps, len(ends) - 1)].tolist()
    return b"".join(body[head:tail] for head, tail in zip(heads, tails, strict=True))
