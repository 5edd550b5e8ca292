"""Rows of one raw file are dealt to batches: all to that of its folder, or each to the period of its time.

What the store keeps of a file is two Parquet files, of typed and of refused rows, whose row groups are of one batch
each; the summary says which. So `tasks.ingestion.gathering` reads of each file what a batch needs of it and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.schema import Pipeline
from configs.sections.source import PERIODS, Period
from tasks.batch import UNDATED
from tasks.ingestion.account import Account
from tasks.ingestion.chunks import Reading, TypedChunk, stored_schema, type_chunk
from tasks.ingestion.periods import period_names
from tasks.quarantine.rows import Refusal, quarantine_schema, quarantine_table
from tasks.table import LINE, table_writer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.raw_files import RawChunk

WAITING_ROWS = 1 << 19  # held back until they are written, so that a row group has many rows though batches alternate
TYPED, REFUSED = "typed.parquet", "quarantine.parquet"
MISSING_TIME = "missing_time"


@dataclass(frozen=True)
class Dealing:
    """By which clock rows are dealt: the column of their time, the period that makes a batch, the zone."""

    column: str
    period: Period
    timezone: str


def declared_dealing(pipeline: Pipeline) -> Dealing | None:
    """How a pipeline's rows are dealt; None where all rows of a file belong to one batch."""
    kind, name = pipeline.source.batch, pipeline.time.column
    if kind not in PERIODS or name is None:
        return None
    return Dealing(name, kind, pipeline.columns[name].timezone or pipeline.time.timezone)


@dataclass
class Part:
    """What one file has of one batch: its rows, the refused ones by reason, and the row groups that they stand in."""

    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    typed: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """What the file's summary keeps of it."""
        return {"rows": self.rows, "reasons": {**self.reasons}, "typed": self.typed, "refused": self.refused}


@dataclass(frozen=True)
class DealtChunk:
    """A chunk whose rows are dealt: typed and refused ones by batch."""

    typed: dict[str, pa.Table]
    refused: dict[str, list[Refusal]]

    @property
    def rows_out(self) -> int:
        """Typed rows in all."""
        return sum(table.num_rows for table in self.typed.values())

    @property
    def all_refused(self) -> list[Refusal]:
        """Refused rows of all batches."""
        return [refusal for refused in self.refused.values() for refusal in refused]


def deal(chunk: RawChunk, made: TypedChunk, reading: Reading, dealing: Dealing | None) -> DealtChunk:
    """Deal the rows of one chunk; those without a time are refused.

    Parameters
    ----------
    chunk : RawChunk
    made : TypedChunk
        The same chunk, typed.
    reading : Reading
        Its `batch` is that of all rows where there is no `dealing`.
    dealing : Dealing or None
    """
    if dealing is None:
        return DealtChunk({reading.batch: made.typed}, {reading.batch: made.refused})
    names = batch_names(chunk, made, dealing)
    refused: dict[str, list[Refusal]] = {}
    for refusal in made.refused:
        add_refusal(refused, refusal, names.get(refusal.line))
    typed, untimed = parted(made.typed, dealing)
    for line in untimed:
        detail = f"no value; the {dealing.period} of a row, its batch, is told by it"
        raw = chunk.raw(int(chunk.lines.searchsorted(line)))
        add_refusal(refused, reading.refused(line, dealing.column, MISSING_TIME, detail, raw), None)
    return DealtChunk(typed, refused)


def batch_names(chunk: RawChunk, made: TypedChunk, dealing: Dealing) -> dict[int, str | None]:
    """Batches of the rows that were refused for what another cell than their time says, by line."""
    if made.cells is None or not made.cells.refused:
        return {}
    rows = sorted(made.cells.refused)
    found = period_names(made.cells.values[dealing.column].take(rows), dealing.period, dealing.timezone)
    return dict(zip(chunk.lines[rows].tolist(), found.tolist(), strict=True))


def add_refusal(refused: dict[str, list[Refusal]], refusal: Refusal, batch: str | None) -> None:
    """Put a refused row to those of its batch."""
    batch = batch or UNDATED
    refused.setdefault(batch, []).append(refusal._replace(batch=batch))


def parted(typed: pa.Table, dealing: Dealing) -> tuple[dict[str, pa.Table], list[int]]:
    """Typed rows by batch, in their order, and the lines of those without a time."""
    names = period_names(typed[dealing.column], dealing.period, dealing.timezone)
    places, untimed = rows_by_name(names)
    return {name: typed.take(rows) for name, rows in places.items()}, typed[LINE].take(untimed).to_pylist()


def rows_by_name(names: NDArray[np.object_]) -> tuple[dict[str, NDArray[np.intp]], NDArray[np.intp]]:
    """Rows of each name, and those without one, in order."""
    import numpy as np
    import pandas as pd

    codes, found = pd.factorize(names)
    order = np.argsort(codes, kind="stable")
    untimed, *rows = np.split(order, np.cumsum(np.bincount(codes + 1, minlength=len(found) + 1))[:-1])
    return dict(zip(found.tolist(), rows, strict=True)), untimed


class RowGroups:
    """Writes rows so that each row group is of one batch, and says which are whose.

    Parameters
    ----------
    write : callable
        Writes a table as one row group.
    """

    def __init__(self, write: Callable[[pa.Table], None]) -> None:
        self.write = write
        self.waiting: dict[str, list[pa.Table]] = {}
        self.waiting_rows = 0
        self.written: list[str] = []

    def add(self, batch: str, table: pa.Table) -> None:
        """Take some rows of a batch."""
        if not table.num_rows:
            return
        self.waiting.setdefault(batch, []).append(table)
        self.waiting_rows += table.num_rows
        if self.waiting_rows >= WAITING_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits, a row group for each batch."""
        import pyarrow as pa

        for batch, tables in sorted(self.waiting.items()):
            self.write(pa.concat_tables(tables).combine_chunks())
            self.written.append(batch)
        self.waiting, self.waiting_rows = {}, 0


def deal_file(
    folder: Path, chunks: Iterator[RawChunk], reading: Reading, dealing: Dealing | None
) -> tuple[Account, dict[str, Any]]:
    """Write the typed and the refused rows of one file into a folder, dealt to batches.

    Returns
    -------
    Account
        Of all rows of the file.
    dict of str to dict
        `Part` by batch, as JSON.
    """
    account = Account()
    parts: dict[str, Part] = {}
    with ExitStack() as stack:
        typed = RowGroups(stack.enter_context(table_writer(folder / TYPED, stored_schema(reading.columns))))
        refused = RowGroups(stack.enter_context(table_writer(folder / REFUSED, quarantine_schema())))
        for chunk in chunks:
            made = type_chunk(chunk, reading)
            dealt = deal(chunk, made, reading, dealing)
            for batch, table in dealt.typed.items():
                parts.setdefault(batch, Part()).rows += table.num_rows
                typed.add(batch, table)
            for batch, refusals in dealt.refused.items():
                parts.setdefault(batch, Part()).reasons.update(refusal.reason for refusal in refusals)
                refused.add(batch, quarantine_table(refusals))
            account.add(len(chunk.lines) + len(chunk.refused), dealt.rows_out, dealt.all_refused, made.cells)
        typed.flush()
        refused.flush()
    for group, batch in enumerate(typed.written):
        parts[batch].typed.append(group)
    for group, batch in enumerate(refused.written):
        parts[batch].refused.append(group)
    return account, {batch: part.as_json() for batch, part in sorted(parts.items()) if part.rows or part.reasons}
