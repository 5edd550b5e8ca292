"""Pydantic's errors in the words of the YAML: where, what was found, what is allowed, what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from configs.document import Key, KeyPath, Mistake, Node
from configs.expectations import UNREADABLE
from configs.schema import Pipeline
from configs.sections.columns import Column
from configs.sections.expectations import Expectation
from configs.sections.values import WRITTEN, ColumnName
from configs.wording import hint, listed, shown

NO_DEFAULT = {
    "source": "where new batches come from, such as `source: {path: data/incoming/homes/*.csv}`",
    "target": "what is predicted, such as `target: {name: price}`",
    "columns": "a type for each column, such as `columns: {price: {type: float}}`",
}
EMPTY = {"owner": "`owner: {}` where nobody is named", "drop": "`drop: []`", "expectations": "`expectations: []`"}
BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
}
NAME = "a name that is not empty, does not start with '_' and has no control characters"
KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "finite_number": "a finite number",
    "string_pattern_mismatch": NAME,
    "string_too_short": NAME,
    "too_short": "at least one",
}


def translated(errors: Iterable[ErrorDetails], root: Node) -> list[Mistake]:
    """One mistake per place of the document; the members of a union are told as one.

    Parameters
    ----------
    errors : ErrorDetails
        What `ValidationError.errors()` gives for the document's values.
    root : Node
        The document.
    """
    by_place: dict[tuple[KeyPath, bool], list[ErrorDetails]] = {}
    for error in errors:
        path, is_about_key = written_path(error["loc"], error["type"], root)
        by_place.setdefault((path, is_about_key), []).append(error)
    return [mistake(path, is_about_key, group, root) for (path, is_about_key), group in by_place.items()]


def written_path(loc: tuple[int | str, ...], kind: str, root: Node) -> tuple[KeyPath, bool]:
    """The keys that lead to an error as the document writes them, and whether the last key itself is wrong.

    Pydantic puts names of union members and `[key]` into a location, and the fields that an expectation is read into.
    """
    node, path = root, list[Key]()
    for key in loc:
        found = written_key(node, path, key)
        if found is None:
            break
        node = node.children[found]
        path.append(found)
    if kind == "missing":
        return (*path, loc[-1]), True
    return tuple(path), kind == "extra_forbidden" or loc[-1] == "[key]"


def written_key(node: Node, path: list[Key], key: Key) -> Key | None:
    """The child that a part of Pydantic's location means, None where it means no child."""
    if key in node.children:
        return key
    is_expectation = len(path) == 2 and path[0] == "expectations"
    if is_expectation and key in {"arguments", "name"}:
        return next((name for name in node.children if name != "otherwise"), None)
    return None


def mistake(path: KeyPath, is_about_key: bool, errors: list[ErrorDetails], root: Node) -> Mistake:
    """The errors of one place, in one sentence."""
    kind = errors[0]["type"]
    if kind == "missing":
        return Mistake(*root.place(path[:-1]), path[:-1], missing(path))
    if kind == "extra_forbidden":
        return Mistake(*root.place(path), path[:-1], unknown(path))
    if is_about_key:
        return Mistake(*root.place(path), path[:-1], f"found the key {shown(path[-1])}{wanted(errors, None)}")
    node = root.find(path) or root
    return Mistake(node.line, node.column, path, found(node) + wanted(errors, node))


def missing(path: KeyPath) -> str:
    """What to write where a key is required and not there."""
    name = str(path[-1])
    if len(path) > 1:
        described = described_fields(path[:-1]).get(name)
        return f"the key {name!r} is missing" + (f": {described}" if described else "")
    if name in NO_DEFAULT:
        return f"section {name!r} is missing; write {NO_DEFAULT[name]}"
    return f"section {name!r} is missing; write {EMPTY.get(name, f'`{name}: {{}}`')}"


def unknown(path: KeyPath) -> str:
    """What may stand in place of an unknown key."""
    known = list(described_fields(path[:-1]))
    return f"unknown key {shown(path[-1])}; known are {listed(known)}{hint(path[-1], known)}"


def found(node: Node) -> str:
    """The value as it was read and, where that differs, as it is written."""
    if node.value is None:
        return "found nothing" if not node.source else f"found {node.source} (no value)"
    read = shown(node.value)
    is_scalar = isinstance(node.value, int | float)
    return f"found {read}" + (f" (written {node.source})" if is_scalar and str(node.source) != read else "")


def wanted(errors: list[ErrorDetails], node: Node | None) -> str:
    """What is allowed at a place, and the value that was probably meant."""
    rules = [str(error["ctx"]["error"]) for error in errors if error["type"] == "value_error"]
    if rules:
        return "; " + " or ".join(dict.fromkeys(rules))
    literals = [name for error in errors for name in literal_names(error)]
    others = [allowed(error) for error in errors if error["type"] != "literal_error"]
    choices = ([f"one of {listed(literals)}" if len(literals) > 1 else listed(literals)] if literals else []) + others
    text = ", expected " + " or ".join(dict.fromkeys(choices))
    value = None if node is None else node.value
    if literals and isinstance(value, str):
        return text + hint(value, literals)
    return text + remedy([error["type"] for error in errors], node)


