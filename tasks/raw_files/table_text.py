"""A delimited text from its beginning: what is declared, what is found, and the rows below the header."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

from tasks.raw_files.broken_header import (
    QUOTE_IN_NAME,
    other_delimiter_above,
    refuse_broken_header,
    with_names_as_text,
)
from tasks.raw_files.delimited import Table, chunks_of, exchanged, swapped
from tasks.raw_files.detection import SAMPLE, SEPARATOR_LINE, FoundGrammar, Trial, end_of_line, find_grammar
from tasks.raw_files.dialect import Dialect
from tasks.raw_files.encodings import is_utf8
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.grammar import STAND_INS, Grammar, swaps_of
from tasks.raw_files.layout import Layout, find_layout
from tasks.raw_files.records import Rules
from tasks.raw_files.rows import LONGEST_RECORD
from tasks.raw_files.spacing import NOTES, Spacing, bared, declared_spacing, find_spacing, one_spaced

if TYPE_CHECKING:
    from configs.sections.source import DeclaredDialect
    from tasks.raw_files.asked import AskedColumns
    from tasks.raw_files.rows import RawChunk
    from tasks.raw_files.texts import Text

CTRL_Z = b"\x1a"
OTHER_DELIMITER_CERTAINTY = 0.5  # that a line with as many names as columns is a title


@dataclass(frozen=True)
class Found:
    """What the beginning of a text holds.

    Attributes
    ----------
    grammar : FoundGrammar
    layout : Layout
    above, below : int
        Offsets in the text's beginning: of the first line of the header, and of the first row.
    header : slice
        Of the header's last line with names.
    swaps : dict of str to str
        Marks that changed places.
    """

    grammar: FoundGrammar
    layout: Layout
    above: int
    below: int
    header: slice
    swaps: dict[str, str]


@dataclass(frozen=True)
class Sampled:
    """What a text's grammar and header are told by.

    Attributes
    ----------
    begin, first_line : int
        Offset of the sample in the text's beginning, and its line.
    sample : bytes
    whole : bool
        Whether it is all that follows.
    grammar : FoundGrammar
    declared : DeclaredDialect
        With the delimiter of a `sep=` line.
    """

    begin: int
    first_line: int
    sample: bytes
    whole: bool
    grammar: FoundGrammar
    declared: DeclaredDialect


def read_table(
    text: Text, declared: DeclaredDialect, note: Callable[[str], None]
) -> tuple[Dialect, tuple[str, ...], Callable[[AskedColumns | None], Iterator[RawChunk]]]:
    """Dialect, names and what reads the rows of a delimited text; `note` takes what is found at its end.

    Raises
    ------
    UnreadableFileError
        If there is no header that can be read.
    """
    if not text.ended and b"\n" not in text.head and b"\r" not in text.head:
        raise UnreadableFileError(f"the first line is longer than {LONGEST_RECORD} bytes; a header is expected")
    spacing = declared_spacing(declared)
    text, declared, swaps = with_swaps(text, declared)
    seen = sampled(text, declared)
    if not swaps:
        spacing = find_spacing(seen.sample, seen.grammar, seen.declared, whole=seen.whole)
    if spacing.spaces and not swaps:
        text, declared, swaps = with_spacing(text, declared, spacing)
        seen = sampled(text, declared)
    found = examine(seen, swaps)
    grammar, names = found.grammar.trial.grammar, found.layout.names
    dialect = with_spaces(described(text, found, declared), spacing)
    header = text.head[found.header].rstrip(b"\r\n") if found.layout.header_lines else b""
    if not is_utf8(header):
        raise UnreadableFileError(
            f"the header is not in {dialect.encoding}{f' ({dialect.second}?)' if dialect.second else ''}: "
            f"{', '.join(map(repr, names))}. Declare source.dialect.encoding, or save the file as UTF-8"
        )
    table = Table(
        rules=Rules(grammar, header if len(names) > 1 else b"", dialect.encoding, declared.encoding is None),
        width=len(names),
        trailing=found.layout.trailing_delimiter,
        swaps=swaps,
        first_line=1 + line_count(text.head[: found.below], grammar),
        footer=dialect.footer,
    )
    body = without_ctrl_z(chain([text.head[found.below :]], text.rest), note)
    return dialect, tuple(exchanged(name, swaps) for name in names), partial(chunks_of, body, table)


def with_swaps(text: Text, declared: DeclaredDialect) -> tuple[Text, DeclaredDialect, dict[str, str]]:
    """The text and its declared marks with each mark one byte."""
    swaps = swaps_of(declared.delimiter, declared.quote, declared.escape)
    if not swaps:
        return text, declared, swaps
    marks = {key: swaps.get(value, value) for key, value in declared if key in ("delimiter", "quote", "escape")}
    return exchange(text, swaps), declared.model_copy(update=marks), swaps


def with_spacing(
    text: Text, declared: DeclaredDialect, spacing: Spacing
) -> tuple[Text, DeclaredDialect, dict[str, str]]:
    """The text with one byte between its fields."""
    if spacing.spaces == "runs":
        return one_spaced(text, spacing), declared.model_copy(update={"delimiter": " ", "quote": spacing.quote}), {}
    if spacing.filling is not None:
        return bared(text, spacing.filling), declared.model_copy(update={"delimiter": spacing.delimiter}), {}
    swaps = {f"{spacing.delimiter} ": STAND_INS[0]}
    return exchange(text, swaps), declared.model_copy(update={"delimiter": STAND_INS[0]}), swaps


def exchange(text: Text, swaps: dict[str, str]) -> Text:
    """The text with marks in each other's places."""
    stream = swapped(chain([text.head], text.rest), swaps)
    head = next(stream)
    return replace(text, head=head, rest=stream)


