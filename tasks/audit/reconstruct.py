"""Columns that the target can be put together from: a copy, a bucket of it, a sum, difference, product or ratio.

All pairs and triples are screened by their covariances, one matrix for all; what stands out is checked row by row.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.audit.columns import correlation, one_to_one
from tasks.audit.finding import Finding
from tasks.audit.lookup import as_ranks
from tasks.audit.view import Levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from tasks.audit.view import View

    Floats = NDArray[np.float64]

PROBE = "columns that make up the target"
ROWS = 3000
EXACT = 0.9995  # of the variance, or of the order
ALONE = 0.98  # area under the curve of a column that needs no other one
CHECKED = 20  # combinations, after the screening
MOST_COLUMNS = 100  # in triples
MOST_BUCKETS = 50
FEWEST = 30


class Terms(NamedTuple):
    """A sum of signed columns."""

    names: tuple[str, ...]
    signs: tuple[int, ...]

    def text(self, logarithms: bool) -> str:
        """As one writes it."""
        plus, minus = (" * ", " / ") if logarithms else (" + ", " - ")
        first, *rest = zip(self.names, self.signs, strict=True)
        return repr(first[0]) + "".join((plus if sign > 0 else minus) + repr(name) for name, sign in rest)


def made_up(view: View) -> list[Finding]:
    """Copies, buckets and combinations that are the target, or the number that it is made from."""
    chosen = view.drawn(np.arange(view.rows), ROWS)
    numbers = {name: values[chosen] for name, values in view.numbers.items()}
    levels = {name: each.codes[chosen] for name, each in view.levels.items()}
    found = []
    for name, target in targets(view):
        found += of_number(name, target[chosen], numbers, levels, times_of(view, chosen))
    if view.classes > 1:
        found += of_classes(view, numbers, levels, view.target[chosen].astype(np.intp))
    return distinct(found)


def targets(view: View) -> list[tuple[str, Floats]]:
    """The numbers that may be made up: the target, and what it is made from."""
    found = [] if view.classes > 1 else [(view.target_name, view.target)]
    return found if view.raw_target is None else [*found, (view.raw_name, view.raw_target)]


def times_of(view: View, chosen: NDArray[np.intp]) -> Floats | None:
    """When the rows happened, where they are split by it: what only time tells is then no leak."""
    return None if view.kind != "time" or view.times is None else view.times[chosen].astype(np.float64)


def distinct(findings: list[Finding]) -> list[Finding]:
    """One finding per set of columns."""
    return list({finding.columns: finding for finding in reversed(findings)}.values())[::-1]


def of_number(
    name: str,
    target: Floats,
    numbers: Mapping[str, Floats],
    levels: Mapping[str, NDArray[np.intp]],
    times: Floats | None,
) -> list[Finding]:
    """What a number is made of."""
    known = np.isfinite(target)
    if known.sum() < FEWEST or len(np.unique(target[known])) < 20:
        return []
    target, numbers = target[known], {key: values[known] for key, values in numbers.items()}
    times = None if times is None else times[known]
    buckets = {**{key: codes[known] for key, codes in levels.items()}, **few_valued(numbers)}
    found = [
        *(finding for key, values in numbers.items() for finding in copies(name, target, key, values, times)),
        *(finding for key, codes in buckets.items() for finding in bucket(name, target, key, codes, times)),
    ]
    free = {key: values for key, values in numbers.items() if key not in {f.columns[0] for f in found}}
    found += combined(name, target, free, logarithms=False)
    positive = {key: np.log(values) for key, values in free.items() if np.nanmin(values, initial=1) > 0}
    if not found and target.min() > 0:
        found += combined(name, np.log(target), positive, logarithms=True)
    return found


def copies(name: str, target: Floats, key: str, values: Floats, times: Floats | None) -> Iterable[Finding]:
    """A column that is the target in another unit, or rises or falls just as it does."""
    there = np.isfinite(values)
    if there.sum() < max(FEWEST, len(values) // 50) or follows_time(values, times):
        return
    ranks, wanted = as_ranks(values[there]), as_ranks(target[there])
    order, scale = correlation(ranks, wanted) ** 2, correlation(values[there], target[there]) ** 2
    if max(order, scale) < EXACT or len(np.unique(values[there])) < 20:
        return
    yield Finding(
        PROBE,
        (key,),
        {"r2_of_ranks": order, "r2": scale, "least_of_a_copy": EXACT, "rows": float(there.sum())},
        f"column {key!r} is {name!r} in another form: of {int(there.sum())} rows they have {100 * order:.3f} % of the "
        f"variance of ranks in common. Put it under `drop`.",
    )


def follows_time(values: Floats, times: Floats | None) -> bool:
    """Whether a column only says when its row happened."""
    if times is None:
        return False
    there = np.isfinite(values)
    return correlation(as_ranks(values[there]), as_ranks(times[there])) ** 2 > EXACT


def few_valued(numbers: Mapping[str, Floats]) -> dict[str, NDArray[np.intp]]:
    """Columns of few values, and for others whether the value is missing."""
    found = {}
    for name, values in numbers.items():
        distinct_values, codes = np.unique(values, return_inverse=True, equal_nan=True)
        if len(distinct_values) <= MOST_BUCKETS:
            found[name] = codes
        elif np.isnan(values).any():
            found[name] = np.isnan(values).astype(np.intp)
    return found


def bucket(name: str, target: Floats, key: str, codes: NDArray[np.intp], times: Floats | None) -> Iterable[Finding]:
    """A column whose levels lie apart on the target's scale: in order of the target each level is one run of rows.

    By chance, or by any honest noise, levels overlap and there are as many runs as rows.
    """
    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    if not 2 <= len(sizes) <= MOST_BUCKETS or np.sort(sizes)[-2] < FEWEST / 3 or sizes.sum() - sizes.max() < 10:
        return
    runs = run_count(target, codes)
    if runs > len(sizes) + 0.002 * len(codes) or (times is not None and run_count(times, codes) == len(sizes)):
        return
    shares = sizes / sizes.sum()
    chance = len(codes) * float(1 - (shares**2).sum())
    yield Finding(
        PROBE,
        (key,),
        {"levels": float(len(sizes)), "runs": float(runs), "runs_by_chance": chance, "rows": float(len(codes))},
        f"the {len(sizes)} levels of column {key!r} (a missing value is one) cut {name!r} into {runs} ranges that do "
        f"not overlap; by chance there would be {chance:.0f}. It is made from the target. Put it under `drop`.",
    )


def run_count(values: Floats, codes: NDArray[np.intp]) -> int:
    """Runs of equal levels in order of the values; of equal values, in order of level."""
    ordered = codes[np.lexsort((codes, values))]
    return int(np.count_nonzero(np.diff(ordered))) + 1


def screened(target: Floats, numbers: Mapping[str, Floats], sizes: Iterable[int]) -> list[tuple[float, Terms]]:
    """The combinations whose squared correlation with the target is greatest, by covariances alone."""
    names = sorted(numbers, key=lambda name: -abs(correlation(*filled(numbers[name], target))))[:MOST_COLUMNS]
    if len(names) < 2:
        return []
    matrix = np.column_stack([filled(numbers[name], target)[0] for name in names])
    matrix -= matrix.mean(axis=0)
    wanted = target - target.mean()
    within = np.array([np.add.reduce(matrix * column[:, None]) for column in matrix.T])
    across, total = np.add.reduce(matrix * wanted[:, None]), float(np.add.reduce(wanted**2))
    found = []
    for size in sizes:
        found += best_of(names, within, across, total, size)
    return sorted(found, key=lambda each: (-round(each[0], 9), len(each[1].names), each[1].names))[:CHECKED]


def best_of(names: list[str], within: Floats, across: Floats, total: float, size: int) -> list[tuple[float, Terms]]:
    """The best signed sums of so many columns."""
    places = np.array(list(combinations(range(len(names)), size)), dtype=np.intp).reshape(-1, size)
    found = []
    for signs in np.array(np.meshgrid(*[[1.0]] + [[1.0, -1.0]] * (size - 1))).reshape(size, -1).T:
        cross = (across[places] * signs).sum(axis=1)
        spread = sum(signs[a] * signs[b] * within[places[:, a], places[:, b]] for a in range(size) for b in range(size))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(spread > 1e-9 * within.diagonal()[places].sum(axis=1), cross**2 / (spread * total), 0.0)
        best = np.argsort(-share, kind="stable")[:CHECKED]
        found += [
            (float(share[row]), Terms(tuple(names[p] for p in places[row]), tuple(int(s) for s in signs)))
            for row in best
        ]
    return found


def filled(values: Floats, target: Floats) -> tuple[Floats, Floats]:
    """A column without holes, for a screening."""
    there = np.isfinite(values)
    return np.where(there, values, values[there].mean() if there.any() else 0.0), target


def summed(numbers: Mapping[str, Floats], terms: Terms) -> Floats:
    """The signed sum, NaN where a column is missing."""
    return np.asarray(sum(sign * numbers[name] for name, sign in zip(terms.names, terms.signs, strict=True)))


def combined(name: str, target: Floats, numbers: Mapping[str, Floats], *, logarithms: bool) -> list[Finding]:
    """Sums and differences of two or three columns that are the target; of logarithms, products and ratios."""
    found: list[Finding] = []
    for size in (2, 3):
        for _, terms in [] if found else screened(target, numbers, (size,)):
            found += same(name, target, numbers, terms, logarithms=logarithms)
    return found[:3]


def same(
    name: str, target: Floats, numbers: Mapping[str, Floats], terms: Terms, *, logarithms: bool
) -> Iterable[Finding]:
    """A finding where a combination is the target, up to its unit, and each of its columns is needed for it."""
    values = summed(numbers, terms)
    there = np.isfinite(values)
    if there.sum() < max(FEWEST, len(values) // 20):
        return
    share = correlation(values[there], target[there]) ** 2
    without = max(correlation(numbers[key][there], target[there]) ** 2 for key in terms.names)
    if share < EXACT or 1 - share > 0.2 * (1 - without):
        return
    yield Finding(
        PROBE,
        terms.names,
        {"r2": share, "r2_of_the_best_column_alone": without, "rows": float(there.sum())},
        f"{terms.text(logarithms)} is {name!r}: of {int(there.sum())} rows they have {100 * share:.4f} % of the "
        f"variance in common, the best of them alone {100 * without:.1f} %. Put {named(terms.names)} under `drop`.",
    )


def named(names: tuple[str, ...]) -> str:
    """Columns in a list."""
    return ", ".join(map(repr, names))


def of_classes(
    view: View, numbers: Mapping[str, Floats], levels: Mapping[str, NDArray[np.intp]], target: NDArray[np.intp]
) -> list[Finding]:
    """What classes are made of: a column with a level for each class, or a sum that parts two classes."""
    coded = {name: np.unique(values, return_inverse=True, equal_nan=True)[1] for name, values in numbers.items()}
    found = []
    for name, codes in {**coded, **levels}.items():
        one, other = (Levels(each, int(each.max()) + 1) for each in (codes, target))
        if other.count <= codes.max() + 1 <= 2 * other.count and one_to_one(one, other) and enough(target):
            found.append(class_copy(view.target_name, name, len(target), len(np.unique(target))))
    if view.classes == 2 and np.bincount(target, minlength=2).min() >= FEWEST:
        free = {name: values for name, values in numbers.items() if np.isfinite(values).mean() > 0.5}
        found += parting(view.target_name, target.astype(np.float64), free)
    return found


def enough(target: NDArray[np.intp]) -> bool:
    """Whether no class is so rare that chance could tell it."""
    rows = np.bincount(target)
    return bool(rows[rows > 0].min() >= 5)


def class_copy(target: str, name: str, rows: int, classes: int) -> Finding:
    """A column that is the class, under other names."""
    return Finding(
        PROBE,
        (name,),
        {"levels": float(classes), "classes": float(classes), "exceptions": 0.0, "rows": float(rows)},
        f"column {name!r} has one level for each class of {target!r}, without an exception in {rows} rows: it is the "
        "target under other names. Put it under `drop`.",
    )


def parting(name: str, target: Floats, numbers: Mapping[str, Floats]) -> list[Finding]:
    """Two or three columns whose sum or difference lies above one number for one class, and below it for the other."""
    found: list[Finding] = []
    for size in (2, 3):
        for _, terms in [] if found else screened(target, numbers, (size,)):
            values = summed(numbers, terms)
            there = np.isfinite(values)
            area = area_under(values[there], target[there])
            alone = max(area_under(numbers[key][there], target[there]) for key in terms.names)
            if area >= EXACT and alone <= ALONE and there.mean() > 0.5:
                found.append(parting_finding(name, terms, area, alone, int(there.sum())))
    return found[:3]


def parting_finding(name: str, terms: Terms, area: float, alone: float, rows: int) -> Finding:
    """In words."""
    return Finding(
        PROBE,
        terms.names,
        {"auc": area, "auc_of_the_best_column_alone": alone, "auc_by_chance": 0.5, "rows": float(rows)},
        f"{terms.text(False)} parts the classes of {name!r} at one number, with an area under the curve of {area:.5f} "
        f"in {rows} rows; the best of them alone has {alone:.3f}. Put {named(terms.names)} under `drop`.",
    )


def area_under(values: Floats, target: Floats) -> float:
    """Area under the ROC curve of a column, whichever way it points."""
    ones = float(target.sum())
    if not 0 < ones < len(target):
        return 0.5
    ranks = as_ranks(values) * max(len(values) - 1, 1)
    area = (float(np.add.reduce(ranks[target == 1])) - ones * (ones - 1) / 2) / (ones * (len(target) - ones))
    return max(area, 1 - area)
