"""A header whose quotes are misplaced: read where they are a part of its names, else never mistaken for a title."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.raw_files.detection import DELIMITERS, Trial, read_sample
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.fitting_header import MOST, filled
from tasks.raw_files.grammar import Grammar
from tasks.raw_files.header_lines import ROWS_BELOW

if TYPE_CHECKING:
    from tasks.raw_files.layout import Layout

SURE = 0.9  # certainty of a header below that makes what stands above it a title
QUOTE_IN_NAME = "the header has misplaced quotes: names are read as they stand there"
LONGEST_SHOWN = 200  # bytes of a header


def with_names_as_text(trial: Trial) -> tuple[Trial, int]:
    r"""A trial whose first wide record is read though its quotes are misplaced, and which record that is; -1 for none.

    A quote inside a field may be a part of it. One at its edge opens or closes what is quoted: such names are read as
    they stand only where there are as many as nearly all of several rows have fields.

    >>> sample = b'size"in,age\n1,2\n'
    >>> trial, place = with_names_as_text(read_sample(sample, Grammar(b",", b'"'), whole=True))
    >>> trial.records[place]
    ['size"in', 'age']
    """
    place = next((number for number, record in enumerate(trial.records) if len(record) in {0, trial.width}), 0)
    if not trial.records or trial.records[place] or trial.width == 1:
        return trial, -1
    names = trial.line(place).split(trial.grammar.delimiter)
    below = filled(trial.records[place + 1 :])
    rows = sum(len(row) == trial.width for row in below)
    are_counted = rows >= ROWS_BELOW and rows >= MOST * len(below)
    if len(names) != trial.width or not (are_counted or all(has_inner_quotes(name, trial.grammar) for name in names)):
        return trial, -1
    records, quoted = list(trial.records), list(trial.quoted)
    records[place] = [as_it_stands(name, trial.grammar) for name in names]
    quoted[place] = [False] * trial.width
    return replace(trial, records=records, quoted=quoted), place


def has_inner_quotes(name: bytes, grammar: Grammar) -> bool:
    """Whether a name has no quote at its edges."""
    return grammar.quote not in {name.strip()[:1], name.strip()[-1:]}


def as_it_stands(name: bytes, grammar: Grammar) -> str:
    """A name without quotes around it; with all of them, where they are misplaced."""
    return (name if grammar.record.fullmatch(name) is None else grammar.plain(name)).decode("utf-8", errors="replace")


def broken_header(line: bytes) -> UnreadableFileError:
    """What is wrong with a header that cannot be read, and what to do."""
    shown = line[:LONGEST_SHOWN].decode("utf-8", errors="replace")
    return UnreadableFileError(
        f"the header has a misplaced quote: {shown!r}; quotes around whole fields only are expected. Mend it, or "
        "declare source.dialect.delimiter, quote, preamble or header"
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
    if names >= trial.width - 1:
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
