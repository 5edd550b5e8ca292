"""Spaces that are part of the delimiter: one behind each, as many as align columns, or runs of them between columns.

Such a text is rewritten on the way, so that one byte separates its fields. `, ` changes places with a control
character, and back in what is read; runs of spaces become one and what fills up cells goes, for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from tasks.raw_files.alignment import Filling, is_aligned, without_filling
from tasks.raw_files.cell_kinds import is_missing, is_value
from tasks.raw_files.detection import MOST_RECORDS, NEARLY_ALL, Trial, escapes_of, read_sample
from tasks.raw_files.dialect import Spaces
from tasks.raw_files.grammar import STAND_INS, Grammar
from tasks.raw_files.rows import LONGEST_RECORD

if TYPE_CHECKING:
    from configs.sections.source import DeclaredDialect
    from tasks.raw_files.detection import FoundGrammar
    from tasks.raw_files.texts import Text

SPACED = (",", ";", "|")
ALIGNED = (*SPACED, "\t")
QUOTED = b"\x1d"  # stands for what is in quotes
MOST_OTHERS = 2  # records of a short aligned table that are no rows: a rule below the header, the number of rows
BLANKS = re.compile(rb'(?P<quoted>"[^"\r\n]*")|^[ \t]+|[ \t]+(?=\r?$)|(?P<between>[ \t]+)', re.MULTILINE)
RUNS = re.compile(rb" +(?=[\r\n])|(?<=[\r\n]) +|(?<= ) +")
NOTES = {
    "behind": "a space stands behind each delimiter: no part of the cells",
    "runs": "runs of spaces are one delimiter; records are shown with one space",
    "around": "spaces stand beside delimiters: no part of the cells; records are shown without them",
    "aligned": "spaces align the columns: no part of the cells; records are shown without them",
}


@dataclass(frozen=True)
class Spacing:
    """Spaces that belong to the delimiter, the delimiter without them, and what fills up cells if something does."""

    spaces: Spaces = ""
    delimiter: str = ""
    filling: Filling | None = None
    quote: str = "none"  # around some fields between runs


def declared_spacing(declared: DeclaredDialect) -> Spacing:
    """The space that is declared to stand behind each delimiter, if one is."""
    delimiter = declared.delimiter or ""
    return Spacing("behind", delimiter[0]) if len(delimiter) > 1 else Spacing()


def find_spacing(sample: bytes, found: FoundGrammar, declared: DeclaredDialect, *, whole: bool) -> Spacing:
    """Whether spaces are part of the delimiter in a sample, where none is declared.

    Parameters
    ----------
    sample : bytes
        Whole lines of UTF-8.
    found : FoundGrammar
        How the sample reads best where a delimiter is one character.
    """
    if declared.delimiter is not None or b" " not in sample:
        return Spacing()
    plain = found.trial
    fillings = [
        filling for delimiter in ALIGNED for filling in fillings_of(sample, delimiter, plain, declared, whole=whole)
    ]
    aligned = (each for each in fillings if b"  " in sample and is_aligned(lines_of(sample), each))
    around = (each for each in fillings if stands_on_both_sides(sample, each))
    behind = (each for each in SPACED if is_spaced(sample, each, plain, declared, whole=whole))
    beside = (each for each in fillings if stands_beside_quotes(sample, each) and loses_records(sample, plain, each))
    if filling := next(aligned, None):
        return Spacing("aligned", filling.delimiter.decode(), filling)
    if filling := next(around, None):
        return Spacing("around", filling.delimiter.decode(), filling)
    if delimiter := next(behind, None):
        return Spacing("behind", delimiter)
    if filling := next(beside, None):
        return Spacing("around", filling.delimiter.decode(), filling)
    return find_runs(sample, plain, declared, whole=whole) if b"  " in sample else Spacing()


def find_runs(sample: bytes, plain: Trial, declared: DeclaredDialect, *, whole: bool) -> Spacing:
    """Whether runs of spaces, or of spaces and tabs around quoted fields, make a table where single marks make none."""
    if plain.grammar.cr_ends:
        return Spacing()
    if declared.quote in (None, "none"):
        trial = read_sample(b"".join(collapsed([sample])), Grammar(b" "), whole=whole)
        if is_table(trial) and fitting(trial) > fitting(plain):
            return Spacing("runs", " ")
    if declared.quote in (None, '"') and has_several_values(plain):
        trial = read_sample(b"".join(blanks_collapsed([sample])), Grammar(b" ", b'"'), whole=whole)
        if is_table(trial) and fitting(trial) >= fitting(plain):
            return Spacing("runs", " ", quote='"')
    return Spacing()


def has_several_values(plain: Trial) -> bool:
    """Whether each cell of a column is several numbers that runs of spaces set apart: no column, then, but several."""
    rows = [row for row in plain.records[1:] if len(row) == plain.width]
    return len(rows) > 1 and any(all(map(is_several_values, cells)) for cells in zip(*rows, strict=True))


def is_several_values(text: str) -> bool:
    """Whether a text is values and such as stand for none, set apart by two spaces or more."""
    parts = re.split(" {2,}", text.strip())
    return len(parts) > 1 and all(is_value(part) or is_missing(part) for part in parts)


def fillings_of(
    sample: bytes, delimiter: str, plain: Trial, declared: DeclaredDialect, *, whole: bool
) -> Iterator[Filling]:
    """The marks of a sample with spaces beside delimiters, if at least as many records have one width without them."""
    if delimiter.encode() not in sample or plain.grammar.cr_ends:
        return
    quote = "" if declared.quote == "none" else declared.quote or '"'
    if not has_spaces_beside(sample, Filling(delimiter.encode(), quote.encode())):
        return
    for escape in escapes_of(sample, quote, declared):
        filling = Filling(delimiter.encode(), quote.encode(), escape.encode())
        bare = b"".join(without_filling([sample], filling))
        trial = read_sample(bare, Grammar(filling.delimiter, filling.quote, filling.escape), whole=whole)
        if fills_a_table(trial) and fitting(trial) >= fitting(plain):
            yield filling


def has_spaces_beside(sample: bytes, filling: Filling) -> bool:
    """Whether spaces may stand beside delimiters outside quotes, or behind quotes at a line's end."""
    outside = sample if b"\\" in sample else without_quoted(sample, filling)
    beside = (filling.delimiter + b" ", b" " + filling.delimiter, QUOTED + b" \n", QUOTED + b" \r\n")
    return any(each in outside for each in beside)


