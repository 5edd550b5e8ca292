"""The lines of a CSV text as arrays: where they are, how many fields they hold, whose quotes do not add up.

Everything is judged line by line, as if a record started on each line; `tasks.records` puts records together that go
over line ends.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Positions = NDArray[np.int64]
    Flags = NDArray[np.bool_]

COMMA, QUOTE, LF, CR = b',"\n\r'


class LineTable:
    """Lines of a text; each ends at LF, the last one perhaps without.

    Attributes
    ----------
    count : int
    starts, stops, nexts : arrays of int64, shape (count,)
        First byte of each line, end of its content (before LF or CRLF), and first byte of the next one.
    """

    def __init__(self, body: bytes) -> None:
        import numpy as np

        self.body = body
        self.bytes = np.frombuffer(body, np.uint8)
        feeds = self.where(LF)
        ends = feeds if not body or body.endswith(b"\n") else np.append(feeds, len(body))
        self.count = len(ends)
        self.nexts = np.minimum(ends + 1, len(body))
        self.starts = np.concatenate([np.zeros(min(1, self.count), np.int64), self.nexts[:-1]])
        returns = (ends > self.starts) & (self.bytes[ends - 1] == CR) & (self.nexts > ends)
        self.stops = ends - returns
        self._quotes = self.where(QUOTE)
        self._first_quote = np.searchsorted(self._quotes, self.starts)
        self._quote_counts = np.diff(self._first_quote, append=len(self._quotes))

    def where(self, byte: int) -> Positions:
        """Positions of a byte."""
        import numpy as np

        return np.flatnonzero(self.bytes == byte)

    def line_of(self, positions: Positions | int) -> Positions:
        """Index of the line that holds each position."""
        import numpy as np

        return np.searchsorted(self.starts, positions, side="right") - 1

    def outside_quotes(self, positions: Positions, lines: Positions) -> Flags:
        """Whether each position has an even number of quotes before it in its line."""
        import numpy as np

        before = np.searchsorted(self._quotes, positions) - self._first_quote[lines]
        even: Flags = before % 2 == 0
        return even

    @cached_property
    def fields(self) -> Positions:
        """Number of fields of each line, at least 1."""
        import numpy as np

        commas = self.where(COMMA)
        counts = np.diff(np.searchsorted(commas, self.starts), append=len(commas))
        if len(self._quotes):
            lines = np.repeat(np.arange(self.count), counts)
            counts = np.bincount(lines[self.outside_quotes(commas, lines)], minlength=self.count)
        return counts + 1

    @cached_property
    def has_open_quote(self) -> Flags:
        """Lines that are no whole record by themselves, because of where their quotes are.

        In order within a line, quotes open and close by turns; two in a row inside a field close and open again. One
        that opens stands at the start of a field, or behind the one that closed; one that closes stands at the end of
        a field, or before the one that opens again.
        """
        import numpy as np

        if not len(self._quotes):
            return np.zeros(self.count, dtype=bool)
        lines = np.repeat(np.arange(self.count), self._quote_counts)
        opens = (np.arange(len(self._quotes)) - self._first_quote[lines]) % 2 == 0
        at_start = self._quotes == self.starts[lines]
        at_end = self._quotes + 1 == self.stops[lines]
        before = self.bytes[self._quotes - 1]
        after = self.bytes[np.minimum(self._quotes + 1, len(self.bytes) - 1)]
        beside = np.where(opens, before, after)
        fits = np.where(opens, at_start, at_end) | (beside == COMMA) | ((beside == QUOTE) & ~(opens & at_start))
        misplaced = np.bincount(lines[~fits], minlength=self.count) > 0
        wrong: Flags = misplaced | (self._quote_counts % 2 == 1)
        return wrong

    @cached_property
    def has_stray_cr(self) -> Flags:
        """Lines with a CR that ends no line and stands outside quotes."""
        import numpy as np

        returns = self.where(CR)
        lines = self.line_of(returns)
        strays = lines[(returns < self.stops[lines]) & self.outside_quotes(returns, lines)]
        return np.bincount(strays, minlength=self.count) > 0
