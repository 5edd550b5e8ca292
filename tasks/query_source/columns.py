"""A query's rows as Arrow columns: values of plain types, one type for each column of a batch."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from configs.wording import listed

if TYPE_CHECKING:
    import pyarrow as pa

PLAIN = {bool, int, float, str, Decimal, date, bytes, type(None)}


class QueryColumnsError(DataError):
    """The query's columns cannot be those of a table."""


def require_distinct(names: Sequence[str], watermark: str) -> None:
    """Refuse two columns of one name, and a query without its watermark."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise QueryColumnsError(f"source.sql gives {listed(twice)} more than once; name each column once, with AS.")
    if watermark not in names:
        raise QueryColumnsError(f"source.sql has no column {watermark!r}, its watermark; it gives {listed(names)}.")


def plain(value: Any) -> Any:
    """A value that Arrow and Parquet know: moments in UTC, nested values as JSON, what else there is as text."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return bytes(value) if isinstance(value, memoryview | bytearray) else str(value)


def plain_column(values: Sequence[Any]) -> Sequence[Any]:
    """A column of plain values; most are so already."""
    return values if {type(value) for value in values} <= PLAIN else [plain(value) for value in values]


def table_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows as a table, each column of the type that its values have; one without values has none yet.

    Raises
    ------
    QueryColumnsError
        If a column's values are of types that do not go together.
    """
    import pyarrow as pa

    columns = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        try:
            columns[name] = pa.array(plain_column(values), from_pandas=False)
        except (pa.ArrowException, OverflowError):
            kinds = listed(sorted({type(value).__name__ for value in values}))
            raise QueryColumnsError(  # not chained: Arrow's text shows a value
                f"source.sql: the values of {name!r} are not of one type that a table has, but {kinds}. Cast it in the "
                "query."
            ) from None
    return pa.table(columns)


def common_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns' types where a batch was read in parts; text for a column without any value.

    Raises
    ------
    QueryColumnsError
        If a column has types that do not go together.
    """
    import pyarrow as pa

    try:
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException as error:
        raise QueryColumnsError(f"source.sql: a column has values of several types ({error}). Cast it.") from error
    return pa.schema([field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema])


def key_of(row: Sequence[Any]) -> tuple[Hashable, ...]:
    """A row by its values, equal where they are, in whatever type a database or Parquet gives them.

    >>> key_of([1, Decimal("2.50"), float("nan")]) == key_of([1.0, 2.5, float("nan")])
    True
    """
    return tuple("nan" if isinstance(value, float) and math.isnan(value) else value for value in map(plain, row))
