"""Single columns that tell too much of the target: copies of it, and what is known only after it.

A strong column is no leak by itself. What counts is how much it tells alone and out of fold, how surely, and whether
the other columns together come near it: of honest data that are easy to tell apart, several columns are strong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.audit.finding import Finding
from tasks.audit.lookup import Share, as_levels, as_ranks, binned, bound, distinct, looked_up, share_told, truth_of
from tasks.audit.trees import ASKED, LEARNT, told_by
from tasks.audit.view import Levels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tasks.audit.lookup import Truth
    from tasks.audit.view import View

    Mask = NDArray[np.bool_]

PROBE = "one column alone"
STRONG = {"classes": 0.6, "number": 0.96}  # told by one column: an AUC of 0.95 tells 0.59 at the most; R2 0.9 is honest
SURE = {"classes": 0.93, "number": 0.985}  # from here on another strong column is rather one more copy than a witness
TIMES = {"classes": 2.2, "number": 5.0}  # how many times what it leaves untold the others leave
APART = {"classes": 0.25, "number": 0.15}  # by how much the others must fall behind
FEWEST = 50  # rows that are present, to be looked at alone
LAGGED = 0.8  # share of values that are targets of earlier rows


@dataclass(frozen=True)
class Told:
    """How much one column tells alone: of all rows, and of those where it is present."""

    name: str
    all: Share
    present: Share | None
    among: Mask | None

    @property
    def best(self) -> Share:
        """The greater of the two."""
        return self.all if self.present is None or self.present.low < self.all.low else self.present


def told_alone(view: View) -> dict[str, Told]:
    """What each feature tells alone, on the declared folds."""
    truth, z = truth_of(view), bound(len(view.features))
    return {name: column_told(view, name, truth, z) for name in view.features}


def column_told(view: View, name: str, truth: Truth, z: float) -> Told:
    """What one feature tells alone: in bins, value by value, and where it is present."""
    if name in view.levels:
        return Told(name, share_told(looked_up(view.levels[name], truth, view.folds), z), None, None)
    values = view.numbers[name]
    column = distinct(values)
    bins, levels = binned(column), as_levels(column)
    found = [share_told(looked_up(each, truth, view.folds), z) for each in (bins, levels) if each is not None]
    best = max(found, key=lambda share: share.low)
    among = ~np.isnan(values)
    if not 0.02 < among.mean() < 0.95 or among.sum() < FEWEST:
        return Told(name, best, None, None)
    return Told(name, best, share_told(looked_up(bins, truth, view.folds, among), z), among)


def too_strong(view: View, whole: View, told: dict[str, Told], threads: int) -> list[Finding]:
    """The columns that tell more alone than an honest one would, beside what the others tell together.

    Parameters
    ----------
    view, whole : View
        Some of the rows, and all of them: only there does the row before stand before.
    told : dict of column to Told
    threads : int
    """
    kind = "number" if view.classes == 1 else "classes"
    suspects = [name for name, each in told.items() if each.best.low >= STRONG[kind] and not is_lag(whole, name)]
    return [found for name in suspects for found in judged(view, told[name], suspects, kind, threads)]


def judged(view: View, told: Told, suspects: list[str], kind: str, threads: int) -> Iterable[Finding]:
    """A finding, where the other columns do not come near."""
    share = told.best
    left_out = {*suspects} if share.low >= SURE[kind] else {name for name in suspects if akin(view, told.name, name)}
    others = [name for name in view.features if name not in left_out and name != told.name]
    together = told_together(view, others, told.among if share is told.present else None, threads)
    gap, times = share.value - together, (1 - together) / max(1 - share.value, 1e-9)
    if gap < APART[kind] or times < TIMES[kind]:
        return
    evidence = {
        "share_told_alone": share.value,
        "low": share.low,
        "high": share.high,
        "share_told_by_others_together": together,
        "most_of_an_honest_column": STRONG[kind],
    }
    what = "R2 of ranks" if kind == "number" else "share of the logarithmic loss"
    where = "" if share is told.all else f", on the {int(told.among.sum())} rows that have it"  # type: ignore[union-attr]
    yield Finding(
        PROBE,
        (told.name,),
        evidence,
        f"column {told.name!r} alone tells {share.value:.3f} of {view.target_name!r} out of fold{where} ({what}, "
        f"at least {share.low:.3f}); the other {len(others)} columns together tell {max(together, 0.0):.3f}, and an "
        f"honest column hardly ever more than {STRONG[kind]}. It looks like a copy of the target, or like something "
        f"known only after it. {remedy(view, told.name)}",
    )


def remedy(view: View, name: str) -> str:
    """What to do about a column that tells too much."""
    if name in view.levels and view.levels[name].count > max(50, view.rows // 50):
        return (
            f"Put it under `drop`, or, if its values name who or what a row is about, say `split: {{group: {name}}}`."
        )
    return "Put it under `drop`, unless it is known when the model is asked."


def told_together(view: View, names: list[str], among: Mask | None, threads: int) -> float:
    """What some columns tell together, of the fold with most rows to learn from."""
    inside = np.ones(view.rows, dtype=np.bool_) if among is None else among
    learnt, asked = max(view.folds, key=lambda fold: len(fold[0]))
    learnt, asked = view.drawn(learnt[inside[learnt]], LEARNT), view.drawn(asked[inside[asked]], ASKED)
    if not len(learnt) or not len(asked):
        return 0.0
    return share_told(told_by(view, names, learnt, asked, threads), 0.0).value


def akin(view: View, one: str, other: str) -> bool:
    """Whether two columns say the same, but for the unit."""
    if one == other:
        return True
    if one in view.numbers and other in view.numbers:
        there = ~np.isnan(view.numbers[one]) & ~np.isnan(view.numbers[other])
        ranks = [as_ranks(view.numbers[name][there]) for name in (one, other)]
        return abs(correlation(*ranks)) >= 0.995
    return one_to_one(level_codes(view, one), level_codes(view, other))


def level_codes(view: View, name: str) -> Levels:
    """A feature's levels, of a number its values."""
    if name in view.levels:
        return view.levels[name]
    found, codes = np.unique(view.numbers[name], return_inverse=True, equal_nan=True)
    return Levels(codes.astype(np.intp), len(found))


