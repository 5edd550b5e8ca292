"""Levels that were renamed one by one: new names throughout, with the frequencies of the old ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.segments import marked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.segments import Segment
    from tasks.drift.cause.view import LevelColumn, View

    Floats = NDArray[np.float64]

FEWEST = 50  # rows
RENAMED = 0.85  # share of a segment's rows that have a new name, at least
STABLE = 0.3  # how far a reference batch's shares may be from all others': identifiers come and go
REST = 0.15  # share of the reference's rows whose levels are not counted one by one, at most
LIKE = 0.08  # how far the frequencies in order of size may be apart, beside what chance and batches give
SHOWN = 3


def category_recodes(view: View) -> Iterator[Cause]:
    """The categories whose levels were all renamed."""
    elsewhere = {level for column in view.levels.values() for level in column.usual}
    for column in view.levels.values():
        if len(column.usual) < 2 or column.rest > REST or turnover(column) > STABLE:
            continue
        new = {*column.new}
        if sum(level in elsewhere for level in new) > 0.5 * len(new):
            continue  # another column's levels
        rows = np.isin(column.codes, [code for code, level in enumerate(column.levels) if level in new])
        if rows.sum() >= FEWEST:
            yield from judged(view, column, marked(rows, column.codes >= 0, view.groups), rows)


def turnover(column: LevelColumn) -> float:
    """How far a reference batch's shares of levels are from those of all, at the most."""
    if not len(column.batches):
        return 0.0
    shares = column.batches[:, :-1] / np.maximum(column.batches[:, :-1].sum(axis=1, keepdims=True), 1e-9)
    return float(0.5 * np.abs(shares - shares.mean(axis=0)).sum(axis=1).max())


def judged(view: View, column: LevelColumn, segment: Segment, rows: NDArray[np.bool_]) -> Iterator[Cause]:
    """A cause, if the new names' frequencies are the old ones'."""
    inside = segment.rows & (column.codes >= 0)
    held = int(inside.sum())
    counts = np.bincount(column.codes[inside], minlength=len(column.levels))
    if held < FEWEST or rows[inside].mean() < RENAMED or np.sum(counts > 0.02 * held) < 2:
        return
    order = np.argsort(-counts, kind="stable")
    now, names = counts[order] / held, [column.levels[code] for code in order]
    usual = usual_shares(view, column, segment)
    old = sorted(usual, key=lambda level: (-usual[level], level))
    before = np.array([usual[level] for level in old])
    size = max(len(now), len(before))
    apart = 0.5 * float(np.abs(np.pad(now, (0, size - len(now))) - np.pad(before, (0, size - len(before)))).sum())
    allowed = LIKE + 0.5 * turnover(column) + 0.4 * np.sqrt(len(before) / held)
    if apart > allowed or not 0.6 <= np.sum(now > 0.001) / max(1, np.sum(before > 0.001)) <= 1.7:
        return
    pairs = ", ".join(
        f"{column.shown(one)} is now {column.shown(other)}"
        for one, other in zip(old[:SHOWN], names[:SHOWN], strict=False)
    )
    evidence = (
        f"{rows[inside].mean():.1%} of {held} rows have a level that the reference lacks; in order of size the shares "
        f"are {apart:.3f} apart ({allowed:.3f} is like them), so perhaps {pairs}"
    )
    yield view.cause("category_recode", (column.name,), segment, evidence, 0.93 - 0.3 * apart)


def usual_shares(view: View, column: LevelColumn, segment: Segment) -> dict[str, float]:
    """The reference's shares, of the segment's level where the sample has enough of it."""
    if segment.level is None or not len(column.sample):
        return dict(column.usual)
    of_level = column.sample[view.levels[segment.level[0]].sample == segment.level[1]]
    of_level = of_level[of_level != None]  # noqa: E711 - elementwise
    if len(of_level) < 4 * FEWEST:
        return dict(column.usual)
    levels, counts = np.unique(of_level.astype(str), return_counts=True)
    return {str(level): float(count) / len(of_level) for level, count in zip(levels, counts, strict=True)}
