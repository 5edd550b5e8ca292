"""Columns that changed places: each is like the other's reference, and not like its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.segments import strongest

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
    """The pairs of columns that stand crosswise, the clearest first; no column in two of them."""
    found = [*pairs(view, [*view.numbers.values()], numbers_told, numbers_judged)]
    found += pairs(view, [*view.levels.values()], levels_told, levels_judged)
    taken: set[str] = set()
    for _, cause in sorted(found, key=lambda one: -one[0]):
        if taken.isdisjoint(cause.columns):
            taken.update(cause.columns)
            yield cause


def pairs(view, columns, told, judged) -> Iterator[tuple[float, Cause]]:  # type: ignore[no-untyped-def]
    """Each pair that speaks for itself."""
    at = np.arange(0, view.rows, max(1, view.rows // LOOKED_AT))
    if len(at) < FEWEST:
        return
    logs = [[told(of, column, at) for of in columns] for column in columns]
    for one, other in combinations(range(len(columns)), 2):
        scores = logs[one][other] + logs[other][one] - logs[one][one] - logs[other][other]
        scores = np.where(np.isnan(scores), 0.0, np.clip(scores, -CLIP, CLIP))
        if scores.max() <= 0:
            continue
        segment = strongest(scores, at, view.rows, view.groups)
        if segment.score >= GAIN * segment.rows[at].sum() and segment.rows.sum() >= FEWEST:
            cause = judged(view, columns[one], columns[other], segment)
            if cause is not None:
                yield segment.score, cause


def numbers_told(reference: NumberColumn, column: NumberColumn, at: NDArray[np.intp]) -> Floats:
    """Logarithm of the density of one column's values, were they the other's."""
    return reference.density.log_density(column.values[at])


def levels_told(reference: LevelColumn, column: LevelColumn, at: NDArray[np.intp]) -> Floats:
    """Logarithm of the share of one column's levels, were they the other's."""
    shares = [reference.usual.get(level, FLOOR) for level in column.levels]
    logs = np.log(np.maximum(np.array([*shares, np.nan]), FLOOR))
    return np.asarray(logs[column.codes[at]], dtype=np.float64)


def numbers_judged(view: View, one: NumberColumn, other: NumberColumn, segment: Segment) -> Cause | None:
    """A cause, if both columns are unlike the reference, and like it once they are put back."""
    before, after = [], []
    for column, source in ((one, other), (other, one)):
        values = [each.values[segment.rows & ~np.isnan(each.values)] for each in (column, source)]
        (own, _), (put_back, ordinary) = (view.apart(column, segment, each) for each in values)
        if not put_back <= ordinary < own:
            return None
        before.append(own)
        after.append(put_back)
    return crosswise(view, (one.name, other.name), segment, before, after)


def levels_judged(view: View, one: LevelColumn, other: LevelColumn, segment: Segment) -> Cause | None:
    """A cause, if both columns have their known levels in their usual shares once they are put back."""
    before = [share_distance(column, column, segment.rows) for column in (one, other)]
    after = [share_distance(column, source, segment.rows) for column, source in ((one, other), (other, one))]
    return crosswise(view, (one.name, other.name), segment, before, after)


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
    view: View, names: tuple[str, str], segment: Segment, before: list[float], after: list[float]
) -> Cause | None:
    """A cause, if both distances fall clearly."""
    if any(one - other < CLEAR or other > LEFT * one for one, other in zip(before, after, strict=True)):
        return None
    evidence = (
        f"{names[0]} is {before[0]:.3f} from its reference and {after[0]:.3f} once the two are put back, {names[1]} "
        f"{before[1]:.3f} and {after[1]:.3f}; {int(segment.rows.sum())} rows"
    )
    return view.cause("shuffled_columns", names, segment, evidence, 0.98 - 0.1 * max(after) / max(*before, 1e-9))
