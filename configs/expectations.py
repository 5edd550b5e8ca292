"""Which expectations a YAML may name: `configs/expectations.json`, so that no check imports Great Expectations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from configs.document import KeyPath
from configs.schema import Expectation
from configs.wording import hint, listed, shown

CATALOGUE = Path(__file__).with_name("expectations.json")
COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
UNREADABLE = Expectation(name="?")  # holds the place of one that is told of already


class Known(NamedTuple):
    """An expectation as the catalogue has it; one about `row`s can name those that fail, one about a `table` cannot."""

    kind: Literal["row", "table"]
    arguments: tuple[str, ...]
    required: tuple[str, ...]


@cache
def known_expectations() -> dict[str, Known]:
    """The expectations that Holdfast runs, by name."""
    entries: dict[str, dict[str, Any]] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return {
        name: Known(entry["kind"], tuple(entry["arguments"]), tuple(entry["required"]))
        for name, entry in entries.items()
    }


def expectation_contradictions(
    expectations: tuple[Expectation, ...], declared: frozenset[str]
) -> Iterator[tuple[KeyPath, str]]:
    """What in the declared expectations cannot be run, with the key path of each."""
    for position, expectation in enumerate(expectations):
        path: KeyPath = ("expectations", position)
        if expectation in expectations[:position] and expectation is not UNREADABLE:
            yield path, f"the same as expectations[{expectations.index(expectation)}]; remove one"
        elif expectation.name in known_expectations():
            yield from wrong_arguments(path, expectation)
            yield from wrong_columns((*path, expectation.name), expectation.arguments, declared)
            yield from wrong_values((*path, expectation.name), expectation.arguments)
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


def wrong_columns(path: KeyPath, arguments: dict[str, Any], declared: frozenset[str]) -> Iterator[tuple[KeyPath, str]]:
    """Columns that an expectation is about and nobody declared."""
    for argument in COLUMN_ARGUMENTS:
        name = arguments.get(argument)
        if argument in arguments and name not in declared:
            near = hint(name, declared)
            yield (*path, argument), f"found {shown(name)}, expected a column that is declared under columns{near}"


def wrong_values(path: KeyPath, arguments: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Arguments that Great Expectations would refuse, or that nothing could meet."""
    mostly = arguments.get("mostly", 1)
    if isinstance(mostly, bool) or not isinstance(mostly, int | float) or not 0 < mostly <= 1:
        yield (*path, "mostly"), f"found {shown(mostly)}, expected a share of rows above 0 and up to 1"
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield (*path, "min_value"), f"found {low}, which is above max_value, {high}; nothing can lie between"
    for name in ("value_set", "column_list"):
        if name in arguments and (not isinstance(arguments[name], list) or not arguments[name]):
            yield (*path, name), f"found {shown(arguments[name])}, expected a list of at least one value"
