"""Arguments as Great Expectations is given them: texts about moments read as such, conditions as its own objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from configs.errors import ConfigError

if TYPE_CHECKING:
    from configs.sections.columns import Column
    from configs.sections.expectations import Expectation

VALUE_ARGUMENTS = ("max_value", "min_value", "value_set")


class ArgumentError(ConfigError):
    """An argument cannot be read as what the column that it is about holds."""


def typed_arguments(expectation: Expectation, columns: Mapping[str, Column], timezone: str) -> dict[str, Any]:
    """Read texts in arguments about a date or timestamp column as dates, or as times with a zone.

    Raises
    ------
    ArgumentError
        If a text is none.
    """
    arguments = dict(expectation.arguments)
    column = columns.get(str(arguments.get("column")))
    for name in [name for name in VALUE_ARGUMENTS if name in arguments]:
        arguments[name] = as_column(arguments[name], column, timezone, f"{expectation.name}: {name}")
    if "value_pairs_set" in arguments:
        sides = [columns.get(str(arguments.get(side))) for side in ("column_A", "column_B")]
        where = f"{expectation.name}: value_pairs_set"
        arguments["value_pairs_set"] = [
            tuple(as_column(value, side, timezone, where) for value, side in zip(pair, sides, strict=True))
            for pair in arguments["value_pairs_set"]
        ]
    return arguments


def as_column(value: Any, column: Column | None, timezone: str, where: str) -> Any:
    """A value, or a list of them, as a date or timestamp column holds it; others as they are."""
    if column is None or column.type not in ("date", "timestamp"):
        return value
    return parse_times(value, column.type, ZoneInfo(column.timezone or timezone), where)


def parse_times(value: Any, kind: str, zone: ZoneInfo, where: str) -> Any:
    """Read ISO 8601 texts, also inside a list, as dates or as times with a zone."""
    if isinstance(value, list | tuple):
        return [parse_times(each, kind, zone, where) for each in value]
    if not isinstance(value, str):
        return value
    try:
        if kind == "date":
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ArgumentError(f"expectations: {where}: {value!r} is no {kind} such as '2013-01-31'.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def parsed_condition(declared: Any) -> Any:
    """A declared `row_condition` as GX's own condition.

    Parameters
    ----------
    declared : str, dict or None
        `col("age") > 18` in GX's grammar, or GX's conditions as YAML has them: `{type: and, conditions: [...]}`.

    Raises
    ------
    ArgumentError
        If it is neither.
    """
    if declared is None:
        return None
    from great_expectations.expectations.expectation import _convert_string_to_condition
    from great_expectations.expectations.row_conditions import deserialize_row_condition, validate_row_condition

    try:
        if isinstance(declared, str):
            return _convert_string_to_condition(declared)
        condition: Any = deserialize_row_condition(declared)
        return validate_row_condition(condition)
    except Exception as error:  # GX and its parser raise a dozen kinds
        raise ArgumentError(f"expectations: row_condition: Great Expectations refuses {declared!r}: {error}") from error


def condition_columns(condition: Any) -> Iterator[str]:
    """Columns that a condition of GX reads."""
    for each in getattr(condition, "conditions", None) or [condition]:
        if each is not condition:
            yield from condition_columns(each)
        elif each is not None:
            yield each.column.name


def words_of(error: Exception) -> str:
    """What GX says is wrong, in one line."""
    return re.sub(r"\s*\n\s*", " ", str(error))
