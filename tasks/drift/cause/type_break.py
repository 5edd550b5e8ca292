"""Values of another type: a text for a number, a number for a text, `7.0` for `7`, whole numbers for decimals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.segments import marked

if TYPE_CHECKING:
    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import LevelColumn, NumberColumn, View

FEWEST = 20  # rows
MOSTLY = 0.5  # share of the rows with new levels
DECIMALS = 0.7  # share of the reference's values that are not whole, at least, for whole ones to be strange
REFUSED = 0.2  # share of the raw rows that were refused


def type_breaks(view: View) -> Iterator[Cause]:
    """The columns of another type, and the batch of which much was refused."""
    for name, kind in view.mistyped.items():
        yield view.cause("type_break", (name,), None, f"its values are {kind}, which the reference's are not", 0.97)
    for levels in view.levels.values():
        yield from reformatted(view, levels)
        yield from numbered(view, levels)
    for numbers in view.numbers.values():
        yield from cut(view, numbers)
    yield from refused(view)


def reformatted(view: View, column: LevelColumn) -> Iterator[Cause]:
    """Codes of digits that are written as another number type writes them."""
    known = {number: level for level in column.known if (number := number_of(level)) is not None}
    found = {
        level: known[number] for level in column.new if (number := number_of(level)) is not None and number in known
    }
    rows = np.isin(column.codes, [code for code, level in enumerate(column.levels) if level in found])
    unseen = sum(column.rows_of(level) for level in column.new)
    if rows.sum() < 3 or rows.sum() < MOSTLY * unseen:
        return
    first = max(found, key=lambda level: (column.rows_of(level), level))
    evidence = (
        f"{column.shown(first)} is the number that the known {column.shown(found[first])} is; so are {len(found)} new "
        f"levels in {rows.sum()} rows"
    )
    yield view.cause("type_break", (column.name,), marked(rows, column.codes >= 0, view.groups), evidence, 0.94)


def numbered(view: View, column: LevelColumn) -> Iterator[Cause]:
    """Numbers in place of words."""
    words = [level for level in column.usual if number_of(level) is None]
    if not column.usual or len(words) < 0.9 * len(column.usual):
        return
    numbers = [code for code, level in enumerate(column.levels) if level in column.new and number_of(level) is not None]
    rows = np.isin(column.codes, numbers)
    if rows.sum() < FEWEST:
        return
    segment = marked(rows, column.codes >= 0, view.groups)
    inside = segment.rows & (column.codes >= 0)
    if rows[inside].mean() < 0.9:
        return
    shown = ", ".join(column.shown(column.levels[code]) for code in numbers[:3])
    word = column.shown(words[0])
    evidence = f"{rows.sum()} rows have a number ({shown}), where the reference has words such as {word}"
    yield view.cause("type_break", (column.name,), segment, evidence, 0.9)


def number_of(level: str) -> float | None:
    """The finite number that a text writes; None of words."""
    try:
        number = float(level.strip().replace(",", "").replace("_", "x"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def cut(view: View, column: NumberColumn) -> Iterator[Cause]:
    """Whole numbers, where most of the reference's are not whole."""
    known, values = column.known_values, column.present
    if len(known) < 10 * FEWEST or len(values) < FEWEST or len(np.unique(values)) < 4:
        return
    usual = float(np.mean(known != np.round(known)))
    if usual < DECIMALS or np.any(values != np.round(values)):
        return
    if column.nearest(values, 1.0) > column.room(len(values)):
        return  # the values have changed as well: something else is the matter
    evidence = f"all {len(values)} values are whole, where {usual:.1%} of the reference's are not"
    yield view.cause("type_break", (column.name,), None, evidence, 0.85)


def refused(view: View) -> Iterator[Cause]:
    """Many rows of which no typed row could be made, or that were not as declared."""
    rows, raw = sum(view.context.quarantined.values()), view.context.raw_rows
    if not raw or rows < max(FEWEST, REFUSED * raw):
        return
    reason, most = max(view.context.quarantined.items(), key=lambda one: (one[1], one[0]))
    evidence = f"{rows} of {raw} raw rows were refused, {most} of them because of {reason}"
    yield view.cause("type_break", (), None, evidence, 0.7)
