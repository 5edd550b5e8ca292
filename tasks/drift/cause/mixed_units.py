"""Rows here and there in another unit, such as amounts that lost their decimal comma, beside rows as ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.conversions import thought_of
from tasks.drift.cause.segments import marked
from tasks.drift.cause.unit_change import FEWEST, PART, back, is_sensible

if TYPE_CHECKING:
    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.conversions import Conversion
    from tasks.drift.cause.view import NumberColumn, View

ENDS = np.array([0.01, 0.99])  # of the reference: between one unit's upper and the other's lower end lies the valley
IN_VALLEY = 0.1  # rows there, over those in the other unit; a tail that grew heavy fills it
FEWEST_VALUES = 3  # different ones: a single value is a token, or a sensor that is stuck


def mixed_units(view: View) -> Iterator[Cause]:
    """The columns some of whose values were multiplied by far more than real changes do."""
    for column in view.numbers.values():
        if len(column.present) < 2 * FEWEST or column.usual.rows < FEWEST or not column.usual.high > column.usual.low:
            continue
        known = thought_of(view.context.units.get(column.name))
        found = [mixed(view, column, each) for each in known if each.far and is_sensible(each, column)]
        causes = [each for each in found if each is not None]
        if causes:
            yield max(causes, key=lambda cause: cause.confidence)


def mixed(view: View, column: NumberColumn, conversion: Conversion) -> Cause | None:
    """A cause, if two heaps lie apart, and each is like the reference in its own unit."""
    low, high = column.density.quantiles(ENDS)
    factor = abs(conversion.slope)
    valley = (high, factor * low) if factor > 1 else (factor * high, low)
    if low <= 0 or conversion.slope < 0 or valley[0] >= valley[1]:
        return None
    values = column.values
    other = values >= valley[1] if factor > 1 else (values > 0) & (values <= valley[0])
    between = (values > valley[0]) & (values < valley[1])
    rest = ~np.isnan(values) & ~other & ~between
    least = max(FEWEST, PART * len(column.present))
    if min(other.sum(), rest.sum()) < least or len(np.unique(values[other])) < FEWEST_VALUES:
        return None
    if between.sum() > IN_VALLEY * other.sum() + (1 - ENDS[1]) * len(column.present):
        return None
    mapped = back(conversion, values[other])
    before, after = column.nearest(values[other]), column.nearest(mapped, column.rounded_to / factor)
    if after > column.room(len(mapped)) or column.nearest(values[rest]) > column.room(int(rest.sum())):
        return None
    evidence = (
        f"{conversion.name}, here and there: {other.sum()} of {len(column.present)} rows with a median of "
        f"{column.shown(np.median(values[other]))}, which is {column.shown(np.median(mapped))} mapped back, where the "
        f"others have {column.shown(np.median(values[rest]))}; {between.sum()} rows lie between; their distance to "
        f"the reference falls from {before:.3f} to {after:.3f} (ordinary between batches: {column.ordinary:.3f})"
    )
    segment = marked(other, ~np.isnan(values), view.groups)
    return view.cause("unit_change", (column.name,), segment, evidence, 0.92 - 0.3 * after / before)
