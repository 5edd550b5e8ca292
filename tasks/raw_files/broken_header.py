"""A header whose quotes are misplaced: read where they are a part of its names, else never mistaken for a title."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.raw_files.detection import DELIMITERS, Trial, read_sample
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.grammar import Grammar

if TYPE_CHECKING:
    from tasks.raw_files.layout import Layout

SURE = 0.9  # certainty of a header below that makes what stands above it a title
QUOTE_IN_NAME = "a quote inside one of the header's names is a part of it"
LONGEST_SHOWN = 200  # bytes of a header


def with_names_as_text(trial: Trial) -> tuple[Trial, int]:
    r"""A trial whose first wide record may have quotes inside its fields, and which record was read so; -1 for none.

    A quote at the edge of a field is no part of a name: there it opens or closes what is quoted, and is misplaced.

    >>> sample = b'size"in,age\n1,2\n'
    >>> trial, place = with_names_as_text(read_sample(sample, Grammar(b",", b'"'), whole=True))
    >>> trial.records[place]
    ['size"in', 'age']
    """
    place = next((number for number, record in enumerate(trial.records) if len(record) in {0, trial.width}), 0)
    if not trial.records or trial.records[place] or trial.width == 1:
        return trial, -1
    line = trial.line(place)
    fields = line.split(trial.grammar.delimiter)
    quote = trial.grammar.quote
    if len(fields) != trial.width or any(quote in {field[:1], field[-1:]} for field in map(bytes.strip, fields)):
        return trial, -1
    records, quoted = list(trial.records), list(trial.quoted)
    records[place] = [field.decode("utf-8", errors="replace") for field in fields]
    quoted[place] = [False] * trial.width
    return replace(trial, records=records, quoted=quoted), place


def broken_header(line: bytes) -> UnreadableFileError:
    """What is wrong with a header that cannot be read, and what to do."""
    shown = line[:LONGEST_SHOWN].decode("utf-8", errors="replace")
    return UnreadableFileError(
        f"the header has a misplaced quote: {shown!r}; quotes around whole fields only are expected. Mend it, or "
        "declare source.dialect.quote, preamble or header"
    )


def refuse_broken_header(trial: Trial, layout: Layout) -> None:
    """Refuse a line with misplaced quotes above a table that has no sure header, if it has enough delimiters for one.

    Raises
    ------
    UnreadableFileError
        Says what to do.
    """
    place = layout.start - 1
    if place < 0 or trial.records[place] or (layout.header_lines and layout.certainty > SURE):
        return
    names = trial.line(place).count(trial.grammar.delimiter) + 1
    if names >= max(2, trial.width - 1):
        raise broken_header(trial.line(place))


def other_delimiter_above(trial: Trial, layout: Layout) -> str:
    r"""What separates as many names as there are columns in the line above a table without a header; empty if nothing.

    >>> from types import SimpleNamespace
    >>> sample = b'name;age\n1,2\n3,4\n'
    >>> trial = read_sample(sample, Grammar(b",", b'"'), whole=True)
    >>> other_delimiter_above(trial, SimpleNamespace(start=1, header_lines=0, names=("c1", "c2")))
    ';'
    """
    if layout.header_lines or not layout.start:
        return ""
    line = trial.line(layout.start - 1)
    for delimiter in DELIMITERS:
        grammar = replace(trial.grammar, delimiter=delimiter.encode())
        if delimiter.encode() != trial.grammar.delimiter and len(read_one(line, grammar)) == len(layout.names):
            return delimiter
    return ""


def read_one(line: bytes, grammar: Grammar) -> list[str]:
    """The fields of a line; none where it has a misplaced quote."""
    records = read_sample(line, grammar, whole=True).records
    return records[0] if records else []
