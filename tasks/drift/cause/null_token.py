"""Missing values that are written another way: as a word, as a number, or as nothing where they were one of these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drafting.null_tokens import NULLS, null_tokens
from tasks.drift.cause.segments import marked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.segments import Segment
    from tasks.drift.cause.view import LevelColumn, NumberColumn, View

    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float64]

WORDS = NULLS | {
    "unknown",
    "undefined",
    "not available",
    "not applicable",
    "(null)",
    "\\n",
    "none given",
    "void",
    "#value!",
}
FEWEST = 5  # rows
FEW_TOKENS = 3  # numbers that are new at once
LEAST = 0.004  # share of the rows that have a number or lost a token
LEAST_WORDS = 0.001  # share of the rows that have a new word, or a number that is no value by its meaning
ABSENT = 5e-4  # share of the reference's values, at the most, that a new token has
MATCH = 0.35  # how much of a token's share the change of the missing share may differ by
TRADED = 20.0  # times its usual share, of a number within the range that has taken the place of missing values
ALONE = 0.1  # of the rows with a number, others that lie beyond the range on its side
FAR = 0.5  # from the range, in spreads from the 5 % to the 95 % quantile
HEAPED = 5.0  # times the rows of any one value that lies as near to the end within the range
LONG_NUMBER = 100.0  # below it, in either direction, a number within the range is an ordinary one
FILLED = 0.3  # of the missing share of every reference batch, what is left where one number fills the gaps
SURE = 5.0  # standard errors by which that number is more frequent than ever
PILED = 0.02  # share of the reference's values that lie as near to an end of the range within it
SENTINELS = frozenset(
    sign * value
    for sign in (-1.0, 1.0)
    for value in (
        *(float("9" * digits) for digits in range(2, 10)),
        *(float(8 * 10**digits) for digits in range(3, 6)),
        2147483647.0, 2147483648.0, 32767.0, 32768.0, 65535.0, 1e10, 1e20, 1e30,
    )
) | {-1.0, -9.0, -999.9, 999.9, -99.9}  # fmt: skip


def is_sentinel(value: float) -> bool:
    """Whether a number is one that people write for a missing value."""
    return value in SENTINELS


def null_token_changes(view: View) -> Iterator[Cause]:
    """The columns with a new way of saying that there is no value."""
    for levels in view.levels.values():
        yield from new_words(view, levels)
        yield from lost_words(view, levels)
    for numbers in view.numbers.values():
        yield from new_numbers(view, numbers)
        yield from filling_numbers(view, numbers)
        yield from lost_numbers(view, numbers)


def new_words(view: View, column: LevelColumn) -> Iterator[Cause]:
    """New levels that mean a missing value."""
    usual = [*column.known, *column.levels]
    tokens = {*null_tokens(usual), *(level for level in column.levels if level.strip().lower() in WORDS - NULLS)}
    tokens = {level for level in column.new if level in tokens}
    rows = np.isin(column.codes, [code for code, level in enumerate(column.levels) if level in tokens])
    if rows.sum() < max(FEWEST, LEAST_WORDS * view.rows):
        return
    now = float(np.mean(column.codes < 0))
    fell = column.missing - now > 0.5 * min(column.missing, rows.mean()) > 0
    evidence = (
        f"{', '.join(map(column.shown, sorted(tokens)))} is new and stands in {rows.mean():.1%} of the rows; the "
        f"missing share went from {column.missing:.1%} to {now:.1%}"
    )
    yield view.cause("null_token", (column.name,), segment_of(view, rows), evidence, 0.96 if fell else 0.88)


def lost_words(view: View, column: LevelColumn) -> Iterator[Cause]:
    """Known levels that mean a missing value, and are gone where more is missing."""
    tokens = [level for level in column.usual if level.strip().lower() in WORDS]
    share = sum(column.usual[level] for level in tokens) * (1 - column.missing)
    now = float(np.mean(column.codes < 0)) if view.rows else 0.0
    left = sum(column.rows_of(level) for level in tokens)
    if not is_traded(share, now - column.missing, left, view.rows, now - column.most_missing):
        return
    evidence = (
        f"{', '.join(map(column.shown, tokens))} stood in {share:.1%} of the reference's rows and stands in {left} of "
        f"these; the missing share went from {column.missing:.1%} to {now:.1%}"
    )
    yield view.cause("null_token", (column.name,), None, evidence, 0.9)


def new_numbers(view: View, column: NumberColumn) -> Iterator[Cause]:
    """A new number that is often there: one that people write for a missing value, or that has taken its place."""
    if column.usual.rows == 0 or not len(column.present):
        return
    values, counts = np.unique(column.present, return_counts=True)
    frequent = counts >= max(FEWEST, LEAST_WORDS * view.rows)
    pairs = zip(values[frequent].tolist(), counts[frequent].tolist(), strict=True)
    novel = [(value, count) for value, count in pairs if column.usual_share(value) <= ABSENT]
    often = [value for value, count in novel if count >= LEAST * view.rows]
    all_new = len(often) > FEW_TOKENS  # something else is the matter, but for a number that nobody measures
    for value, count in novel:
        if all_new and not is_sentinel(value):
            continue
        confidence = sureness(view, column, value, count)
        if confidence is None:
            continue
        now = float(np.mean(np.isnan(column.values)))
        evidence = (
            f"{column.shown(value)} stands in {count / view.rows:.1%} of the rows, where the reference has it in "
            f"{column.usual_share(value):.2%} and goes from {column.shown(column.usual.low)} to "
            f"{column.shown(column.usual.high)}; the missing share went from {column.missing:.1%} to {now:.1%}"
        )
        yield view.cause("null_token", (column.name,), segment_of(view, column.values == value), evidence, confidence)
        return


def sureness(view: View, column: NumberColumn, value: float, count: int) -> float | None:
    """How sure it is that a new number stands for a missing value; None where it is not."""
    now, share = float(np.mean(np.isnan(column.values))), count / view.rows
    agrees = abs(column.missing - now - share) <= MATCH * share
    traded = column.missing >= 0.01 and agrees and now < 0.7 * column.missing
    if is_sentinel(value) and (stands_apart(column, value, count) or stands_alone(column, value, count)):
        return 0.96 if traded else 0.92
    outside = not column.usual.low <= value <= column.usual.high
    if (
        traded
        and share >= LEAST
        and (outside or share > TRADED * max(column.usual_share(value), 1 / max(1, column.usual.rows)))
    ):
        return 0.9 if outside else 0.82
    return None


def filling_numbers(view: View, column: NumberColumn) -> Iterator[Cause]:
    """A number of the range that stands where values were missing in every reference batch, and hardly are now."""
    if column.least_missing < LEAST or not len(column.known_values) or not len(column.present):
        return
    now = float(np.mean(np.isnan(column.values)))
    if now > FILLED * column.least_missing:
        return
    values, counts = np.unique(column.present, return_counts=True)
    usual = np.array([column.usual_share(value) for value in values.tolist()])
    beyond = counts / view.rows - usual
    most = int(np.argmax(beyond))
    low, high = (1 - MATCH) * (column.least_missing - now), (1 + MATCH) * (column.most_missing - now)
    error = np.sqrt(max(usual[most], 1 / view.rows) * (1 / view.rows + 1 / len(column.known_values)))
    if not low <= beyond[most] <= high or beyond[most] < SURE * error:
        return
    evidence = (
        f"{column.shown(values[most])} stands in {counts[most] / view.rows:.1%} of the rows, where the reference has "
        f"it in {usual[most]:.1%}; {now:.1%} are missing, where each reference batch lacked "
        f"{column.least_missing:.1%} or more"
    )
    segment = segment_of(view, column.values == values[most])
    yield view.cause("null_token", (column.name,), segment, evidence, 0.8)


def stands_apart(column: NumberColumn, value: float, count: int) -> bool:
    """Whether a number lies outside the range without others: below 0, far, beyond an end with many rows, or in a heap.

    A column that drifts over its range's end brings other numbers there, and thins out towards it.
    """
    low, high = column.usual.low, column.usual.high
    if low <= value <= high:
        return False
    gap = max(low - value, value - high)
    beyond = column.present < low if value < low else column.present > high
    if beyond.sum() - count > ALONE * count:
        return False
    if value < 0 < low:
        return True
    inside = (low, low + gap) if value < low else (high - gap, high)
    piled = share_within(column.known_values, *inside)
    if gap > FAR * column.bulk or piled >= PILED:
        return True
    near = column.present[(column.present >= inside[0]) & (column.present <= inside[1])]
    return bool(count > HEAPED * np.unique(near, return_counts=True)[1].max(initial=1))


def stands_alone(column: NumberColumn, value: float, count: int) -> bool:
    """Whether a number of three digits or more lies in a tail of the range, with hardly another row far and wide."""
    if abs(value) < LONG_NUMBER:
        return False
    low, high = value - FAR * column.bulk, value + FAR * column.bulk
    others = int(np.sum((column.present >= low) & (column.present <= high))) - count
    usual = float(share_within(column.known_values, low, high)) * len(column.present)
    return max(float(others), usual) <= ALONE * count


def share_within(values: Floats, low: float, high: float) -> float:
    """Share of values between two ends; 0 of none."""
    return float(np.mean((values >= low) & (values <= high))) if len(values) else 0.0


def lost_numbers(view: View, column: NumberColumn) -> Iterator[Cause]:
    """A number that stood for a missing value, and is gone where more is missing."""
    if not len(column.known_values) or not view.rows:
        return
    values, counts = np.unique(column.known_values, return_counts=True)
    now = float(np.mean(np.isnan(column.values)))
    for value, count in zip(values, counts, strict=True):
        share = count / len(column.sample)
        if share < LEAST or not is_sentinel(float(value)):
            continue
        left = int(np.sum(column.values == value))
        if is_traded(share, now - column.missing, left, view.rows, now - column.most_missing):
            evidence = (
                f"{column.shown(value)} stood in {share:.1%} of the reference's rows and stands in {left} of these; "
                f"the missing share went from {column.missing:.1%} to {now:.1%}"
            )
            yield view.cause("null_token", (column.name,), None, evidence, 0.9)


def is_traded(share: float, more: float, left: int, rows: int, beyond: float) -> bool:
    """Whether a token is gone and as many more values are missing."""
    return (
        share >= LEAST
        and rows * share >= 20
        and left <= 0.1 * share * rows
        and beyond > 0
        and abs(more - share) <= MATCH * share
    )


def segment_of(view: View, rows: Mask) -> Segment:
    """Where the rows with a token lie."""
    return marked(rows, np.ones(view.rows, dtype=np.bool_), view.groups)
