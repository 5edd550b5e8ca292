"""The world has changed: what is said where no fault of the feed explains what moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.cause import Cause

if TYPE_CHECKING:
    from tasks.drift.cause.view import LevelColumn, NumberColumn, View
    from tasks.drift.thresholds import Judged

SHOWN = 3  # columns that are described
ALONE, BESIDE = 0.7, 0.3  # confidence where nothing is wrong with the feed, and where something is
ROWWISE = frozenset({"late_partition", "duplicate_load", "time_zone_slip"})  # they move other columns too


def changes_of_the_world(view: View, judged: Judged | None, faults: Sequence[Cause]) -> Iterator[Cause]:
    """What is left to the world: all that alarmed, but for the columns of which the feed is at fault.

    Parameters
    ----------
    view : View
    judged : Judged or None
        None where nobody has judged: then the columns that are far from the reference's batches count.
    faults : sequence of Cause
    """
    moved = alarmed(judged) if judged is not None else far_off(view)
    blamed = {name for cause in faults for name in cause.columns}
    left = [name for name in moved if name not in blamed]
    if not left or any(cause.kind in ROWWISE for cause in faults):
        return
    evidence = f"{len(left)} columns moved and no fault of the feed explains them: " + "; ".join(
        described(view, name) for name in left[:SHOWN]
    )
    yield Cause("world", False, tuple(left), None, "all rows", evidence, BESIDE if faults else ALONE, view.owner(*left))


def alarmed(judged: Judged) -> list[str]:
    """The columns of which a test alarmed, the clearest first."""
    return list(dict.fromkeys(finding.column for finding in judged.findings if finding.alarmed))


def far_off(view: View) -> list[str]:
    """The columns that are farther from the reference's batches than these are from each other."""
    apart = {
        name: column.nearest(column.present) - column.room(len(column.present))
        for name, column in view.numbers.items()
        if len(column.present)
    }
    names = sorted((name for name, excess in apart.items() if excess > 0), key=lambda name: (-apart[name], name))
    return names + [name for name, column in view.levels.items() if far_level(view, column) is not None]


def far_level(view: View, column: LevelColumn) -> tuple[str, float, float] | None:
    """The level whose share moved most beyond what any reference batch has, with both shares; None if none did."""
    rows = max(1, int(column.counts.sum()))
    best: tuple[float, tuple[str, float, float]] | None = None
    for place, (level, usual) in enumerate(column.usual.items()):
        now = column.rows_of(level) / rows
        range_ = (
            (column.batches[:, place].min(), column.batches[:, place].max()) if len(column.batches) else (usual, usual)
        )
        beyond = max(range_[0] - now, now - range_[1]) - 4 * np.sqrt(usual / rows)
        if beyond > 0 and (best is None or beyond > best[0]):
            best = (float(beyond), (level, usual, now))
    return None if best is None else best[1]


def described(view: View, name: str) -> str:
    """How a column moved."""
    if name in view.numbers:
        return moved_number(view.numbers[name])
    if name in view.levels:
        return moved_level(view, view.levels[name])
    return name


def moved_number(column: NumberColumn) -> str:
    """The medians and missing shares."""
    if not len(column.present):
        return f"{column.name} has no value"
    usual, now = float(column.usual.quantiles(np.array([0.5]))[0]), float(np.median(column.present))
    missing = float(np.mean(np.isnan(column.values)))
    return f"{column.name}: median {usual:.4g}, now {now:.4g}; missing {column.missing:.1%}, now {missing:.1%}"


def moved_level(view: View, column: LevelColumn) -> str:
    """The level that moved most, and the share of new ones."""
    rows = max(1, int(column.counts.sum()))
    new = sum(column.rows_of(level) for level in column.new) / rows
    found = far_level(view, column)
    shares = "" if found is None else f" {column.shown(found[0])} {found[1]:.1%}, now {found[2]:.1%};"
    return f"{column.name}:{shares} {len(column.new)} new levels in {new:.1%} of the rows"
