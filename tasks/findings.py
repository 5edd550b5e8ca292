"""What the checks of a batch found: which rows to set aside, and what to say of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.expectations import describe, named_columns, plain
from tasks.private import HIDDEN
from tasks.quarantine import Refusal
from tasks.table import LINE

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.expectations import Check

EXAMPLES = 5


def failing_rows(checks: Sequence[Check]) -> dict[int, list[Check]]:
    """Rows to quarantine: position -> the checks that it fails, in order of declaration; in order of position."""
    failing: dict[int, list[Check]] = {}
    for check in checks:
        if check.expectation.otherwise == "quarantine" and not check.success:
            for row in check.rows:
                failing.setdefault(row, []).append(check)
    return dict(sorted(failing.items()))


def refusals(rows: pa.Table, failing: Mapping[int, Sequence[Check]], batch: str, file: str) -> list[Refusal]:
    """What the quarantine says of each failing row.

    Parameters
    ----------
    rows : Table
        The typed batch, with `_line`.
    failing : mapping of int to sequence of Check
        As `failing_rows` gives it.
    batch, file : str
        The batch, and the raw file that its lines count in.

    Returns
    -------
    list of Refusal
        One for each failing row: column and reason of the first check, details of all, the row as JSON.
    """
    refused = []
    for row, checks in zip(rows_at(rows, failing), failing.values(), strict=True):
        line = row.pop(LINE)
        columns = named_columns(checks[0].expectation)
        refused.append(
            Refusal(
                batch=batch,
                file=file,
                line=line,
                column=", ".join(columns) or None,
                reason=checks[0].expectation.name,
                detail="; ".join(detail(check, row) for check in checks),
                raw=row_text(row),
            )
        )
    return refused


def detail(check: Check, row: Mapping[str, Any]) -> str:
    """What was found in a row and what was expected."""
    return f"found {describe(found_values(check, row))}; expected {check.declared}"


def found_values(check: Check, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's values in the columns that a check is about."""
    return {name: HIDDEN if name in check.hidden else plain(row[name]) for name in named_columns(check.expectation)}


def examples(rows: pa.Table, check: Check) -> list[dict[str, Any]]:
    """The first failing rows: their lines and what was found in them."""
    taken = rows_at(rows, check.rows[:EXAMPLES])
    return [{"line": row[LINE], "found": found_values(check, row)} for row in taken]


def finding(check: Check, shown: Sequence[Mapping[str, Any]], file: str) -> str:
    """One line on a check that does not hold: the expectation, how often, the first lines, what was found."""
    if check.vacuous:
        return f"{check.declared} has nothing to look at: the column has no value in this batch"
    if check.unexpected_count is None:
        return f"{check.declared} does not hold: found {check.observed!r}"
    lines = ", ".join(str(example["line"]) for example in shown)
    more = ", ..." if check.unexpected_count > len(shown) else ""
    return (
        f"{check.declared} does not hold for {check.unexpected_count:,} of {check.element_count:,} rows: {file}, "
        f"line {lines}{more}; found {describe(shown[0]['found'])} in the first"
    )


def rows_at(rows: pa.Table, positions: Iterable[int]) -> list[dict[str, Any]]:
    """Rows by position, as plain dicts; dates and times as text."""
    import pyarrow as pa

    taken = rows.take(pa.array(positions, pa.int64()))
    for place, field in enumerate(taken.schema):
        if pa.types.is_temporal(field.type):
            taken = taken.set_column(place, field.name, taken.column(place).cast(pa.string()))
    found: list[dict[str, Any]] = taken.to_pylist()
    return found


def row_text(row: Mapping[str, Any]) -> str:
    """A row as JSON; infinite values, which JSON does not have, as text."""
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(plain(row), ensure_ascii=False, allow_nan=False)
