"""Times of another zone: the rhythm of the week stands whole or half hours beside where it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from tasks.drift.cause.segments import strongest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.segments import Segment
    from tasks.drift.cause.view import Span, View

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

HALF_HOUR = 1800.0
SLOTS = 336  # half hours of a week
MONDAY = 144  # half hours from Monday to Thursday, the first day of 1970
FARTHEST = 28  # half hours
HOUR = 2  # half hours
WEEK = 7 * 86_400.0  # seconds; a longer time without a row is a hole in the reference, a shorter one its rhythm
SELDOM = 0.25  # share of the mean exposure, below which the reference does not tell how many rows an hour has
ZONES = ("America/New_York", "Europe/Berlin", "Australia/Sydney")  # whose clocks change at different times
FEWEST = 200  # rows
PRIOR = 0.5  # rows that every slot is thought to have
GAIN = 0.05  # logarithm of a likelihood, per row
NOISE = 84.0  # over the rows: the divergence that chance gives in 168 hours
NEARER = 0.5  # share of the divergence that may be left
LITTLE = 0.15  # share of it that may be left even if a reference batch has less
BEYOND_CHANCE = 1.5  # times the divergence that few rows, of batch or reference, give by chance
CLIP = 4.0  # one row's say


def time_zone_slips(view: View) -> Iterator[Cause]:
    """The shift, if the rhythm is the reference's but for it, and no reference batch has as great a one."""
    if view.local is None or view.week is None or view.context.time is None:
        return
    at = np.flatnonzero(~np.isnan(view.local))
    rates = weekly_rates(view)
    if len(at) < FEWEST or rates is None:
        return
    slots = slots_of(view.local[at])
    exposure = exposure_of(float(view.local[at].min()), float(view.local[at].max()))
    found = [(told(rates, exposure, slots, shift), shift) for shift in shifts()]
    segments = [(strongest(scores, at, view.rows, view.groups), shift) for scores, shift in found]
    segment, shift = max(segments, key=lambda one: one[0].score)
    yield from judged(view, rates, segment, shift)


def shifts() -> list[int]:
    """Half hours that a zone may be away, none first."""
    return [shift for size in range(1, FARTHEST + 1) for shift in (size, -size)]


def slots_of(local: Floats) -> Positions:
    """The half hour of the week of each moment."""
    return (np.floor(local / HALF_HOUR).astype(np.intp) + MONDAY) % SLOTS


def weekly_rates(view: View) -> Floats | None:
    """Rows per half hour of the week, on the mean 1; None where there are too few.

    By how often the reference had each: a reference that ends on a Saturday has no fewer rows on Sundays for that. Of
    hours that it had never nothing is known, and they are taken for ordinary ones.
    """
    if view.week is None or view.week.sum() < FEWEST:
        return None
    halves = np.full(2, 0.5)
    if len(view.sample_local) >= FEWEST:
        counts = np.bincount(slots_of(view.sample_local) % 2, minlength=2) + 1.0
        halves = counts / counts.sum()
    exposure = exposure_of_reference(view)
    told = exposure >= SELDOM
    rates = ((view.week + PRIOR)[:, None] * halves).ravel() / np.maximum(exposure, SELDOM)
    rates[~told] = rates[told].mean()
    rates = rates + 0.02 * rates.mean()  # an hour without a row is not impossible
    return np.asarray(rates / rates.mean(), dtype=np.float64)


def exposure_of(start: float, end: float) -> Floats:
    """How often each half hour of the week lies between two moments."""
    first, last = (int(np.floor(moment / HALF_HOUR)) for moment in (start, end))
    return np.bincount((np.arange(first, min(last + 1, first + 400 * SLOTS)) + MONDAY) % SLOTS, minlength=SLOTS).astype(
        np.float64
    )


def exposure_of_reference(view: View) -> Floats:
    """How often each half hour of the week was in the reference, on the mean 1; ones where its times are not known."""
    known = [span for span in view.spans if span.start is not None and span.end is not None]
    spans = sorted((span.start + view.clock, span.end + view.clock) for span in known)  # type: ignore[operator]
    found = np.zeros(SLOTS)
    for start, end in without_holes(spans):
        found += exposure_of(start, end)
        first, last = slots_of(np.array([start, end]))
        found[first] -= start % HALF_HOUR / HALF_HOUR
        found[last] -= 1 - end % HALF_HOUR / HALF_HOUR
    return found / found.mean() if found.any() else np.ones(SLOTS)


