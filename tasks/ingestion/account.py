"""The account of one batch while it is ingested chunk by chunk, and the sum of all batches, which is the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.cells.values import SHOWN_LEVELS, Change, TypedCells
from tasks.contract.header import HeaderDifference, reordered
from tasks.quarantine.rows import CONTRACT, Refusal, merge_counts
from tasks.raw_files import Dialect

SURE = 0.9  # certainty of a dialect below which a reader should look at its second choice
COUNTS = ("ambiguous_times", "shifted_times", "zero_filled")


@dataclass
class Account:
    """Rows in, out and refused of one batch, and what was told of its cells."""

    rows_in: int = 0
    rows_out: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    changes: dict[str, Change] = field(default_factory=dict)

    @property
    def rows_refused(self) -> int:
        """Rows that went to the quarantine."""
        return self.reasons.total()

    def is_set_aside(self) -> bool:
        """Whether no row is left of a batch that is not as the contract says, as `source.on_change` asks for."""
        return self.rows_out == 0 and any(reason.startswith(CONTRACT) for reason in self.reasons)

    def add(self, rows_in: int, rows_out: int, refused: Sequence[Refusal], cells: TypedCells | None) -> None:
        """Count one chunk; `cells` is None where none was typed."""
        self.rows_in += rows_in
        self.rows_out += rows_out
        self.reasons.update(each.reason for each in refused)
        if cells is None:
            return
        told = (cells.ambiguous, cells.shifted, cells.zero_filled)
        self.counts.update(dict(zip(COUNTS, told, strict=True)))
        for name, change in cells.changes.items():
            self.changes[name] = joined(self.changes.get(name), change)

    def summary(self, header: HeaderDifference, dialect: Dialect) -> dict[str, Any]:
        """What the store keeps of a batch: an object of JSON."""
        changed = [f"{change.kind} {name!r}" for name, change in self.changes.items() if change.cells]
        named = [f"{change.kind} {change.column!r}" for change in header.changes()]
        return {
            "rows_out": self.rows_out,
            "reasons": dict(sorted(self.reasons.items())),
            **{name: self.counts[name] for name in COUNTS},
            "schema": sorted({*changed, *named}),
            "order": list(header.order),
            "dialect": asdict(dialect),
        }


def joined(before: Change | None, change: Change) -> Change:
    """The changes of one column over two chunks; the number of a row means nothing beyond its chunk and is left out."""
    if before is None:
        return change._replace(row=-1)
    texts = tuple(sorted({*before.texts, *change.texts}))[:SHOWN_LEVELS]
    return Change(change.kind, before.cells + change.cells, before.given + change.given, -1, texts)


def add_up(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up what was counted per file to the stage's metrics; `schema` counts the files with each difference."""
    reasons = merge_counts(summary["reasons"] for summary in summaries)
    rows_out = sum(summary["rows_out"] for summary in summaries)
    refused = sum(reasons.values())
    others = len(reordered({str(number): summary["order"] for number, summary in enumerate(summaries)}))
    moved = {"schema_reordered": others} if others else {}
    return {
        "rows_in": rows_out + refused,
        "rows_out": rows_out,
        "rows_quarantined": refused,
        "files": len(summaries),
        "reasons": reasons,
        **{name: sum(summary[name] for summary in summaries) for name in COUNTS},
        "schema": merge_counts([*(dict.fromkeys(summary["schema"], 1) for summary in summaries), moved]),
        "dialects": merge_counts({in_short(summary["dialect"]): 1} for summary in summaries),
    }


def in_short(dialect: Mapping[str, Any]) -> str:
    r"""A dialect in a few words, by which batches that are written alike are counted: what is usual is left out.

    >>> in_short({"format": "csv", "compression": "gzip", "encoding": "utf-8", "delimiter": ";", "certainty": 0.5})
    "csv gzip utf-8 ';' unsure"
    >>> in_short({"format": "csv", "encoding": "cp1252", "delimiter": ",", "quote": "'", "preamble": 2, "certainty": 1})
    'csv cp1252 \',\' quote "\'" preamble 2'
    """
    parts = [
        dialect["format"],
        told("", dialect.get("compression"), "none"),
        dialect["encoding"],
        told("and ", dialect.get("other_encoding")),
        repr(dialect["delimiter"]) if dialect["delimiter"] else "",
        told("spaces ", dialect.get("spaces")),
        *(f"{mark} {dialect[mark]!r}" for mark in ("quote", "escape") if dialect.get(mark) not in (None, '"')),
        told("line ends ", dialect.get("line_ends"), "lf", "crlf"),
        told("preamble ", dialect.get("preamble")),
        told("header lines ", dialect.get("header_lines"), 1) if dialect["format"] == "csv" else "",
        told("footer ", dialect.get("footer")),
        "trailing delimiter" if dialect.get("trailing_delimiter") else "",
        "unsure" if dialect["certainty"] < SURE else "",
    ]
    return " ".join(filter(None, parts))


def told(name: str, value: object, *usual: object) -> str:
    """A part of a dialect in words; nothing where it is as usual, or absent."""
    return "" if value in (None, "", *usual) or (value == 0 and not usual) else f"{name}{value}"
