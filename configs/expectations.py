"""Which expectations a YAML may name: `configs/expectations.json`, so that no check imports Great Expectations.

Beside GX's own there are `sql`, a row-wise truth, and `custom`, a function of the user's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from configs.document import KeyPath
from configs.sections.expectations import CUSTOM, SQL, Expectation
from configs.wording import hint, listed, shown

CATALOGUE = Path(__file__).with_name("expectations.json")
SINGLE_COLUMNS = ("column", "column_A", "column_B")
SEVERAL_COLUMNS = ("column_list", "column_set", "columns")
CONDITION_COLUMN = re.compile(r"""^\s*col\(\s*["']([^"']*)["']\s*\)""")
PARSER = "great_expectations"
KINDS = {"text": str, "number": (int, float), "truth": bool, "list": list, "mapping": dict}
IN_WORDS = {
    "text": "text",
    "number": "a number",
    "truth": "true or false",
    "list": "a list",
    "mapping": "keys with values",
}
UNREADABLE = Expectation(name="?")  # holds the place of one that is told of already


class Known(NamedTuple):
    """An expectation as the catalogue has it; one about `row`s can name those that fail, one about a `table` cannot."""

    kind: Literal["row", "table"]
    arguments: tuple[str, ...]
    required: tuple[str, ...]
    accepts: Mapping[str, tuple[str, ...]]
    """Kinds of values that an argument takes, where GX takes not just anything."""
    choices: Mapping[str, tuple[str, ...]]
    """Texts among which an argument chooses."""
    rule: str = ""
    """The argument that may stand alone in place of all."""


OWN = {
    SQL: Known(
        "row",
        ("expression", "mostly", "name"),
        ("expression",),
        {"expression": ("text",), "mostly": ("number",), "name": ("text",)},
        {},
        "expression",
    ),
    CUSTOM: Known(
        "row",
        ("columns", "function", "mostly"),
        ("function",),
        {"columns": ("list",), "function": ("text",), "mostly": ("number",)},
        {},
        "function",
    ),
}


@cache
def known_expectations() -> dict[str, Known]:
    """The expectations that Holdfast runs, by name."""
    entries: dict[str, dict[str, Any]] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return {**{name: known_from(entry) for name, entry in entries.items()}, **OWN}


def known_from(entry: Mapping[str, Any]) -> Known:
    """An entry of the catalogue."""
    accepts, choices = ({name: tuple(values) for name, values in entry[key].items()} for key in ("accepts", "choices"))
    return Known(entry["kind"], tuple(entry["arguments"]), tuple(entry["required"]), accepts, choices)


def named_columns(expectation: Expectation) -> tuple[str, ...]:
    """Columns that an expectation is about, in the order in which its arguments name them; none for a whole table."""
    values = [expectation.arguments[key] for key in (*SINGLE_COLUMNS, *SEVERAL_COLUMNS) if key in expectation.arguments]
    return tuple(name for value in values for name in ([value] if isinstance(value, str) else value))


def expectation_contradictions(
    expectations: tuple[Expectation, ...], declared: frozenset[str]
) -> Iterator[tuple[KeyPath, str]]:
    """What in the declared expectations cannot be run, with the key path of each."""
    for position, expectation in enumerate(expectations):
        path: KeyPath = ("expectations", position)
        if expectation in expectations[:position] and expectation is not UNREADABLE:
            yield path, f"the same as expectations[{expectations.index(expectation)}]; remove one"
        elif expectation.name in known_expectations():
            below: KeyPath = (*path, expectation.name)
            yield from wrong_arguments(path, expectation)
            yield from wrong_kinds(below, expectation)
            yield from wrong_columns(below, expectation.arguments, declared)
            yield from wrong_values(below, expectation.arguments)
            yield from wrong_condition(below, expectation.arguments, declared)
        elif expectation is not UNREADABLE:
            near = hint(expectation.name, known_expectations())
            yield (
                (*path, expectation.name),
                f"Holdfast runs no expectation of this name{near or '; docs/configuration.md lists them'}",
            )


def wrong_arguments(path: KeyPath, expectation: Expectation) -> Iterator[tuple[KeyPath, str]]:
    """Arguments that an expectation does not have or cannot do without, and a consequence that it cannot have."""
    known, below = known_expectations()[expectation.name], (*path, expectation.name)
    for name in expectation.arguments:
        if name not in known.arguments:
            near = hint(name, known.arguments)
            yield (*below, name), f"unknown argument {shown(name)}; known are {listed(known.arguments)}{near}"
    lacking = [name for name in known.required if name not in expectation.arguments]
    if lacking:
        yield below, f"the argument {listed(lacking)} is missing"
    if known.kind == "table" and expectation.otherwise == "quarantine":
        yield (
            (*path, "otherwise"),
            f"{expectation.name} is about a whole batch and names no row to quarantine; write stop or warn",
        )


def wrong_kinds(path: KeyPath, expectation: Expectation) -> Iterator[tuple[KeyPath, str]]:
    """Arguments of another kind than Great Expectations takes, such as a text for a number, which it would convert."""
    known = known_expectations()[expectation.name]
    for name, value in expectation.arguments.items():
        kinds, choices = known.accepts.get(name, ()), known.choices.get(name, ())
        if kinds and not any(is_kind(value, kind) for kind in kinds):
            yield (*path, name), f"found {shown(value)}, expected {' or '.join(IN_WORDS[kind] for kind in kinds)}"
        elif choices and value not in choices:
            yield (*path, name), f"found {shown(value)}, expected one of {listed(choices)}{hint(value, choices)}"
        elif isinstance(value, dict) and any(key.startswith("$") for key in value):
            yield (*path, name), f"found {shown(value)}, a suite parameter that nothing fills in; write the value"


def is_kind(value: object, kind: str) -> bool:
    """Whether a value is of a kind; true and false are no numbers."""
    return isinstance(value, KINDS[kind]) and (kind == "truth" or not isinstance(value, bool))  # type: ignore[arg-type]


def wrong_columns(path: KeyPath, arguments: dict[str, Any], declared: frozenset[str]) -> Iterator[tuple[KeyPath, str]]:
    """Columns that an expectation is about and nobody declared."""
    for argument in SINGLE_COLUMNS:
        if argument in arguments:
            yield from undeclared((*path, argument), arguments[argument], declared)
    for argument in ("column_list", "columns"):
        names = arguments.get(argument)
        for position, name in enumerate(names if isinstance(names, list) else ()):
            yield from undeclared((*path, argument, position), name, declared)


def undeclared(path: KeyPath, name: object, declared: frozenset[str]) -> Iterator[tuple[KeyPath, str]]:
    """Tell of a column that nobody declared."""
    if not isinstance(name, str) or name not in declared:
        yield path, f"found {shown(name)}, expected a column that is declared under columns{hint(name, declared)}"


def wrong_values(path: KeyPath, arguments: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Arguments that Great Expectations would refuse, or that nothing could meet."""
    mostly = arguments.get("mostly", 1)
    if isinstance(mostly, bool) or not isinstance(mostly, int | float) or not 0 < mostly <= 1:
        yield (*path, "mostly"), f"found {shown(mostly)}, expected a share of rows above 0 and up to 1"
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield (*path, "min_value"), f"found {low}, which is above max_value, {high}; nothing can lie between"
    for name in ("value_set", "column_list", "columns", "regex_list", "like_pattern_list", "value_pairs_set"):
        if name in arguments and (not isinstance(arguments[name], list) or not arguments[name]):
            yield (*path, name), f"found {shown(arguments[name])}, expected a list of at least one value"
    for name in ("regex", "regex_list"):
        yield from wrong_regex((*path, name), arguments.get(name))