def one_to_one(one: Levels, other: Levels) -> bool:
    """Whether each level of one column goes with one level of the other."""
    pairs = len(np.unique(one.codes * other.count + other.codes))
    return pairs == len(np.unique(one.codes)) == len(np.unique(other.codes))


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's, 0 where one does not vary."""
    one, other = one - one.mean(), other - other.mean()
    scale = np.sqrt(np.add.reduce(one**2) * np.add.reduce(other**2))
    return float(np.add.reduce(one * other) / scale) if scale > 0 else 0.0


def is_lag(view: View, name: str) -> bool:
    """Whether a column is the target of an earlier row, which may be known: by its values, or by where it fits best.

    A copy of the target fits its own row best, a lagged target the row before.
    """
    if view.classes != 1 or name not in view.numbers or view.rows < FEWEST:
        return False
    times = view.order if view.times is None else np.lexsort((view.order, view.times)).argsort()
    order = np.argsort(times, kind="stable")
    values, target = view.numbers[name][order], view.target[order]
    there = ~np.isnan(values[1:])
    if there.sum() < FEWEST:
        return False
    now, before = (
        abs(correlation(as_ranks(values[1:][there]), as_ranks(side[there]))) for side in (target[1:], target[:-1])
    )
    return before > now or taken_from_before(values, target)


def taken_from_before(values: NDArray[np.float64], target: NDArray[np.float64]) -> bool:
    """Whether values are targets of earlier rows, and of another row than their own."""
    found, first = np.unique(target, return_index=True)
    if len(found) * 5 < len(target):
        return False  # targets that come back are in any column of their unit
    place = np.minimum(np.searchsorted(found, values), len(found) - 1)
    earlier = (found[place] == values) & (first[place] < np.arange(len(values)))
    return bool(earlier.mean() >= LAGGED and (values == target).mean() < 1 - LAGGED)
