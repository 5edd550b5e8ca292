"""A column in another unit: a known linear map under which the batch is like the reference again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.conversions import Conversion, thought_of
from tasks.drift.cause.segments import Segment, strongest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import NumberColumn, View

    Floats = NDArray[np.float64]

FEWEST = 20  # rows
LOOKED_AT = 4000  # rows, drawn evenly, that tell which map is worth a closer look
CLOSER = 16  # maps that are looked at closely
CLIP = 6.0  # one row's say, in logarithms of a ratio of densities
STRETCH = (0.75, 1.33)  # ratio of the mapped rows' spread to the reference's
STEADY = 0.12  # ordinary distance of a column in which a factor near 1 can be told
OTHERS = 0.25  # share of the other columns that may have moved, beside a factor near 1
FACTOR_ROOM = 0.03  # how near a factor that a real change could be must come to a known one, at the most
FACTOR_BITS = 0.004  # and beside what chance gives
PART = 0.03  # share of the rows
NOTICED = 0.03  # distance
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
        if not is_sensible(each, column):
            continue
        scores = told(column, each, values, own)
        if scores.max() > 0:
            segment = strongest(scores, at, view.rows, view.groups)
            found.append((segment.score, each, segment))
    for _, each, segment in sorted(found, key=lambda one: -one[0])[:CLOSER]:
        yield judged(view, column, each, segment)


def is_sensible(conversion: Conversion, column: NumberColumn) -> bool:
    """Whether a share lies between 0 and 1, and what has its sign turned had one."""
    if conversion.most is not None:
        return 0 <= column.usual.low <= column.usual.high <= conversion.most
    low, high = column.usual.quantiles(SPREADS[[0, -1]])
    return conversion.slope > 0 or not low < 0 < high


def told(column: NumberColumn, conversion: Conversion, values: Floats, own: Floats) -> Floats:
    """How much better a map explains each row, a logarithm of densities; 0 of what it leaves as it is."""
    mapped = back(conversion, values)
    scores = column.density.log_density(mapped) - np.log(abs(conversion.slope)) - own
    scores = np.clip(scores, -CLIP, CLIP)
    return np.where(np.isclose(mapped, values, rtol=1e-9, atol=1e-12), 0.0, scores)


def back(conversion: Conversion, values: Floats) -> Floats:
    """The values as they would have been in the reference's unit."""
    return (values - conversion.intercept) / conversion.slope


@dataclass(frozen=True)
class Mapped:
    """The rows that a map is thought to have changed.

    Attributes
    ----------
    conversion : Conversion
    segment : Segment
    values : array of float, shape (m,)
        As they are.
    back : array of float, shape (m,)
        As they would have been.
    room : float
        By how much rounding may have moved these.
    """

    conversion: Conversion
    segment: Segment
    values: Floats
    back: Floats
    room: float

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Which rows the map changes: a factor leaves zeros as they are."""
        return ~np.isclose(self.back, self.values, rtol=1e-9, atol=1e-12)


def judged(view: View, column: NumberColumn, conversion: Conversion, segment: Segment) -> Cause | None:
    """A cause, if the map brings the rows back, and nothing that happens in the world would fit as well."""
    rows = segment.rows & ~np.isnan(column.values)
    values = column.values[rows]
    found = Mapped(conversion, segment, values, back(conversion, values), column.rounded_to / abs(conversion.slope))
    moved, share = found.moved, found.moved.sum() / len(column.present)
    if moved.sum() < FEWEST or share < PART or len(np.unique(values[moved])) < 3:
        return None
    repaired = column.values.copy()
    repaired[rows] = found.back
    before = column.nearest(column.present)
    after, like = column.match(repaired[~np.isnan(repaired)], found.room)
    if after > column.room(len(column.present)) or before - after < max(CLEAR * share, NOTICED):
        return None
    usual = usual_of(view, column, segment, like)
    fits = comes_back(view, column, found) and found.room <= 0.5 * spread(usual)
    if not fits or not is_like(found.back[moved], usual, conversion, after / before):
        return None
    if conversion.near and not stands_out(view, column, found):
        return None
    confidence = 0.97 - 0.3 * after / before - (0.12 if conversion.near else 0.0) - 0.02 * (segment.last is not None)
    evidence = (
        f"{conversion.name}: {moved.sum()} rows with a median of {np.median(values[moved]):.6g}, which is "
        f"{np.median(found.back[moved]):.6g} mapped back, where the reference has {np.median(usual):.6g}; the distance "
        f"to the nearest reference batch falls from {before:.3f} to {after:.3f} (ordinary: {column.ordinary:.3f})"
    )
    return view.cause("unit_change", (column.name,), segment, evidence, confidence)


def comes_back(view: View, column: NumberColumn, found: Mapped) -> bool:
    """Whether the rows at fault are farther from the reference than is ordinary, and are not once they are mapped."""
    before, _ = view.apart(column, found.segment, found.values)
    after, ordinary = view.apart(column, found.segment, found.back, found.room)
    return after <= ordinary < before


def usual_of(view: View, column: NumberColumn, segment: Segment, like: Floats) -> Floats:
    """Quantiles of the nearest reference batch, or of the segment's level where the sample has enough of it."""
    known = view.sampled(column, segment)
    return column.usual.quantiles(SPREADS, like) if known is None else np.quantile(known, SPREADS)


def is_like(mapped: Floats, usual: Floats, conversion: Conversion, left: float) -> bool:
    """Whether mapped rows are spread as the reference is, and enough of the distance is gone."""
    usual = usual[usual != 0] if conversion.intercept == 0 and np.mean(usual == 0) < 0.8 else usual
    ratio = spread(np.quantile(mapped, SPREADS)) / max(spread(usual), 1e-300)
    return STRETCH[0] <= ratio <= STRETCH[1] and left <= (BETTER if conversion.near else LEFT)


def stands_out(view: View, column: NumberColumn, found: Mapped) -> bool:
    """Whether a factor near 1 is a known one too exactly for a real change.

    The column must keep its level from batch to batch, the factor that is left must be 1 as nearly as so many rows
    tell, and the other columns must be as ever: a market that changes moves several.
    """
    others = [each for each in view.numbers.values() if each is not column and len(each.present)]
    moved = sum(each.nearest(each.present) > each.room(len(each.present)) for each in others)
    if column.ordinary > STEADY or moved > OTHERS * len(others):
        return False
    known = view.sampled(column, found.segment)
    known = column.known_values if known is None else known
    usual = known if len(known) else column.usual.quantiles(SPREADS)
    log_factor, error = free_factor(found.back[found.moved], usual)
    return abs(log_factor) <= min(FACTOR_ROOM, FACTOR_BITS + 2 * error)


def spread(quantiles: Floats) -> float:
    """From the lowest to the highest quantile."""
    return float(quantiles[-1] - quantiles[0])


def free_factor(mapped: Floats, usual: Floats) -> tuple[float, float]:
    """Logarithm of what the mapped rows would still have to be divided by, and its standard error."""
    shares = np.linspace(0.1, 0.9, 17)
    one, other = np.quantile(mapped[mapped > 0], shares), np.quantile(usual[usual > 0], shares)
    error = float(np.log(one[-1] / one[0])) / 2.56 / np.sqrt(len(mapped))
    return float(np.median(np.log(one / other))), error
