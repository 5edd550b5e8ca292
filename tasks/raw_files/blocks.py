"""A stream of UTF-8 cut into blocks of whole lines; a line beyond all measure is passed over, not held."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from tasks.raw_files.rows import LONGEST_RECORD, LONGEST_SHOWN

BLOCK = 1 << 23  # bytes; a few blocks and their parsed rows are held at a time


@dataclass(frozen=True)
class Block:
    """Some whole lines.

    Attributes
    ----------
    body : bytes
        What the last block left, and new lines behind it.
    at_end : bool
        Whether no record goes on behind it: at the end of the file, and before a line that is passed over.
    overlong : bytes or None
        Where the next line is too long: its beginning.
    overlong_size : int
        Bytes of that line, with its line end.
    """

    body: bytes
    at_end: bool
    overlong: bytes | None = None
    overlong_size: int = 0


def blocks(pieces: Iterator[bytes], *, cr_ends: bool, size: int = BLOCK) -> Generator[Block, bytes, None]:
    """Cut a stream into blocks.

    Yields
    ------
    Block
        Takes, by `send`, the end of its body that is the beginning of a record which the next block ends.
    """
    rest, tail = b"", b""  # of the last block's body, and of a line
    while True:
        fresh, ended = taken(pieces, size - len(rest))
        *before, last = [tail, *fresh]
        cut = len(last) if ended else last_line_end(last, cr_ends=cr_ends)
        if cut == 0 and not ended:
            before, last = [], b"".join([*before, last])
            cut = last_line_end(last, cr_ends=cr_ends)
        if cut == 0 and not ended:
            tail = last
            if len(tail) <= LONGEST_RECORD:
                continue
            begun, size_passed, behind, ended = passed_over(tail, pieces, cr_ends=cr_ends)
            yield Block(rest, True, begun, size_passed)
            rest, tail = b"", behind
            if ended and not behind:
                return
            continue
        rest = (yield Block(in_one([rest, *before, last[:cut]]), ended)) or b""
        tail = last[cut:]
        if ended:
            return


def in_one(parts: list[bytes]) -> bytes:
    """Parts put together; a single one is not copied."""
    filled = [part for part in parts if part]
    return filled[0] if len(filled) == 1 else b"".join(filled)


def taken(pieces: Iterator[bytes], size: int) -> tuple[list[bytes], bool]:
    """Pieces of about `size` more bytes, and whether the stream ended."""
    found, length = [], 0
    for piece in pieces:
        found.append(piece)
        length += len(piece)
        if length >= size:
            return found, False
    return found, True


def last_line_end(body: bytes, *, cr_ends: bool) -> int:
    """Behind the last line end; a CR at the very end may be half of one."""
    feed = body.rfind(b"\n")
    return max(feed, body.rfind(b"\r", 0, len(body) - 1) if cr_ends else -1) + 1


def passed_over(tail: bytes, pieces: Iterator[bytes], *, cr_ends: bool) -> tuple[bytes, int, bytes, bool]:
    """Read up to the end of a line without holding it: its beginning, its size, what is behind it, and if all ended."""
    begun, passed = tail[: LONGEST_SHOWN + 1], len(tail)
    for piece in pieces:
        ends = [place for place in (piece.find(b"\n"), piece.find(b"\r") if cr_ends else -1) if place >= 0]
        if ends:
            behind = min(ends) + 1 + (piece[min(ends) : min(ends) + 2] == b"\r\n")
            return begun, passed + behind, piece[behind:], False
        passed += len(piece)
    return begun, passed, b"", True
