"""A column in another unit: a known linear map under which the batch is like the reference again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.conversions import TEN, Conversion, is_possible, quantity_of, thought_of
from tasks.drift.cause.grid import comes_back_to_grid
from tasks.drift.cause.segments import Segment, strongest
from tasks.drift.cause.view import FEW_BATCHES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import NumberColumn, View

    Floats = NDArray[np.float64]

FEWEST = 20  # rows
LOOKED_AT = 4000  # rows, drawn evenly, that tell which map is worth a closer look
CLOSER = 16  # maps that are looked at closely
ALIKE = 0.95  # of the greatest score: such maps explain the rows alike, and the one that brings them nearest goes first
CLIP = 6.0  # one row's say, in logarithms of a ratio of densities
STRETCH = (0.65, 1.5)  # ratio of the mapped rows' spread to the reference's
STRETCH_FAR = (0.25, 2.0)  # the same, of a factor beyond 7, which leaves a seventh of the spread where a level jumps
OTHERS = 0.25  # share of the other columns that may have moved, beside a factor near 1
FACTOR_ROOM = 0.03  # how near a factor that a real change could be must come to a known one, at the most
WANDERS = 0.1  # of batches' medians, at the most, for a factor near 1 to be told
FACTOR_BITS = 0.004  # and beside what chance gives
PART = 0.03  # share of the rows
NOTICED = 0.03  # how much nearer the whole column must come
BETTER = 0.35  # share of the distance that may be left; of a change that could be real
LEFT = 0.5  # the same, of any other
CLEAR = 0.3  # how much nearer the rows at fault must come
FREE = 12.0  # a factor beyond it is looked at even if no unit is known to have it: a currency, or a unit of the trade
NAMED = 0.05  # relative difference to a known factor, within which that one is meant
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
    own, middle = column.density.log_density(values), float(column.usual.quantiles(np.array([0.5]))[0])
    found: list[tuple[float, float, Conversion, Segment]] = []
    for each in (*thought_of(view.context.units.get(column.name)), *free(column, values)):
        if not is_sensible(each, column, view.context.units.get(column.name)):
            continue
        scores = told(column, each, values, own)
        if np.sum(scores > 0) >= PART / 2 * len(scores):
            segment = strongest(scores, at, view.rows, view.groups)
            beside = abs(float(np.median(back(each, values[segment.rows[at]]))) - middle)
            found.append((segment.score, beside, each, segment))
    enough = ALIKE * max((score for score, *_ in found), default=0.0)
    found.sort(key=lambda one: (0.0, one[1]) if one[0] >= enough else (1.0, -one[0]))
    for *_, each, segment in found[:CLOSER]:
        yield judged(view, column, each, segment)


def free(column: NumberColumn, values: Floats) -> Iterator[Conversion]:
    """The factor by which the rows beyond the reference's range, else all, are larger, where it is a large one."""
    beyond = values[(values < column.usual.low) | (values > column.usual.high)]
    known = column.usual.quantiles(SPREADS)
    usual, now = float(np.median(known)), float(np.median(beyond if len(beyond) >= FEWEST else values))
    if usual == 0 or now == 0 or 1 / FREE < abs(now / usual) < FREE:
        return
    factor = now / usual
    if factor > 0 and not any(abs(each.slope / factor - 1) < NAMED for each in thought_of(None)):
        yield Conversion(f"multiplied by about {factor:.3g}", factor, 0.0, TEN)


def is_sensible(conversion: Conversion, column: NumberColumn, unit: str | None = None) -> bool:
    """Whether a column can have the unit: a share lies between 0 and 1, and what has its sign turned had one."""
    if conversion.intercept and (conversion.most is not None or quantity_of(unit) is None):
        return is_possible(conversion, column.usual.low, column.usual.high)
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
    moved = found.moved
    if moved.sum() < max(FEWEST, PART * len(column.present)) or len(np.unique(values[moved])) < 3:
        return None
    before, after = comes_back(view, column, found)
    if before - after < CLEAR:
        return None
    repaired = column.values.copy()
    repaired[rows] = found.back
    nearer, like = column.match(repaired[~np.isnan(repaired)], found.room)
    usual = usual_of(view, column, segment, like)
    if column.nearest(column.present) - nearer < NOTICED or found.room > 0.5 * spread(usual):
        return None
    if not is_like(found.back[moved], usual, conversion, after / before):
        return None
    if (conversion.near or conversion.intercept) and not is_told(view, column, found):
        return None
    confidence = 0.97 - 0.3 * after / before - (0.12 if conversion.near else 0.0) - 0.02 * (segment.last is not None)
    evidence = (
        f"{conversion.name}: {moved.sum()} rows with a median of {column.shown(np.median(values[moved]))}, which "
        f"is {column.shown(np.median(found.back[moved]))} mapped back, where the reference has "
        f"{column.shown(np.median(usual))}; their distance to the reference falls from {before:.3f} to {after:.3f} "
        f"(ordinary between batches: {column.ordinary:.3f})"
    )
    return view.cause("unit_change", (column.name,), segment, evidence, confidence)


