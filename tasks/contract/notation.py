"""Another notation: cells that cannot be read as their column is declared, and the declaration that would read them.

What is proposed is tried by the code of `ingest` on a sample of the texts of one file: some that are refused, and some
that are not. Where two declarations would read them, as other values, nothing is proposed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from configs.sections.columns import Column
from tasks.cells.queries import FALSE, TRUE
from tasks.cells.values import NUMERIC, type_cells
from tasks.drafting.column_types import ENOUGH, ENOUGH_BUT_WORDS, MOST_WORDS, marks_of
from tasks.drafting.moments import moment_format
from tasks.drafting.null_tokens import null_tokens

if TYPE_CHECKING:
    import pyarrow as pa

TYPED = (*NUMERIC, "boolean", "date", "timestamp")
KEPT = 2_000  # distinct texts of one column of one file that are kept, of those read and of those refused each
NOTABLE = 0.01  # share of the cells of a file that are refused, from which on that is no matter of single cells
MANY = 0.1  # share that is no matter of single cells in a small file either
ROUNDING = 1e-9
FEW_BROKEN = 3  # cells that a declaration may leave unread in a small file, where it reads nine in ten
SEPARATORS = ((".", None), (",", None), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
WIDENING = ("nulls", "marks", "scale")  # keys with more of which all is read that was read, as the same values


class Proposal(NamedTuple):
    """Keys of a column that would read a file's cells, or none where nobody can say which; and why, or what is left."""

    keys: Mapping[str, Any]
    why: str = ""


class Tried(NamedTuple):
    """Keys of a column, the share of some cells that they read, and the values of the texts."""

    keys: dict[str, Any]
    share: float
    values: Any


@dataclass
class SeenCells:
    """The cells of one column of one file, chunk by chunk.

    Attributes
    ----------
    column : Column
    given, refused : int
        Cells that are not missing, and those of them that cannot be read as declared.
    reasons : Counter
        Of refused cells.
    read, unread : dict of str to int
        Some distinct texts of either kind, and how many cells have each; forgotten when they have been judged.
    proposal : Proposal or None
        By which they can be read, after that; None where all can be, or a few are broken.
    example : str
        A text that is refused.
    """

    column: Column
    timezone: str
    given: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    read: dict[str, int] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
    proposal: Proposal | None = None
    example: str = ""

    def take(self, texts: pa.ChunkedArray) -> None:
        """Look at some more cells."""
        import pyarrow as pa
        import pyarrow.compute as pc

        counted = pc.value_counts(texts.combine_chunks())
        levels, counts = counted.field("values"), counted.field("counts")
        is_given = pc.invert(pc.is_in(levels, value_set=pa.array([None, *self.column.nulls], pa.string())))
        levels, counts = levels.filter(is_given), counts.filter(is_given).to_pylist()
        refused = typed(levels, self.column, self.timezone)[1]
        self.given += sum(counts)
        for place, reason in refused.items():
            self.refused += counts[place]
            self.reasons[reason] += counts[place]
            kept(self.unread, levels[place].as_py(), counts[place])
        if len(self.read) < KEPT:
            for place, text in enumerate(levels.slice(0, KEPT + len(refused)).to_pylist()):
                if place not in refused:
                    kept(self.read, text, counts[place])

    def judge(self, others: Iterable[Mapping[str, Any]] = ()) -> None:
        """Find the proposal, and forget the texts.

        Parameters
        ----------
        others : iterable of mappings
            Keys that read the column in other files, which are tried first.
        """
        if self.refused:
            self.example, self.proposal = next(iter(self.unread)), self.proposed(others)
        self.read, self.unread = {}, {}

    def proposed(self, others: Iterable[Mapping[str, Any]]) -> Proposal | None:
        """The fewest changes of the declaration by which the cells can be read; None where a few cells are broken."""
        texts = {**self.read, **self.unread}
        nulls = [text for text in null_tokens(texts) if text in self.unread]
        rest = {text: cells for text, cells in self.unread.items() if text not in nulls}
        left = self.refused - sum(self.unread[text] for text in nulls)
        if self.column.type != "boolean" and are_words(rest) and self.is_read_but_for(left):
            nulls, rest, left = [*nulls, *rest], {}, 0
        added = {"nulls": (*self.column.nulls, *nulls)} if nulls else {}
        if not are_many(left, self.given):
            return Proposal(added) if nulls else None
        known = {text: cells for text, cells in texts.items() if text not in nulls}
        found = self.as_elsewhere(known, others) or self.anew(known)
        return Proposal({**added, **found.keys}, found.why) if found.keys else found

    def is_read_but_for(self, cells: int) -> bool:
        """Whether so many cells are more than single ones, and still most of the others can be read."""
        return are_many(cells, self.given) and cells <= (1 - ENOUGH_BUT_WORDS) * self.given + ROUNDING

    def as_elsewhere(self, texts: Mapping[str, int], others: Iterable[Mapping[str, Any]]) -> Proposal | None:
        """Keys by which the column is read in another file, if they read these cells too."""
        for keys in others:
            share, _ = read_by(self.column.model_copy(update=dict(keys)), texts, self.timezone)
            if is_enough(share, cells := sum(texts.values())):
                return Proposal(keys, what_is_left(share, cells))
        return None

    def anew(self, texts: Mapping[str, int]) -> Proposal:
        """What is proposed of these cells alone."""
        find = number_proposal if self.column.type in NUMERIC else moment_proposal
        return find(self.column, texts, self.timezone)


