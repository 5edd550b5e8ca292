"""Columns that changed places, two or in a ring: each is like another's reference, and not like its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.segments import best_stretch, strongest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.segments import Segment
    from tasks.drift.cause.view import LevelColumn, NumberColumn, View

    Floats = NDArray[np.float64]

FEWEST = 20  # rows
LOOKED_AT = 2000  # rows, drawn evenly
CLIP = 3.0  # one row's say
FLOOR = 1e-4  # share that a level is thought to have where the reference lacks it
CLEAR = 0.25  # how much nearer both columns' rows must come
LEFT = 0.5  # share of the distance that may be left
GAIN = 0.5  # mean gain of a row at fault


def shuffled_columns(view: View) -> Iterator[Cause]:
    """The columns that stand in each other's place, the clearest first; no column in two of them."""
    found = [*rings(view, [*view.numbers.values()], numbers_told, numbers_judged)]
    found += rings(view, [*view.levels.values()], levels_told, levels_judged)
    taken: set[str] = set()
    for _, cause in sorted(found, key=lambda one: -one[0]):
        if taken.isdisjoint(cause.columns):
            taken.update(cause.columns)
            yield cause


def rings(view, columns, told, judged) -> Iterator[tuple[float, Cause]]:  # type: ignore[no-untyped-def]
    """Each pair, and each longer ring of columns, that speaks for itself."""
    at = np.arange(0, view.rows, max(1, view.rows // LOOKED_AT))
    if len(at) < FEWEST:
        return
    logs = [[told(of, column, at) for of in columns] for column in columns]
    for ring in (*combinations(range(len(columns)), 2), *longer_rings(logs)):
        following = (*ring[1:], ring[0])  # a column's values stand in the place of the one before it
        scores = sum(logs[source][place] - logs[place][place] for place, source in zip(ring, following, strict=True))
        segment = told_by(view, np.where(np.isnan(scores), 0.0, np.clip(scores, -CLIP, CLIP)), at)
        if segment is None:
            continue
        cause = judged(view, [columns[place] for place in ring], [columns[source] for source in following], segment)
        if cause is not None:
            yield segment.score, cause


def told_by(view: View, scores: Floats, at: NDArray[np.intp]) -> Segment | None:
    """The rows that speak for columns in each other's place, if they speak clearly."""
    if scores.max() <= 0:
        return None
    segment = strongest(scores, at, view.rows, view.groups)
    clear = segment.score >= GAIN * segment.rows[at].sum() and segment.rows.sum() >= FEWEST
    return segment if clear else None


def longer_rings(logs: Sequence[Sequence[Floats]]) -> list[tuple[int, ...]]:
    """Rings of three and more: from each column on to the one whose place its values fit best, as far as that leads."""
    fits = {place: best for place in range(len(logs)) if (best := best_place(logs[place], place)) is not None}
    found: set[tuple[int, ...]] = set()
    for start in fits:
        path = [start]
        while (following := fits.get(path[-1])) is not None and following not in path:
            path.append(following)
        ring = path[::-1]  # values of a column stand in the place of the one before it
        if fits.get(path[-1]) == start and len(ring) > 2:
            first = ring.index(min(ring))
            found.add((*ring[first:], *ring[:first]))
    return sorted(found)


def best_place(logs: Sequence[Floats], own: int) -> int | None:
    """Whose place a column's values fit best, over some stretch of rows; None where that is their own."""
    gains = [best_stretch(np.clip(np.nan_to_num(each - logs[own]), -CLIP, CLIP))[2] for each in logs]
    best = int(np.argmax(gains))
    return best if best != own and gains[best] > 0 else None


def numbers_told(reference: NumberColumn, column: NumberColumn, at: NDArray[np.intp]) -> Floats:
    """Logarithm of the density of one column's values, were they the other's."""
    return reference.density.log_density(column.values[at])


def levels_told(reference: LevelColumn, column: LevelColumn, at: NDArray[np.intp]) -> Floats:
    """Logarithm of the share of one column's levels, were they the other's."""
    shares = [reference.usual.get(level, FLOOR) for level in column.levels]
    logs = np.log(np.maximum(np.array([*shares, np.nan]), FLOOR))
    return np.asarray(logs[column.codes[at]], dtype=np.float64)


def numbers_judged(
    view: View, columns: Sequence[NumberColumn], sources: Sequence[NumberColumn], segment: Segment
) -> Cause | None:
    """A cause, if all columns are unlike the reference, and like it once they are put back."""
    before, after = [], []
    for column, source in zip(columns, sources, strict=True):
        values = [each.values[segment.rows & ~np.isnan(each.values)] for each in (column, source)]
        (own, _), (put_back, ordinary) = (view.apart(column, segment, each) for each in values)
        allowed = ordinary if segment.level is None else max(ordinary, LEFT * own)  # a site alone varies more
        if not put_back <= allowed or not ordinary < own:
            return None
        before.append(own)
        after.append(put_back)
    return crosswise(view, [column.name for column in columns], segment, before, after)


def levels_judged(
    view: View, columns: Sequence[LevelColumn], sources: Sequence[LevelColumn], segment: Segment
) -> Cause | None:
    """A cause, if all columns have their known levels in their usual shares once they are put back."""
    before = [share_distance(column, column, segment.rows) for column in columns]
    after = [share_distance(*pair, segment.rows) for pair in zip(columns, sources, strict=True)]
    return crosswise(view, [column.name for column in columns], segment, before, after)


def share_distance(column: LevelColumn, source: LevelColumn, rows: NDArray[np.bool_]) -> float:
    """How far the shares of levels that stand in `source` are from the usual ones of `column`: half the differences."""
    codes = source.codes[rows & (source.codes >= 0)]
    if not len(codes):
        return 0.0
    now = dict(zip(source.levels, np.bincount(codes, minlength=len(source.levels)) / len(codes), strict=True))
    known = sum(abs(now.get(level, 0.0) - share) for level, share in column.usual.items())
    others = sum(share for level, share in now.items() if level not in column.usual)
    return float(0.5 * (known + abs(others - column.rest)))


def crosswise(
    view: View, names: Sequence[str], segment: Segment, before: list[float], after: list[float]
) -> Cause | None:
    """A cause, if all distances fall clearly."""
    if any(one - other < CLEAR or other > LEFT * one for one, other in zip(before, after, strict=True)):
        return None
    told = (
        f"{name} is {one:.3f} from its reference and {other:.3f} with the values of {source}"
        for name, source, one, other in zip(names, (*names[1:], names[0]), before, after, strict=True)
    )
    evidence = f"{'; '.join(told)}; {int(segment.rows.sum())} rows"
    confidence = 0.98 - 0.1 * max(after) / max(*before, 1e-9)
    return view.cause("shuffled_columns", tuple(names), segment, evidence, confidence)
