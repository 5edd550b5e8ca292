"""A declared expectation becomes something that makes a fresh check for each batch, or is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError
from configs.expectations import named_columns
from configs.sections.expectations import CUSTOM, SQL
from tasks.validation.arguments import condition_columns, parsed_condition, typed_arguments, words_of

if TYPE_CHECKING:
    from configs.sections.columns import Column
    from configs.sections.expectations import Expectation
    from tasks.validation.expectations import AnyCheck


class RefusedError(ConfigError):
    """An expectation cannot be run as it is declared."""


def check_maker(
    expectation: Expectation, columns: Mapping[str, Column], timezone: str, pipeline: str
) -> Callable[[], AnyCheck]:
    """Build GX's object for an expectation, once, and give what makes a check of one batch.

    Raises
    ------
    RefusedError, ArgumentError, ExpressionError
        See `tasks.validation.expectations.Suite`.
    """
    zones = {name: column.timezone or timezone for name, column in columns.items()}
    if expectation.name == SQL:
        return sql_maker(expectation, columns, zones)
    if expectation.name == CUSTOM:
        return custom_maker(expectation, columns, zones, pipeline)
    return gx_maker(expectation, columns, timezone, zones)


def sql_maker(
    expectation: Expectation, columns: Mapping[str, Column], zones: Mapping[str, str]
) -> Callable[[], AnyCheck]:
    """Of a row-wise SQL expression."""
    from tasks.validation.own_classes import own_classes
    from tasks.validation.truth_sql import SqlCheck, columns_read

    sql = expectation.arguments["expression"]
    read = columns_read(sql, columns)
    built = own_classes()[0](rule=sql, mostly=expectation.arguments.get("mostly", 1))
    return partial(SqlCheck, built, sql, read, zones)


def custom_maker(
    expectation: Expectation, columns: Mapping[str, Column], zones: Mapping[str, str], pipeline: str
) -> Callable[[], AnyCheck]:
    """Of a function of the user's own, which is found when it is first called."""
    from tasks.validation.custom import CustomCheck
    from tasks.validation.own_classes import own_classes

    function = expectation.arguments["function"]
    given = list(expectation.arguments.get("columns", columns))
    about_rows, about_batch = own_classes()
    rows = about_rows(rule=function, mostly=expectation.arguments.get("mostly", 1))
    return partial(CustomCheck, (rows, about_batch(rule=function)), function, pipeline, given, zones)


def gx_maker(
    expectation: Expectation, columns: Mapping[str, Column], timezone: str, zones: Mapping[str, str]
) -> Callable[[], AnyCheck]:
    """Of an expectation of GX."""
    from tasks.validation.expectations import row_level
    from tasks.validation.row_checks import RowCheck
    from tasks.validation.sql_only import QUERY, query_columns
    from tasks.validation.table_checks import TableCheck

    names_rows = row_level(expectation)
    if expectation.otherwise == "quarantine" and not names_rows:
        raise RefusedError(
            f"expectations: {expectation.name} is about the whole table and names no rows, so there is nothing to "
            "quarantine. Declare `otherwise: stop` or `otherwise: warn`."
        )
    arguments = typed_arguments(expectation, columns, timezone)
    arguments.pop("condition_parser", None)
    condition = parsed_condition(arguments.pop("row_condition", None))
    read = list(dict.fromkeys(condition_columns(condition))) if condition is not None else []
    if names_rows:
        built = build(expectation, arguments)
        return partial(RowCheck, built, condition, named_columns(expectation), read)
    if expectation.name == QUERY:
        read = query_columns(arguments["unexpected_rows_query"], list(columns))
    built = build(expectation, arguments, condition)
    return partial(TableCheck, built, list(dict.fromkeys([*named_columns(expectation), *read])), read, zones)


def build(expectation: Expectation, arguments: Mapping[str, Any], condition: Any = None) -> Any:
    """GX's own object, if it reads each argument as it is declared."""
    from great_expectations.expectations.registry import get_expectation_impl

    from tasks.validation.expectations import describe
    from tasks.validation.sql_only import LIKE, add_like_metrics

    if expectation.name in LIKE:
        add_like_metrics()
    conditioned = {} if condition is None else {"row_condition": condition}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            built = get_expectation_impl(expectation.name)(**arguments, **conditioned)
    except (ValueError, TypeError) as error:  # pydantic's ValidationError is a ValueError
        raise RefusedError(f"expectations: {expectation.name}({describe(arguments)}): {words_of(error)}") from error
    read = {name: getattr(built, name) for name in built.__fields__}
    for name, declared in arguments.items():
        if not same(read.get(name), declared):
            raise RefusedError(
                f"expectations: {expectation.name}: Great Expectations would read {name}: {declared!r} as "
                f"{read.get(name)!r}. Declare a value that it takes as it is."
            )
    return built


def same(read: Any, declared: Any) -> bool:
    """Whether GX reads a value as it is declared: lists may be tuples or sets to it, choices its own."""
    if isinstance(declared, list | tuple) and isinstance(read, list | tuple | set):
        return len(read) == len(declared) and (
            isinstance(read, set) or all(same(one, other) for one, other in zip(read, declared, strict=True))
        )
    return bool(read == declared) or getattr(read, "value", None) == declared