def wrong_regex(path: KeyPath, declared: object) -> Iterator[tuple[KeyPath, str]]:
    """Regular expressions that cannot be read."""
    for text in declared if isinstance(declared, list) else [declared]:
        try:
            re.compile(text if isinstance(text, str) else "")
        except re.error as error:
            yield path, f"found {shown(text)}, which is no regular expression: {error}"


def wrong_condition(
    path: KeyPath, arguments: dict[str, Any], declared: frozenset[str]
) -> Iterator[tuple[KeyPath, str]]:
    """A `row_condition` in another language than Great Expectations' own, which pandas would run as code."""
    condition, parser = arguments.get("row_condition"), arguments.get("condition_parser")
    if "condition_parser" in arguments and parser != PARSER:
        yield (
            (*path, "condition_parser"),
            f"found {shown(parser)}, expected '{PARSER}': another would run the condition as code",
        )
    if isinstance(condition, str):
        column = CONDITION_COLUMN.match(condition)
        if parser is None:
            yield (*path, "row_condition"), f"a condition in one text needs `condition_parser: {PARSER}` beside it"
        if column is None:
            yield (*path, "row_condition"), f"found {shown(condition)}, expected such as 'col(\"age\") > 18'"
        else:
            yield from undeclared((*path, "row_condition"), column[1], declared)
    elif condition is not None:
        yield from wrong_condition_tree((*path, "row_condition"), condition, declared)


def wrong_condition_tree(path: KeyPath, condition: object, declared: frozenset[str]) -> Iterator[tuple[KeyPath, str]]:
    """A condition in keys and values: comparisons and nullity, joined by `and` or `or`."""
    kind = condition.get("type") if isinstance(condition, dict) else None
    if not isinstance(condition, dict) or kind not in {"comparison", "nullity", "and", "or"}:
        yield path, f"found {shown(condition)}, expected keys with `type`: comparison, nullity, and, or"
    elif kind in {"and", "or"}:
        inner = condition.get("conditions")
        for position, each in enumerate(inner if isinstance(inner, list) else [inner]):
            yield from wrong_condition_tree((*path, "conditions", position), each, declared)
    else:
        column = condition.get("column")
        name = column.get("name") if isinstance(column, dict) else column
        yield from undeclared((*path, "column"), name, declared)
