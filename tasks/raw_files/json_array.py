"""A JSON document that is one array of objects: rows as of JSON lines, each with the line that it begins on.

Where an object ends is told by the standard library's decoder, on a window of the text that holds a piece of the file
and the object that goes on behind it. So memory does not grow with the file. Bytes are taken for Latin-1 there: what
makes up JSON is ASCII, and a place in the text is a place in the bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tasks.raw_files.encodings import UTF8
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.json_lines import BLOCK, cell_text, read_object
from tasks.raw_files.records import invalid_utf8
from tasks.raw_files.rows import LONGEST_RECORD, RawChunk, RefusedRecord, column_aliases, refusal, shown

BEGIN = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*\{")
SPACE = re.compile(r"[ \t\r\n]*")
BEHIND = tuple(", ]\t\r\n")
ENDS = json.JSONDecoder(strict=False)  # that a text holds a control character is said of its object


class Element(NamedTuple):
    """One element of the array: the line that it begins on, and its bytes."""

    line: int
    content: bytes


class Window:
    """A part of the text, and a place in it, behind which nothing was read yet."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.text, self.place, self.line, self.ended = pieces, "", 0, 1, False

    def more(self) -> bool:
        """Take in one more piece; what was read is forgotten."""
        piece = next(self.pieces, None)
        self.ended = piece is None
        self.text, self.place = self.text[self.place :] + (piece or b"").decode("latin-1"), 0
        return not self.ended

    def move(self, place: int) -> None:
        """Go on to a place, and count the lines before it."""
        self.line += self.text.count("\n", self.place, place)
        self.place = place

    def next_mark(self) -> str:
        """The next character that is no white space, which is not passed; nothing at the end."""
        while True:
            space = SPACE.match(self.text, self.place)
            self.move(space.end() if space else self.place)
            if self.place < len(self.text):
                return self.text[self.place]
            if not self.more():
                return ""

    def pass_mark(self, *marks: str) -> str:
        """Pass one of some marks.

        Raises
        ------
        UnreadableFileError
            If something else stands there.
        """
        found = self.next_mark()
        if found not in marks:
            what = repr(found) if found else "the end of the file"
            raise UnreadableFileError(
                f"line {self.line}: found {what}, expected {' or '.join(marks)}: the JSON array is cut or damaged, and "
                "where rows begin behind is not known"
            )
        self.move(self.place + 1)
        return found

    def element(self) -> Element:
        """Pass one value.

        Raises
        ------
        UnreadableFileError
            If it does not end, or is so long that it would fill the memory.
        """
        self.next_mark()
        while True:
            is_last = self.ended or len(self.text) - self.place > LONGEST_RECORD
            try:
                _, end = ENDS.raw_decode(self.text, self.place)
            except (ValueError, RecursionError) as error:
                if is_last:
                    raise self.not_json(error) from error
            else:
                if is_last or self.text[end : end + 1] in BEHIND:  # else a number may go on in the next piece
                    break
            self.more()
        found = Element(self.line, self.text[self.place : end].encode("latin-1"))
        self.move(end)
        return found

    def not_json(self, error: Exception) -> UnreadableFileError:
        """What is wrong with a value that does not end."""
        place = error.pos if isinstance(error, json.JSONDecodeError) else self.place
        line = self.line + self.text.count("\n", self.place, place)
        why = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        return UnreadableFileError(
            f"line {line}: no JSON ({why}), in the element that begins on line {self.line}: where rows begin behind is "
            "not known"
        )


def is_json_array(head: bytes) -> bool:
    r"""Whether a text begins as an array of objects does.

    >>> is_json_array(b'[\n  {"a": 1}'), is_json_array(b"[[1, 2]]"), is_json_array(b"[a]")
    (True, False, False)
    """
    return BEGIN.match(head) is not None


def elements(pieces: Iterator[bytes]) -> Iterator[Element]:
    """Elements of an array, in order.

    Raises
    ------
    UnreadableFileError
        If the array is cut or damaged, or text stands behind it.
    """
    window = Window(pieces)
    window.pass_mark("[")
    following = window.pass_mark("]") if window.next_mark() == "]" else ","
    while following == ",":
        yield window.element()
        following = window.pass_mark(",", "]")
    if (found := window.next_mark()) not in ("", "\x1a"):
        raise UnreadableFileError(f"line {window.line}: {found!r} stands behind the end of the JSON array")


def names_of_array(head: bytes) -> tuple[str, ...]:
    """Keys of the objects that a sample holds whole, in order of appearance.

    Raises
    ------
    UnreadableFileError
        If there is none.
    """
    names: dict[str, None] = {}
    try:
        for element in elements(iter([head])):
            names |= dict.fromkeys(read_object(element.content)[0] or ())
    except UnreadableFileError:  # where the sample is cut; told when the file is read, where the file is
        if not names:
            raise
    if not names:
        raise UnreadableFileError("a JSON array without an object that has a key; one object for each row is expected")
    return tuple(names)


def array_chunks(pieces: Iterator[bytes], names: Sequence[str], encoding: str = UTF8) -> Iterator[RawChunk]:
    """Read the elements of an array; a missing key is null, an unknown one refuses its element."""
    waiting: list[Element] = []
    size = 0
    for element in elements(pieces):
        waiting.append(element)
        size += len(element.content)
        if size >= BLOCK:
            yield chunk_of_elements(waiting, names, encoding)
            waiting, size = [], 0
    if waiting:
        yield chunk_of_elements(waiting, names, encoding)


def chunk_of_elements(every: Sequence[Element], names: Sequence[str], encoding: str) -> RawChunk:
    """Rows of some elements."""
    import numpy as np
    import pyarrow as pa

    known = set(names)
    rows, kept = [], []
    refused: list[RefusedRecord] = []
    for element in every:
        found, reason, problem = read_element(element.content, known, encoding)
        if reason:
            refused.append(refusal(element.line, reason, element.content, problem=problem, encoding=encoding))
        else:
            kept.append(element)
            rows.append(found)
    columns = [pa.array([cell_text(row.get(name)) for row in rows], pa.string()) for name in names]
    return RawChunk(
        pa.table(columns, names=column_aliases(len(names))),
        np.array([element.line for element in kept], np.int64),
        refused,
        lambda row: shown(kept[row].content),
    )


def read_element(content: bytes, known: set[str], encoding: str) -> tuple[dict[str, object], str, str]:
    """The object of an element; or why it is none, and the problem."""
    if len(content) > LONGEST_RECORD:
        return {}, "record_too_long", ""
    if invalid_utf8(content):
        return {}, "not_utf8" if encoding == UTF8 else "not_decodable", ""
    found, reason, problem = read_object(content)
    if found is None:
        return {}, reason, problem
    unknown = found.keys() - known
    return ({}, "unknown_key", repr(min(unknown))) if unknown else (found, "", "")