def lines_of(sample: bytes) -> list[bytes]:
    """The first lines of a sample that are not blank."""
    return [line for line in sample.splitlines()[:MOST_RECORDS] if line.strip()]


def stands_on_both_sides(sample: bytes, filling: Filling) -> bool:
    """Whether nearly each delimiter outside quotes stands between spaces."""
    outside = without_quoted(sample, filling)
    count = outside.count(filling.delimiter)
    return 0 < NEARLY_ALL * count <= outside.count(b" " + filling.delimiter + b" ")


def stands_beside_quotes(sample: bytes, filling: Filling) -> bool:
    """Whether spaces stand between quotes around fields and delimiters or line ends: most quotes, or in each line."""
    outside, d = without_quoted(sample, filling), re.escape(filling.delimiter)
    beside = re.findall(b"(?:^|[" + d + rb"\r\n]) +" + QUOTED + b"|" + QUOTED + b" +(?=[" + d + rb"\r\n]|$)", outside)
    rows = outside.count(b"\n") - 1
    return 2 * len(beside) > outside.count(QUOTED) or len(beside) >= max(1, NEARLY_ALL * rows)


def without_quoted(sample: bytes, filling: Filling) -> bytes:
    """A sample with a sign for each quoted part."""
    return Grammar(filling.delimiter, filling.quote, filling.escape).protected.sub(QUOTED, sample)


def loses_records(sample: bytes, plain: Trial, filling: Filling) -> bool:
    """Whether more records have one width without spaces beside delimiters."""
    bare = b"".join(without_filling([sample], filling))
    trial = read_sample(bare, Grammar(filling.delimiter, filling.quote, filling.escape), whole=True)
    return fitting(trial) > fitting(plain)


def fills_a_table(trial: Trial) -> bool:
    """Whether most records of a sample have one width as its first one has, all but a rule below it and a footer."""
    others = len(trial.records) - fitting(trial)
    first = trial.records[0] if trial.records else []
    return len(first) == trial.width > 1 and fitting(trial) > others and (others <= MOST_OTHERS or is_table(trial))


def is_spaced(sample: bytes, delimiter: str, plain: Trial, declared: DeclaredDialect, *, whole: bool) -> bool:
    """Whether a space stands behind each delimiter outside quotes, in a header and rows that have one width."""
    mark, stand_in = delimiter.encode() + b" ", STAND_INS[0].encode()
    if mark not in sample or stand_in in sample:
        return False
    quote = b"" if declared.quote == "none" else (declared.quote or '"').encode()
    grammar = Grammar(stand_in, quote, cr_ends=plain.grammar.cr_ends)
    trial = read_sample(sample.replace(mark, stand_in), grammar, whole=whole)
    if not is_table(trial) or fitting(trial) < fitting(plain):
        return False
    return trial.score > plain.score or (plain.grammar.delimiter == mark[:1] and plain.width == trial.width)


def is_table(trial: Trial) -> bool:
    """Whether the first record of a sample that has several fields and nearly all others have one width."""
    first = next((width for width in trial.widths if width > 1), 0)
    return len(trial.records) > 1 and first == trial.width > 1 and trial.share >= NEARLY_ALL


def fitting(trial: Trial) -> int:
    """Records of a sample that have its width."""
    return sum(len(record) == trial.width for record in trial.records) if trial.width > 1 else 0


def one_spaced(text: Text, spacing: Spacing) -> Text:
    """The text with runs of spaces as one; of tabs too, where some fields are quoted."""
    return rewritten(text, collapsed if spacing.quote == "none" else blanks_collapsed)


def bared(text: Text, filling: Filling) -> Text:
    """The text without the spaces that align its columns."""
    return rewritten(text, partial(without_filling, filling=filling))


def rewritten(text: Text, change: Callable[[Iterable[bytes]], Iterator[bytes]]) -> Text:
    """A text whose bytes are changed on the way."""
    stream = change(chain([text.head], text.rest))
    if text.ended:
        return replace(text, head=b"".join(stream), rest=iter(()))
    return replace(text, head=next(stream), rest=stream)


def collapsed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Text with one space for each run of them, and none where a line begins or ends."""
    before, held = b"\n", b""
    for piece in pieces:
        content = (held + piece).rstrip(b" ")
        held = b" " if len(content) < len(held + piece) else b""
        if content:
            yield RUNS.sub(b"", before + content)[1:]
            before = content[-1:]


def blanks_collapsed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Text with one space for each run of spaces and tabs outside quotes, and none where a line begins or ends."""
    held = b""
    for piece in pieces:
        held += piece
        cut = held.rfind(b"\n") + 1 or (len(held) if len(held) > LONGEST_RECORD else 0)
        if cut:
            yield one_blank_each(held[:cut])
        held = held[cut:]
    if held:
        yield one_blank_each(held)


def one_blank_each(lines: bytes) -> bytes:
    """Whole lines with their runs of blanks as one space, and what is in quotes as it is."""
    return BLANKS.sub(lambda match: match["quoted"] or (b" " if match["between"] else b""), lines)
