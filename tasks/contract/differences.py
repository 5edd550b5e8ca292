"""How landed batches differ from the contract in a pipeline's YAML: a survey of the files, and a table of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from configs.schema import Pipeline
from configs.sections.columns import Column
from tasks.cells.details import PRIVATE
from tasks.cells.values import Change, type_cells
from tasks.contract.header import HeaderDifference, compare_header, reordered
from tasks.contract.inferred import InferredColumn
from tasks.contract.notation import TYPED, Proposal, SeenCells, are_many, in_yaml, without_nulls
from tasks.ingestion.account import SURE, in_short, joined
from tasks.raw_files import RawFile, UnreadableFileError, open_raw

if TYPE_CHECKING:
    from tasks.raw_files import RefusedRecord

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
class Records:
    """How one file is written, its records, and those of them that are no row; `advice` says what else to declare."""

    dialect: str
    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first: RefusedRecord | None = None
    advice: str = ""

    def take(self, rows: int, refused: list[RefusedRecord]) -> None:
        """Count some more."""
        self.rows += rows + len(refused)
        self.refused.update(record.reason for record in refused)
        self.first = self.first or next(iter(refused), None)

    @property
    def is_told(self) -> bool:
        """Whether so many records are no row that they are no single ones."""
        return are_many(self.refused.total(), self.rows)


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
    cells : dict of (str, str) to SeenCells
        By column and batch: numbers, booleans, dates and timestamps.
    elsewhere : dict of str to list of dict
        By column: keys that would read its cells in some batch.
    records : dict of batch to Records
    unreadable : dict of batch to str
        Files that are no table, and why.
    """

    headers: dict[str, HeaderDifference] = field(default_factory=dict)
    inferred: dict[str, InferredColumn] = field(default_factory=dict)
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    levels: dict[str, set[str]] = field(default_factory=dict)
    cells: dict[tuple[str, str], SeenCells] = field(default_factory=dict)
    elsewhere: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    records: dict[str, Records] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

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

    def proposals(self, column: str) -> dict[str, Proposal]:
        """By batch: what would read a column's cells that cannot be read as declared, where that is told of nothing."""
        floats = self.became_floats(column)
        found = {batch: cells.proposal for (name, batch), cells in self.cells.items() if name == column}
        return {batch: each for batch, each in found.items() if each is not None and batch not in floats}


def survey(pipeline: Pipeline, batches: Mapping[str, Path]) -> Survey:
    """Read batches and compare them with the contract, in memory that does not grow with the files."""
    seen = Survey()
    for batch, file in batches.items():
        try:
            with open_raw(file, pipeline.source.dialect) as raw:
                seen.headers[batch] = compare_header(raw.names, pipeline.columns, pipeline.drop)
                look_at(raw, batch, pipeline, seen)
            judge_cells(batch, pipeline.columns, seen)
        except UnreadableFileError as error:
            seen.headers.pop(batch, None)
            seen.unreadable[batch] = f"{error}{advice_on(file, pipeline)}"
            continue
        if seen.records[batch].is_told or seen.headers[batch].lost:
            seen.records[batch].advice = advice_on(file, pipeline)
        if seen.records[batch].advice and seen.headers[batch].lost:
            del seen.headers[batch]  # what was taken for its columns is none
    return seen


def judge_cells(batch: str, columns: Iterable[str], seen: Survey) -> None:
    """Say what would read the refused cells of one file, what read those of the files before first."""
    for name in columns:
        if (cells := seen.cells.get((name, batch))) is None:
            continue
        before = seen.elsewhere.setdefault(name, [])
        cells.judge(before)
        if cells.proposal is not None and (keys := without_nulls(cells.proposal.keys)) and keys not in before:
            before.append(keys)


def advice_on(file: Path, pipeline: Pipeline) -> str:
    """What of the declared dialect is otherwise in a file that has the declared columns; nothing where nothing is."""
    declared = pipeline.source.dialect.model_dump(exclude_none=True)
    try:
        with open_raw(file) as raw:
            names, found = raw.names, asdict(raw.dialect)
    except UnreadableFileError:
        return ""
    names_of_parts = {"header": "header_lines"}
    parts = {key: found[names_of_parts.get(key, key)] for key in declared}
    others = {key: value for key, value in parts.items() if value != declared[key]}
    if compare_header(names, pipeline.columns, pipeline.drop).lost or not others:
        return ""
    return f"; declare source.dialect: {{{in_yaml(others)}}}, or leave {' and '.join(others)} out: it is detected then"


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
    typed = {
        name: place
        for name, column in pipeline.columns.items()
        if column.type in TYPED and (place := header.position(name)) is not None
    }
    for name in typed:
        seen.cells[name, batch] = SeenCells(pipeline.columns[name], pipeline.time.timezone)
    records = seen.records[batch] = Records("")
    for chunk in raw.chunks():
        records.take(len(chunk.lines), chunk.refused)
        for name, place in typed.items():
            seen.cells[name, batch].take(chunk.texts.column(place))
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
    second = f", or {raw.dialect.second}" if raw.dialect.second and raw.dialect.certainty < SURE else ""
    records.dialect = in_short(asdict(raw.dialect)) + second


