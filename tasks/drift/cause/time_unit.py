"""Moments that were written in one unit and read in another, such as milliseconds since 1970 as seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.segments import marked
from tasks.drift.cause.view import iso

if TYPE_CHECKING:
    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import View

FACTORS = {
    1e3: "milliseconds were taken for microseconds, or seconds for milliseconds",
    1e6: "seconds were taken for microseconds, or milliseconds for nanoseconds",
    1e9: "seconds were taken for nanoseconds",
    1e-3: "milliseconds were taken for seconds, or microseconds for milliseconds",
}
YEAR = 365.25 * 86_400
FEWEST = 5  # rows
PART = 0.01  # share of the rows


def time_units(view: View) -> Iterator[Cause]:
    """The rows that lie far from the reference's time, and within it or soon after once their moments are scaled."""
    known = [moment for span in view.spans for moment in (span.start, span.end) if moment is not None]
    if view.times is None or view.context.time is None or not known:
        return
    first, last = min(known), max(known)
    room = max(last - first, YEAR)
    there = ~np.isnan(view.times)
    away = there & ((view.times < first - room) | (view.times > last + room))
    for factor, how in FACTORS.items():
        scaled = view.times * factor
        rows = away & (scaled >= first - room) & (scaled <= last + room)
        if rows.sum() < max(FEWEST, PART * there.sum()):
            continue
        evidence = (
            f"{rows.sum()} of {there.sum()} moments lie far from the reference's ({iso(first)} to {iso(last)}), on "
            f"the median at {float(np.median(view.times[rows])):.0f} seconds since 1970; times {factor:g} this is "
            f"{iso(float(np.median(scaled[rows])))}: {how}"
        )
        yield view.cause("unit_change", (view.context.time,), marked(rows, there, view.groups), evidence, 0.98)
        return
