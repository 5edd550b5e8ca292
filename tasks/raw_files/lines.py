"""The lines of a text as arrays: where they are, and whose quotes do not add up.

Everything is judged line by line, as if a record started on each line; `records` puts records together that go over
line ends.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.raw_files.grammar import Grammar
    from tasks.raw_files.rows import Positions

    Flags = NDArray[np.bool_]

LF, CR = b"\n\r"


class LineTable:
    """Lines of a text; each ends at LF or CRLF, or CR where that ends lines, the last one perhaps without.

    Attributes
    ----------
    count : int
    starts, stops, nexts : arrays of int64, shape (count,)
        First byte of each line, end of its content, and first byte of the next one.
    """

    def __init__(self, body: bytes, grammar: Grammar) -> None:
        import numpy as np

        self.body, self.grammar = body, grammar
        self.bytes = np.frombuffer(body, np.uint8)
        feeds = self._line_ends()
        ends = feeds if (len(feeds) and feeds[-1] == len(body) - 1) or not body else np.append(feeds, len(body))
        self.count = len(ends)
        self.nexts = np.minimum(ends + 1, len(body))
        self.starts = np.concatenate([np.zeros(min(1, self.count), np.int64), self.nexts[:-1]])

    def _line_ends(self) -> Positions:
        import numpy as np

        if not self.grammar.cr_ends or b"\r" not in self.body:
            return self.where(LF)
        returns = self.bytes == CR
        returns[:-1] &= self.bytes[1:] != LF
        return np.flatnonzero(returns | (self.bytes == LF))

    def where(self, byte: int) -> Positions:
        """Positions of a byte."""
        import numpy as np

        return np.flatnonzero(self.bytes == byte)

    def line_of(self, positions: Positions | int) -> Positions:
        """Index of the line that holds each position."""
        import numpy as np

        return np.searchsorted(self.starts, positions, side="right") - 1

    @cached_property
    def stops(self) -> Positions:
        """End of each line's content."""
        ends = self.nexts - 1
        last = self.bytes[ends] if self.count else ends
        ended = (last == LF) | ((last == CR) & self.grammar.cr_ends)
        stops = self.nexts - ended
        returns = (stops > self.starts) & (last == LF) & (self.bytes[stops - 1] == CR)
        result: Positions = stops - returns
        return result

    @cached_property
    def quotes(self) -> Positions:
        """Positions of quotes that are no apostrophes."""
        import numpy as np

        quote = self.grammar.quote
        found = self.where(quote[0]) if quote and quote in self.body else np.zeros(0, np.int64)
        inner = [match.start() for match in self.grammar.apostrophe.finditer(self.body)]
        return np.setdiff1d(found, inner, assume_unique=True) if inner else found

    @cached_property
    def _first_quote(self) -> Positions:
        import numpy as np

        return np.searchsorted(self.quotes, self.starts)

    @property
    def has_escape(self) -> bool:
        """Whether an escape stands anywhere."""
        return bool(self.grammar.escape) and self.grammar.escape in self.body

    @cached_property
    def has_bare_cr(self) -> bool:
        """Whether a CR stands anywhere that ends no line."""
        returns = 0 if self.grammar.cr_ends else self.body.count(b"\r")
        return returns > 0 and returns > self.body.count(b"\r\n")

    def _fits(self, opens: Flags, at_start: Flags, at_end: Flags) -> Flags:
        """Whether each quote stands where one may that opens or closes a field, or that is one of two in a row."""
        import numpy as np

        quote, delimiter = self.grammar.quote[0], self.grammar.delimiter[0]
        before = self.bytes[self.quotes - 1]
        after = self.bytes[np.minimum(self.quotes + 1, len(self.bytes) - 1)]
        beside = np.where(opens, before, after)
        twice = (beside == quote) & ~np.where(opens, at_start, at_end)
        fits: Flags = np.where(opens, at_start, at_end) | (beside == delimiter) | twice
        return fits

    @cached_property
    def record_ends(self) -> Positions | None:
        """Lines that end a record, where the whole text is sound by its quotes; None where a closer look is needed.

        In order, quotes open and close by turns; two in a row inside a field close and open again. One that opens
        stands at the start of a field, or behind the one that closed; one that closes at the end of a field, or before
        the one that opens again. Where that holds from the first to the last, it is the only reading of the text.
        """
        import numpy as np

        if self.has_escape or (
            self.has_bare_cr and len(self.quotes)
        ):  # a bare one may stand behind a quote that goes on
            return None
        if not len(self.quotes):
            return np.arange(self.count)
        opens = np.arange(len(self.quotes)) % 2 == 0
        before, after = self.quotes - 1, self.quotes + 1
        at_start = (self.quotes == 0) | self._ends_line(before)
        at_end = (after >= len(self.bytes)) | self._ends_line(np.minimum(after, len(self.bytes) - 1))
        if not self._fits(opens, at_start, at_end).all():
            return None
        outside = np.searchsorted(self.quotes, self.nexts - 1) % 2 == 0
        if self.count and self.nexts[-1] == len(self.body) and not self._ends_line(self.nexts[-1:] - 1)[0]:
            outside[-1] = len(self.quotes) % 2 == 0
        return np.flatnonzero(outside)

    def _ends_line(self, positions: Positions) -> Flags:
        """Whether the byte at each position ends a line or begins the end of one."""
        found = self.bytes[positions]
        returns = found == CR
        if not self.grammar.cr_ends:
            returns &= self.bytes[(positions + 1).clip(max=len(self.bytes) - 1)] == LF
        ends: Flags = (found == LF) | returns
        return ends

    @cached_property
    def needs_a_look(self) -> Flags:
        """Lines that are no whole record by themselves, because of where their quotes are, or that hold an escape."""
        import numpy as np

        wrong = np.zeros(self.count, dtype=bool)
        if self.has_escape:
            wrong |= np.bincount(self.line_of(self.where(self.grammar.escape[0])), minlength=self.count) > 0
        if not len(self.quotes):
            return wrong
        counts = np.diff(self._first_quote, append=len(self.quotes))
        lines = np.repeat(np.arange(self.count), counts)
        opens = (np.arange(len(self.quotes)) - self._first_quote[lines]) % 2 == 0
        fits = self._fits(opens, self.quotes == self.starts[lines], self.quotes + 1 == self.stops[lines])
        misplaced = np.bincount(lines[~fits], minlength=self.count) > 0
        wrong |= misplaced | (counts % 2 == 1)
        return wrong

    @cached_property
    def has_stray_cr(self) -> Flags:
        """Lines with a CR that ends no line and stands outside quotes."""
        import numpy as np

        if not self.has_bare_cr:
            return np.zeros(self.count, dtype=bool)
        returns = self.where(CR)
        lines = self.line_of(returns)
        outside = (np.searchsorted(self.quotes, returns) - self._first_quote[lines]) % 2 == 0
        strays = lines[(returns < self.stops[lines]) & outside]
        return np.bincount(strays, minlength=self.count) > 0
