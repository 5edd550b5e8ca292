"""Rows that were refused: where they stood, why, and what they said. Ingest and validate write the same table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tasks.arrow_arrays import number_array, text_array
from tasks.table import BATCH, LINE, write_table

if TYPE_CHECKING:
    import pyarrow as pa

CONTRACT = "schema_"  # what the reasons begin with of rows that are not as the contract says


class Refusal(NamedTuple):
    """One refused row: its name (batch, line), the file, why, and its content as it was found."""

    batch: str
    file: str
    line: int
    column: str | None
    reason: str
    detail: str
    raw: str
    expectation: str | None = None
    """The first declared expectation that it does not meet, as it is declared; None of a row that cannot be read."""


def quarantine_schema() -> pa.Schema:
    """Columns of a quarantine file: those of a `Refusal`, of which `column` and `expectation` may be null."""
    import pyarrow as pa

    texts = {
        name: pa.field(name, pa.string(), nullable=name in {"column", "expectation"})
        for name in ("column", "reason", "detail", "raw", "expectation")
    }
    return pa.schema(
        [
            pa.field(BATCH, pa.string(), nullable=False),
            pa.field("file", pa.string(), nullable=False),
            pa.field(LINE, pa.int64(), nullable=False),
            *texts.values(),
        ]
    )


def quarantine_table(rows: Iterable[Refusal]) -> pa.Table:
    """Refused rows as a table, in order of batch, file and line, one row each.

    Raises
    ------
    ValueError
        If one row (batch, file, line) is refused twice: the sums of rows in and out would no longer hold.
    """
    import numpy as np
    import pyarrow as pa

    ordered = sorted(rows, key=lambda row: row[:3])
    for one, other in pairwise(ordered):
        if one[:3] == other[:3]:
            reasons = f"{one.reason!r} and {other.reason!r}"
            raise ValueError(f"batch {one.batch!r}, line {one.line}: refused twice, for {reasons}")
    columns = list(zip(*ordered, strict=True)) or [()] * len(Refusal._fields)
    schema = quarantine_schema()
    arrays = [
        number_array(np.array(values, np.int64)) if field.name == LINE else text_array(values)
        for values, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_quarantine(rows: Iterable[Refusal] | pa.Table, path: Path) -> pa.Table:
    """Write one batch's refused rows to Parquet and return them as a table; same rows, same bytes.

    Parameters
    ----------
    rows : iterable of Refusal, or a table of `quarantine_schema`
        A table is written in the order given.

    Raises
    ------
    TypeError
        If a table has another schema.
    """
    import pyarrow as pa

    table = rows if isinstance(rows, pa.Table) else quarantine_table(rows)
    if not table.schema.equals(quarantine_schema()):
        raise TypeError(f"{path}: a quarantine has the columns {quarantine_schema()}, not {table.schema}")
    write_table(table, path)
    return table


def count_reasons(tables: Iterable[pa.Table]) -> dict[str, int]:
    """Refused rows per reason over all batches, in order of name; the counts sum to the rows refused."""
    counts: dict[str, int] = {}
    for table in tables:
        for entry in table.column("reason").value_counts().to_pylist():
            counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
    return dict(sorted(counts.items()))


def merge_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sum of counts per reason, in order of name: how a stage adds up its batches.

    >>> merge_counts([{"a": 1, "b": 2}, {"b": 3}])
    {'a': 1, 'b': 5}
    """
    total: dict[str, int] = {}
    for count in counts:
        for reason, rows in count.items():
            total[reason] = total.get(reason, 0) + rows
    return dict(sorted(total.items()))