def differences(seen: Survey, columns: Mapping[str, Column]) -> list[Difference]:
    """What a survey found, change by change: names first, then cells, and what is harmless last."""
    changes = dict.fromkeys((each.kind, each.column) for header in seen.headers.values() for each in header.changes())
    found = [Difference("unreadable", "", "a table", why, (batch,)) for batch, why in seen.unreadable.items()]
    found += [*record_differences(seen)]
    found += [
        Difference(kind, name, declared_as(name, columns), found_as(kind, name, seen), seen.batches_with(kind, name))
        for kind, name in changes
    ]
    for name, column in columns.items():
        if floats := seen.became_floats(name):
            texts = seen.changes[name, floats[0]].texts
            found.append(
                Difference("schema_integer_became_float", name, "integer", f"floats, such as {texts[0]!r}", floats)
            )
        found += notation_differences(seen, name, column)
        if fresh := seen.with_new_levels(name):
            levels = sorted(seen.levels[name])
            declared, new = shortened(column.levels or ()), shortened(levels)
            if column.private:
                declared, new = f"{len(column.levels or ())} private levels", f"{len(levels)} private levels"
            found.append(Difference("schema_new_level", name, declared, new, fresh))
    found += dialect_differences(seen)
    if others := reordered({batch: header.order for batch, header in seen.headers.items()}):
        found.append(Difference("schema_reordered", "", "", "another order of columns: harmless", others, False))
    return found


def record_differences(seen: Survey) -> Iterator[Difference]:
    """Files of which more than single records are no row, or whose columns another dialect would find."""
    for batch, records in seen.records.items():
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in records.refused.most_common())
        why = ""
        if records.is_told and records.first is not None:
            total, first = records.refused.total(), records.first
            why = f"{total:,} of {records.rows:,} records are no row ({reasons}), as in line {first.line}"
        if why or records.advice:
            told = f"{why}{records.advice}".removeprefix("; ")
            yield Difference("unreadable_records", "", f"read as {records.dialect}", told, (batch,))


def notation_differences(seen: Survey, name: str, column: Column) -> Iterator[Difference]:
    """Cells of a column that cannot be read as declared, each kind of them with what would read them."""
    by_remedy: dict[str, list[str]] = {}
    for batch, proposal in seen.proposals(name).items():
        by_remedy.setdefault(remedy(proposal), []).append(batch)
    for how, batches in by_remedy.items():
        every = [seen.cells[name, batch] for batch in batches]
        refused, given = sum(cells.refused for cells in every), sum(cells.given for cells in every)
        text = PRIVATE if column.private else repr(every[0].example)
        reasons = ", ".join(sum((cells.reasons for cells in every), Counter[str]()))
        found = f"{refused:,} of {given:,} cells are refused ({reasons}), such as {text}; {how}"
        yield Difference("schema_other_notation", name, declared_notation(column), found, tuple(batches))


def remedy(proposal: Proposal) -> str:
    """What to do about cells that cannot be read."""
    if proposal.keys:
        return f"declare {in_yaml(proposal.keys)}{f' ({proposal.why})' if proposal.why else ''}"
    return proposal.why or "no declaration was found that reads them"


def declared_notation(column: Column) -> str:
    """How a column's cells are declared to be written.

    >>> declared_notation(Column(type="float", decimal=","))
    'float, decimal: ","'
    """
    keys = {key: getattr(column, key) for key in ("decimal", "thousands", "marks", "format", "scale", "min", "max")}
    unusual = {key: value for key, value in keys.items() if value not in (None, ".", ())}
    return ", ".join(filter(None, (column.type, in_yaml(unusual))))


def dialect_differences(seen: Survey) -> Iterator[Difference]:
    """Files that are written in another way than most: harmless where that was found, and told."""
    dialects = {batch: records.dialect for batch, records in seen.records.items() if batch in seen.headers}
    usual = max(dict.fromkeys(dialects.values()), key=[*dialects.values()].count, default="")
    for other in dict.fromkeys(dialects.values()):
        if other != usual:
            batches = tuple(batch for batch, dialect in dialects.items() if dialect == other)
            yield Difference("dialect", "", f"most: {usual}", f"{other}: detected, so harmless", batches, False)


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
