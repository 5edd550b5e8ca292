"""What Arrow's reader takes for a part of a number, and no cast does: whether any of it is at the edge of a field.

Blanks that are trimmed are the first or the last of their field, and `0x` begins one. Texts may be full of either:
inside a field they bear on no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.raw_files import line_records
from tasks.raw_files.lines import CR, LF

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.raw_files.grammar import Grammar

    Bytes = NDArray[np.uint8]

BLANKS, HEX = (" ", "\t"), ("0x", "0X")


def stands_at_an_edge(mark: str, text: bytes, grammar: Grammar) -> bool:
    r"""Whether a mark may be the first or the last of a field.

    Parameters
    ----------
    mark : str
        A blank, or two characters of which only the beginning of a field matters.
    text : bytes
        Sound records, one at least.
    grammar : Grammar

    Examples
    --------
    >>> from tasks.raw_files.grammar import Grammar
    >>> comma = Grammar(b",", b'"')
    >>> [stands_at_an_edge(" ", text, comma) for text in (b"a b,1\n", b"ab, 1\n", b'"ab ",1\n')]
    [False, True, True]
    >>> [stands_at_an_edge("0x", text, comma) for text in (b"10x,1\n", b"a,0x1\n")]
    [False, True]
    """
    import numpy as np

    byte = mark.encode()
    if byte[-1:] not in text:
        return False
    if byte == grammar.delimiter:  # inside quotes alone may it be a part of a field
        return bool(grammar.quote) and grammar.quote in text
    content, edges = np.frombuffer(text, np.uint8), [*grammar.delimiter, *grammar.quote, LF, CR]
    return is_beside(content, byte[0], edges) if len(byte) == 1 else is_behind(content, byte, edges)


def is_beside(content: Bytes, byte: int, edges: list[int]) -> bool:
    """Whether a byte is the first or the last, or stands beside an edge."""
    if byte in {content[0], content[-1]}:
        return True
    return any(
        is_one_of(content[places - 1], edges) or is_one_of(content[places + 1], edges)
        for places in line_records.places_of(content, byte)
    )


def is_behind(content: Bytes, pair: bytes, edges: list[int]) -> bool:
    """Whether two bytes in a row are the first, or stand behind an edge."""
    import numpy as np

    if content[:2].tobytes() == pair:
        return True
    for begin in range(0, len(content), line_records.STRIP):
        strip = content[begin : begin + line_records.STRIP + 1]
        there = strip[1:] == pair[1]
        if not there.any():  # a look takes less than where
            continue
        places = np.flatnonzero(there & (strip[:-1] == pair[0])) + begin
        if is_one_of(content[places - 1], edges):
            return True
    return False


def is_one_of(content: Bytes, edges: list[int]) -> bool:
    """Whether any of some bytes is an edge."""
    return any((content == edge).any() for edge in edges)
