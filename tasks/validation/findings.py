"""What the checks of a batch found: which rows to set aside, and what to say of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.private import HIDDEN
from tasks.quarantine.rows import Refusal
from tasks.table import FILE, LINE
from tasks.validation.expectations import describe, plain

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.table_chunks import Rows
    from tasks.validation.expectations import Check

EXAMPLES = 5


def quarantining(checks: Sequence[Check]) -> list[Check]:
    """The checks whose failing rows are set aside, in order of declaration."""
    return [
        check for check in checks if check.expectation.otherwise == "quarantine" and not check.success and check.rows
    ]


def failing_rows(checks: Sequence[Check], start: int, stop: int) -> dict[int, list[Check]]:
    """Rows to quarantine among those from `start` up to `stop`.

    Returns
    -------
    dict of int to list of Check
        Place, from 0 at `start`, of each failing row -> the checks that it fails, in order of declaration; in order of
        place.
    """
    failing: dict[int, list[Check]] = {}
    for check in quarantining(checks):
        for place in check.rows.mask(start, stop).nonzero()[0].tolist():
            failing.setdefault(place, []).append(check)
    return dict(sorted(failing.items()))


def refusals(rows: pa.Table, failing: Mapping[int, Sequence[Check]], batch: str, file: str) -> list[Refusal]:
    """What the quarantine says of each failing row.

    Parameters
    ----------
    rows : Table
        Typed rows, with `_line`, and `_file` where the batch has rows of several files.
    failing : mapping of int to sequence of Check
        As `failing_rows` gives it.
    batch, file : str
        The batch, and the raw file that its lines count in, where the rows do not keep their own.

    Returns
    -------
    list of Refusal
        One for each failing row: column, reason and expectation of the first check, details of all, the row as JSON.
    """
    refused = []
    for row, checks in zip(rows_at(rows, failing), failing.values(), strict=True):
        line, own_file = row.pop(LINE), row.pop(FILE, file)
        refused.append(
            Refusal(
                batch=batch,
                file=own_file,
                line=line,
                column=", ".join(checks[0].columns) or None,
                reason=checks[0].reason,
                detail="; ".join(detail(check, row) for check in checks),
                raw=row_text(row),
                expectation=checks[0].declared,
            )
        )
    return refused


def detail(check: Check, row: Mapping[str, Any]) -> str:
    """What was found in a row and what was expected."""
    found = f"found {describe(found_values(check, row))}; " if check.columns else ""
    return f"{found}expected {check.declared}"


def found_values(check: Check, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's values in the columns that a check is about."""
    return {name: HIDDEN if name in check.hidden else plain(row[name]) for name in check.columns}


def examples(rows: Rows, checks: Sequence[Check]) -> list[list[dict[str, Any]]]:
    """For each check, the first failing rows: their lines and what was found in them.

    Parameters
    ----------
    rows : Rows
        The typed batch, with `_line`, and `_file` where it has rows of several files; it is read as far as such rows
        lie.
    """
    wanted = sorted({place for check in checks for place in check.rows.first[:EXAMPLES]})
    named = [name for name in (LINE, FILE) if name in rows.names]
    columns = [*named, *dict.fromkeys(name for check in checks for name in check.columns)]
    found: dict[int, dict[str, Any]] = {}
    start = 0
    for chunk in rows.chunks(columns) if wanted else ():
        here = [place for place in wanted if start <= place < start + chunk.num_rows]
        found.update(zip(here, rows_at(chunk, [place - start for place in here]), strict=True))
        start += chunk.num_rows
        if wanted[-1] < start:
            break
    return [[example(check, found[place]) for place in check.rows.first[:EXAMPLES]] for check in checks]


def example(check: Check, row: Mapping[str, Any]) -> dict[str, Any]:
    """Where a failing row stands, and what was found in it."""
    file = {"file": row[FILE]} if FILE in row else {}
    return {**file, "line": row[LINE], "found": found_values(check, row)}


def finding(check: Check, shown: Sequence[Mapping[str, Any]], file: str) -> str:
    """One line on a check that does not hold: the expectation, how often, the first lines, what was found."""
    if check.vacuous:
        plain_column = "column" in check.expectation.arguments and "row_condition" not in check.expectation.arguments
        why = "the column has no value in this batch" if plain_column else "it can judge no row of this batch"
        return f"{check.declared} has nothing to look at: {why}"
    if check.unexpected_count is None:
        return f"{check.declared} does not hold: found {check.observed!r}"
    more = ", ..." if check.unexpected_count > len(shown) else ""
    first = f"; found {describe(shown[0]['found'])} in the first" if check.columns else ""
    return (
        f"{check.declared} does not hold for {check.unexpected_count:,} of {check.element_count:,} rows: "
        f"{told_places(shown, file)}{more}{first}"
    )


def told_places(shown: Sequence[Mapping[str, Any]], file: str) -> str:
    """Where failing rows stand: lines of the batch's file, or of those that the rows name.

    >>> told_places([{"line": 3}, {"line": 9}], "data/raw/homes/a.csv")
    'data/raw/homes/a.csv, line 3, 9'
    >>> told_places([{"file": "b.csv", "line": 3}, {"file": "b.csv", "line": 9}, {"file": "c.csv", "line": 1}], "")
    'b.csv, line 3, 9; c.csv, line 1'
    """
    lines: dict[str, list[str]] = {}
    for each in shown:
        lines.setdefault(each.get("file", file), []).append(str(each["line"]))
    return "; ".join(f"{name}, line {', '.join(found)}" for name, found in (lines or {file: []}).items())


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
