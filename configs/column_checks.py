"""What the keys of one column must agree on: how its text is read fits its type, and its bounds fit its values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime

from configs.contradiction import MOMENTS, NUMBERS, Check, Contradiction, repeated
from configs.document import KeyPath
from configs.schema import Pipeline
from configs.sections.columns import EPOCHS, WIDEST_DECIMAL, Bound, Column
from configs.wording import listed, shown

FRACTIONS = ("float", "decimal")
# keys that only some types read: the types, and what such a column has not
ONLY_FOR: dict[str, tuple[tuple[str, ...], str]] = {
    "format": (MOMENTS, "format"),
    "timezone": (("timestamp",), "time zone"),
    "ambiguous": (("timestamp",), "local time that is shown twice"),
    "nonexistent": (("timestamp",), "local time that is skipped"),
    "decimal": (FRACTIONS, "decimal separator"),
    "thousands": (NUMBERS, "groups of digits"),
    "marks": (NUMBERS, "marks beside a number"),
    "scale": (("decimal",), "scale"),
    "precision": (("decimal",), "precision"),
    "min": ((*NUMBERS, *MOMENTS), "least value"),
    "max": ((*NUMBERS, *MOMENTS), "greatest value"),
    "levels": (("category",), "levels"),
}


def check_columns(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """The keys of each column fit its type and each other."""
    for name, column in pipeline.columns.items():
        path: KeyPath = ("columns", name)
        yield from check_keys(path, column)
        yield from check_format(path, column)
        yield from check_number(path, column)
        yield from check_bounds(path, column)
        yield from check_levels(path, column)


def check_keys(path: KeyPath, column: Column) -> Iterator[Contradiction]:
    """A key that is declared is one that the column's type reads."""
    for key, (types, what) in ONLY_FOR.items():
        if getattr(column, key) != Column.model_fields[key].default and column.type not in types:
            yield (
                (*path, key),
                f"a column of type {column.type} has no {what}; remove it, or declare a {' or '.join(types)}",
            )
    if column.missing == "zero" and column.type not in NUMBERS:
        yield (*path, "missing"), f"a column of type {column.type} has no zero; write unknown or event"
    yield from repeated((*path, "nulls"), column.nulls)


def check_format(path: KeyPath, column: Column) -> Iterator[Contradiction]:
    """A format is strptime's, or an epoch, which says an instant by itself."""
    if column.format in EPOCHS:
        if column.type == "date":
            yield (*path, "format"), f"found {shown(column.format)}, which is an instant; declare a timestamp"
        if column.timezone is not None:
            yield (*path, "timezone"), f"a number of {column.format} is in UTC; `timezone` would only name the clock"
    elif column.format is not None and "%" not in column.format:
        yield (
            (*path, "format"),
            f'found {shown(column.format)}, expected strptime\'s codes, such as "%Y-%m-%d %H:%M", or '
            f"{' or '.join(EPOCHS)}",
        )
    elif column.format is not None and (others := beside_quarter(column.format)):
        yield (
            (*path, "format"),
            f"found {shown(column.format)}: `%q` is a quarter, read as its first day; beside it stands the year, `%Y` "
            f"or `%y`, and not {listed(others)}",
        )


def beside_quarter(form: str) -> list[str]:
    """The codes of a format with `%q` that contradict it: whatever is neither the quarter nor the year.

    >>> beside_quarter("%Y-Q%q"), beside_quarter("%d.%q.%Y")
    ([], ['%d'])
    """
    codes = re.findall("%.", form)
    return [code for code in codes if code not in ("%q", "%Y", "%y", "%%")] if "%q" in codes else []


def check_number(path: KeyPath, column: Column) -> Iterator[Contradiction]:
    """A number's separators differ, and a decimal says how many digits it has."""
    if column.type == "decimal" and column.scale is None:
        yield (*path, "type"), "a decimal needs `scale`: how many digits stand behind the point"
    precision = column.precision or WIDEST_DECIMAL
    if column.scale is not None and column.scale > precision:
        yield (*path, "scale"), f"found {column.scale}, expected at most precision, which is {precision}"
    if column.thousands == column.decimal and column.type in FRACTIONS:
        yield (
            (*path, "thousands"),
            f"found {shown(column.thousands)}, which is the decimal separator too; declare another `decimal`",
        )


def check_bounds(path: KeyPath, column: Column) -> Iterator[Contradiction]:
    """Bounds are values of the column's type, and leave room for one."""
    if column.type not in (*NUMBERS, *MOMENTS):
        return
    sound = True
    for key in ("min", "max"):
        bound = getattr(column, key)
        expected = expected_bound(column, bound)
        if bound is not None and expected is not None:
            sound = False
            yield (*path, key), f"found {shown(bound)}, expected {expected}"
    if sound and column.min is not None and column.max is not None and is_above(column.min, column.max):
        yield (*path, "min"), f"found {shown(column.min)}, which is above max, {shown(column.max)}; no row could stay"


def expected_bound(column: Column, bound: Bound | None) -> str | None:
    """What a bound should be, None where it is that."""
    if column.type in NUMBERS:
        return "a number" if isinstance(bound, str) else None
    parse = date.fromisoformat if column.type == "date" else datetime.fromisoformat
    try:
        parse(bound)  # type: ignore[arg-type]  # a number raises
    except (TypeError, ValueError):
        example = "2013-01-31" if column.type == "date" else "2013-01-31T05:00"
        return f'a {column.type} in quotes, such as "{example}"'
    return None


def is_above(low: Bound, high: Bound) -> bool:
    """Whether one sound bound is above the other; false where two times cannot be compared without a zone."""
    if not isinstance(low, str) or not isinstance(high, str):
        return not isinstance(low, str) and not isinstance(high, str) and low > high
    one, other = datetime.fromisoformat(low), datetime.fromisoformat(high)
    return (one.tzinfo is None) == (other.tzinfo is None) and one > other


def check_levels(path: KeyPath, column: Column) -> Iterator[Contradiction]:
    """Levels are listed once, at least one, and none of them means a missing value."""
    if column.levels is None:
        return
    yield from repeated((*path, "levels"), column.levels)
    if not column.levels:
        yield (*path, "levels"), "found no level; list at least one, or remove the key"
    if null := [level for level in column.levels if level in column.nulls]:
        yield (*path, "levels"), f"found {listed(null)}, which `nulls` says is a missing value; remove it here or there"


def check_missing(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A missing value is an event for a model that reads the column; a missing target is never 0."""
    for name, column in pipeline.columns.items():
        path: KeyPath = ("columns", name, "missing")
        if column.missing == "zero" and name in {pipeline.target.name, pipeline.target.from_}:
            yield path, "a missing target is not known; it cannot mean 0"
        if column.missing == "event" and name not in pipeline.feature_columns:
            yield path, f"{shown(name)} is no feature, so no model could be told of the event; write unknown"


def check_event_names(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """The feature of a missing value has a name of its own."""
    parts = {f"{name}_{part}" for name, found in pipeline.features.parts.items() for part in found}
    taken = {*declared, *parts, *pipeline.features.sql, pipeline.target.name}
    for name in pipeline.event_columns:
        if (feature := f"{name}_is_missing") in taken:
            yield ("columns", name, "missing"), f"the event becomes {shown(feature)}, which is there; rename that"


COLUMN_CHECKS: tuple[Check, ...] = (check_columns, check_missing, check_event_names)
