"""What each fit learns from and is judged on: no group, and no later time, on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.audit.finding import Finding
from tasks.audit.view import levels_of
from tasks.splitting.folds import MICROSECOND, microseconds
from tasks.splitting.holdout import embargo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.splitting.cross_fitting import Fit
    from tasks.training.rows import TrainingRows

PROBE = "both sides of each fold"


def both_sides(rows: TrainingRows) -> tuple[list[Finding], dict[str, float]]:
    """Count what stands on both sides of a fold of the plan and must not: rows, declared groups, later times."""
    fits = rows.plan.folds
    facts = {"rows_on_both_sides": float(sum(count_rows(fit) for fit in fits))}
    if rows.groups is not None:
        codes = levels_of(rows.groups).codes
        facts["groups_on_both_sides"] = float(sum(count_groups(fit, codes) for fit in fits))
    if rows.pipeline.split_kind == "time" and rows.times is not None:
        times, wait = microseconds(rows.times), embargo(rows.pipeline) // MICROSECOND
        facts["rows_learnt_from_too_late"] = float(sum(count_late(fit, times, wait) for fit in fits))
    wrong = {name: count for name, count in facts.items() if count}
    if not wrong:
        return [], facts
    said = ", ".join(f"{int(count)} {name.replace('_', ' ')}" for name, count in wrong.items())
    return [Finding(PROBE, (), facts, f"the plan of the folds is wrong: {said}; 0 were expected.")], facts


def count_rows(fit: Fit) -> int:
    """Rows that are learnt from or watched, and validated."""
    return int(np.isin(fit.valid, np.concatenate([fit.learnt, fit.watched])).sum())


def count_groups(fit: Fit, codes: NDArray[np.intp]) -> int:
    """Groups with rows on two of the three sides."""
    sides = [np.unique(codes[side]) for side in (fit.learnt, fit.watched, fit.valid)]
    pairs = ((0, 1), (0, 2), (1, 2))
    return sum(len(np.intersect1d(sides[one], sides[other])) for one, other in pairs)


def count_late(fit: Fit, times: NDArray[np.int64], wait: int) -> int:
    """Learnt or watched rows whose targets were not known when the first validated row happened."""
    if not len(fit.valid):
        return 0
    start = times[fit.valid].min()
    return int((times[np.concatenate([fit.learnt, fit.watched])] + wait > start).sum())
