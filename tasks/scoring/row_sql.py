"""SQL expressions of one row: DuckDB computes them as for a table, but is handed values instead of columns."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.scoring.plain_sql import NotPlainError, plain_expression
from tasks.sql import SQL_TYPES, connection, failed_value, quoted

if TYPE_CHECKING:
    import duckdb

NAN = float("nan")


class RowExpressions:
    """Checked expressions over the columns of one row: plain ones at once, the others by DuckDB.

    Parameters
    ----------
    expressions : mapping of name to SQL
        Each passed by `tasks.sql.check_expression`.
    types : mapping of name to declared type
        The columns that they read.
    hides : bool
        Leave DuckDB's words out of an error: a column is private.
    """

    def __init__(self, expressions: Mapping[str, str], types: Mapping[str, str], *, hides: bool) -> None:
        found = {name: plain_expression(sql, types) for name, sql in expressions.items()}
        others = {name: sql for name, sql in expressions.items() if found[name] is None}
        self.plain = {name: compute for name, compute in found.items() if compute is not None}
        self.others = RowSql(others, types, hides=hides)
        self.all = RowSql(expressions, types, hides=hides)

    def __call__(self, typed: Mapping[str, Any]) -> dict[str, float]:
        """The value of each expression: a truth is 0 or 1, NULL and what is not finite NaN.

        Raises
        ------
        ExpressionValueError
            If one cannot be computed.
        """
        try:
            found = {name: compute(typed) for name, compute in self.plain.items()}
        except NotPlainError:
            return self.all(typed)
        return {**{name: NAN if value is None else value for name, value in found.items()}, **self.others(typed)}


class RowSql:
    """Checked expressions over the columns of one row, by DuckDB.

    Parameters
    ----------
    expressions : mapping of name to SQL
        Each passed by `tasks.sql.check_expression`.
    types : mapping of name to declared type
        The columns that they read.
    hides : bool
        Leave DuckDB's words out of an error: a column is private.
    """

    def __init__(self, expressions: Mapping[str, str], types: Mapping[str, str], *, hides: bool) -> None:
        self.expressions = dict(expressions)
        self.names = list(types)
        self.hides = hides
        given = ", ".join(
            f"CAST(${place} AS {SQL_TYPES[type_]}) AS {quoted(name)}"
            for place, (name, type_) in enumerate(types.items(), start=1)
        )
        selected = ", ".join(f"CAST(({sql}\n) AS DOUBLE)" for sql in self.expressions.values())
        self.statement = f"SELECT {selected} FROM (SELECT {given})"  # noqa: S608 - each was checked
        self.of_thread = threading.local()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """The one of the thread that asks."""
        if not hasattr(self.of_thread, "cursor"):
            self.of_thread.cursor = connection()
        found: duckdb.DuckDBPyConnection = self.of_thread.cursor
        return found

    def __call__(self, typed: Mapping[str, Any]) -> dict[str, float]:
        """The value of each expression: a truth is 0 or 1, NULL and what is not finite NaN.

        Raises
        ------
        ExpressionValueError
            If one cannot be computed.
        """
        import duckdb

        if not self.expressions:
            return {}
        try:
            values = self.cursor().execute(self.statement, [typed[name] for name in self.names]).fetchone() or ()
        except duckdb.Error as error:
            raise failed_value(self.expressions, error, self.hides) from (None if self.hides else error)
        found = (NAN if value is None or not math.isfinite(value) else value for value in values)
        return dict(zip(self.expressions, found, strict=True))
