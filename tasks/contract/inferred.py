"""What type a column seems to have that nobody declared: the first one by which all of its texts can be read.

The texts are typed by `tasks.cells.values`, as ingest would; nothing else is looked at, so that what is proposed
here is also what can be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from configs.sections.columns import Column, ColumnType
from tasks.cells.values import type_cells

if TYPE_CHECKING:
    import pyarrow as pa

NULL_TOKENS = ("", "NA", "N/A", "#N/A", "NULL", "null", "None", "nan", "NaN", "-", "?")
CANDIDATES: tuple[ColumnType, ...] = ("boolean", "integer", "float", "date", "timestamp")
TRUTH = ("0", "1")  # read as numbers where nothing else says that they are truth values
CODE = r"^[+-]?0[0-9]"  # 00501: a name made of digits, of which a number would lose something
MOST_LEVELS = 10_000


@dataclass
class InferredColumn:
    """One column, seen chunk by chunk."""

    candidates: list[ColumnType] = field(default_factory=lambda: list(CANDIDATES))
    nulls: set[str] = field(default_factory=set)
    levels: set[str] = field(default_factory=set)
    rows: int = 0

    def take(self, texts: pa.ChunkedArray) -> None:
        """Look at some more texts."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self.rows += len(texts)
        distinct = texts.unique().drop_null()
        is_null = pc.is_in(distinct, value_set=pa.array(NULL_TOKENS, pa.string()))
        self.nulls |= {*distinct.filter(is_null).to_pylist()}
        given = distinct.filter(pc.invert(is_null))
        if len(self.levels) <= MOST_LEVELS:
            self.levels |= {*given.slice(0, MOST_LEVELS + 1).to_pylist()}
        if pc.any(pc.match_substring_regex(given, CODE)).as_py():
            self.candidates = [each for each in self.candidates if each not in ("integer", "float")]
        self.candidates = [each for each in self.candidates if can_read(given, each)]

    @property
    def type(self) -> ColumnType:
        """The type that all texts can be read as; a category where levels repeat, else text."""
        candidates = [each for each in self.candidates if each != "boolean" or not self.levels <= {*TRUTH}]
        if candidates and self.levels:
            return candidates[0]
        return "category" if len(self.levels) <= min(MOST_LEVELS, max(20, self.rows // 2)) else "text"

    def declaration(self) -> dict[str, Any]:
        """The column as the YAML declares it."""
        nulls = sorted(self.nulls)
        return {"type": self.type, **({"nulls": nulls} if nulls not in ([], [""]) else {})}


def can_read(texts: pa.Array, type_: ColumnType) -> bool:
    """Whether all texts can be read as a type."""
    import pyarrow as pa

    cells = pa.table({"a": pa.chunked_array([texts])})
    return not type_cells(cells, {"a": Column(type=type_, nulls=())}, "UTC").refused
