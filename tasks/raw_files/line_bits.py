"""Whether each line of a block is a record, by a bit for each byte: sixty-four of them are looked at at once.

In order, quotes open and close by turns; two in a row inside a field close and open again. One that opens stands at the
start of a field, or behind the one that closed; one that closes at the end of a field, or before the one that opens
again. Where that holds from the first to the last, and no line ends between one that opens and the one that closes,
each line is a record. `tasks.raw_files.lines` judges what is written otherwise.

A word has the bits of 64 bytes, that of the first one lowest. What stands beside a byte is one place away, and a byte
is inside quotes where an odd number of quotes stands below it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tasks.raw_files.lines import CR, LF

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.raw_files.grammar import Grammar

    Words = NDArray[np.uint64]

WORD = 64  # bits
DOUBLED = (1, 2, 4, 8, 16, 32)  # places that parity is carried on, until it has gone through a word
STRIP = 1 << 20  # bytes that are looked at at a time, so that what is made of them stays in the processor's cache


def line_feeds(body: bytes, grammar: Grammar) -> list[Words] | None:
    r"""Bits of the line ends in each strip of a block; None where a line may be no record by itself.

    None too where a line is blank, where a CR stands elsewhere than before an LF, and where a strip has no line end, so
    that a line may be very long.

    Parameters
    ----------
    body : bytes
        Whole lines; the first one is not blank, the last one ends in LF, and none has an escape.
    grammar : Grammar

    Examples
    --------
    >>> from tasks.raw_files.grammar import Grammar
    >>> texts = (b'ab,"c"\nd,\n', b'ab,"c\n",d\n', b'a"b",c\n')
    >>> [line_feeds(text, Grammar(b",", b'"')) is not None for text in texts]
    [True, False, False]
    """
    found, is_inside = [], False
    for begin in range(0, len(body), STRIP):
        strip = Strip(body, begin)
        if not has_sound_ends(strip):
            return None
        if is_inside or strip.has(grammar.quote):
            quotes = strip.where(grammar.quote)
            inside, is_inside = inside_quotes(quotes, is_inside=is_inside)
            if (strip.feeds & inside).any() or not has_sound_quotes(strip, quotes, inside, grammar):
                return None
        found.append(strip.feeds)
    return found


class Strip:
    """Some bytes of a block, and the one on either side of them; before the first one stands, in effect, an LF.

    Parameters
    ----------
    body : bytes
        Ends in LF.
    begin : int
        Where the strip begins.
    """

    def __init__(self, body: bytes, begin: int) -> None:
        self._body, self._begin, self._end = body, begin, min(begin + STRIP, len(body))
        self.size = self._end - begin
        self.before = body[begin - 1]
        self.after = body[self._end] if self._end < len(body) else LF

    def has(self, mark: bytes) -> bool:
        """Whether a byte is there, if it is one at all."""
        return bool(mark) and self._body.find(mark, self._begin, self._end) >= 0

    def where(self, mark: bytes) -> Words:
        """Bits of the bytes that are this one; zeros behind the last byte."""
        import numpy as np

        content = np.frombuffer(self._body, np.uint8, self.size, self._begin)
        packed = np.packbits(content == mark[0], bitorder="little")
        missing = -len(packed) % (WORD // 8)
        if missing:
            packed = np.append(packed, np.zeros(missing, np.uint8))
        return packed.view("<u8")

    @cached_property
    def feeds(self) -> Words:
        """Bits of the line ends."""
        return self.where(b"\n")


def moved_on(bits: Words, *, first: bool) -> Words:
    """Bits one byte further on: what stands before each byte. `first` takes the place that is left."""
    import numpy as np

    moved: Words = bits << np.uint64(1)
    moved[1:] |= bits[:-1] >> np.uint64(WORD - 1)
    moved[0] |= np.uint64(first)
    return moved


def moved_back(bits: Words, size: int, *, last: bool) -> Words:
    """Bits one byte back: what stands behind each of `size` bytes. `last` takes the place that is left."""
    import numpy as np

    moved: Words = bits >> np.uint64(1)
    moved[:-1] |= bits[1:] << np.uint64(WORD - 1)
    moved[-1] |= np.uint64(last) << np.uint64((size - 1) % WORD)
    return moved


def has_sound_ends(strip: Strip) -> bool:
    """Whether a line ends in the strip, none is blank, and each CR stands before an LF and behind none."""
    before = moved_on(strip.feeds, first=strip.before == LF)
    if not strip.feeds.any() or (strip.feeds & before).any():
        return False
    if not strip.has(b"\r"):
        return True
    behind = moved_back(strip.feeds, strip.size, last=strip.after == LF)
    return not (strip.where(b"\r") & (before | ~behind)).any()


def inside_quotes(quotes: Words, *, is_inside: bool) -> tuple[Words, bool]:
    """Bits from each quote that opens up to the one that closes, without it, and whether the last one is still open."""
    import numpy as np

    found = quotes.copy()
    for places in DOUBLED:
        found ^= found << places
    open_behind = np.bitwise_xor.accumulate(found >> (WORD - 1)) ^ np.uint64(is_inside)
    found ^= np.negative(np.append(np.uint64(is_inside), open_behind[:-1]))  # all bits of a word that begins inside
    return found, bool(open_behind[-1])


def has_sound_quotes(strip: Strip, quotes: Words, inside: Words, grammar: Grammar) -> bool:
    """Whether each quote stands where a field or another quote begins or ends, as it opens or closes.

    A CR is taken to end a field: that it stands before an LF is known by then.
    """
    marks = (*grammar.delimiter, *grammar.quote, LF)
    edges = strip.feeds | quotes | strip.where(grammar.delimiter)
    begins = moved_on(edges, first=strip.before in marks)
    ends = moved_back(
        edges | strip.where(b"\r") if strip.has(b"\r") else edges, strip.size, last=strip.after in {*marks, CR}
    )
    return not (quotes & ((inside & ~begins) | (~inside & ~ends))).any()
