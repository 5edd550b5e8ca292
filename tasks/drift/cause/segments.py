"""Which rows of a batch a fault is in: all, those of a stretch of time, or those of one level of a category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]
    Mask = NDArray[np.bool_]

EDGE = 0.02  # share of the rows at either end that a stretch may miss and still be said to reach it
BETTER = 1.15  # how many times the score of all rows a single level must reach, to be named


@dataclass(frozen=True)
class Segment:
    """Some of a batch's rows.

    Attributes
    ----------
    rows : array of bool, shape (n,)
    first : int or None
        Place of the first row, where it is not the batch's first.
    last : int or None
        Place of the last row, where it is not the batch's last.
    level : (column, level) or None
        Whose rows alone are meant.
    score : float
        Sum of the scores.
    """

    rows: Mask
    first: int | None
    last: int | None
    level: tuple[str, str] | None
    score: float

    @property
    def whole(self) -> bool:
        """Whether all rows are meant."""
        return self.first is None and self.last is None and self.level is None


def best_stretch(scores: Floats) -> tuple[int, int, float]:
    """First and last place of the stretch with the greatest sum (J. Kadane), and the sum.

    >>> best_stretch(np.array([-1.0, 2.0, -0.5, 2.0, -3.0]))
    (1, 3, 3.5)
    """
    if not len(scores):
        return 0, -1, 0.0
    until = np.cumsum(scores)
    before = np.concatenate([[0.0], until[:-1]])
    least = np.minimum.accumulate(before)
    last = int(np.argmax(until - least))
    first = int(np.argmin(before[: last + 1]))
    return first, last, float(until[last] - before[first])


def strongest(
    scores: Floats, at: Positions, rows: int, groups: Mapping[str, tuple[Positions, tuple[str, ...]]]
) -> Segment:
    """The rows that speak most for a fault.

    Parameters
    ----------
    scores : array of float, shape (m,)
        Of single rows: above 0 where the fault explains the row better.
    at : array of int, shape (m,), ascending
        Which of the batch's rows they are.
    rows : int
        Of the batch.
    groups : dict of column to (codes, levels)
        Categories with few levels; codes of shape (rows,), -1 where missing.

    Returns
    -------
    Segment
        Of all levels together, unless one alone has a clearly greater score.
    """
    best = stretch_of(scores, at, rows)
    for column, (codes, levels) in groups.items():
        level = strongest_level(scores, codes[at], len(levels))
        if level is None:
            continue
        own = codes[at] == level
        found = stretch_of(scores[own], at[own], rows)
        if found.score > BETTER * best.score + 3.0:
            best = Segment(found.rows & (codes == level), found.first, found.last, (column, levels[level]), found.score)
    return best


def strongest_level(scores: Floats, codes: Positions, levels: int) -> int | None:
    """The level whose rows have the greatest sum."""
    there = codes >= 0
    if not levels or not there.any():
        return None
    return int(np.argmax(np.bincount(codes[there], weights=scores[there], minlength=levels)))


def stretch_of(scores: Floats, at: Positions, rows: int) -> Segment:
    """The best stretch, widened to an end of the batch that it nearly reaches."""
    if not len(scores):
        return Segment(np.zeros(rows, dtype=np.bool_), None, None, None, 0.0)
    first, last, score = best_stretch(scores)
    from_start, to_end = first <= EDGE * len(at), last >= (1 - EDGE) * len(at) - 1
    start, end = 0 if from_start else int(at[first]), rows - 1 if to_end else int(at[last])
    mask = np.zeros(rows, dtype=np.bool_)
    mask[start : end + 1] = True
    return Segment(mask, None if from_start else start, None if to_end else end, None, score)


def marked(rows: Mask, among: Mask, groups: Mapping[str, tuple[Positions, tuple[str, ...]]]) -> Segment:
    """Where marked rows lie, among those that could have been marked.

    Each row without the mark counts against it, half as much as the marked ones would balance.

    Parameters
    ----------
    rows, among : array of bool, shape (n,)
    groups : dict of column to (codes, levels)
    """
    at = np.flatnonzero(among | rows)
    share = max(float(rows[at].mean()), 1e-3) if len(at) else 1.0
    scores = np.where(rows[at], 1.0, -0.5 * share / max(1e-3, 1 - share))
    return strongest(scores, at, len(rows), groups)
