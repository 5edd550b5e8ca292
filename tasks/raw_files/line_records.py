"""Blocks whose every line is a record: most of most files, told by a few passes over their bytes.

`line_records` looks for what speaks against it and leaves the block to `records` where it finds anything. That the
parser finds as many records is looked at all the same. It moves the end of no block, so reading may go on in the
meantime.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from tasks.raw_files import line_bits
from tasks.raw_files.encodings import ONE_BYTE, is_utf8
from tasks.raw_files.joined_files import has_bytes_of, has_inner_mark, reordered_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.raw_files.line_bits import Words
    from tasks.raw_files.records import Rules
    from tasks.raw_files.rows import Positions, RefusedRecord


class LineRecords:
    """The records of a block, one per line; see `tasks.raw_files.records.Records`.

    Parameters
    ----------
    body : bytes
        Lines that end in LF.
    first_line : int
        Line of the file that `body` starts with.
    feeds : sequence of array of uint64
        Bits of the line ends in each strip of the body, as `line_bits.line_feeds` gives them.
    """

    multiline = False

    def __init__(self, body: bytes, first_line: int, feeds: Sequence[Words]) -> None:
        import numpy as np

        self.body, self.first_line = body, first_line
        self.consumed = len(body)
        self._feeds = feeds
        self._until = list(accumulate(int(np.bitwise_count(words).sum()) for words in feeds))  # the end of each strip
        self.count = self.lines_consumed = self._until[-1]
        self.refused: list[RefusedRecord] = []
        self._counts: dict[int, Positions] = {}

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
        import numpy as np

        if row == 0:
            return 0
        strip = bisect_left(self._until, row)
        counted = self._counted(strip)
        number = row - (self._until[strip - 1] if strip else 0)  # of the line end, from 1
        word = int(np.searchsorted(counted, number))
        bits = int(self._feeds[strip][word])
        for _ in range(number - 1 - (int(counted[word - 1]) if word else 0)):
            bits &= bits - 1  # without the lowest one
        return strip * line_bits.STRIP + word * line_bits.WORD + (bits & -bits).bit_length()

    def _counted(self, strip: int) -> Positions:
        """Line ends up to each word of a strip."""
        import numpy as np

        if strip not in self._counts:
            self._counts[strip] = np.cumsum(np.bitwise_count(self._feeds[strip]), dtype=np.int64)
        return self._counts[strip]

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
    feeds = line_bits.line_feeds(body, rules.grammar) if is_clean(body, rules) else None
    return None if feeds is None else LineRecords(body, first_line, feeds)


def is_clean(body: bytes, rules: Rules) -> bool:
    """Whether a block has the usual line ends and nothing that refuses a record for what it holds."""
    grammar = rules.grammar
    if not body.endswith(b"\n") or body.startswith((b"\n", b"\r")) or b"\x00" in body:
        return False
    if grammar.escape and grammar.escape in body:
        return False
    if has_header_again(body, rules):
        return False
    if body.isascii():
        return True
    return not has_inner_mark(body) and is_utf8(body) and not (rules.suspect and rules.encoding in ONE_BYTE)


def has_header_again(body: bytes, rules: Rules) -> bool:
    """Whether the header may stand in a block, its fields in any order."""
    if not rules.header or not has_bytes_of(rules.header, body):
        return False
    return rules.header in body or any(True for _ in reordered_headers(body, rules.header, rules.grammar))