def are_many(refused: int, given: int) -> bool:
    """Whether refused cells or records are more than single ones, which are no matter of how all are written.

    >>> are_many(3, 100), are_many(4, 100), are_many(4, 1000), are_many(1, 5)
    (False, True, False, True)
    """
    return refused > 0 and refused >= NOTABLE * given and (refused > FEW_BROKEN or refused >= MANY * given)


def kept(texts: dict[str, int], text: str, cells: int) -> None:
    """Count cells with a text, if it is known or there is room for one more."""
    if text in texts or len(texts) < KEPT:
        texts[text] = texts.get(text, 0) + cells


def typed(texts: pa.Array, column: Column, timezone: str) -> tuple[pa.Array, dict[int, str]]:
    """The value of each text, null where it is refused, and why."""
    import pyarrow as pa

    cells = type_cells(pa.table({"a": pa.chunked_array([texts])}), {"a": column}, timezone)
    return cells.values.column(0).combine_chunks(), {row: reason for row, (_, reason, _) in cells.refused.items()}


def are_words(texts: Mapping[str, int]) -> bool:
    """Whether texts are a few words without a digit."""
    return 0 < len(texts) <= MOST_WORDS and not any(re.search("[0-9]", text) for text in texts)


def read_by(column: Column, texts: Mapping[str, int], timezone: str) -> tuple[float, Any]:
    """Share of the cells that a declaration reads, bounds aside, and the values of the texts."""
    import pyarrow as pa

    unbounded = column.model_copy(update={"min": None, "max": None, "nulls": ()})
    values, refused = typed(pa.array(texts, pa.string()), unbounded, timezone)
    cells = [*texts.values()]
    return 1 - sum(cells[place] for place in refused) / sum(cells), values


def is_enough(share: float, cells: int) -> bool:
    """Whether a declaration reads all cells but a few, which are then broken by themselves."""
    return share >= ENOUGH or (share >= ENOUGH_BUT_WORDS and round((1 - share) * cells) <= FEW_BROKEN)


def what_is_left(share: float, cells: int) -> str:
    """What is said of the cells that a declaration does not read.

    >>> what_is_left(0.98, 100), what_is_left(1.0, 100)
    ('reads all but 2 of 100', '')
    """
    left = round((1 - share) * cells)
    return f"reads all but {left:,} of {cells:,}" if left else ""


