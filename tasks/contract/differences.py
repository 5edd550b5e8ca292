"""How landed batches differ from the contract in a pipeline's YAML: a survey of the files, and a table of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from configs.schema import Pipeline
from configs.sections.columns import Column
from tasks.cells.values import Change, type_cells
from tasks.contract.header import HeaderDifference, compare_header, reordered
from tasks.contract.inferred import InferredColumn
from tasks.ingestion.account import joined
from tasks.raw_files import RawFile, open_raw

SHOWN = 5  # names or levels in one cell of the table


class Difference(NamedTuple):
    """One way in which batches differ from the contract; `is_change` is false where that is harmless."""

    kind: str
    column: str
    declared: str
    found: str
    batches: tuple[str, ...]
    is_change: bool = True


@dataclass
class Survey:
    """What was seen of the batches.

    Attributes
    ----------
    headers : dict of batch to HeaderDifference
    inferred : dict of str to InferredColumn
        New columns, over all batches that have them.
    changes : dict of (str, str) to Change
        By column and batch: integers written as floats, and categories with levels that are not declared.
    levels : dict of str to set of str
        By column: the levels that are not declared.
    """

    headers: dict[str, HeaderDifference] = field(default_factory=dict)
    inferred: dict[str, InferredColumn] = field(default_factory=dict)
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    levels: dict[str, set[str]] = field(default_factory=dict)

    def batches_with(self, kind: str, column: str) -> tuple[str, ...]:
        """The batches of which the header has a change."""
        return tuple(
            batch
            for batch, header in self.headers.items()
            if any((change.kind, change.column) == (kind, column) for change in header.changes())
        )

    def became_floats(self, column: str) -> tuple[str, ...]:
        """The batches in which all of an integer column's numbers are written as floats."""
        return tuple(
            batch
            for (name, batch), change in self.changes.items()
            if name == column and change.kind == "schema_integer_became_float" and change.cells == change.given > 0
        )

    def with_new_levels(self, column: str) -> tuple[str, ...]:
        """The batches in which a category has levels that are not declared."""
        return tuple(
            batch
            for (name, batch), change in self.changes.items()
            if name == column and change.kind == "schema_new_level" and change.cells
        )


def survey(pipeline: Pipeline, batches: Mapping[str, Path]) -> Survey:
    """Read batches and compare them with the contract, in memory that does not grow with the files."""
    seen = Survey()
    for batch, file in batches.items():
        with open_raw(file, pipeline.source.dialect) as raw:
            seen.headers[batch] = compare_header(raw.names, pipeline.columns, pipeline.drop)
            look_at(raw, batch, pipeline, seen)
    return seen


def look_at(raw: RawFile, batch: str, pipeline: Pipeline, seen: Survey) -> None:
    """Add what one file's cells say."""
    import pyarrow as pa
    import pyarrow.compute as pc

    header = seen.headers[batch]
    new = [name for name in header.new if name not in header.renamed.values()]
    watched = {
        name: column
        for name, column in pipeline.columns.items()
        if (column.type == "integer" or column.levels is not None) and header.position(name) is not None
    }
    for chunk in raw.chunks():
        for name in new:
            seen.inferred.setdefault(name, InferredColumn()).take(chunk.texts.column(header.names.index(name)))
        texts = [chunk.texts.column(header.position(name) or 0) for name in watched]
        cells = type_cells(pa.table(texts, names=list(watched)), watched, pipeline.time.timezone)
        for name, change in cells.changes.items():
            seen.changes[name, batch] = joined(seen.changes.get((name, batch)), change)
        for (name, column), given in zip(watched.items(), texts, strict=True):
            if column.levels is not None:
                known = pa.array([*column.levels, *column.nulls], pa.string())
                levels = given.unique().drop_null()
                fresh = levels.filter(pc.invert(pc.is_in(levels, value_set=known)))
                seen.levels.setdefault(name, set()).update(fresh.to_pylist())


def differences(seen: Survey, columns: Mapping[str, Column]) -> list[Difference]:
    """What a survey found, change by change: names first, then cells, and what is harmless last."""
    changes = dict.fromkeys((each.kind, each.column) for header in seen.headers.values() for each in header.changes())
    found = [
        Difference(kind, name, declared_as(name, columns), found_as(kind, name, seen), seen.batches_with(kind, name))
        for kind, name in changes
    ]
    for name, column in columns.items():
        if floats := seen.became_floats(name):
            texts = seen.changes[name, floats[0]].texts
            found.append(
                Difference("schema_integer_became_float", name, "integer", f"floats, such as {texts[0]!r}", floats)
            )
        if fresh := seen.with_new_levels(name):
            levels = sorted(seen.levels[name])
            declared, new = shortened(column.levels or ()), shortened(levels)
            if column.private:
                declared, new = f"{len(column.levels or ())} private levels", f"{len(levels)} private levels"
            found.append(Difference("schema_new_level", name, declared, new, fresh))
    if others := reordered({batch: header.order for batch, header in seen.headers.items()}):
        found.append(Difference("schema_reordered", "", "", "another order of columns: harmless", others, False))
    return found


def declared_as(name: str, columns: Mapping[str, Column]) -> str:
    """How a column is declared, in a word."""
    return columns[name].type if name in columns else "not declared"


def found_as(kind: str, name: str, seen: Survey) -> str:
    """What stands in the files in place of a declared column, or of none."""
    if kind == "schema_new_column":
        return f"looks like {seen.inferred[name].type}" if name in seen.inferred else "no row"
    if kind == "schema_renamed_column":
        return ", ".join(sorted({repr(each.renamed[name]) for each in seen.headers.values() if name in each.renamed}))
    return "missing"


def shortened(names: tuple[str, ...] | list[str]) -> str:
    """The first few of some names, and how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(map(repr, names[:SHOWN])) + (f" and {rest} more" if rest > 0 else "")
