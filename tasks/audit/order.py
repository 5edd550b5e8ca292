"""Identifiers and row numbers that predict, and columns that hold the target of a later row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.audit.columns import correlation
from tasks.audit.finding import Finding
from tasks.audit.lookup import as_ranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from tasks.audit.columns import Told
    from tasks.audit.view import View

    Floats = NDArray[np.float64]

PROBE = "an identifier that predicts"
LATER = "the target of a later row"
FEWEST = 60
ASKED = 2000  # rows whose value is looked for among all targets
DENSE = 5  # an identifier's range, in rows: counted off, with gaps for rows that are not trained on
STEADY = 0.999  # squared correlation with the place in the file
TELLS = 0.03  # of the target: an area under the curve of about 0.6


def identifiers(view: View, told: Mapping[str, Told]) -> list[Finding]:
    """Features that only number the rows, and yet tell something of the target out of fold."""
    return [finding(view, name, told[name]) for name in view.numbers if numbers_rows(view, name) and tells(told[name])]


def tells(told: Told) -> bool:
    """Whether a column surely tells something."""
    return told.all.low > TELLS / 3 and told.all.value > TELLS


def numbers_rows(view: View, name: str) -> bool:
    """Whether a column numbers rows: whole, each its own, and either without great gaps or in the order of the file."""
    values = view.numbers[name]
    if len(values) < FEWEST or not np.isfinite(values).all() or (values != np.floor(values)).any():
        return False
    if any(len(np.unique(values[:rows])) < len(values[:rows]) for rows in (FEWEST, None)):  # most fail at the first
        return False
    dense = float(values.max() - values.min()) <= DENSE * len(values)
    return dense or correlation(as_ranks(values), view.order.astype(np.float64)) ** 2 > STEADY


def finding(view: View, name: str, told: Told) -> Finding:
    """In words."""
    share = told.all
    place = correlation(as_ranks(view.numbers[name]), view.order.astype(np.float64)) ** 2
    return Finding(
        PROBE,
        (name,),
        {"share_told_alone": share.value, "low": share.low, "by_chance": 0.0, "r2_with_place_in_file": place},
        f"column {name!r} only numbers the rows, and yet tells {share.value:.3f} of {view.target_name!r} out of fold "
        f"(at least {share.low:.3f}; 0 by chance): rows were numbered in an order that knows the outcome. Put it under "
        "`drop`.",
    )


def from_later_rows(view: View) -> Iterable[Finding]:
    """Columns whose values are the targets of later rows."""
    number = view.target if view.classes == 1 else view.raw_target
    if number is None or view.rows < FEWEST:
        return
    times = view.order if view.times is None else view.times
    order = np.lexsort((view.order, times))
    target = number[order]
    found, last = last_places(target)
    if len(found) * 2 < len(target):
        return  # targets that come back are in any column of their unit
    asked = np.arange(len(order))[:: len(order) // ASKED + 1]
    for name, values in view.numbers.items():
        wanted = values[order[asked]]
        place = np.minimum(np.searchsorted(found, wanted), len(found) - 1)
        equal = found[place] == wanted
        later = equal & (last[place] > asked)
        is_distinct = len(np.unique(wanted[later])) * 2 >= later.sum()  # as targets are: ages are numbers of people too
        if is_distinct and later.mean() > 0.5 and later.sum() > 0.9 * equal.sum():
            yield later_finding(view, name, float(later.mean()))


def last_places(values: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """The distinct values, and where each comes last."""
    found, first = np.unique(values[::-1], return_index=True)
    return found, (len(values) - 1 - first).astype(np.intp)


def later_finding(view: View, name: str, share: float) -> Finding:
    """In words."""
    return Finding(
        LATER,
        (name,),
        {"share_of_rows": share, "by_chance": 0.0},
        f"in {100 * share:.1f} % of the rows column {name!r} holds the number that {view.target_name!r} is, or is made "
        "from, of a later row: it comes from the future. Put it under `drop`.",
    )
