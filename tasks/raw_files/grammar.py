r"""What a record of delimited text is, as regular expressions over UTF-8.

A field is quoted as a whole or holds no quote at all; a quote inside quotes is written twice or escaped. Where `'` is
the quote, one between two letters or digits is an apostrophe: it can neither open nor close a field. An escape stands
for itself before a character that means nothing by itself, as in `C:\temp`. All of it is one reading of the text or
none: nothing is lenient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

NO_MARK = "none"  # how a quote or an escape that is not used is declared
WORD = rb"[0-9A-Za-z\x80-\xff]"
STAND_INS = "\x1f\x1e\x1d\x1c\x02\x03"  # take the place of delimiter, quote and escape that are not ASCII


@dataclass(frozen=True)
class Grammar:
    """Delimiter, quote and escape, one ASCII byte each, and whether CR alone ends a line too."""

    delimiter: bytes
    quote: bytes = b""
    escape: bytes = b""
    cr_ends: bool = False

    @cached_property
    def apostrophe(self) -> re.Pattern[bytes]:
        """A quote that is a part of a word; none, where other marks are letters or digits too."""
        marks = self.quote == b"'" and not re.search(WORD, self.delimiter + self.escape)
        return re.compile(rb"(?<=" + WORD + rb")'(?=" + WORD + rb")" if marks else b"(?!)")

    @cached_property
    def _quoted(self) -> bytes:
        if not self.quote:
            return b"(?!)"
        return self.quote_mark + self._inside + self.quote_mark

    @property
    def quote_mark(self) -> bytes:
        """The quote, as a pattern."""
        return re.escape(self.quote)

    @cached_property
    def _escaped(self) -> bytes:
        return re.escape(self.escape) + b"." if self.escape else b"(?!)"

    @cached_property
    def _inside(self) -> bytes:
        q = self.quote_mark
        parts = (b"[^" + q + re.escape(self.escape) + b"]++", q + q, self._escaped, self.apostrophe.pattern)
        return b"(?:" + b"|".join(parts) + b")*+"

    @cached_property
    def _field(self) -> bytes:
        special = re.escape(self.delimiter + self.quote + self.escape)
        parts = (b"[^" + special + rb"\r\n]++", self._escaped, self.apostrophe.pattern)
        return b"(?:" + self._quoted + b"|(?:" + b"|".join(parts) + b")*+)"

    @cached_property
    def line_end(self) -> bytes:
        """What ends a line, as a pattern."""
        return rb"\r?\n|\r" if self.cr_ends else rb"\r?\n"

    @cached_property
    def record(self) -> re.Pattern[bytes]:
        """A whole record with its line end, group `end`; empty at the end of the text."""
        fields = self._field + b"(?:" + re.escape(self.delimiter) + self._field + b")*+"
        return re.compile(fields + b"(?P<end>" + self.line_end + rb"|\Z)", re.DOTALL)

    @cached_property
    def unfinished(self) -> re.Pattern[bytes]:
        """A record that the text ends in the middle of, inside a quoted field."""
        before = b"(?:" + self._field + re.escape(self.delimiter) + b")*+"
        inside = self.quote_mark + self._inside + rb"\Z" if self.quote else b"(?!)"
        return re.compile(before + inside, re.DOTALL)

    @cached_property
    def protected(self) -> re.Pattern[bytes]:
        """Quoted fields and escaped characters, wherever they stand."""
        return re.compile(self.apostrophe.pattern + b"|" + self._quoted + b"|" + self._escaped, re.DOTALL)

    @cached_property
    def _one_field(self) -> re.Pattern[bytes]:
        return re.compile(
            b"(" + self._field + b")(?:" + re.escape(self.delimiter) + b"|(" + self.line_end + rb"|\Z))", re.DOTALL
        )

    @cached_property
    def _meant(self) -> bytes:
        special = re.escape(self.delimiter + self.quote + self.escape)
        return re.escape(self.escape) + b"[" + special + rb"\r\n]" if self.escape else b"(?!)"

    @cached_property
    def _unescape(self) -> re.Pattern[bytes]:
        doubled = self.quote_mark + b"(?=" + self.quote_mark + b")" if self.quote else b"(?!)"
        return re.compile(self._meant + b"|" + doubled + b".", re.DOTALL)

    @cached_property
    def _any_escape(self) -> re.Pattern[bytes]:
        return re.compile(self._meant + b"|(?P<itself>" + re.escape(self.escape) + b")")

    def as_parsers_expect(self, text: bytes) -> bytes:
        r"""A text in which escapes that stand for themselves are escaped, and apostrophes in quotes written twice.

        >>> Grammar(b",", b'"', b"\\").as_parsers_expect(rb'C:\temp,"a \" b"')
        b'C:\\\\temp,"a \\" b"'
        >>> Grammar(b",", b"'").as_parsers_expect(b"it's,'it's, too'")
        b"it's,'it''s, too'"
        """
        if self.escape and self.escape in text:
            text = self._any_escape.sub(lambda match: self.escape * 2 if match["itself"] else match[0], text)
        if self.quote != b"'" or self.apostrophe.search(text) is None:
            return text
        return self.protected.sub(lambda match: self.apostrophe.sub(b"''", match[0]), text)

    def width(self, record: bytes) -> int:
        """Number of fields of a whole record."""
        return 1 + self.protected.sub(b"", record).count(self.delimiter)

    def fields(self, record: bytes) -> list[bytes]:
        """The fields of a whole record, as they stand there."""
        found = []
        for match in self._one_field.finditer(record):
            found.append(match[1])
            if match[2] is not None:
                break
        return found

    def plain(self, field: bytes) -> bytes:
        """A field without its quotes and escapes."""
        if self.quote and field[:1] == self.quote:
            field = field[1:-1]
        return self._unescape.sub(lambda match: match[0][1:], field) if self.quote or self.escape else field


def swaps_of(*marks: str | None) -> dict[str, str]:
    r"""Marks that change places with control characters before a grammar can be applied: those of more than one byte.

    They change places in the text, and back in what was read, so that each mark is one byte and nothing can be mistaken
    for another.

    >>> swaps_of("\u00a6", '"', None)
    {'\u00a6': '\x1f'}
    """
    wide = [mark for mark in marks if mark and mark != NO_MARK and len(mark.encode()) > 1]
    return dict(zip(wide, (each for each in STAND_INS if each not in marks), strict=False))


def with_line_ends(grammar: Grammar, cr_ends: bool) -> Grammar:
    """The same grammar with other line ends."""
    return replace(grammar, cr_ends=cr_ends)
