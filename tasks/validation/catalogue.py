"""Which expectations of the installed Great Expectations can be declared, and which cannot, with the reason.

`python -m tasks.validation.catalogue` writes `configs/expectations.json`, which everything else reads, and the tables
of `docs/validation.md`; a test compares both with the installed GX.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from configs.expectations import CATALOGUE, known_expectations
from configs.sections.expectations import SHORT_FORMS
from tasks.atomic import write_json, write_text
from tasks.validation.expectations import great_expectations
from tasks.validation.row_checks import BESIDE_OTHERS
from tasks.validation.sql_only import LIKE, QUERY
from tasks.validation.table_checks import ABOUT_TYPES

PAGE = Path(__file__).parents[2] / "docs/validation.md"
BEGIN, END = "<!-- begin: written by tasks.validation.catalogue -->", "<!-- end -->"
LEFT_OUT = {
    "expect_query_results_to_match_comparison": "compares with a second data source; a batch is all that a stage sees",
    "expect_table_row_count_to_equal_other_table": "compares with a second table; a batch is all that a stage sees",
}
CONDITION = ("row_condition", "condition_parser")
KINDS = {
    "string": "text",
    "number": "number",
    "integer": "number",
    "boolean": "truth",
    "array": "list",
    "object": "mapping",
}


def catalogue() -> dict[str, dict[str, Any]]:
    """What can be declared: by name, what it is about (`row` or `table`), and what its arguments are.

    Left out are arguments that say nothing of a batch, or that Holdfast sets itself.
    """
    great_expectations()
    from great_expectations.expectations import expectation as gx

    of_rows = (gx.ColumnMapExpectation, gx.ColumnPairMapExpectation, gx.MulticolumnMapExpectation)
    general = {*gx.BatchExpectation.__fields__, "library_metadata"}
    entries: dict[str, dict[str, Any]] = {}
    for name, implementation in registered().items():
        if name in LEFT_OUT:
            continue
        schema = implementation.schema()
        fields = {key: field for key, field in implementation.__fields__.items() if key not in general}
        shapes = {key: shape(schema["properties"][key], schema) for key in fields if key not in CONDITION}
        entries[name] = {
            "kind": "row" if issubclass(implementation, of_rows) and name not in ABOUT_TYPES else "table",
            "arguments": sorted(fields),
            "required": sorted(key for key, field in fields.items() if field.required),
            "accepts": {key: kinds for key, (kinds, _) in sorted(shapes.items()) if kinds},
            "choices": {key: choices for key, (_, choices) in sorted(shapes.items()) if choices},
        }
    return entries


def registered() -> dict[str, Any]:
    """GX's own expectations by name, in order; those made here are not among them."""
    great_expectations()
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    found = {name: get_expectation_impl(name) for name in sorted(list_registered_expectation_implementations())}
    return {name: each for name, each in found.items() if each.__module__.startswith("great_expectations.")}


def shape(field: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Kinds of values that an argument takes, and the texts among which it chooses; none where GX takes anything."""
    options = list(every_option(field, schema))
    kinds = {KINDS.get(option.get("type", ""), "") for option in options}
    if "" in kinds:
        return [], []
    referred = any("title" in option for option in options if option.get("type") == "object")
    if len(kinds) > 1 and not referred:
        kinds -= {"mapping"}  # a suite parameter of GX, which nothing here would fill in
    choices = sorted({text for option in options for text in option.get("enum", ())})
    return sorted(kinds), choices


def every_option(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The alternatives of a field's JSON schema, through references."""
    if "$ref" in field:
        yield from every_option(schema["definitions"][field["$ref"].rpartition("/")[2]], schema)
    elif inner := field.get("anyOf", field.get("oneOf", field.get("allOf"))):
        for option in inner:
            yield from every_option(option, schema)
    else:
        yield field


def tables() -> str:
    """Both tables of the page."""
    lines = ["| expectation | judges | sees |", "| --- | --- | --- |"]
    for name, known in known_expectations().items():
        if name not in SHORT_FORMS:
            judges = "rows" if known.kind == "row" else "the batch"
            lines.append(f"| `{name}` | {judges} | {sees(name, known.kind)} |")
    lines += ["", "| cannot be declared | since it |", "| --- | --- |"]
    lines += [f"| `{name}` | {LEFT_OUT[name]} |" for name in registered() if name in LEFT_OUT]
    return "\n".join(lines)


def sees(name: str, kind: str) -> str:
    """How much of a batch an expectation is fed at a time."""
    if kind == "row":
        return "its columns, whole" if name in BESIDE_OTHERS else "its columns, by chunks of rows"
    if name == QUERY:
        return "the columns that it names, whole, in DuckDB"
    if name.startswith(("expect_table_column", "expect_column_to_exist")):
        return "the columns' names"
    return "the number of rows" if name.startswith("expect_table_row") else "its columns, whole"


def page(text: str) -> str:
    """The page with its tables written anew."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    assert registered().keys() >= LIKE  # noqa: S101  # those that `sql_only` answers are there
    write_json(CATALOGUE, catalogue())
    known_expectations.cache_clear()
    write_text(PAGE, page(PAGE.read_text(encoding="utf-8")))
