"""`sql:` under `expectations`: a row-wise truth in DuckDB's SQL, checked by the allow-list of `tasks.sql`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.sql import SQL_TYPES, ExpressionError, check_expression, connection, first_line, quoted
from tasks.validation.tally import TalliedCheck, Tally

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from configs.sections.columns import Column


class TruthError(ValueError):
    """DuckDB cannot compute an expression for a row."""


def columns_read(sql: str, columns: Mapping[str, Column]) -> list[str]:
    """Check an expression and name the columns that it reads, in order of declaration.

    Raises
    ------
    ExpressionError
        If `tasks.sql` refuses it, or it says something else than true or false of a row.
    """
    types = {name: column.type for name, column in columns.items()}
    used = check_expression(sql, types, key="sql")
    nothing = ", ".join(f"NULL::{SQL_TYPES[types[name]]} AS {quoted(name)}" for name in sorted(used))
    described = connection().execute(f"DESCRIBE SELECT ({sql}\n) FROM (SELECT {nothing})").fetchone()  # noqa: S608
    if described[1] != "BOOLEAN":  # type: ignore[index]  # one row, always
        raise ExpressionError(
            f"sql: {sql!r} gives {described[1]}; of a row, true or false was expected: compare it, such as {sql} > 0"  # type: ignore[index]
        )
    return [name for name in columns if name in used]


def truths(sql: str, rows: pa.Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each row meets a checked expression, and whether it says so at all: it does not where it is NULL.

    Raises
    ------
    TruthError
        With DuckDB's words.
    """
    import duckdb

    with connection() as cursor:
        cursor.register("rows", rows)
        try:
            found = cursor.execute(f"SELECT ({sql}\n) AS truth FROM rows").fetchnumpy()["truth"]  # noqa: S608  # checked
        except duckdb.Error as error:
            raise TruthError(
                f"{first_line(error)}. Use TRY_CAST or TRY(...) where a value may not fit: the row is then not judged"
            ) from error
    masked = np.ma.asarray(found)
    return np.asarray(masked.filled(False), dtype=bool), ~np.ma.getmaskarray(masked)


def as_sql_reads(rows: pa.Table, zones: Mapping[str, str]) -> pa.Table:
    """Rows as `tasks.sql` presents them: timestamps as the clock on the wall of their zones, decimals as floats."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(rows.schema):
        values = rows.column(place)
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            values = pc.local_timestamp(values.cast(pa.timestamp(field.type.unit, zones[field.name])))
        elif pa.types.is_decimal(field.type):
            values = values.cast(pa.float64())
        rows = rows.set_column(place, field.name, values)
    return rows


class SqlCheck(TalliedCheck):
    """One `sql` expectation over one batch; each row stands alone.

    Parameters
    ----------
    built : own expectation class of GX
        Judges the sums.
    sql : str
    columns : sequence of str
        What it reads.
    zones : mapping of str to str
        Zones of the timestamps among them.
    """

    alone = True

    def __init__(self, built: Any, sql: str, columns: list[str], zones: Mapping[str, str]) -> None:
        self.built, self.sql, self.needed, self.zones = built, sql, columns, zones
        self.tally = Tally()

    def take(self, chunk: pa.Table) -> None:
        """Judge the next rows."""
        rows = chunk.select(self.needed)
        holds, is_judged = truths(self.sql, as_sql_reads(rows, self.zones))
        self.tally.add(
            is_judged & ~holds,
            lambda wanted: rows.take(wanted).to_pylist(),
            looked_at=rows.num_rows,
            missing=int(np.count_nonzero(~is_judged)),
            judged=int(np.count_nonzero(is_judged)),
        )
