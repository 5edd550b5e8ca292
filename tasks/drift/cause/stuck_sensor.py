"""A sensor that is stuck: one value, over a run of rows far longer than any that chance or habit give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.habits import ALL, run_in
from tasks.drift.cause.null_token import is_sentinel
from tasks.drift.cause.segments import Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import NumberColumn, View

    Positions = NDArray[np.intp]

FEWEST = 20  # rows
SURPRISE = 14.0  # logarithm of how unlikely the run is, all places counted where it might have begun
HABITS = 2.0  # times the longest run of a reference batch
USUAL = 0.05  # share of a value that comes back often: only habits tell how long its runs are
USUAL_HABITS = 4.0
USUAL_OF_LEVEL = 0.3  # share of a level's most frequent value, up to which a run within the level says anything
VARIED = 0.1  # chance that two rows of the reference have the same value, at the most, where nothing else tells
LIMIT = 0.2  # of a run, other rows with a value that is a limit
ENOUGH = 200  # other rows of the batch, to tell how often a value stays


def stuck_sensors(view: View) -> Iterator[Cause]:
    """The columns with a run of one value that is too long."""
    for column in view.numbers.values():
        if len(column.present) < FEWEST or not column.usual.high > column.usual.low:
            continue
        found = [each for each in runs(view, column) if each is not None]
        if found:
            yield max(found, key=lambda each: each[0])[1]


def runs(view: View, column: NumberColumn) -> Iterator[tuple[int, Cause] | None]:
    """The longest run among all rows, and within the levels of each category that has few; those that are too long."""
    yield looked_at(view, column, ALL, None)
    for name, (codes, levels) in view.groups.items():
        habitual = longest_of(view, name, column.name) is not None
        varied = [habitual or varies(column.of_level(view.levels[name], level)) for level in levels]
        yield looked_at(view, column, name, np.where(np.array([*varied, False])[codes], codes, -1))


def varies(values: NDArray[np.float64]) -> bool:
    """Whether the reference's rows of one level are enough, and differ: a site may always report the same."""
    if len(values) < FEWEST:
        return False
    return bool(np.unique(values, return_counts=True)[1].max() <= USUAL_OF_LEVEL * len(values))


def looked_at(view: View, column: NumberColumn, group: str, codes: Positions | None) -> tuple[int, Cause] | None:
    """The longest run and its cause, if it is too long."""
    length, places = run_in(column.values, codes)
    if length < FEWEST:
        return None
    value = float(column.values[places[0]])
    if is_sentinel(value) and not column.usual.low <= value <= column.usual.high:
        return None  # a token for a missing value
    longest = longest_of(view, group, column.name)
    stays = staying(column, codes, places, value)
    if stays is None:
        stays = chance_of_two(column) if longest is None else by_habit(longest, view)
    share = column.usual_share(value)
    surprise = length * -np.log(stays) - np.log(view.rows)
    if surprise < SURPRISE or not beyond_habit(length, longest, share) or is_limit(column, value, length):
        return None
    segment = segment_of(view, group, codes, places)
    known = "" if longest is None else f", the longest of earlier batches has {longest}"
    evidence = (
        f"{column.shown(value)} in {length} rows one after another{known}; elsewhere a value stays in {stays:.1%} of "
        f"the rows, and {share:.1%} of the reference's values are this one"
    )
    confidence = 0.95 - (0.15 if longest is None else 0.0) - min(0.2, share)
    return length, view.cause("stuck_sensor", (column.name,), segment, evidence, confidence)


def longest_of(view: View, group: str, name: str) -> int | None:
    """The longest run of an earlier batch; None where none tells."""
    found = [habits.runs[group].get(name, 0) for habits in view.context.habits if group in habits.runs]
    return max(found, default=None)


def by_habit(longest: int, view: View) -> float:
    """How often a value stays, where the longest run among so many rows has been so long."""
    rows = max(2, int(np.median([habits.rows for habits in view.context.habits])))
    return float(rows ** (-1 / max(1, longest)))


def beyond_habit(length: int, longest: int | None, share: float) -> bool:
    """Whether earlier batches have no run that comes near."""
    if longest is None:
        return share < USUAL
    return length > (USUAL_HABITS if share >= USUAL else HABITS) * longest + FEWEST / 2


def is_limit(column: NumberColumn, value: float, length: int) -> bool:
    """Whether the value is the batch's least or greatest, and comes back more often than ever: values are cut there."""
    extreme = value in (column.present.min(), column.present.max())
    others = len(column.present) - length
    more = np.sum(column.present == value) - length - column.usual_share(value) * others
    return bool(extreme and more > LIMIT * length)


def staying(column: NumberColumn, codes: Positions | None, places: Positions, value: float) -> float | None:
    """How often a value is the one before it, of the batch's other rows; None where these are few."""
    order = np.arange(len(column.values)) if codes is None else np.argsort(codes, kind="stable")
    inside = np.zeros(len(column.values), dtype=np.bool_)
    inside[places] = True
    others = order[~np.isnan(column.values[order]) & ~inside[order]]
    same, before = column.values[others][1:] == column.values[others][:-1], column.values[others][:-1] == value
    if before.sum() >= FEWEST:
        return float((same[before].sum() + 1) / (before.sum() + 2))
    if len(same) >= ENOUGH:
        return float((same.sum() + 1) / (len(same) + 2))
    return None


def chance_of_two(column: NumberColumn) -> float:
    """How often two rows of the reference have one value; 1, which is no evidence, where that is often."""
    values = column.known_values
    if len(values) < ENOUGH:
        shares = column.usual.counts / max(1, column.usual.rows)
    else:
        shares = np.unique(values, return_counts=True)[1] / len(values)
    chance = float(np.sum(shares**2))
    return max(chance, 1e-3) if chance <= VARIED else 1.0


def segment_of(view: View, group: str, codes: Positions | None, places: Positions) -> Segment:
    """The run as a segment."""
    rows = np.zeros(view.rows, dtype=np.bool_)
    rows[places] = True
    first, last = int(places[0]), int(places[-1])
    level = None if codes is None else (group, view.groups[group][1][codes[first]])
    others = np.arange(view.rows) if codes is None else np.flatnonzero(codes == codes[first])
    edge = max(1, len(others) // 50)
    return Segment(
        rows,
        None if first <= others[edge - 1] else first,
        None if last >= others[-edge] else last,
        level,
        float(len(places)),
    )
