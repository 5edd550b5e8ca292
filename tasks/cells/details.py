"""What is said of a cell that was refused: what was found and what is expected."""

from __future__ import annotations

import re

from configs.sections.columns import Column
from tasks.cells.queries import FALSE, TRUE, decimal_digits

SEPARATED = re.compile(r"[+-]?[0-9]+(?:[,.'][0-9]+)+")
SEVERAL_NUMBERS = re.compile(r"[0-9]+\D+[0-9]+")
PRIVATE = "a private value"  # what is shown of a cell that nobody is to see
DETAILS = {
    "not_an_integer": "{text} is no whole number; digits with an optional sign{groups} are expected",
    "integer_out_of_range": "{text} does not fit into 64 bits",
    "not_a_number": "{text} is no number; {notation} is expected",
    "not_finite": "{text} is no finite number; declare it as a null token if it means a missing value",
    "number_out_of_range": "{text} is beyond the largest double",
    "finer_than_scale": "{text} has more than {scale} digits behind the point, which is what is stored",
    "decimal_out_of_range": "{text} has more than {precision} digits with {scale} of them behind the point",
    "not_a_boolean": f"{{text}} is none of {', '.join(TRUE + FALSE)}, in any case",
    "not_a_date": "{text} is no date as {format}",
    "not_a_timestamp": "{text} is no timestamp as {format}",
    "timestamp_out_of_range": "{text} as {format} is outside of the years 1 to 9999; is it in another unit?",
    "finer_than_microseconds": "{text} is finer than a microsecond, which is what is stored",
    "nonexistent_local_time": "{text} does not exist in {zone}: the clock was put forward over it",
    "ambiguous_local_time": "{text} happened twice in {zone}: the clock was put back over it",
    "below_min": "{text} is below the declared min, {min}",
    "above_max": "{text} is above the declared max, {max}",
    "schema_integer_became_float": "{text} is a whole number written as a float; digits alone are expected",
    "schema_new_level": "{text} is none of the declared levels",
}


def detail(reason: str, text: str, column: Column, timezone: str) -> str:
    """Say what was found and expected for one cell; a very long text is cut."""
    found = repr(text) if len(text) <= 100 else f"{text[:100]!r}... ({len(text)} characters)"
    found = PRIVATE if column.private else found
    exponent = "" if column.type == "decimal" else " or exponent"
    groups = "" if column.thousands is None else f" and groups of three apart by {column.thousands!r}"
    precision, scale = decimal_digits(column)
    hint = "" if column.private or not reason.startswith("not_a") else hint_at(reason, text, column)
    return (
        DETAILS[reason].format(
            text=found,
            format=f"declared ({column.format})" if column.format else "ISO 8601",
            zone=column.timezone or timezone,
            groups=groups,
            notation=f"decimal{exponent} notation with a {'point' if column.decimal == '.' else 'comma'}{groups}",
            precision=precision,
            scale=scale,
            min=column.min,
            max=column.max,
        )
        + hint
    )


def hint_at(reason: str, text: str, column: Column) -> str:
    """What a refused text may be after all, and what then to declare; nothing where it looks like nothing known.

    >>> hint_at("not_a_number", "8,9", Column(type="float"))
    '; if its separators are decimal or between thousands, declare them'
    >>> hint_at("not_a_date", "30.5.2020", Column(type="date"))
    '; if all are written like this, declare their format'
    """
    if text.strip() != text:
        return "; spaces around a value are part of it"
    if reason in ("not_a_date", "not_a_timestamp"):
        return "; if all are written like this, declare their format" if SEVERAL_NUMBERS.search(text) else ""
    return "; if its separators are decimal or between thousands, declare them" if SEPARATED.fullmatch(text) else ""