def literal_names(error: ErrorDetails) -> list[str]:
    """The allowed values of a literal."""
    return re.findall(r"'([^']*)'", str(error["ctx"]["expected"])) if error["type"] == "literal_error" else []


def allowed(error: ErrorDetails) -> str:
    """What one error allows, in words."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in BOUNDS:
        return "a number that is " + BOUNDS[kind].format_map({key: plain(value) for key, value in context.items()})
    return KINDS.get(kind, error["msg"])


def plain(number: Any) -> str:
    """A bound as people write it.

    >>> plain(0.0), plain(2**20)
    ('0', '1048576')
    """
    return f"{number:.15g}" if isinstance(number, float) else str(number)


def remedy(kinds: list[str], node: Node | None) -> str:
    """How to write a value that YAML read as another type than was meant."""
    if node is None:
        return ""
    if "string_type" in kinds and node.source and isinstance(node.value, bool | int | float):
        return f'; in quotes it is text: "{node.source}"'
    is_number = isinstance(node.value, str) and re.fullmatch(r"[-+]?\d+(\.\d+)?", node.value)
    if is_number and {"int_type", "float_type"} & set(kinds):
        return f"; write {node.value} without quotes"
    if "tuple_type" in kinds and isinstance(node.value, str):
        return f"; write [{node.value}]"
    return ""


def valid_sections(values: dict[str, Any], name: str) -> Pipeline:
    """A pipeline of the sections, columns and expectations that are valid on their own, for checks between them.

    Reading another section raises `UndeclaredSectionError`; an expectation that is not valid is `UNREADABLE`.
    """
    columns, expectations = values.get("columns"), values.get("expectations")
    mended = dict(values)
    if isinstance(columns, dict):
        mended["columns"] = {key: each for key, each in columns.items() if is_valid({key: each}, "columns")}
    if isinstance(expectations, list):
        mended["expectations"] = [each if is_valid(each, "expectation") else UNREADABLE for each in expectations]
    valid: dict[str, Any] = {}
    for key in [field for field in Pipeline.model_fields if field != "name"]:
        with suppress(ValidationError):
            valid[key] = section_reader(key).validate_python(mended.get(key), context=WRITTEN)
    return Pipeline.model_construct(**{**valid, "name": name}).limited_to("check", valid)


@cache
def section_reader(section: str) -> TypeAdapter[Any]:
    """Reads one section on its own."""
    field = Pipeline.model_fields[section]
    annotation: Any = Annotated[field.annotation, field]
    return TypeAdapter(annotation)


@cache
def part_reader(part: Literal["columns", "expectation"]) -> TypeAdapter[Any]:
    """Reads a mapping of columns, or one expectation."""
    return TypeAdapter(dict[ColumnName, Column] if part == "columns" else Expectation)


def is_valid(value: object, part: Literal["columns", "expectation"]) -> bool:
    """Whether a value can be read."""
    try:
        part_reader(part).validate_python(value, context=WRITTEN)
    except ValidationError:
        return False
    return True


def described_fields(path: KeyPath) -> dict[str, str | None]:
    """The keys that may stand at a path, as they are written, with their descriptions."""
    model = model_at(path)
    if model is None:
        return {}
    if model is Expectation:
        return {"otherwise": None}
    fields = model.model_fields.items()
    return {field.alias or name: field.description for name, field in fields if not field.exclude}


def model_at(path: KeyPath) -> type[BaseModel] | None:
    """The model that the value at a path is read into, None where that is no model."""
    annotation: Any = Pipeline
    for key in path:
        annotation = next((inner for option in options(annotation) if (inner := inside(option, key))), None)
    return next((option for option in options(annotation) if is_model(option)), None)


def is_model(annotation: Any) -> bool:
    """Whether an annotation is a model's class; a generic such as `tuple[str]` is none."""
    return isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel)


def options(annotation: Any) -> Iterator[Any]:
    """The members of a union, through `Annotated`; the annotation itself where it is none."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from options(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for member in get_args(annotation):
            yield from options(member)
    else:
        yield annotation


def inside(annotation: Any, key: Key) -> Any:
    """The annotation of what stands under a key of a model, mapping or list; None where nothing does."""
    if is_model(annotation):
        fields = annotation.model_fields.items()
        return next((field.annotation for name, field in fields if key == (field.alias or name)), None)
    return {dict: get_args(annotation)[-1:], tuple: get_args(annotation)[:1]}.get(get_origin(annotation), (None,))[0]
