"""How differently a model treats the groups of a protected column, and which other columns stand in for it.

A binary model acts on a row when its prediction reaches a threshold; groups are compared by how often they are acted on
(selection rate) and by how often that is wrong: true positive rate and false positive rate, the criteria of M. Hardt,
E. Price, N. Srebro (2016), "Equality of Opportunity in Supervised Learning", NIPS. With several classes each class is
one that a row may be decided to be, and groups are compared by how often decisions are right as well. A regression's
groups are compared by mean error and mean absolute error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.evaluation.intervals import Interval, Score
from tasks.evaluation.slices import MISSING, slice_levels
from tasks.gate.paired import Asked, Resampling, Window, adder

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

MOST_LEVELS = 10  # a number with more values forms groups by quarters, not by value
QUARTERS, TENTHS = 4, 10
STAND_INS = 3


@dataclass(frozen=True)
class Groups:
    """The group of each row, 0..n-1, and the groups' names."""

    code: Integers
    names: tuple[str, ...]


def groups_of(values: pd.Series, least_rows: int) -> Groups:
    """Form groups by a column's values: levels as slices have them, a number with many values by its quarters.

    >>> import pandas as pd
    >>> groups_of(pd.Series(["f", "m", "f", None]), least_rows=1).names
    ('(missing)', 'f', 'm')
    """
    levels = slice_levels(binned(values, QUARTERS), least_rows)
    names, code = np.unique(levels.to_numpy(dtype=object).astype(str), return_inverse=True)
    return Groups(code.astype(np.int64), tuple(str(name) for name in names))


def binned(values: pd.Series, bins: int) -> pd.Series:
    """Cut a number (or moment) with more than `MOST_LEVELS` values at its quantiles; leave anything else as it is.

    >>> import pandas as pd
    >>> binned(pd.Series(range(12)), bins=2).unique().tolist()
    ['0 to 5', '6 to 11']
    """
    import pandas as pd

    if not is_ordered(values) or values.nunique() <= MOST_LEVELS:
        return values
    known = values.dropna()
    rank = known.rank(method="max", pct=True)
    part = np.ceil(rank.to_numpy() * bins)
    bounds = known.groupby(part).agg(["min", "max"])
    names = {
        number: f"{low:.6g} to {high:.6g}" if is_number(values) else f"{low} to {high}"
        for number, low, high in bounds.itertuples()
    }
    return pd.Series([names[number] for number in part], index=known.index, dtype="object").reindex(values.index)


def is_number(values: pd.Series) -> bool:
    """Whether a column holds numbers; booleans are levels."""
    import pandas as pd

    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def is_ordered(values: pd.Series) -> bool:
    """Whether a column holds numbers or timestamps."""
    import pandas as pd

    return is_number(values) or pd.api.types.is_datetime64_any_dtype(values)


def measures_of(task: str, target: Floats, prediction: Floats, threshold: float) -> dict[str, tuple[Floats, Floats]]:
    """Give each measure as a rate: what is counted of each row, and what it is counted among.

    Parameters
    ----------
    task : {"binary", "regression"}
        Several classes have `class_measures`.
    target, prediction : arrays of float, shape (n,)
    threshold : float
        Prediction from which a binary model acts; not read for a regression.

    Returns
    -------
    dict of measure to two arrays of float, shape (n,)
        A group's measure is the sum of the first over the sum of the second.
    """
    everyone = np.ones(len(target))
    if task == "regression":
        error = prediction - target
        return {"mean error": (error, everyone), "mean absolute error": (np.abs(error), everyone)}
    acted, positive = (prediction >= threshold).astype(np.float64), (target > 0).astype(np.float64)
    return {
        "selection rate": (acted, everyone),
        "true positive rate": (acted * positive, positive),
        "false positive rate": (acted * (1 - positive), 1 - positive),
    }


def class_measures(target: Floats, decided: Integers, names: tuple[str, ...]) -> dict[str, tuple[Floats, Floats]]:
    """Give the measures of decisions between several classes as `measures_of` does.

    Parameters
    ----------
    target, decided : arrays of class numbers, shape (n,)
    names : tuple of str
        Of the classes.
    """
    everyone = np.ones(len(target))
    right = (decided == target).astype(np.float64)
    found = {"accuracy": (right, everyone)}
    for number, name in enumerate(names):
        acted, happened = ((each == number).astype(np.float64) for each in (decided, target))
        found[f"selection rate of {name}"] = (acted, everyone)
        found[f"true positive rate of {name}"] = (acted * happened, happened)
    return found