def number_proposal(column: Column, texts: Mapping[str, int], timezone: str) -> Proposal:
    """Other separators, marks or digits, or the type float, that read all texts but a few."""
    if read_by(column, texts, timezone)[0] == 1:
        return Proposal({}, "beyond the declared bounds")
    tried = [
        Tried(keys, *read_by(column.model_copy(update=keys), texts, timezone))
        for keys in number_changes(column, [*texts])
    ]
    best, cells = max((each.share for each in tried), default=0.0), sum(texts.values())
    if not is_enough(best, cells):
        return Proposal({})
    size = min(len(each.keys) for each in tried if each.share == best)
    first, *others = [each for each in tried if each.share == best and len(each.keys) == size]
    if any(not each.values.cast("float64").equals(first.values.cast("float64")) for each in others):
        named = " or ".join(in_yaml(each.keys) for each in (first, *others))
        return Proposal({}, f"{named}: as other numbers; say which")
    if "%" in {*first.keys.get("marks", ())} - {*column.marks}:
        return Proposal({}, f"{in_yaml(first.keys)} reads 5% as 5; declare it if that is what was meant before")
    return Proposal(first.keys, what_is_left(best, cells))


def number_changes(column: Column, texts: list[str]) -> Iterator[dict[str, Any]]:
    """Changes of a number's declaration to try."""
    marks = (None, tuple(dict.fromkeys((*column.marks, *marks_of(texts)))))
    types = ("integer", "float") if column.type == "integer" else (column.type,)
    digits = [len(text.rpartition(".")[2]) for text in texts if re.fullmatch(r"[+-]?[0-9]*\.[0-9]+", text)]
    scales = (None, max(digits, default=0)) if column.type == "decimal" else (None,)
    tried: list[dict[str, Any]] = [{}]
    for (decimal, thousands), mark, type_, scale in product(SEPARATORS, marks, types, scales):
        if decimal == "," and type_ == "integer":
            continue
        changed = {"decimal": decimal, "thousands": thousands, "marks": mark, "type": type_, "scale": scale}
        keys = {key: value for key, value in changed.items() if value != getattr(column, key)}
        keys = {key: value for key, value in keys.items() if value is not None or key == "thousands"}
        if keys not in tried:
            tried.append(keys)
            yield keys


def moment_proposal(column: Column, texts: Mapping[str, int], timezone: str) -> Proposal:
    """Another format of a date or timestamp."""
    import numpy as np
    import pyarrow as pa

    if column.type not in ("date", "timestamp"):
        words = f"true and false are {', '.join((*TRUE, *FALSE))}; else declare it as category"
        return Proposal({}, words if column.type == "boolean" else "")
    if read_by(column, texts, timezone)[0] == 1:
        return Proposal({}, "beyond the declared bounds")
    found = moment_format("timestamp", pa.array(texts, pa.string()), np.array([*texts.values()]))
    if found is None or found.type is None:
        return Proposal({}, "" if found is None else found.remark)
    for keys in ({"format": found.form}, {"format": "%Y-%m-%d %H:%M:%S"}, {"type": found.type, "format": found.form}):
        if read_by(column.model_copy(update=keys), texts, timezone)[0] >= ENOUGH:
            return Proposal({key: value for key, value in keys.items() if value != getattr(column, key)})
    return Proposal({})


def without_nulls(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that say how values are written."""
    return {key: value for key, value in keys.items() if key != "nulls"}


def is_widening(column: Column, keys: Mapping[str, Any]) -> bool:
    """Whether all that the declaration reads now is read as the same with these keys too."""
    others = {key for key in keys if key not in WIDENING}
    if column.thousands is None and "decimal" not in keys:
        others -= {"thousands"}
    return not others or (others == {"type"} and (column.type, keys["type"]) == ("integer", "float"))


def in_yaml(keys: Mapping[str, Any]) -> str:
    """Keys as a YAML has them.

    >>> in_yaml({"decimal": ",", "marks": ("$", " "), "format": None})
    'decimal: ",", marks: ["$", " "], no format'
    """
    return ", ".join(f"{key}: {quoted(value)}" if value is not None else f"no {key}" for key, value in keys.items())


def quoted(value: Any) -> str:
    """A value as a YAML has it, texts in quotes."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(quoted, value))}]"
    return f'"{value}"' if isinstance(value, str) and not value.isalpha() else str(value)
