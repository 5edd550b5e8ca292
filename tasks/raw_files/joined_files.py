"""Traces of files that were joined: a byte order mark inside, or the header's names once more, in another order.

Rows behind a header in another order would be read under wrong names, without a cell that looks wrong.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.raw_files.grammar import Grammar
    from tasks.raw_files.rows import Positions

MARK = codecs.BOM_UTF8
MOST_TITLES = 20  # rows above a header that stands once more
LEAST_NAMES = 3  # fewer stand in another order by chance
SHORTEST = 3  # bytes of a name that a block is searched for
LONGER = len(MARK) + 1  # bytes of a line than of what is compared: the mark before and a CR behind


def has_bytes_of(text: bytes, body: bytes) -> bool:
    """Whether each byte of a text stands somewhere in a block: to look for one takes a tenth of looking for two.

    >>> has_bytes_of(b"dep_time", b"555,1400"), has_bytes_of(b"tip", b"pit")
    (False, True)
    """
    return all(byte in body for byte in set(text))


def forms_of(header: bytes, grammar: Grammar) -> tuple[bytes, ...]:
    r"""A header as it is written, and as it may be written elsewhere: all names in quotes, or as few as may be.

    >>> from tasks.raw_files.grammar import Grammar
    >>> forms_of(b'id,"name"', Grammar(b",", b'"'))
    (b'id,"name"', b'"id","name"', b'id,name')
    """
    if not header:
        return ()
    if not grammar.quote or grammar.record.fullmatch(header) is None:
        return (header,)
    names = [grammar.plain(field) for field in grammar.fields(header)]
    quoted = [grammar.quote + name.replace(grammar.quote, grammar.quote * 2) + grammar.quote for name in names]
    special = {*grammar.delimiter, *grammar.quote, *grammar.escape, *b"\r\n"}
    needed = [full if special & set(name) else name for full, name in zip(quoted, names, strict=True)]
    return tuple(dict.fromkeys([header, grammar.delimiter.join(quoted), grammar.delimiter.join(needed)]))


def has_inner_mark(body: bytes) -> bool:
    """Whether a byte order mark stands where a line begins."""
    if body.isascii() or not has_bytes_of(MARK, body) or MARK not in body:  # two bytes before it are dearer to look for
        return False
    return body.startswith(MARK) or b"\n" + MARK in body or b"\r" + MARK in body


def reordered_headers(body: bytes, header: bytes, grammar: Grammar) -> Iterator[int]:
    r"""Where lines begin that have the header's fields in another order.

    Parameters
    ----------
    body : bytes
        Whole lines.
    header : bytes
        The header's record without its line end.
    grammar : Grammar

    Examples
    --------
    >>> from tasks.raw_files.grammar import Grammar
    >>> list(reordered_headers(b"Ada,36,x\ncity,name,age\n", b"name,age,city", Grammar(b",")))
    [9]
    """
    if not has_bytes_of(header, body):
        return
    names = sorted(grammar.fields(header)) if header else []
    name = max(names, key=len, default=b"")
    if len(names) < LEAST_NAMES or len(name) < SHORTEST or name not in body:
        return
    begin = 0
    for line in body.split(b"\n"):
        if len(header) <= len(line) <= len(header) + LONGER and is_reordered(line, header, names, grammar):
            yield begin
        begin += len(line) + 1


def titles_above(headers: Sequence[int], lines: Positions, cells: Callable[[int], list[str]]) -> list[int]:
    """Rows right above headers that stand once more which are titles of the tables there, from one that holds nothing.

    Parameters
    ----------
    headers : sequence of int
        Lines of the headers.
    lines : array of int64, shape (n,)
        Line of each row.
    cells : callable
        From a row to its texts.
    """
    found: list[int] = []
    for header in headers:
        run: list[int] = []
        last = int(lines.searchsorted(header)) - 1
        while len(run) < MOST_TITLES and last >= len(run) and lines[last - len(run)] == header - 1 - len(run):
            row = last - len(run)
            if any(cells(row)[1:]):
                break
            run.append(row)
        while run and any(cells(run[-1])):
            run.pop()
        found += run
    return found


def is_reordered(line: bytes, header: bytes, names: list[bytes], grammar: Grammar) -> bool:
    """Whether a line has the header's fields, but is not the header."""
    line = line.removesuffix(b"\r").removeprefix(MARK)
    return len(line) == len(header) and line != header and sorted(grammar.fields(line)) == names
