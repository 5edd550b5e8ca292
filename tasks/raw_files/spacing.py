"""Spaces that are part of the delimiter: one behind each delimiter, or runs of them between columns.

Such a text is rewritten on the way, so that one byte separates its fields. `, ` changes places with a control
character, and back in what is read; runs of spaces become one, for good.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from tasks.raw_files.detection import NEARLY_ALL, Trial, read_sample
from tasks.raw_files.dialect import Spaces
from tasks.raw_files.grammar import STAND_INS, Grammar

if TYPE_CHECKING:
    from configs.sections.source import DeclaredDialect
    from tasks.raw_files.detection import FoundGrammar
    from tasks.raw_files.texts import Text

SPACED = (",", ";", "|")
RUNS = re.compile(rb" +(?=[\r\n])|(?<=[\r\n]) +|(?<= ) +")
NOTES = {
    "behind": "a space stands behind each delimiter: no part of the cells",
    "runs": "runs of spaces are one delimiter; records are shown with one space",
}


@dataclass(frozen=True)
class Spacing:
    """Spaces that belong to the delimiter, and the delimiter without them."""

    spaces: Spaces = ""
    delimiter: str = ""


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
    for delimiter in SPACED:
        if is_spaced(sample, delimiter, plain, declared, whole=whole):
            return Spacing("behind", delimiter)
    if b"  " in sample and declared.quote in (None, "none") and not plain.grammar.cr_ends:
        trial = read_sample(b"".join(collapsed([sample])), Grammar(b" "), whole=whole)
        if is_table(trial) and fitting(trial) > fitting(plain):
            return Spacing("runs", " ")
    return Spacing()


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
    """Whether the first record of a sample and nearly all others have one width, two or more."""
    first = trial.records[0] if trial.records else []
    return len(trial.records) > 1 and len(first) == trial.width > 1 and trial.share >= NEARLY_ALL


def fitting(trial: Trial) -> int:
    """Records of a sample that have its width."""
    return sum(len(record) == trial.width for record in trial.records) if trial.width > 1 else 0


def one_spaced(text: Text) -> Text:
    """The text with runs of spaces as one."""
    stream = collapsed(chain([text.head], text.rest))
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
