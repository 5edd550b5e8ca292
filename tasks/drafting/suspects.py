"""Columns that alone tell the target nearly perfectly: known only afterwards, or a copy. Cheap; the audit looks closer.

A number is held against a class by the area under the ROC curve, against a number by the correlation of the values or
of their ranks, whichever is greater: a logarithm of the target is a copy too. Ranks are not looked at where the target
only rises or falls from row to row: the years do so too. A category counts as the mean target of its level in the other
half of the rows, so that a rare level tells nothing of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.drafting.profile import MOMENTS, NUMBERS, Profile
from tasks.drafting.roles import is_ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.sections.train import Task

    Floats = NDArray[np.float64]

LEAST_ROWS = 30
TELLING_AUC = 0.95
TELLING_CORRELATION = 0.99
PERFECT = {"AUC": 0.9999, "correlation": 0.99975}  # a square of 0.9995, from where on the audit calls a column a copy
GAPS = "gaps"
MOST_CLASSES = 20  # more are not looked at one by one


@dataclass(frozen=True)
class Suspect:
    """A column that may know the target: `figure` is 1 where it tells all, `is_perfect` where it does."""

    name: str
    measure: str
    figure: float

    @property
    def is_perfect(self) -> bool:
        """Whether the column tells the target of every row."""
        return self.measure != GAPS and self.figure >= PERFECT[self.measure.split()[0]]

    @property
    def text(self) -> str:
        """What was seen, in words."""
        if self.measure == GAPS:
            return "is missing in just the rows that have no target"
        return f"tells the target alone ({self.measure} {self.figure:.4f})"


def find_suspect(profile: Profile, target: Profile, task: Task) -> Suspect | None:
    """Hold one column against the target; None where nothing is suspicious.

    Parameters
    ----------
    profile, target : Profile
    task : {"binary", "multiclass", "regression"}
    """
    found = told_alone(profile, target, task)
    if same_gaps(profile, target) and not (found and found.is_perfect):
        return Suspect(profile.name, GAPS, 0.0)
    return found


def told_alone(profile: Profile, target: Profile, task: Task) -> Suspect | None:
    """What a column's values, or whether there is one, tell of the target; None where not suspiciously much."""
    known = ~target.is_missing
    outcome = np.unique(target.numbers[known], return_inverse=True)[1] if task != "regression" else None
    goal = target.numbers[known] if outcome is None else outcome.astype(np.float64)
    for measure, values, limit in measured(profile, known, goal, task):
        usable = ~np.isnan(values)
        if usable.sum() < LEAST_ROWS or len(np.unique(values[usable])) < 2:
            continue
        figure = strength(values[usable], goal[usable], task)
        if figure > limit:
            return Suspect(profile.name, measure, figure)
    return None


def same_gaps(profile: Profile, target: Profile) -> bool:
    """Whether a column lacks a value just where the target does."""
    missing = target.is_missing
    return bool(missing.any() and not missing.all() and (profile.is_missing == missing).all())


def measured(
    profile: Profile, known: NDArray[np.bool_], goal: Floats, task: Task
) -> Iterator[tuple[str, Floats, float]]:
    """What of a column is held against the target: its values, and whether it has one."""
    limit = TELLING_CORRELATION if task == "regression" else TELLING_AUC
    name = "correlation" if task == "regression" else "AUC"
    values = profile.numbers[known]
    if profile.type in (*NUMBERS, *MOMENTS, "boolean"):
        yield name, values, limit
    elif task != "multiclass" and profile.type == "category":
        yield f"{name} of the mean of its level", means_of_other_half(values, goal), limit
    if profile.is_missing.any():
        yield f"{name} of whether it is missing", profile.is_missing[known].astype(np.float64), limit


def means_of_other_half(codes: Floats, goal: Floats) -> Floats:
    """For each row the mean target of its level among the rows of the other half, odd or even; NaN where none is."""
    means = np.full(len(goal), np.nan)
    present = ~np.isnan(codes)
    whole = np.where(present, codes, 0).astype(np.int64)
    odd = np.arange(len(goal)) % 2 == 1
    for half in (odd, ~odd):
        learned, told = present & ~half, present & half
        size = int(whole.max(initial=0)) + 1
        rows = np.bincount(whole[learned], minlength=size)
        with np.errstate(invalid="ignore"):
            level_means = np.bincount(whole[learned], goal[learned], minlength=size) / rows
        means[told] = level_means[whole[told]]
    return means


def strength(values: Floats, goal: Floats, task: Task) -> float:
    """How well values order or follow the target: 1 is perfectly, either way round."""
    from scipy.stats import rankdata

    if task == "regression":
        if not np.ptp(goal) or not np.isfinite(values).all():
            return 0.0
        pairs = [(values, goal)] if is_ordered(goal) else [(values, goal), (rankdata(values), rankdata(goal))]
        return float(max(abs(np.corrcoef(*pair)[0, 1]) for pair in pairs))
    classes = np.unique(goal)
    if not 2 <= len(classes) <= MOST_CLASSES:
        return 0.0
    asked = classes[1:] if len(classes) == 2 else classes
    each = [area_under_curve(values, goal == one) for one in asked]
    return float(np.mean([max(area, 1 - area) for area in each]))


def area_under_curve(values: Floats, is_one: NDArray[np.bool_]) -> float:
    """Chance that a row of the class has a greater value than another row, a tie being half of one."""
    from scipy.stats import rankdata

    ones, others = int(is_one.sum()), int((~is_one).sum())
    ranks = rankdata(values)
    return float((ranks[is_one].sum() - ones * (ones + 1) / 2) / (ones * others))
