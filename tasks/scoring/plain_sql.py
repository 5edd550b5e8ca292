"""Plain SQL expressions of one row without asking DuckDB, which takes as long as the rest of scoring the row.

Plain are columns, constants, + - * /, comparisons, AND, OR, NOT, IN, BETWEEN, IS NULL and the hour, minute, day, month
and year of a moment, where all types are beyond doubt. Everything else is DuckDB's: an expression that is not plain as
a whole, and a row in which one overflows, divides by zero or gives no finite number.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from tasks.sql import parse_expression

Typed = Mapping[str, Any]
Kind = Literal["integer", "float", "decimal", "text", "boolean", "moment"]
KINDS: dict[str, Kind] = {
    "integer": "integer",
    "float": "float",
    "decimal": "float",  # SQL is shown a DOUBLE
    "boolean": "boolean",
    "category": "text",
    "text": "text",
    "date": "moment",
    "timestamp": "moment",
}
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
COMPARISONS = {
    "COMPARE_EQUAL": operator.eq,
    "COMPARE_NOTEQUAL": operator.ne,
    "COMPARE_LESSTHAN": operator.lt,
    "COMPARE_GREATERTHAN": operator.gt,
    "COMPARE_LESSTHANOREQUALTO": operator.le,
    "COMPARE_GREATERTHANOREQUALTO": operator.ge,
}
EQUALITY = ("COMPARE_EQUAL", "COMPARE_NOTEQUAL")
PARTS = ("hour", "minute", "day", "month", "year")
SMALL_INTEGER = re.compile(r"-?[0-9]{1,9}")  # of 32 bits
SMALL_DECIMAL = re.compile(r"-?[0-9]{1,8}\.[0-9]{1,7}")  # of at most 15 digits, so the nearest double is beyond doubt


class NotPlainError(Exception):
    """A row in which DuckDB's own rules matter."""


class Plain(NamedTuple):
    """A part of an expression: its type, and its value in a row, None where NULL."""

    kind: Kind
    value: Callable[[Typed], Any]
    is_constant: bool = False


def plain_expression(sql: str, types: Mapping[str, str]) -> Callable[[Typed], float | None] | None:
    """What computes a checked expression of one row, None where only DuckDB may say.

    Parameters
    ----------
    sql : str
        Passed by `tasks.sql.check_expression`.
    types : mapping of name to declared type

    Returns
    -------
    function, or None
        Takes a row's typed values; raises `NotPlainError` where DuckDB must be asked.

    Examples
    --------
    >>> clock = plain_expression("hour * 60 + minute", {"hour": "integer", "minute": "integer"})
    >>> clock({"hour": 2, "minute": 5}), clock({"hour": None, "minute": 5})
    (125.0, None)
    >>> plain_expression("ln(area)", {"area": "float"}) is None
    True
    """
    found = plain(parse_expression(sql), types)
    if found is None or found.is_constant or found.kind not in ("integer", "float", "boolean"):
        return None
    value = found.value

    def compute(typed: Typed) -> float | None:
        result = value(typed)
        return None if result is None else float(result)

    return compute


def plain(node: Any, types: Mapping[str, str]) -> Plain | None:
    """A node of DuckDB's parse tree, None where it is not plain."""
    makers = {
        "COLUMN_REF": column,
        "CONSTANT": constant,
        "FUNCTION": function,
        "COMPARISON": comparison,
        "CONJUNCTION": conjunction,
        "BETWEEN": between,
        "OPERATOR": other_operator,
    }
    maker = makers.get(node["class"])
    return None if maker is None else maker(node, types)


def several(nodes: list[Any], types: Mapping[str, str]) -> list[Plain] | None:
    """Some nodes, None where one of them is not plain."""
    found = [plain(node, types) for node in nodes]
    return None if None in found else [each for each in found if each is not None]


def column(node: Any, types: Mapping[str, str]) -> Plain | None:
    """A column as it is."""
    (name,) = node["column_names"]
    return Plain(KINDS[types[name]], lambda typed: typed[name])


def constant(node: Any, _types: Mapping[str, str]) -> Plain | None:
    """A small number or a text."""
    literal = node.get("literal") or {}
    kind, text = literal.get("kind"), str(literal.get("text"))
    if kind == "STRING":
        return Plain("text", lambda _typed: text, is_constant=True)
    if kind == "INTEGER" and SMALL_INTEGER.fullmatch(text):
        return Plain("integer", lambda _typed, number=int(text): number, is_constant=True)  # type: ignore[misc]
    if kind == "NUMERIC" and SMALL_DECIMAL.fullmatch(text):
        return Plain("decimal", lambda _typed, number=float(text): number, is_constant=True)  # type: ignore[misc]
    return None


def function(node: Any, types: Mapping[str, str]) -> Plain | None:
    """Arithmetic of two numbers, or a part of a moment."""
    arguments = several([each["expression"] for each in node["arguments"]], types)
    name = node["function_name"]
    if arguments is None:
        return None
    if name in ARITHMETIC and len(arguments) == 2:
        return arithmetic(name, *arguments)
    if name in PARTS and [each.kind for each in arguments] == ["moment"]:
        moment = arguments[0].value
        return Plain("integer", lambda typed: None if (at := moment(typed)) is None else getattr(at, name))
    return None


