"""Blocks whose every line is a record: most of most files, told by a few passes over their bytes.

`line_records` looks for what speaks against it and leaves the block to `records` where it finds anything. One thing it
does not see, a line end inside quotes; the parser does, which counts records. It does not move where the block's last
record ends, so reading may go on in the meantime.
"""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from tasks.raw_files.encodings import ONE_BYTE, is_utf8
from tasks.raw_files.joined_files import has_inner_mark, reordered_headers
from tasks.raw_files.lines import CR, LF

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tasks.raw_files.grammar import Grammar
    from tasks.raw_files.records import Rules
    from tasks.raw_files.rows import Positions, RefusedRecord

    Bytes = NDArray[np.uint8]

STRIP = 1 << 18  # bytes that are looked at at a time, so that what is made of them stays in the processor's cache


class LineRecords:
    """The records of a block, one per line; see `tasks.raw_files.records.Records`.

    Parameters
    ----------
    body : bytes
        Lines that end in LF.
    first_line : int
        Line of the file that `body` starts with.
    feeds : sequence of int
        Line ends in each strip of the body.
    """

    multiline = False

    def __init__(self, body: bytes, first_line: int, feeds: Sequence[int]) -> None:
        self.body, self.first_line = body, first_line
        self.consumed = len(body)
        self._until = list(accumulate(feeds))  # line ends up to the end of each strip
        self.count = self.lines_consumed = self._until[-1]
        self.refused: list[RefusedRecord] = []

    @cached_property
    def lines(self) -> Positions:
        """Line of the file of each record."""
        import numpy as np

        return np.arange(self.first_line, self.first_line + self.count)

    def sound(self) -> bytes:
        """All records, one after the other."""
        return self.body

    def content(self, row: int) -> bytes:
        """One record with its line end."""
        begin = self._begin(row)
        return self.body[begin : self.body.index(b"\n", begin) + 1]

    def _begin(self, row: int) -> int:
        """First byte of a record: behind as many line ends as there are records before it."""
        from bisect import bisect_left

        if row == 0:
            return 0
        strip = bisect_left(self._until, row)
        before = self._until[strip - 1] if strip else 0
        return strip * STRIP + self._feeds_in(strip)[row - before - 1] + 1

    def _feeds_in(self, strip: int) -> list[int]:
        """Line ends in a strip."""
        import numpy as np

        if strip not in self._found:
            begin = strip * STRIP
            piece = np.frombuffer(self.body, np.uint8, min(STRIP, len(self.body) - begin), begin)
            self._found[strip] = np.flatnonzero(piece == LF).tolist()
        return self._found[strip]

    @cached_property
    def _found(self) -> dict[int, list[int]]:
        return {}

    def are_as_many_as(self, parsed: int) -> bool:
        """Whether a parser found as many records, of whatever width."""
        return parsed == self.count


def line_records(body: bytes, rules: Rules, first_line: int) -> LineRecords | None:
    """The lines of a block as its records; None where one of them may be no sound record by itself.

    Parameters
    ----------
    body : bytes
        Whole lines of UTF-8, from the beginning of a record.
    rules : Rules
        Of the file.
    first_line : int
        Line of the file that `body` starts with.
    """
    import numpy as np

    if not is_clean(body, rules):
        return None
    content = np.frombuffer(body, np.uint8)
    feeds = line_ends(content)
    if feeds is None or not has_sound_returns(content, body) or not has_sound_quotes(content, body, rules.grammar):
        return None
    return LineRecords(body, first_line, feeds)


def line_ends(content: Bytes) -> list[int] | None:
    """Number of LF in each strip; None where one has none, so that a line may be very long, or two stand in a row."""
    import numpy as np

    feeds = []
    for begin in range(0, len(content), STRIP):
        there = content[begin : begin + STRIP + 1] == LF
        feeds.append(int(np.count_nonzero(there[:STRIP])))
        if not feeds[-1] or (there[1:] & there[:-1]).any():
            return None
    return feeds


def is_clean(body: bytes, rules: Rules) -> bool:
    """Whether a block has the usual line ends and nothing that refuses a record for what it holds."""
    grammar = rules.grammar
    if not body.endswith(b"\n") or body.startswith((b"\n", b"\r")) or b"\x00" in body:
        return False
    if (grammar.escape and grammar.escape in body) or (rules.header and rules.header in body):
        return False
    if has_inner_mark(body) or any(True for _ in reordered_headers(body, rules.header, grammar)):
        return False
    return body.isascii() or (is_utf8(body) and not (rules.suspect and rules.encoding in ONE_BYTE))


def places_of(content: Bytes, byte: int) -> Iterator[Positions]:
    """Positions of a byte, strip by strip: arrays of a block's size would be new pages each time."""
    import numpy as np

    for begin in range(0, len(content), STRIP):
        yield np.flatnonzero(content[begin : begin + STRIP] == byte) + begin


def has_sound_returns(content: Bytes, body: bytes) -> bool:
    """Whether each CR stands before an LF, and none on a line of its own."""
    if b"\r" not in body:
        return True
    return all(
        (content[returns + 1] == LF).all() and (content[returns - 1] != LF).all() for returns in places_of(content, CR)
    )


def has_sound_quotes(content: Bytes, body: bytes, grammar: Grammar) -> bool:
    """Whether quotes open and close by turns, where fields do or two in a row; see `LineTable.record_ends`."""
    import numpy as np

    if not grammar.quote or grammar.quote not in body:
        return True
    opens_behind = np.zeros(256, dtype=bool)
    opens_behind[[grammar.delimiter[0], grammar.quote[0], LF]] = True
    closes_before = opens_behind.copy()
    closes_before[CR] = True
    before = 0  # quotes
    for quotes in places_of(content, grammar.quote[0]):
        opens, closes = quotes[before % 2 :: 2], quotes[1 - before % 2 :: 2]
        # before the first byte stands, in effect, the last one, an LF
        if not (opens_behind[content[opens - 1]].all() and closes_before[content[closes + 1]].all()):
            return False
        before += len(quotes)
    return before % 2 == 0