def gap(window: Window, groups: Groups, counted: Floats, among: Floats) -> Asked:
    """Ask for the distance of the groups with the greatest and the least rate.

    A group without rows to count among has no rate and is left out; with fewer than two rates there is no distance.
    """
    levels = len(groups.names)
    over, under = (adder(window.sums(groups.code, levels, values)) for values in (counted, among))

    def scorer(counts: Integers) -> float:
        above, below = over(counts), under(counts)
        rates = above[below > 0] / below[below > 0]
        return float(rates.max() - rates.min()) if len(rates) > 1 else float("nan")

    return window.asked(scorer)


def rates_of(groups: Groups, measures: Mapping[str, tuple[Floats, Floats]]) -> list[dict[str, Any]]:
    """Tell each group's rows and rates; None where a group has no rows to count among."""
    table = []
    for index, name in enumerate(groups.names):
        chosen = groups.code == index
        rates = {
            measure: float(counted[chosen].sum() / among[chosen].sum()) if among[chosen].any() else None
            for measure, (counted, among) in measures.items()
        }
        table.append({"group": name, "rows": int(chosen.sum()), **rates})
    return table


def gap_interval(score: Score, resampling: Resampling) -> Interval:
    """Put an interval around a distance of groups; say why there is none."""
    found = resampling.interval(score)
    if found.value is None:
        return Interval(None, None, None, "not defined: fewer than two groups have rows to count among")
    return found


def stand_ins(frame: pd.DataFrame, protected: str, inputs: tuple[str, ...], least_rows: int) -> list[dict[str, Any]]:
    """Name the inputs of a model that tell most about a protected column, by bias-corrected Cramer's V.

    Parameters
    ----------
    frame : DataFrame, shape (n, d)
    protected : str
    inputs : tuple of str
        Columns that the model reads; the protected one itself is not compared.
    least_rows : int
        Groups with fewer rows are taken together.

    Returns
    -------
    list of dict
        `column` and `association` (0: tells nothing, 1: tells all), the greatest first, three at most.
    """
    groups = groups_of(frame[protected], least_rows)
    found = [
        {"column": name, "association": cramers_v(groups.code, levels_of(frame[name]))}
        for name in inputs
        if name != protected
    ]
    return sorted(found, key=lambda entry: -float(str(entry["association"])))[:STAND_INS]


def levels_of(values: pd.Series) -> Integers:
    """Number the levels of a column: its values, or the tenths of a number; a missing value is a level."""
    levels = binned(values, TENTHS).astype("object")
    code, _ = levels.where(levels.notna(), MISSING).factorize()
    return code.astype(np.int64)


def cramers_v(first: Integers, second: Integers) -> float:
    """Association of two classifications of the same rows: 0 for independent ones, 1 when one tells the other.

    References
    ----------
    W. Bergsma (2013), "A bias-correction for Cramer's V and Tschuprow's T", doi:10.1016/j.jkss.2012.10.002: without the
    correction a column of many levels, such as a tail number, seems to tell of everything.

    Examples
    --------
    >>> codes = np.array([0, 1] * 50)
    >>> round(cramers_v(codes, codes), 6), cramers_v(codes, np.array([0, 0, 1, 1] * 25))
    (1.0, 0.0)
    """
    rows, levels = len(first), (int(first.max()) + 1, int(second.max()) + 1)
    table = np.bincount(first * levels[1] + second, minlength=levels[0] * levels[1]).reshape(levels).astype(np.float64)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    r, k = table.shape
    if min(r, k) < 2 or rows < 2:
        return 0.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / rows
    phi = float((np.square(table - expected) / expected).sum()) / rows
    corrected = max(0.0, phi - (r - 1) * (k - 1) / (rows - 1))
    least = min(r - (r - 1) ** 2 / (rows - 1), k - (k - 1) ** 2 / (rows - 1)) - 1
    return min(1.0, (corrected / least) ** 0.5) if least > 0 else 0.0