def comes_back(view: View, column: NumberColumn, found: Mapped) -> tuple[float, float]:
    """The distances before and after, if the first is more than ordinary and the second is not; else no difference.

    Of rows of one level, half of the distance may be left where a factor is far from 1: a site alone varies more.
    """
    before, _ = view.apart(column, found.segment, found.values)
    after, ordinary = view.apart(column, found.segment, found.back, found.room)
    varies = found.segment.level is not None and found.conversion.far
    allowed = max(ordinary, LEFT * before) if varies else ordinary
    return (before, after) if after <= allowed and ordinary < before else (before, before)


def usual_of(view: View, column: NumberColumn, segment: Segment, like: Floats) -> Floats:
    """Quantiles of the nearest reference batch, or of the segment's level where the sample has enough of it.

    The sample is of all batches, and so wider than one where batches differ: its spread is made that of a batch.
    """
    batch, known = column.usual.quantiles(SPREADS, like), view.sampled(column, segment)
    if known is None:
        return batch
    found, middle = np.quantile(known, SPREADS), float(np.median(known))
    narrower = min(1.0, spread(batch) / max(spread(column.usual.quantiles(SPREADS)), 1e-300))
    return np.asarray(middle + narrower * (found - middle), dtype=np.float64)


def is_like(mapped: Floats, usual: Floats, conversion: Conversion, left: float) -> bool:
    """Whether mapped rows are spread as the reference is, and enough of the distance is gone."""
    usual = usual[usual != 0] if conversion.intercept == 0 and np.mean(usual == 0) < 0.8 else usual
    ratio = spread(np.quantile(mapped, SPREADS)) / max(spread(usual), 1e-300)
    least, most = STRETCH_FAR if conversion.far else STRETCH
    return least <= ratio <= most and left <= (BETTER if conversion.near else LEFT)


def is_told(view: View, column: NumberColumn, found: Mapped) -> bool:
    """Whether a map that changes might be like is a known one: by the decimals that it brings back, else by its size.

    By its size not of a stretch that begins and ends within the batch, as warm days do, nor of a level that is new.
    """
    moved = found.moved
    by_grid = comes_back_to_grid(column, found.values[moved], found.back[moved], found.room)
    if by_grid is not None:
        return by_grid
    unknown = found.segment.level is not None and view.sampled(column, found.segment) is None
    if found.segment.last is not None or unknown:
        return False
    return not found.conversion.near or stands_out(view, column, found)


def stands_out(view: View, column: NumberColumn, found: Mapped) -> bool:
    """Whether a factor near 1 is a known one too exactly for a real change.

    The factor that is left must be 1 as nearly as so many rows, and the column's level from batch to batch, can tell;
    and the other columns must be as ever: a market that changes moves several.
    """
    others = [each for each in view.numbers.values() if each is not column and len(each.present)]
    moved = sum(each.nearest(each.present) > each.room(len(each.present)) for each in others)
    wanders = wandering(column)
    if wanders > WANDERS or moved > OTHERS * len(others):
        return False
    known = view.sampled(column, found.segment)
    known = column.known_values if known is None else known
    usual = known if len(known) else column.usual.quantiles(SPREADS)
    log_factor, error = free_factor(found.back[found.moved], usual)
    return abs(log_factor) <= min(FACTOR_ROOM, FACTOR_BITS + 2 * error + wanders)


def wandering(column: NumberColumn) -> float:
    """How far a reference batch's median is from that of all: the root mean square of the logarithm of their ratio."""
    middle = np.array([0.5])
    medians = [float(column.usual.quantiles(middle, below)[0]) for below in (column.usual.below, *column.batches)]
    if min(medians) <= 0 or len(medians) <= FEW_BATCHES:
        return np.inf
    return float(np.sqrt(np.mean(np.log(np.array(medians[1:]) / medians[0]) ** 2)))


def spread(quantiles: Floats) -> float:
    """From the lowest to the highest quantile."""
    return float(quantiles[-1] - quantiles[0])


def free_factor(mapped: Floats, usual: Floats) -> tuple[float, float]:
    """Logarithm of what the mapped rows would still have to be divided by, and its standard error."""
    shares = np.linspace(0.1, 0.9, 17)
    one, other = np.quantile(mapped[mapped > 0], shares), np.quantile(usual[usual > 0], shares)
    error = float(np.log(one[-1] / one[0])) / 2.56 / np.sqrt(len(mapped))
    return float(np.median(np.log(one / other))), error
