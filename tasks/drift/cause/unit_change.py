"""A column in another unit: a known linear map under which the batch is like the reference again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.conversions import Conversion, thought_of
from tasks.drift.cause.segments import strongest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.segments import Segment
    from tasks.drift.cause.view import NumberColumn, View

    Floats = NDArray[np.float64]

FEWEST = 20  # rows
LOOKED_AT = 4000  # rows, drawn evenly, that tell which map is worth a closer look
CLOSER = 4  # maps that are looked at closely
CLIP = 3.0  # one row's say, in logarithms of a ratio of densities
STRETCH = (0.75, 1.33)  # ratio of the mapped rows' spread to the reference's
FACTOR_ROOM = 0.03  # how near a free factor must be to a known one that a real change could be
BETTER = 0.35  # share of the distance that may be left; of a change that could be real
LEFT = 0.5  # the same, of any other
CLEAR = 0.3  # how much nearer the rows at fault must come
SPREADS = np.linspace(0.05, 0.95, 37)


def unit_changes(view: View) -> Iterator[Cause]:
    """The columns whose values were multiplied, or mapped by a line."""
    for column in view.numbers.values():
        if len(column.present) < FEWEST or column.usual.rows < FEWEST or not column.usual.high > column.usual.low:
            continue
        found = [each for each in candidates(view, column) if each is not None]
        if found:
            yield max(found, key=lambda cause: cause.confidence)


def candidates(view: View, column: NumberColumn) -> Iterator[Cause | None]:
    """The maps that explain the rows best, each with the rows that it explains, if they bear a closer look."""
    at = np.flatnonzero(~np.isnan(column.values))
    at = at[:: max(1, len(at) // LOOKED_AT)]
    values = column.values[at]
    own = column.density.log_density(values)
    found: list[tuple[float, Conversion, Segment]] = []
    for each in thought_of(view.context.units.get(column.name)):
        scores = told(column, each, values, own)
        if scores.max() > 0:
            segment = strongest(scores, at, view.rows, view.groups)
            found.append((segment.score, each, segment))
    for _, each, segment in sorted(found, key=lambda one: -one[0])[:CLOSER]:
        yield judged(view, column, each, segment)


def told(column: NumberColumn, conversion: Conversion, values: Floats, own: Floats) -> Floats:
    """How much better a map explains each row: the logarithm of a ratio of densities; 0 of what it leaves as it is."""
    mapped = back(conversion, values)
    scores = column.density.log_density(mapped) - np.log(abs(conversion.slope)) - own
    scores = np.clip(scores, -CLIP, CLIP)
    return np.where(np.isclose(mapped, values, rtol=1e-9, atol=1e-12), 0.0, scores)


def back(conversion: Conversion, values: Floats) -> Floats:
    """The values as they would have been in the reference's unit."""
    return (values - conversion.intercept) / conversion.slope


def judged(view: View, column: NumberColumn, conversion: Conversion, segment: Segment) -> Cause | None:
    """A cause, if the map brings the rows back, and nothing that happens in the world would fit as well."""
    rows = segment.rows & ~np.isnan(column.values)
    values = column.values[rows]
    changed = values[~np.isclose(back(conversion, values), values, rtol=1e-9, atol=1e-12)]
    if len(changed) < FEWEST or len(np.unique(changed)) < 3:
        return None
    repaired = column.values.copy()
    repaired[rows] = back(conversion, values)
    room = column.rounded_to / abs(conversion.slope) if column.rounded_to else 0.0
    before = column.nearest(column.present)
    after = column.nearest(repaired[~np.isnan(repaired)], room)
    share = len(changed) / len(column.present)
    if after > column.room(len(column.present)) or before - after < CLEAR * share or before < 0.02:
        return None
    usual = usual_of(column, view, segment)
    mapped = back(conversion, changed)
    if room > 0.5 * spread(usual) or not is_like(mapped, usual, conversion, after / before):
        return None
    confidence = 0.97 - 0.3 * after / before - (0.12 if conversion.near else 0.0) - 0.02 * (segment.last is not None)
    evidence = (
        f"{conversion.name}: {len(changed)} rows with a median of {np.median(changed):.6g} where the reference has "
        f"{np.median(usual):.6g}; mapped back it is {np.median(mapped):.6g}, and the distance to the nearest reference "
        f"batch falls from {before:.3f} to {after:.3f} (ordinary: {column.ordinary:.3f})"
    )
    return view.cause("unit_change", (column.name,), segment, evidence, confidence)


def usual_of(column: NumberColumn, view: View, segment: Segment) -> Floats:
    """The reference's quantiles, of the segment's level where the sample has enough of it; fixed points left out."""
    values = column.usual.quantiles(SPREADS)
    if segment.level is not None and len(column.sample):
        of_level = column.sample[view.levels[segment.level[0]].sample == segment.level[1]]
        of_level = of_level[~np.isnan(of_level)]
        values = np.quantile(of_level, SPREADS) if len(of_level) >= 10 * FEWEST else values
    elif len(column.known_values) >= 10 * FEWEST:
        values = np.quantile(column.known_values, SPREADS)
    return values


def is_like(mapped: Floats, usual: Floats, conversion: Conversion, left: float) -> bool:
    """Whether mapped rows are spread as the reference is, and a free factor would be the known one.

    A real change may move or stretch a column, but hardly by a known factor to 3 %, and hardly moves and stretches it
    both as a factor that is far from 1 does.
    """
    usual = usual[usual != 0] if conversion.intercept == 0 and np.mean(usual == 0) < 0.8 else usual
    ratio = spread(np.quantile(mapped, SPREADS)) / max(spread(usual), 1e-300)
    if not STRETCH[0] <= ratio <= STRETCH[1]:
        return False
    if not conversion.near:
        return left <= LEFT
    return left <= BETTER and abs(np.log(free_factor(mapped, usual))) <= FACTOR_ROOM


def spread(quantiles: Floats) -> float:
    """From the lowest to the highest quantile."""
    return float(quantiles[-1] - quantiles[0])


def free_factor(mapped: Floats, usual: Floats) -> float:
    """By how much the mapped rows would still have to be divided."""
    shares = np.linspace(0.1, 0.9, 17)
    one, other = np.quantile(mapped, shares), np.quantile(usual, shares)
    there = (one > 0) & (other > 0)
    return float(np.exp(np.median(np.log(one[there] / other[there])))) if there.any() else np.inf