def with_spaces(dialect: Dialect, spacing: Spacing) -> Dialect:
    """The dialect with the delimiter that a person sees, and what is to be known of the spaces."""
    if not spacing.spaces:
        return dialect
    notes = (*dialect.notes, NOTES[spacing.spaces])
    return replace(dialect, delimiter=spacing.delimiter, spaces=spacing.spaces, notes=notes)


def sampled(text: Text, declared: DeclaredDialect) -> Sampled:
    """Take a sample and find the grammar."""
    begin = 0
    separator = SEPARATOR_LINE.match(text.head) if declared.preamble is None else None
    if separator is not None:
        begin = separator.end()
        declared = declared.model_copy(update={"delimiter": declared.delimiter or separator[1].decode()})
    for _ in range(declared.preamble or 0):
        begin = end_of_line(text.head, begin, Grammar(b",", cr_ends=b"\n" not in text.head))
    first_line = 1 + (declared.preamble or int(separator is not None))
    sample = sample_of(text, begin)
    whole = text.ended and begin + len(sample) == len(text.head)
    return Sampled(begin, first_line, sample, whole, find_grammar(sample, declared, whole=whole), declared)


def examine(seen: Sampled, swaps: dict[str, str]) -> Found:
    """Find the header.

    Raises
    ------
    UnreadableFileError
        If there is none that can be read.
    """
    trial, named = with_names_as_text(seen.grammar.trial)
    layout = find_layout(trial, seen.declared)
    refuse_broken_header(trial, layout)
    notes = [QUOTE_IN_NAME] if layout.start <= named < layout.start + layout.header_lines else []
    layout = with_line_above(layout, trial)
    layout = replace(layout, notes=(*layout.notes, *notes, *notes_of_nothing(trial, layout, seen.first_line)))
    begins = [seen.begin + place for place in trial.begins]
    below = layout.start + layout.header_lines
    behind = below - layout.ruled
    header = slice(begins[max(0, behind - 1)], begins[behind])
    return Found(seen.grammar, layout, begins[layout.start], begins[below], header, swaps)


def with_line_above(layout: Layout, trial: Trial) -> Layout:
    """The layout with the doubt whether the line above rows without a header is theirs, in another delimiter."""
    delimiter = other_delimiter_above(trial, layout)
    if not delimiter:
        return layout
    count = len(layout.names)
    return replace(
        layout,
        certainty=min(layout.certainty, OTHER_DELIMITER_CERTAINTY),
        second=f"a header above, with {delimiter!r} between its names",
        notes=(
            *layout.notes,
            f"the line above the rows may be the header: {delimiter!r} stands between its {count} names",
        ),
    )


def notes_of_nothing(trial: Trial, layout: Layout, first_line: int) -> list[str]:
    """What is to be known of a sample's rows that hold nothing: sheets have them below a table and between two."""
    below = layout.start + layout.header_lines
    empty = [place for place in range(below, len(trial.records)) if is_empty_row(trial.records[place])]
    if not empty:
        return []
    line = first_line + line_count(trial.sample[: trial.begins[empty[0]]], trial.grammar)
    return [f"rows that hold nothing: {len(empty)} of the first {len(trial.records) - below}, from line {line} on"]


def is_empty_row(row: list[str]) -> bool:
    """Whether a record is delimiters with nothing between them."""
    return len(row) > 1 and not any(row)


def sample_of(text: Text, begin: int) -> bytes:
    """Whole lines from the beginning of a text, one at least."""
    end = text.head.find(b"\n", begin + SAMPLE) + 1
    if end:
        return text.head[begin:end]
    if text.ended:
        return text.head[begin:]
    return text.head[begin : max(text.head.rfind(b"\n"), text.head.rfind(b"\r", 0, len(text.head) - 1)) + 1]


def described(text: Text, found: Found, declared: DeclaredDialect) -> Dialect:
    """What was found, with the certainty of what is least certain."""
    grammar, layout, swaps = found.grammar.trial.grammar, found.layout, found.swaps
    of_text, of_grammar = text.dialect, found.grammar
    certainty, second = min(
        (of_text.certainty, of_text.second),
        (of_grammar.certainty, of_grammar.second),
        (layout.certainty, layout.second),
        key=itemgetter(0),
    )
    return replace(
        text.dialect,
        delimiter=exchanged(grammar.delimiter.decode(), swaps),
        quote=exchanged(grammar.quote.decode(), swaps) or None,
        escape=exchanged(grammar.escape.decode(), swaps) or None,
        line_ends=found.grammar.line_ends,
        preamble=line_count(text.head[: found.above], grammar),
        header_lines=layout.header_lines,
        footer=declared.footer or 0,
        trailing_delimiter=layout.trailing_delimiter,
        certainty=certainty,
        second=second,
        decimal=layout.decimal,
        thousands=layout.thousands,
        notes=layout.notes,
    )


def line_count(text: bytes, grammar: Grammar) -> int:
    """Number of line ends."""
    return text.count(b"\n") + (text.count(b"\r") - text.count(b"\r\n") if grammar.cr_ends else 0)


def without_ctrl_z(pieces: Iterator[bytes], note: Callable[[str], None]) -> Iterator[bytes]:
    """Text without the Ctrl-Z alone on its last line with which DOS marked the end."""
    before, held = b"\n", b""
    for piece in filter(None, pieces):
        text = held + piece
        held = CTRL_Z if text.endswith(CTRL_Z) else b""
        if content := text[: len(text) - len(held)]:
            yield content
            before = content[-1:]
    if held and before in (b"\n", b"\r"):
        note("the file ends in Ctrl-Z, which is no row")
    elif held:
        yield held
