"""A text that changes its encoding half-way: each line is decoded in the encoding that it reads in.

Lines of ASCII are the same in both. A line that is UTF-8 beyond ASCII is UTF-8; any other is in the one-byte encoding,
where it reads as words in it. A line in both at once is left as it is for `records` to refuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from tasks.raw_files.encodings import (
    HIGH,
    MULTIBYTE,
    SURE_ENOUGH,
    UNDEFINED,
    UTF8,
    WESTERN,
    FoundEncoding,
    as_utf8,
    is_utf8,
    western_share,
)
from tasks.raw_files.rows import LONGEST_RECORD

CUT_UTF8 = re.compile(  # what is left of a character of UTF-8, that would read as a letter where none is usual
    rb"\xe2[\x80-\xbf]|(?<![A-Z])[\xc2\xc3](?![A-Za-z\xc0-\xff])|(?<=[a-z])[\xc2-\xde]"
)


def decoded_by_line(pieces: Iterable[bytes], found: FoundEncoding, note: Callable[[str], None]) -> Iterator[bytes]:
    """The text as UTF-8; `note` takes, at its end, the first line in the other encoding and how many there are.

    Parameters
    ----------
    pieces : iterable of bytes
    found : FoundEncoding
        With another encoding than its base: one of the two is UTF-8.
    note : callable
    """
    first, count, line = 0, 0, 1
    for body in whole_lines(pieces):
        changed, text = decoded(body, found)
        line_end = b"\n" if b"\n" in body else b"\r"
        if changed and not first:
            first = line + sum(part.count(line_end) for part in body.splitlines(keepends=True)[: changed[0]])
        count += len(changed)
        line += body.count(line_end)
        yield text
    if count:
        lines = "1 line is" if count == 1 else f"{count} lines are"
        note(f"the encoding changes: {lines} in {found.other}, the first is line {first}; the rest is in {found.name}")


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes cut at line ends, but for a line that is too long to be a record."""
    tail = b""
    for piece in pieces:
        cut = max(piece.rfind(b"\n"), piece.rfind(b"\r", 0, len(piece) - 1)) + 1
        if cut:
            yield tail + piece[:cut]
            tail = piece[cut:]
        else:
            tail += piece
        if len(tail) > LONGEST_RECORD:
            yield tail
            tail = b""
    if tail:
        yield tail


def decoded(body: bytes, found: FoundEncoding) -> tuple[list[int], bytes]:
    """Which lines are in the other encoding, and all of them as UTF-8."""
    if body.isascii() or (found.name == UTF8 and is_utf8(body)):
        return [], body
    if found.name != UTF8 and not MULTIBYTE.search(body):
        return [], in_encoding(body, found.name)
    lines = body.splitlines(keepends=True)
    changed = [number for number, line in enumerate(lines) if is_in_other(line, found)]
    others = set(changed)
    texts = [
        in_encoding(line, (found.other or UTF8) if number in others else found.name)
        for number, line in enumerate(lines)
    ]
    return changed, b"".join(texts)


def in_encoding(content: bytes, encoding: str) -> bytes:
    """Bytes as UTF-8."""
    return b"".join(as_utf8([content], encoding))


def is_in_other(line: bytes, found: FoundEncoding) -> bool:
    """Whether a line is in the second encoding of a file."""
    if not HIGH.search(line):
        return False
    return is_utf8(line) if found.other == UTF8 else reads_as_western(line, found.other or WESTERN)


def reads_as_western(line: bytes, encoding: str) -> bool:
    """Whether a line is no UTF-8 in any part, nor cut UTF-8, and reads as words in a one-byte encoding."""
    if MULTIBYTE.search(line) or CUT_UTF8.search(line) or (encoding == WESTERN and UNDEFINED.search(line)):
        return False
    return western_share([line], encoding) >= SURE_ENOUGH
