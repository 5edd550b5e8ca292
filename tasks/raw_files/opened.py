"""A regular file that is read once, and must be the same file when reading ends."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tasks.raw_files.errors import UnreadableFileError

CLOSE = 1 << 14  # bytes
KINDS = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


class OpenedFile:
    """The bytes of a regular file.

    Parameters
    ----------
    path : Path
        A link is followed.

    Raises
    ------
    UnreadableFileError
        If it is missing, no regular file, or may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO must not block
        except (OSError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else str(error)
            raise UnreadableFileError(f"it cannot be opened ({cause})") from error
        self.before = os.fstat(descriptor)
        if not stat.S_ISREG(self.before.st_mode):
            os.close(descriptor)
            kind = KINDS.get(stat.S_IFMT(self.before.st_mode), "a device")
            raise UnreadableFileError(f"this is {kind}; a regular file is expected")
        self.file = os.fdopen(descriptor, "rb", buffering=0)
        self.taken = 0
        self.whole = False  # whether another reader takes the bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def read(self, size: int) -> bytes:
        """At most `size` bytes; nothing at the end, which is where the file ended when it was opened."""
        try:
            taken = self.file.read(min(size, self.before.st_size - self.taken)) or b""
        except OSError as error:
            raise UnreadableFileError(f"it cannot be read ({error.strerror})") from error
        self.taken += len(taken)
        if not taken:
            self.refuse_changed()
        return taken

    def pieces(self, first: int, size: int) -> Iterator[bytes]:
        """All bytes: a first piece, and then such as end where a line does, if one ends close behind `size` bytes.

        A block that is one piece need not be put together, which is to copy it.
        """
        piece = self.read(first)
        while piece:
            yield piece
            piece = self.read(size + self.peek(CLOSE, self.taken + size).find(b"\n") + 1)

    def peek(self, size: int, begin: int = 0) -> bytes:
        """Some bytes, the first ones if not others; what is read next does not change."""
        try:
            return os.pread(self.file.fileno(), size, begin)
        except OSError as error:
            raise UnreadableFileError(f"it cannot be read ({error.strerror})") from error

    def samples(self, size: int) -> list[bytes]:
        """Bytes from the middle and from the end, cut at line ends; what is read next does not change."""
        if self.before.st_size < 3 * size:
            return []
        found = []
        for begin in (self.before.st_size // 2, self.before.st_size - size):
            piece = os.pread(self.file.fileno(), size, begin)
            found.append(piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1])
        return found

    def refuse_changed(self) -> None:
        """Refuse a file that was written to since it was opened.

        Raises
        ------
        UnreadableFileError
            Says how many bytes it had and has.
        """
        after = os.fstat(self.file.fileno())
        if self.whole:
            self.taken = after.st_size
        same = (self.before.st_size, self.before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if not same or self.taken != after.st_size:
            raise UnreadableFileError(
                f"it changed while it was read, from {self.before.st_size} to {after.st_size} bytes. Read it again "
                "when it is complete; write it under another name and rename it"
            )
