"""Where each record of a block of text begins and ends, and which ones no reader should guess at."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tasks.raw_files.encodings import ONE_BYTE, UTF8, taken_for, was_utf8
from tasks.raw_files.joined_files import MARK, forms_of, has_inner_mark, reordered_headers
from tasks.raw_files.lines import LineTable
from tasks.raw_files.rows import LONGEST_RECORD, RefusedRecord, refusal

if TYPE_CHECKING:
    from tasks.raw_files.grammar import Grammar
    from tasks.raw_files.lines import Flags
    from tasks.raw_files.rows import Positions

LINE_END = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class Rules:
    """What a file's records are judged by.

    Attributes
    ----------
    grammar : Grammar
    header : bytes
        The header's record without its line end, which may not come again; empty where any row may look like it.
    encoding : str
        Of the file.
    suspect : bool
        Whether a record of a one-byte encoding that would be UTF-8 is refused: not where the encoding was declared.
    """

    grammar: Grammar
    header: bytes = b""
    encoding: str = UTF8
    suspect: bool = False

    @cached_property
    def headers(self) -> tuple[bytes, ...]:
        """The header, however its names are quoted."""
        return forms_of(self.header, self.grammar)


@dataclass(frozen=True)
class Records:
    """The records of one block.

    Attributes
    ----------
    begins, ends, lines : arrays of int64, shape (n_sound,)
        First byte, byte after the last, and line in the file, of each sound record; offsets into `body`.
    multiline : bool
        Whether a sound record spans lines.
    refused : list of RefusedRecord
        In order of line.
    consumed, lines_consumed : int
        Bytes and lines that are judged; what is behind is the beginning of a record that the next block ends.
    """

    body: bytes
    begins: Positions
    ends: Positions
    lines: Positions
    multiline: bool
    refused: list[RefusedRecord]
    consumed: int
    lines_consumed: int

    @property
    def count(self) -> int:
        """Number of sound records."""
        return len(self.begins)

    def content(self, row: int) -> bytes:
        """One sound record as it stands in the block, with its line end."""
        return self.body[self.begins[row] : self.ends[row]]

    def sound(self) -> bytes:
        """The sound records alone, one after the other; neighbours are cut in one piece."""
        import numpy as np

        if len(self.begins) == 0:
            return b""
        gaps = np.flatnonzero(self.begins[1:] != self.ends[:-1])
        heads = self.begins[np.append(0, gaps + 1)].tolist()
        tails = self.ends[np.append(gaps, len(self.ends) - 1)].tolist()
        if len(heads) == 1 and (heads[0], tails[0]) == (0, len(self.body)):
            return self.body
        return b"".join(self.body[head:tail] for head, tail in zip(heads, tails, strict=True))


def split_records(body: bytes, rules: Rules, first_line: int, *, at_end: bool) -> Records:
    """Find the records of a block that begins where a record does.

    A record whose quotes are misplaced or never close is refused with its first line alone, and reading goes on at the
    next line: one stray quote must not swallow the rows behind it. How many fields a record has is not looked at.

    Parameters
    ----------
    body : bytes
        Whole lines of UTF-8; the last one may lack its line end at the end of the file.
    rules : Rules
    first_line : int
        Line of the file that `body` starts with.
    at_end : bool
        Whether what goes on behind the block can not belong to its last record.
    """
    import numpy as np

    lines = LineTable(body, rules.grammar)
    reasons = dict.fromkeys(np.flatnonzero(lines.has_stray_cr).tolist(), "stray_cr")
    first, last, whole = record_spans(lines, reasons, at_end=at_end)
    begins, ends = lines.starts[first], lines.nexts[last]
    consumed = int(lines.starts[whole]) if whole < lines.count else len(body)
    for row, reason in refused_rows(body, lines, first, last, begins, ends, rules):
        reasons.setdefault(int(first[row]), reason)
    bad = np.isin(first, np.fromiter(reasons, np.int64, len(reasons))) if reasons else np.zeros(len(first), dtype=bool)
    refused = [
        refusal(
            int(first[row]) + first_line,
            reasons[int(first[row])],
            body[begins[row] : ends[row]],
            encoding=rules.encoding,
        )
        for row in np.flatnonzero(bad).tolist()
    ]
    return Records(
        body=body,
        begins=begins[~bad],
        ends=ends[~bad],
        lines=first[~bad] + first_line,
        multiline=bool((last > first)[~bad].any()),
        refused=refused,
        consumed=consumed,
        lines_consumed=whole,
    )


def record_spans(lines: LineTable, reasons: dict[int, str], *, at_end: bool) -> tuple[Positions, Positions, int]:
    """First and last line of each record, and the number of lines judged; `reasons` takes what is refused on the way.

    Only lines whose quotes do not add up within the line need a closer look: either a field goes on over line ends, or
    a quote is misplaced.
    """
    import numpy as np

    record_ends = lines.record_ends
    if record_ends is not None:
        whole = int(record_ends[-1]) + 1 if len(record_ends) else 0
        rest = len(lines.body) - int(lines.nexts[whole - 1]) if whole else len(lines.body)
        if whole == lines.count or not (at_end or rest >= LONGEST_RECORD):
            return np.append(0, record_ends[:-1] + 1)[: len(record_ends)], record_ends, whole
    starts_record = np.ones(lines.count, dtype=bool)
    next_free = 0
    for line in np.flatnonzero(lines.needs_a_look).tolist():
        if line < next_free:
            continue
        last = last_line(lines, line, at_end=at_end)
        if last is None:
            reasons[line] = "misplaced_quote"
            continue
        reasons.pop(line, None)
        next_free = last + 1
        starts_record[line + 1 : next_free] = False
        if last == lines.count:
            starts_record[line] = False
            return spans(starts_record[:line], line)
    return spans(starts_record, lines.count)


def spans(starts_record: Flags, count: int) -> tuple[Positions, Positions, int]:
    """First and last line of each record, from the lines that start one."""
    import numpy as np

    first = np.flatnonzero(starts_record)
    return first, np.append(first[1:], count)[: len(first)] - 1, count


def last_line(lines: LineTable, line: int, *, at_end: bool) -> int | None:
    """Last line of the record that starts on a line; None where no sound one does; the count where it goes on."""
    body, grammar = lines.body, lines.grammar
    begin = int(lines.starts[line])
    limit = min(len(body), begin + LONGEST_RECORD)
    match = grammar.record.match(body, begin, limit)
    if match is not None and (match["end"] or (limit == len(body) and at_end)):
        return int(lines.line_of(match.end() - 1))
    goes_on = match is not None or grammar.unfinished.match(body, begin, limit) is not None
    return lines.count if goes_on and not at_end and limit == len(body) else None


def refused_rows(  # noqa: PLR0913, PLR0917 - the block in all its views
    body: bytes, lines: LineTable, first: Positions, last: Positions, begins: Positions, ends: Positions, rules: Rules
) -> list[tuple[int, str]]:
    """Rows that are refused for what they hold, and why; the first reason counts."""
    import numpy as np

    found: list[tuple[int, str]] = []
    found += [(row, "nul_byte") for row in rows_of(lines.where(0) if b"\x00" in body else [], begins)]
    not_text = "not_utf8" if rules.encoding == UTF8 else "not_decodable"
    found += [(row, not_text) for row in rows_of(invalid_utf8(body), begins)]
    if rules.suspect and rules.encoding in ONE_BYTE and not body.isascii():
        rows = rows_of([match.start() for match in taken_for(rules.encoding).finditer(body)], begins)
        found += [(row, "other_encoding") for row in rows if was_utf8(body[begins[row] : ends[row]], rules.encoding)]
    found += [(row, "blank_line") for row in np.flatnonzero(lines.stops[last] == begins).tolist()]
    found += [(row, "record_too_long") for row in np.flatnonzero(ends - begins > LONGEST_RECORD).tolist()]
    for header in rules.headers:
        places = rows_of([match.start() for match in re.finditer(re.escape(header), body)], begins)
        texts = [body[begins[row] : lines.stops[last[row]]].removeprefix(codecs.BOM_UTF8) for row in places]
        found += [(row, "repeated_header") for row, text in zip(places, texts, strict=True) if text == header]
    places = list(reordered_headers(body, rules.header, rules.grammar))
    found += [(row, "reordered_header") for row in rows_of(places, begins)]
    if has_inner_mark(body):
        found += [(row, "inner_mark") for row, begin in enumerate(begins.tolist()) if body.startswith(MARK, begin)]
    return [(row, reason) for row, reason in found if 0 <= row < len(begins)]


def rows_of(positions: Positions | list[int], begins: Positions) -> list[int]:
    """Rows that hold any of some positions."""
    import numpy as np

    if not len(positions) or not len(begins):
        return []
    rows: list[int] = np.unique(np.searchsorted(begins, positions, side="right") - 1).tolist()
    return rows


def invalid_utf8(body: bytes) -> list[int]:
    """Positions of bytes that are no UTF-8; after each, reading goes on behind the next line end."""
    positions: list[int] = []
    if body.isascii():
        return positions
    view = memoryview(body)
    begin = 0
    while begin < len(body):
        try:
            codecs.utf_8_decode(view[begin:], "strict", True)
        except UnicodeDecodeError as error:
            positions.append(begin + error.start)
            following = LINE_END.search(body, positions[-1])
            begin = following.end() if following else len(body)
        else:
            break
    return positions
