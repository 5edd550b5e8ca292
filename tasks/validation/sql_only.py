"""What Great Expectations answers on databases alone, answered for a batch: LIKE patterns, and queries by DuckDB.

The patterns' metrics are added to GX's own registry, for its pandas engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from string import Formatter
from typing import TYPE_CHECKING, Any

from tasks.sql import ExpressionError, connection, first_line, quoted
from tasks.validation.truth_sql import TruthError, as_sql_reads

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LIKE = {
    "expect_column_values_to_match_like_pattern",
    "expect_column_values_to_match_like_pattern_list",
    "expect_column_values_to_not_match_like_pattern",
    "expect_column_values_to_not_match_like_pattern_list",
}
QUERY = "unexpected_rows_expectation"
SHOWN_ROWS = 200


def like_regex(pattern: str, escape: str | None = None) -> re.Pattern[str]:
    r"""A LIKE pattern of SQL as a regular expression for the whole text: `%` is any text, `_` any character.

    >>> bool(like_regex("N%_7").fullmatch("N517")), bool(like_regex(r"5\%", "\\").fullmatch("5%"))
    (True, True)
    """
    parts, characters = [], iter(pattern)
    for character in characters:
        if character == escape:
            parts.append(re.escape(next(characters, character)))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    return re.compile("".join(parts), re.DOTALL)


def matches(values: pd.Series[Any], patterns: Sequence[str], escape: str | None, *, every: bool) -> pd.Series[bool]:
    """Whether the text of each value matches one of the patterns, or every one."""
    expressions = [like_regex(pattern, escape) for pattern in patterns]
    combine = all if every else any
    return values.astype(str).map(lambda text: combine(each.fullmatch(text) for each in expressions)).astype(bool)


@cache
def add_like_metrics() -> None:
    """Let GX's pandas engine answer LIKE; GX must be imported already."""
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
        column_condition_partial,
    )
    from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
        ColumnMapMetricProvider,
    )

    def add(name: str, keys: tuple[str, ...], answer: Any) -> None:
        decorated = column_condition_partial(engine=PandasExecutionEngine)(answer)
        type(
            "LikeOnPandas",
            (ColumnMapMetricProvider,),
            {"condition_metric_name": f"column_values.{name}", "condition_value_keys": keys, "_pandas": decorated},
        )

    def one(cls: Any, column: Any, like_pattern: str, escape: str | None = None, **_: Any) -> Any:
        return matches(column, [like_pattern], escape, every=False)

    def some(
        cls: Any, column: Any, like_pattern_list: list[str], match_on: str | None = None, escape: Any = None, **_: Any
    ) -> Any:
        return matches(column, like_pattern_list, escape, every=match_on == "all")

    def not_one(cls: Any, column: Any, like_pattern: str, escape: str | None = None, **_: Any) -> Any:
        return ~matches(column, [like_pattern], escape, every=False)

    def not_some(cls: Any, column: Any, like_pattern_list: list[str], escape: str | None = None, **_: Any) -> Any:
        return ~matches(column, like_pattern_list, escape, every=False)

    add("match_like_pattern", ("like_pattern", "escape"), one)
    add("match_like_pattern_list", ("like_pattern_list", "match_on", "escape"), some)
    add("not_match_like_pattern", ("like_pattern", "escape"), not_one)
    add("not_match_like_pattern_list", ("like_pattern_list", "escape"), not_some)


def query_columns(query: str, columns: Sequence[str]) -> list[str]:
    """Check a query of unexpected rows and name the columns that it may read: all, where it says `*`.

    Raises
    ------
    ExpressionError
        If it is no SELECT over `{batch}` alone, or could give another answer another time.
    """
    tree = parsed_query(query)
    nodes = list(every_node(tree))
    for node in nodes:
        refuse_source(node)
    named = {path[-1].lower() for node in nodes if (path := node.get("column_names")) and isinstance(path, list)}
    if any(node.get("class") in {"STAR", "POSITIONAL_REFERENCE"} for node in nodes):
        return list(columns)
    return [name for name in columns if name.lower() in named] or list(columns[:1])


def parsed_query(query: str) -> Any:
    """DuckDB's parse tree of one SELECT."""
    try:
        fields = {field for _, field, _, _ in Formatter().parse(query) if field is not None}
        text = query.format(batch="batch")
    except (ValueError, KeyError, IndexError) as error:
        raise ExpressionError(f"{query!r}: {{batch}} alone can stand in braces; write others twice: {{{{") from error
    if fields != {"batch"}:
        raise ExpressionError(f"{query!r} reads no rows of the batch; write `FROM {{batch}}`")
    found = connection().execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    tree = json.loads(found[0])  # type: ignore[index]  # one row, always
    if tree["error"]:
        raise ExpressionError(f"{query!r} is no SELECT: {tree['error_message']}")
    if len(tree["statements"]) != 1:
        raise ExpressionError(f"{query!r} is more than one SELECT; write one")
    return tree


def every_node(tree: Any) -> Iterator[Mapping[str, Any]]:
    """All objects of a parse tree, the outer ones first."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from every_node(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from every_node(value)


def refuse_source(node: Mapping[str, Any]) -> None:
    """Refuse what reads something else than the batch, or differs from time to time."""
    kind = node.get("type")
    if kind in {"TABLE_FUNCTION", "PIVOT", "SHOW_REF"} or node.get("sample"):
        raise ExpressionError(f"{str(kind).lower()} or a sample is not allowed; a query reads {{batch}} alone")
    if kind == "BASE_TABLE" and (node["schema_name"] or node["catalog_name"]):
        raise ExpressionError(f"{node['table_name']!r} is not allowed; a query reads {{batch}} alone")
    name = str(node.get("function_name", "")).lower()
    if name in unsteady_functions():
        raise ExpressionError(f"the function {name}() is not allowed: it gives another answer another time")


@cache
def unsteady_functions() -> frozenset[str]:
    """DuckDB's functions that read the clock, chance or the session."""
    found = connection().execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() "
        "WHERE stability <> 'CONSISTENT' AND stability IS NOT NULL"
    )
    return frozenset(str(name).lower() for (name,) in found.fetchall()) | {"age", "current_setting", "getvariable"}


def unexpected_rows(query: str, rows: pa.Table, zones: Mapping[str, str]) -> tuple[int, list[dict[str, Any]]]:
    """How many rows a checked query finds, and the first of them.

    Raises
    ------
    TruthError
        With DuckDB's words.
    """
    import duckdb

    with connection() as cursor:
        cursor.register("batch", as_sql_reads(rows, zones))
        try:
            inner = query.format(batch=quoted("batch"))
            ((count,),) = cursor.execute(f"SELECT count(*) FROM ({inner}\n)").fetchall()  # noqa: S608  # was checked
            first = cursor.execute(f"SELECT * FROM ({inner}\n) LIMIT {SHOWN_ROWS}")  # noqa: S608
            names = [column[0] for column in first.description]
            return count, [dict(zip(names, row, strict=True)) for row in first.fetchall()]
        except duckdb.Error as error:
            raise TruthError(first_line(error)) from error
