"""Rows here and there in another unit, such as amounts that lost their decimal comma, beside rows as ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.conversions import TEN, thought_of
from tasks.drift.cause.grid import divides
from tasks.drift.cause.segments import marked
from tasks.drift.cause.unit_change import FACTOR_BITS, FEWEST, PART, back, free_factor, wandering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.conversions import Conversion
    from tasks.drift.cause.view import NumberColumn, View

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

ENDS = np.array([0.01, 0.99])  # of the reference: between one unit's upper and the other's lower end lies the valley
IN_VALLEY = 0.1  # rows there, over those in the other unit; a tail that grew heavy fills it
ON_GRID = "they lie beyond the reference's sizes, and on its decimals times the factor"
NEXT_UNIT = 0.2  # logarithm of a ratio of two factors, such as those of miles and nautical miles to metres
UNKNOWN_WANDER = 0.1  # of a column's level, where its medians do not tell
FINE = 1001  # quantiles that stand for a sample
FEWEST_VALUES = 3  # different ones: a single value is a token, or a sensor that is stuck


def mixed_units(view: View) -> Iterator[Cause]:
    """The columns some of whose values were multiplied by far more than real changes do."""
    for column in view.numbers.values():
        if len(column.present) < 2 * FEWEST or column.usual.rows < FEWEST or not column.usual.high > column.usual.low:
            continue
        sizes = Sizes.of(column)
        known = [each for each in thought_of(view.context.units.get(column.name)) if each.far and each.slope > 0]
        found = [mixed(view, column, sizes, each) for each in known] if sizes is not None else []
        causes = [each for each in found if each is not None]
        if causes:
            yield max(causes, key=lambda cause: cause.confidence)


@dataclass(frozen=True)
class Sizes:
    """A column's values without their sign, and the reference's but for its zeros, with their ends."""

    values: Floats
    known: Floats
    low: float
    high: float
    least: float
    greatest: float

    @classmethod
    def of(cls, column: NumberColumn) -> Sizes | None:
        """Along the reference's cells where there is no sample; None where it has next to no value."""
        known = column.known_values if len(column.known_values) else column.usual.quantiles(np.linspace(0, 1, FINE))
        known = np.abs(known[known != 0])
        if len(known) < FEWEST:
            return None
        low, high = np.quantile(known, ENDS)
        return cls(np.abs(column.values), known, float(low), float(high), float(known.min()), float(known.max()))


def mixed(view: View, column: NumberColumn, sizes: Sizes, conversion: Conversion) -> Cause | None:
    """A cause, if two heaps lie apart and each is like the reference in its own unit, or the decimals tell."""
    heaps = heaps_of(column, sizes, conversion.slope)
    if heaps is None:
        return None
    other, between, how = heaps
    values, factor = column.values, abs(conversion.slope)
    rest = ~np.isnan(values) & ~other & ~between
    if not is_heap(column, rest):
        return None
    mapped = back(conversion, values[other])
    evidence = (
        f"{conversion.name}, here and there: {other.sum()} of {len(column.present)} rows with a median of "
        f"{column.shown(np.median(values[other]))}, which is {column.shown(np.median(mapped))} mapped back, where the "
        f"others have {column.shown(np.median(values[rest]))}; {how}"
    )
    segment = marked(other, ~np.isnan(values), view.groups)
    if how == ON_GRID:
        return view.cause("unit_change", (column.name,), segment, evidence, 0.85)
    before, after = column.nearest(values[other]), column.nearest(mapped, column.rounded_to / factor)
    if after > column.room(len(mapped)) or column.nearest(values[rest]) > column.room(int(rest.sum())):
        return None
    if not is_exact(column, sizes, mapped, conversion):
        return None
    evidence += (
        f"; their distance to the reference falls from {before:.3f} to {after:.3f} (ordinary between batches: "
        f"{column.ordinary:.3f})"
    )
    return view.cause("unit_change", (column.name,), segment, evidence, 0.92 - 0.3 * after / before)


def heaps_of(column: NumberColumn, sizes: Sizes, factor: float) -> tuple[Mask, Mask, str] | None:
    """The rows in the other unit, those between it and the usual one, and what tells; None where nothing does."""
    values, low, high = sizes.values, sizes.low, sizes.high
    valley = (high, factor * low) if factor > 1 else (factor * high, low)
    if valley[0] < valley[1]:
        other = values >= valley[1] if factor > 1 else (values > 0) & (values <= valley[0])
        between = (values > valley[0]) & (values < valley[1])
        few = between.sum() <= IN_VALLEY * other.sum() + (1 - ENDS[1]) * len(column.present)
        return (other, between, f"{between.sum()} rows lie between") if few and is_heap(column, other) else None
    other = values > sizes.greatest if factor > 1 else (values > 0) & (values < sizes.least)
    rest = column.values[~other & ~np.isnan(column.values)]
    if is_heap(column, other) and divides(column, column.values[other], rest, factor):
        return other, np.zeros(len(values), dtype=np.bool_), ON_GRID
    return None


def is_heap(column: NumberColumn, other: Mask) -> bool:
    """Whether rows in another unit are enough, beside enough that are as ever, and of several values."""
    least, count = max(FEWEST, PART * len(column.present)), int(other.sum())
    several = len(np.unique(column.values[other])) >= FEWEST_VALUES
    return bool(least <= count <= len(column.present) - least and several)


def is_exact(column: NumberColumn, sizes: Sizes, mapped: Floats, conversion: Conversion) -> bool:
    """Whether what is left of the factor is 1, as far as so many rows and the column's level can tell.

    They must tell it from the next unit's: a heavy tail is like some factor or other, if only rows are few enough.
    """
    left, error = free_factor(np.abs(mapped), sizes.known)
    known = wandering(column)
    wanders, told = known if np.isfinite(known) else UNKNOWN_WANDER, FACTOR_BITS + 2 * error
    return abs(left) <= told + 2 * wanders and (conversion.quantity == TEN or told + wanders <= NEXT_UNIT)
