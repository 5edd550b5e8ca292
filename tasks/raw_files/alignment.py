"""Columns that are aligned for the eye: blanks fill up each cell, on either side of the delimiters.

Blanks are taken for filling only where all columns of the sample's rows line up. They are left out on the way, outside
quotes alone, so that what is in quotes keeps its blanks and a quote may stand behind some.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from tasks.raw_files.rows import LONGEST_RECORD

LINED_UP = 0.95  # of the rows, in each column
LEAST_ROWS = 3
MANY_ROWS = 10  # in which a slip of one place is no coincidence of widths


@dataclass(frozen=True)
class Filling:
    """The delimiter between filled-up cells, the quote around some and its escape; empty where there is none."""

    delimiter: bytes
    quote: bytes = b""
    escape: bytes = b""

    @cached_property
    def _quoted(self) -> bytes:
        q, e = re.escape(self.quote), re.escape(self.escape)
        escaped = e + b".|" if e else b""
        return q + b"(?:" + escaped + b"[^" + q + e + b"]|" + q + q + b")*+" if self.quote else b"(?!)"

    @cached_property
    def cell(self) -> re.Pattern[bytes]:
        """One cell of a line up to the delimiter, with its filling."""
        d = re.escape(self.delimiter)
        plain = b"[^" + d + re.escape(self.quote) + rb"\r\n]*"
        return re.compile(b" *+(?P<content>" + self._closed + b" *+|" + plain + b")(?P<end>" + d + rb"|\r?\Z)")

    @cached_property
    def boundary(self) -> re.Pattern[bytes]:
        """A delimiter or line end with its filling, and what is in quotes behind it."""
        return re.compile(self._boundary + b"(?P<quoted>" + self._closed + b")?")

    @cached_property
    def unfinished(self) -> re.Pattern[bytes]:
        """The same, with a group `open` where what is in quotes does not end."""
        return re.compile(self._boundary + b"(?:(?P<quoted>" + self._closed + b")|(?P<open>" + self._quoted + rb"\Z))?")

    @property
    def _boundary(self) -> bytes:
        return b" *+(?P<end>" + re.escape(self.delimiter) + rb"|\r?\n) *+"

    @property
    def _closed(self) -> bytes:
        behind = b"(?= *+(?:" + re.escape(self.delimiter) + rb"|\r?\n|\r?\Z))"
        return self._quoted + re.escape(self.quote) + behind

    def cells(self, line: bytes) -> list[Cell]:
        """Where the cells of a line are; none where it has a misplaced quote.

        >>> Filling(b",", b'"').cells(b'Ada,   36, "x"')
        [Cell(begin=0, stop=3, end=3), Cell(begin=7, stop=9, end=9), Cell(begin=11, stop=14, end=14)]
        """
        found, place = [], 0
        while (match := self.cell.match(line, place)) is not None:
            begin = match.start("content")
            places = (begin, begin + len(match["content"].rstrip()), match.start("end"))
            found.append(Cell(*(len(line[:each].decode(errors="replace")) for each in places)))
            place = match.end()
            if match["end"] != self.delimiter:
                return found
        return []


class Cell(NamedTuple):
    """Where the content of a cell begins and stops, and where its delimiter stands; in characters of the line."""

    begin: int
    stop: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but filling."""
        return self.begin == self.stop


def is_aligned(lines: Sequence[bytes], filling: Filling) -> bool:
    """Whether the cells of all columns begin or end at one place in nearly all rows, and blanks fill up some.

    Parameters
    ----------
    lines : sequence of bytes
        Lines of UTF-8 without their ends. The first one is the header, which may stand out of line.
    filling : Filling

    Examples
    --------
    >>> is_aligned([b"name,  age", b"Ada,    36", b"Alan,    4", b"Grace,  85"], Filling(b",", b'"'))
    True
    >>> is_aligned([b"name,age", b"Ada,  36", b"Alan,  4", b"Grace,  85"], Filling(b",", b'"'))
    False
    """
    rows = [cells for line in lines[1:] if (cells := filling.cells(line))]
    widths = Counter(map(len, rows))
    width = max(widths, key=lambda width: widths[width], default=1)
    rows = [cells for cells in rows if len(cells) == width]
    d = re.escape(filling.delimiter)
    is_filled = any(re.search(b"  " + d + b"|" + d + b"  ", line) for line in lines[1:])
    if width < 2 or len(rows) < LEAST_ROWS or not is_filled:
        return False
    columns = list(zip(*rows, strict=True))
    return all(starts_in_line(before, behind) for before, behind in pairwise(columns))


def starts_in_line(before: Sequence[Cell], column: Sequence[Cell]) -> bool:
    """Whether the delimiters before a column are in line, or its contents on the left or on the right."""
    known = [cell for cell in column if not cell.is_empty]
    return (
        in_line([cell.end for cell in before])
        or in_line([cell.begin for cell in known])
        or in_line([cell.stop for cell in known])
    )


def in_line(places: Sequence[int]) -> bool:
    """Whether nearly all places are one; of many also beside it: who aligns by hand slips by one."""
    counts = Counter(places)
    most = max(counts, key=lambda place: counts[place], default=0)
    slip = 1 if len(places) >= MANY_ROWS else 0
    return sum(counts[place] for place in range(most - slip, most + slip + 1)) >= LINED_UP * len(places)


def without_filling(pieces: Iterable[bytes], filling: Filling) -> Iterator[bytes]:
    """Text without the blanks beside delimiters and line ends; a quote that is open at a piece's end is waited for.

    One that stays open for longer than a record may be is none: what stands behind it is read as if it were not there.
    """
    held, before = b"\n", 1
    for piece in pieces:
        held += piece
        done, taken = unfilled(held[: held.rfind(b"\n")], filling.unfinished)
        if len(held) - taken > LONGEST_RECORD + len(piece):
            done, taken = unfilled(held[: held.rfind(b"\n")], filling.boundary)
        held = held[taken:]
        if done[before:]:
            yield done[before:]
            before = 0
    yield unfilled(held, filling.boundary)[0][before:]


def unfilled(text: bytes, boundary: re.Pattern[bytes]) -> tuple[bytes, int]:
    """A text without filling, and its length up to a quote that does not end in it."""
    taken = len(text)

    def bare(match: re.Match[bytes]) -> bytes:
        nonlocal taken
        if match.groupdict().get("open") is None:
            return match["end"] + (match["quoted"] or b"")
        taken = match.start()
        return b""

    done = boundary.sub(bare, text)
    return done.rstrip(b" ") if taken == len(text) else done, taken
