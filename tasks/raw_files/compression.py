"""Decompression as a stream of pieces, in bounded memory; cut, damaged and absurdly dense files are refused."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from tasks.raw_files.dialect import Compression
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.kinds import GZIP, ZSTD

PIECE = 1 << 20  # bytes
MOST_EXPANDED = 1 << 30  # bytes, beyond which a file may not expand more than DENSEST times
DENSEST = 1000

Read = Callable[[int], bytes]


def compression_of(head: bytes) -> Compression:
    """Compression that the first bytes tell; the file's name does not matter."""
    if head.startswith(GZIP):
        return "gzip"
    return "zstd" if head.startswith(ZSTD) else "none"


def expanded(read: Read, compression: Compression) -> Iterator[bytes]:
    """Pieces of the decompressed content of a compressed file, none of them empty.

    Raises
    ------
    UnreadableFileError
        If the data are cut or damaged, or expand more than 1000 times to more than 1 GiB.
    """
    counted = Counted(read)
    size = 0
    for piece in (from_gzip if compression == "gzip" else from_zstd)(counted):
        size += len(piece)
        if size > MOST_EXPANDED and size > DENSEST * counted.taken:
            raise UnreadableFileError(
                f"{counted.taken} compressed bytes became more than {size}; a table of that kind is taken for an attack"
            )
        yield piece


class Counted(io.RawIOBase):
    """A reader that counts what was taken from it."""

    def __init__(self, read: Read) -> None:
        super().__init__()
        self._read = read
        self.taken = 0

    def readable(self) -> bool:
        """Reading is all that it does."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes."""
        content = self._read(PIECE if size < 0 else size)
        self.taken += len(content)
        return content


def from_gzip(source: Counted) -> Iterator[bytes]:
    """Pieces of gzip's members, one after the other; each one's checksum is compared."""
    engine: Any = None
    try:
        while waiting := source.read(PIECE):
            while waiting := waiting if engine else waiting.lstrip(b"\x00"):  # tapes and some tools pad with zeros
                engine = engine or zlib.decompressobj(wbits=31)
                yield from from_member(engine, waiting)
                waiting = engine.unused_data
                if not engine.eof:
                    break
                engine = None
    except zlib.error as error:
        raise UnreadableFileError(f"the gzip data are damaged ({error})") from error
    if engine is not None:
        raise UnreadableFileError("the gzip data are cut: their end is missing")


def from_member(engine: Any, waiting: bytes) -> Iterator[bytes]:
    """Pieces that some compressed bytes give, up to the end of their member."""
    while piece := engine.decompress(waiting, PIECE):
        yield piece
        waiting = engine.unconsumed_tail
        if engine.eof:
            break


def from_zstd(source: Counted) -> Iterator[bytes]:
    """Pieces of zstd's frames."""
    import pyarrow as pa

    try:
        stream = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
        yield from iter(lambda: stream.read(PIECE), b"")
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(f"the zstd data are cut or damaged ({error})") from error
