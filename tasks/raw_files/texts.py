"""The text of a file as a stream of UTF-8: decompressed, decoded, and known to be text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from tasks.raw_files.blocks import BLOCK
from tasks.raw_files.compression import compression_of, expanded
from tasks.raw_files.dialect import Dialect
from tasks.raw_files.encodings import FoundEncoding, as_utf8, find_encoding
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.kinds import PARQUET, refuse_binary, refuse_foreign
from tasks.raw_files.mixed_encodings import decoded_by_line
from tasks.raw_files.rows import LONGEST_RECORD

if TYPE_CHECKING:
    from configs.sections.source import DeclaredDialect
    from tasks.raw_files.opened import OpenedFile

HEAD = 1 << 20  # bytes that encoding and dialect are told by
MAGIC = 1 << 12  # bytes that a format is told by
MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Text:
    """A text of which the beginning was read.

    Attributes
    ----------
    head : bytes
        Its beginning in UTF-8: 1 MiB and at least one line, or all of it.
    ended : bool
        Whether that is all.
    rest : iterator of bytes
        What comes behind.
    dialect : Dialect
        Compression and encoding, and how sure that is.
    """

    head: bytes
    ended: bool
    rest: Iterator[bytes]
    dialect: Dialect


def open_text(opened: OpenedFile, declared: DeclaredDialect, note: Callable[[str], None]) -> Text:
    """Begin to read a file as text; `note` takes, at its end, where its encoding changes.

    Raises
    ------
    UnreadableFileError
        If it is empty, of another format, damaged, or in no encoding that can be told.
    """
    magic = opened.peek(MAGIC)
    compression = declared.compression or compression_of(magic)
    if compression == "none":
        refuse_foreign(magic)
    pieces = opened.pieces(HEAD, BLOCK) if compression == "none" else expanded(opened.read, compression)
    head, _ = begun(pieces)
    if compression != "none":
        refuse_inner(head)
    found = encoding_of(head, opened.samples(HEAD // 4) if compression == "none" else [], declared)
    whole = chain([head[found.mark :]], pieces)
    texts = as_utf8(whole, found.name) if found.other is None else decoded_by_line(whole, found, note)
    text, ended = begun(texts)
    if declared.delimiter is None:
        refuse_binary(text[:MAGIC])
    dialect = Dialect(
        compression=compression,
        encoding=found.name,
        other_encoding=found.other,
        certainty=found.certainty,
        second=found.second,
    )
    return Text(text, ended, texts, dialect)


def begun(pieces: Iterator[bytes]) -> tuple[bytes, bool]:
    """The first pieces of a stream, with at least one line end where there is one, and whether it ended with them."""
    found = b""
    for piece in pieces:
        found += piece
        if len(found) >= HEAD and (b"\n" in found or b"\r" in found or len(found) > LONGEST_RECORD):
            return found, False
    return found, True


def encoding_of(head: bytes, samples: list[bytes], declared: DeclaredDialect) -> FoundEncoding:
    """The declared encoding, or the one that is found."""
    if declared.encoding is None:
        return find_encoding(head, samples)
    mark = next((mark for mark in MARKS if head.startswith(mark)), b"")
    is_mark = mark.decode(declared.encoding, errors="ignore") == "\ufeff"
    return FoundEncoding(declared.encoding, mark=len(mark) if is_mark else 0)


def refuse_inner(head: bytes) -> None:
    """Refuse what is no text inside a compressed file."""
    if not head:
        raise UnreadableFileError("the compressed file is empty; a header and at least one row are expected")
    if head.startswith(PARQUET) or compression_of(head) != "none":
        raise UnreadableFileError("compressed data inside compressed data; one compression around a text is expected")
    refuse_foreign(head[:MAGIC])