def arithmetic(name: str, left: Plain, right: Plain) -> Plain | None:
    """A sum, difference, product or quotient; integers are of 64 bits, as a column's are."""
    kinds, both_constant = {left.kind, right.kind}, left.is_constant and right.is_constant
    if both_constant or not (kinds == {"integer"} or ("float" in kinds and kinds <= {"float", "integer", "decimal"})):
        return None
    act = ARITHMETIC[name]
    if kinds == {"integer"} and name != "/":
        return Plain("integer", lambda typed: whole(act, left.value(typed), right.value(typed)))
    return Plain("float", lambda typed: finite(act, left.value(typed), right.value(typed)))


def whole(act: Callable[[Any, Any], Any], left: int | None, right: int | None) -> int | None:
    """The result for integers."""
    if left is None or right is None:
        return None
    found: int = act(left, right)
    if not -(2**63) <= found < 2**63:
        raise NotPlainError
    return found


def finite(act: Callable[[Any, Any], Any], left: float | None, right: float | None) -> float | None:
    """The result for numbers of which one is a double, or that are divided."""
    if left is None or right is None:
        return None
    if act is operator.truediv and right == 0:
        raise NotPlainError
    found: float = act(float(left), float(right))
    if not math.isfinite(found):
        raise NotPlainError
    return found


def comparison(node: Any, types: Mapping[str, str]) -> Plain | None:
    """A comparison of two values of one kind, or of a double with another number."""
    sides = several([node["left"], node["right"]], types)
    return None if sides is None or node["type"] not in COMPARISONS else compared(node["type"], *sides)


def compared(kind: str, left: Plain, right: Plain) -> Plain | None:
    """See `comparison`."""
    kinds, act = {left.kind, right.kind}, COMPARISONS[kind]
    if left.is_constant and right.is_constant:
        return None
    if kinds == {"integer"} or (kinds in ({"text"}, {"boolean"}) and kind in EQUALITY):
        return Plain("boolean", lambda typed: known(act, left.value(typed), right.value(typed)))
    if "float" in kinds and kinds <= {"float", "integer", "decimal"}:
        return Plain("boolean", lambda typed: known(as_doubles(act), left.value(typed), right.value(typed)))
    return None


def known(act: Callable[[Any, Any], bool], left: Any, right: Any) -> bool | None:
    """A truth about two values, NULL where one of them is."""
    return None if left is None or right is None else act(left, right)


def as_doubles(act: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A comparison after both values became doubles, which whole numbers beyond 2^53 lose digits by."""
    return lambda left, right: act(float(left), float(right))


def between(node: Any, types: Mapping[str, str]) -> Plain | None:
    """Whether a value lies between two others."""
    if node["type"] != "COMPARE_BETWEEN":
        return None
    found = several([node["input"], node["lower"], node["upper"]], types)
    if found is None:
        return None
    value, lower, upper = found
    above = compared("COMPARE_GREATERTHANOREQUALTO", value, lower)
    return both([above, compared("COMPARE_LESSTHANOREQUALTO", value, upper)])


def both(sides: list[Plain | None]) -> Plain | None:
    """Whether all of some truths hold."""
    checked = [each for each in sides if each is not None and each.kind == "boolean"]
    if len(checked) < len(sides):
        return None
    return Plain("boolean", lambda typed: all_of([each.value(typed) for each in checked]))


def conjunction(node: Any, types: Mapping[str, str]) -> Plain | None:
    """AND or OR; each part is computed, so that one which only DuckDB may say is not passed over."""
    sides = several(node["children"], types)
    if sides is None or node["type"] == "CONJUNCTION_AND":
        return None if sides is None else both([*sides])
    if any(each.kind != "boolean" for each in sides):
        return None
    return Plain("boolean", lambda typed: any_of([each.value(typed) for each in sides]))


def all_of(truths: list[bool | None]) -> bool | None:
    """AND of SQL: false where one is, else NULL where one is."""
    return False if False in truths else None if None in truths else True


def any_of(truths: list[bool | None]) -> bool | None:
    """OR of SQL: true where one is, else NULL where one is."""
    return True if True in truths else None if None in truths else False


def other_operator(node: Any, types: Mapping[str, str]) -> Plain | None:
    """NOT, IS NULL, IS NOT NULL and IN."""
    found = several(node["children"], types)
    if found is None:
        return None
    first, kind = found[0], node["type"]
    if kind == "OPERATOR_NOT" and first.kind == "boolean":
        return Plain("boolean", lambda typed: None if (truth := first.value(typed)) is None else not truth)
    if kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
        return Plain("boolean", lambda typed: (first.value(typed) is None) == (kind == "OPERATOR_IS_NULL"))
    return one_of(first, found[1:]) if kind == "COMPARE_IN" else None


def one_of(value: Plain, choices: list[Plain]) -> Plain | None:
    """Whether a whole number or text is one of some constants."""
    if value.is_constant or value.kind not in ("integer", "text"):
        return None
    if any(not each.is_constant or each.kind != value.kind for each in choices):
        return None
    listed = frozenset(each.value({}) for each in choices)
    return Plain("boolean", lambda typed: None if (found := value.value(typed)) is None else found in listed)
