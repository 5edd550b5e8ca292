"""A part of the batch has not come: it covers less time, has a hole, lacks a site, or is far too small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.segments import Segment
from tasks.drift.cause.time_zone_slip import HALF_HOUR, MONDAY, SLOTS, weekly_rates
from tasks.drift.cause.view import FEW_BATCHES, iso

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import LevelColumn, View

    Floats = NDArray[np.float64]

SHORTER = 0.95  # of the shortest reference batch's time
FEWER = 0.95  # of the usual rows
SMALL = 0.25  # of the smallest reference batch
HOLE = 0.05  # share of the rows that a hole ought to have
FEWEST = 30  # rows that ought to be there
LONGER = 2.0  # times the longest time without a row of a reference batch
A_DAY = 86_400.0
PRESENT = 0.02  # share of the rows that a level has in each reference batch
STEADY = 0.6  # of its usual share, before it stopped
LONGER_STOP = 4.0  # times the longest stretch without the level before it stopped


def late_partitions(view: View) -> Iterator[Cause]:
    """What is missing of time, of sites, or of everything."""
    if len(view.spans) < FEW_BATCHES:
        return
    yield from too_small(view)
    if view.rows == 0:
        return
    yield from cut_short(view)
    yield from hole(view)
    for column in view.levels.values():
        if column.name in view.groups:
            yield from lost_level(view, column)


def lengths(view: View) -> Floats:
    """How long the reference batches are, in seconds."""
    known = [span.end - span.start for span in view.spans if span.start is not None and span.end is not None]
    return np.array(known, dtype=np.float64)


def cut_short(view: View) -> Iterator[Cause]:
    """A batch that covers less time than any of the reference, and has fewer rows."""
    usual = lengths(view)
    there = np.empty(0) if view.times is None else view.times[~np.isnan(view.times)]
    if len(usual) < FEW_BATCHES or len(there) < 2 or usual.min() <= 0:
        return
    length, rows = float(there[-1] - there[0]), float(np.median([span.rows for span in view.spans]))
    if length > SHORTER * usual.min() or view.rows > FEWER * rows * (1 + length / usual.min()) / 2:
        return
    lacking = 1 - length / float(np.median(usual))
    evidence = (
        f"its rows are from {iso(there[0])} to {iso(there[-1])}, which is {shown(length)}, where the shortest of "
        f"{len(usual)} reference batches has {shown(usual.min())}; it has {view.rows} rows, they {rows:.0f} (median)"
    )
    yield view.cause("late_partition", columns_of(view), None, evidence, 0.86 + 0.12 * min(1.0, 3 * lacking))


def shown(seconds: float) -> str:
    """A time in days or hours."""
    return f"{seconds / A_DAY:.1f} days" if seconds >= 2 * A_DAY else f"{seconds / 3600:.1f} hours"


def columns_of(view: View) -> tuple[str, ...]:
    """The column of time, if there is one."""
    return () if view.context.time is None else (view.context.time,)


def hole(view: View) -> Iterator[Cause]:
    """A time without a row, longer than those of the reference, in which many ought to have been."""
    rates = weekly_rates(view)
    if view.times is None or view.local is None or rates is None or np.isnan(view.times).all():
        return
    times, local = (each[~np.isnan(each)] for each in (view.times, view.local))
    if len(times) < 2:
        return
    place = int(np.argmax(np.diff(times)))
    gap = float(times[place + 1] - times[place])
    inside, whole = (ought(rates, *ends) for ends in ((local[place], local[place + 1]), (local[0], local[-1])))
    share = inside / max(whole, 1e-9)
    lacking = share * view.rows / max(1e-9, 1 - share)
    known = [habits.gap for habits in view.context.habits]
    longest = LONGER * max(known) if known else A_DAY
    if gap <= longest or share < HOLE or lacking < FEWEST:
        return
    evidence = (
        f"no row from {iso(times[place])} to {iso(times[place + 1])}, where about {lacking:.0f} are to be expected "
        f"({share:.1%} of the batch)"
        + (f"; the longest gap of earlier batches is {shown(max(known))}" if known else "")
    )
    segment = Segment(np.zeros(view.rows, dtype=np.bool_), place + 1, None, None, lacking)
    yield view.cause("late_partition", columns_of(view), segment, evidence, 0.9 if known else 0.8)


def ought(rates: Floats, start: float, end: float) -> float:
    """Rows that two moments ought to have between them, in rows of a mean half hour."""
    first, last = int(np.floor(start / HALF_HOUR)) + 1, int(np.floor(end / HALF_HOUR))
    return float(rates[(np.arange(first, max(first, last)) + MONDAY) % SLOTS].sum())


def too_small(view: View) -> Iterator[Cause]:
    """A batch of a fraction of the rows of any other, although it covers their time or none is known."""
    least = min(span.rows for span in view.spans)
    if view.rows >= SMALL * least or least < FEWEST:
        return
    evidence = f"{view.rows} rows, where the smallest of {len(view.spans)} reference batches has {least}"
    yield view.cause("late_partition", columns_of(view), None, evidence, 0.85)


def lost_level(view: View, column: LevelColumn) -> Iterator[Cause]:
    """A level that every reference batch has, and this one not at all, or not from some row on."""
    order = list(column.usual)
    for level, share in column.usual.items():
        place = order.index(level)
        least = float(column.batches[:, place].min()) if len(column.batches) else 0.0
        if least < PRESENT or view.rows * least < FEWEST:
            continue
        if level not in column.levels:
            yield from gone(view, column, level, share)
        else:
            yield from stopped(view, column, level, least)


def gone(view: View, column: LevelColumn, level: str, share: float) -> Iterator[Cause]:
    """A level without a row, if the rows are fewer by as many."""
    rows = float(np.median([span.rows for span in view.spans]))
    if column.new or view.rows > (1 - 0.5 * share) * rows:
        return  # renamed, or replaced by the others
    evidence = (
        f"no row of {column.shown(level)}, which has {share:.1%} of the reference's rows and some in each of its "
        f"batches; the batch has {view.rows} rows, they {rows:.0f} (median)"
    )
    yield view.cause("late_partition", (column.name,), None, evidence, 0.8)


def stopped(view: View, column: LevelColumn, level: str, least: float) -> Iterator[Cause]:
    """A level that is as frequent as ever, and then no more."""
    places = np.flatnonzero(column.codes == column.levels.index(level))
    after, before = view.rows - 1 - int(places[-1]), int(places[-1]) + 1
    if after * least < FEWEST or len(places) < FEWEST or len(places) / before < STEADY * least:
        return
    longest = max(int(np.diff(places).max()), int(places[0]))
    recent = np.mean(column.codes[max(0, before - after) : before] == column.levels.index(level))
    if after < LONGER_STOP * longest or recent < STEADY * least:
        return
    segment = Segment(
        np.zeros(view.rows, dtype=np.bool_), int(places[-1]) + 1, None, (column.name, level), float(after)
    )
    evidence = (
        f"no row of {column.shown(level)} among the last {after}, which has at least {least:.1%} of every reference "
        f"batch; before, the longest stretch without it has {longest} rows"
    )
    yield view.cause("late_partition", (column.name,), segment, evidence, 0.85)
