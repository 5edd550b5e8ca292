"""What Arrow's reader takes for a part of a number, and no cast does: whether any of it is at the edge of a field.

Blanks that are trimmed are the first or the last of their field, and `0x` begins one. Texts may be full of either:
inside a field they bear on no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.raw_files.lines import CR, LF

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tasks.raw_files.grammar import Grammar

    Bytes = NDArray[np.uint8]

BLANKS, HEX = (" ", "\t"), ("0x", "0X")
STRIP = 1 << 18  # bytes that are looked at at a time, so that what is made of them stays in the processor's cache
FEW = 1 << 10  # places in a block that are sooner looked at one by one


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
    places = few_places(byte[-1:], text)
    if places is not None and not places:
        return False
    if byte == grammar.delimiter:  # inside quotes alone may it be a part of a field
        return bool(grammar.quote) and grammar.quote in text
    edges = bytes([*grammar.delimiter, *grammar.quote, LF, CR])
    if places is not None:
        return any(is_at_an_edge(byte, place, text, edges) for place in places)
    content = np.frombuffer(text, np.uint8)
    return is_beside(content, byte[0], edges) if len(byte) == 1 else is_behind(content, byte, edges)


def few_places(byte: bytes, text: bytes) -> list[int] | None:
    """Where a byte stands; None where that is often."""
    found: list[int] = []
    place = text.find(byte)
    while place >= 0 and len(found) <= FEW:
        found.append(place)
        place = text.find(byte, place + 1)
    return found if len(found) <= FEW else None


def is_at_an_edge(mark: bytes, last: int, text: bytes, edges: bytes) -> bool:
    """Whether a mark ends at a place and is the first of its field, or, of a single byte, the last."""
    first = last + 1 - len(mark)
    if first < 0 or text[first] != mark[0]:
        return False
    is_last = last + 1 == len(text) or text[last + 1] in edges
    return first == 0 or text[first - 1] in edges or (is_last and len(mark) == 1)


def is_beside(content: Bytes, byte: int, edges: bytes) -> bool:
    """Whether a byte is the first or the last, or stands beside an edge."""
    if byte in {content[0], content[-1]}:
        return True
    return any(
        is_one_of(content[places - 1], edges) or is_one_of(content[places + 1], edges)
        for places in places_of(content, byte)
    )


def places_of(content: Bytes, byte: int) -> Iterator[NDArray[np.intp]]:
    """Positions of a byte, strip by strip: arrays of a block's size would be new pages each time."""
    import numpy as np

    for begin in range(0, len(content), STRIP):
        yield np.flatnonzero(content[begin : begin + STRIP] == byte) + begin


def is_behind(content: Bytes, pair: bytes, edges: bytes) -> bool:
    """Whether two bytes in a row are the first, or stand behind an edge; each pair of bytes is compared as one number.

    The pairs that begin at even places and those that begin at odd ones are the block's two-byte numbers.
    """
    import numpy as np

    if content[:2].tobytes() == pair:
        return True
    for odd in (0, 1):
        pairs = content[odd : odd + (len(content) - odd) // 2 * 2].view("<u2")
        places = 2 * np.flatnonzero(pairs == int.from_bytes(pair, "little")) + odd
        if is_one_of(content[places - 1], edges):
            return True
    return False


def is_one_of(content: Bytes, edges: bytes) -> bool:
    """Whether any of some bytes is an edge."""
    return any((content == edge).any() for edge in edges)