def without_holes(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Stretches of time, those that are less than a week apart taken together.

    >>> without_holes([(0.0, 10.0), (20.0, 30.0), (30.0 + WEEK, 40.0 + WEEK)])
    [(0.0, 30.0), (604830.0, 604840.0)]
    """
    found: list[tuple[float, float]] = []
    for start, end in spans:
        if found and start - found[-1][1] < WEEK:
            before = found.pop()
            found.append((before[0], max(end, before[1])))
        else:
            found.append((start, end))
    return found


def expected(rates: Floats, exposure: Floats, shift: int) -> Floats:
    """Share of the rows that each half hour of the week is to have, were the rhythm shifted."""
    shares = np.roll(rates, shift) * exposure
    return np.asarray(shares / max(shares.sum(), 1e-300), dtype=np.float64)


def told(rates: Floats, exposure: Floats, slots: Positions, shift: int) -> Floats:
    """How much better a shift explains each row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.log(expected(rates, exposure, shift)[slots]) - np.log(expected(rates, exposure, 0)[slots])
    return np.asarray(np.clip(np.nan_to_num(scores), -CLIP, CLIP), dtype=np.float64)


def divergence(counts: Floats, shares: Floats) -> float:
    """Kullback and Leibler's, of what was counted from what is expected; in nats, for hours of the week."""
    now = counts.reshape(-1, 2).sum(axis=1) if len(counts) == SLOTS else counts
    then = shares.reshape(-1, 2).sum(axis=1)
    now = now / max(now.sum(), 1.0)
    there = (now > 0) & (then > 0)
    return max(0.0, float(np.sum(now[there] * np.log(now[there] / then[there]))))


def judged(view: View, rates: Floats, segment: Segment, shift: int) -> Iterator[Cause]:
    """A cause, if what is left is ordinary, and what was there is not."""
    rows = segment.rows & ~np.isnan(view.local)  # type: ignore[arg-type]
    held = int(rows.sum())
    if held < FEWEST or segment.score < GAIN * held:
        return
    inside = view.local[rows]  # type: ignore[index]
    exposure = exposure_of(float(inside.min()), float(inside.max()))
    counts = np.bincount(slots_of(inside), minlength=SLOTS).astype(np.float64)
    before, after = (divergence(counts, expected(rates, exposure, size)) for size in (0, shift))
    if abs(shift) == HOUR and clocks_changed(view, float(np.median(view.times[rows]))):  # type: ignore[index]
        return
    usual = [of_span(span, rates, view.clock) for span in view.spans if span.week is not None]
    ordinary = max((size for size, _ in usual), default=0.1)
    if abs(shift) <= max((abs(found) for _, found in usual), default=0):
        return
    chance = NOISE / held + NOISE / float(view.week.sum())  # type: ignore[union-attr]
    if before <= BEYOND_CHANCE * chance or not is_clear(before, after, ordinary, held):
        return
    evidence = (
        f"the rhythm of {held} rows is {shift / 2:+g} hours from the reference's: the divergence falls from "
        f"{before:.3f} to {after:.3f} nats with it (a reference batch has {ordinary:.3f} at the most, without a shift)"
    )
    confidence = 0.96 - 0.3 * after / before - (0.1 if abs(shift) <= 2 else 0.0)
    yield view.cause("time_zone_slip", (view.context.time or "",), segment, evidence, confidence)


def is_clear(before: float, after: float, ordinary: float, rows: int) -> bool:
    """Whether the rhythm is unlike the reference's, and like it once it is shifted."""
    allowed = max(1.5 * ordinary + NOISE / rows, LITTLE * before)
    return before > 1.3 * ordinary and after <= min(allowed, NEARER * before)


def clocks_changed(view: View, moment: float) -> bool:
    """Whether the clocks of some part of the world show another hour than at all batches of the reference.

    A rhythm that follows them then moves by an hour in UTC, and one that does not moves on the column's own clock.
    """
    spans = [(span.start + span.end) / 2 for span in view.spans if span.start is not None and span.end is not None]
    return any(hours_ahead(zone, moment) not in {hours_ahead(zone, each) for each in spans} for zone in ZONES)


def hours_ahead(zone: str, moment: float) -> float:
    """By how many hours a zone's clocks are ahead of UTC."""
    ahead = datetime.fromtimestamp(moment, ZoneInfo(zone)).utcoffset()
    return 0.0 if ahead is None else ahead.total_seconds() / 3600


def of_span(span: Span, rates: Floats, clock: float) -> tuple[float, int]:
    """The divergence of a reference batch, and the shift that explains it clearly better than none; 0 if none does."""
    if span.week is None or span.start is None or span.end is None or span.rows < FEWEST:
        return 0.0, 0
    exposure = exposure_of(span.start + clock, span.end + clock)  # weeks are of local time, moments are not
    week = span.week.astype(np.float64)
    found = {size: divergence(week, expected(rates, exposure, size)) for size in (0, *shifts())}
    best = min(found, key=lambda size: found[size])
    return found[0], best if found[best] < NEARER * found[0] and found[0] - found[best] >= GAIN else 0
