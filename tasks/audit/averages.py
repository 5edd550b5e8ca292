"""Columns that hold mean targets of groups, worked out on the very rows that the model is trained and judged on.

A mean target of the past, or of other rows, knows what a group is like, not how its rows here happened to turn out: the
groups' means lie around it with at least the spread that chance gives so many rows. A column that knows these rows'
targets lies closer than chance allows, and nothing honest does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.audit.duplicates import mixed
from tasks.audit.finding import Finding
from tasks.audit.lookup import bound, distinct
from tasks.audit.neighbours import named_units, whole_units
from tasks.audit.view import Levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from tasks.audit.columns import Told
    from tasks.audit.neighbours import Unit
    from tasks.audit.view import View

    Floats = NDArray[np.float64]

PROBE = "mean target of a group"
ROWS = 20_000  # of whole values
FEWEST_GROUPS = 12
MOST_CLASSES = 5
CLOSER = 0.75  # of the spread that chance gives, at the most, to say so
TOLD = 0.5  # least share of what sets the groups apart that such a column tells


class Closeness(NamedTuple):
    """How close group means lie to a column: spread around it over the spread that chance gives."""

    groups: int
    ratio: float
    least: float  # that chance leaves an honest column, which knows what each group is like
    without: float  # the same around the mean of all


def group_means(view: View) -> list[Finding]:
    """Columns of which each value goes with several rows, whose mean target it knows too well."""
    targets = [view.target] if view.classes <= 2 else one_by_one(view)
    if view.raw_target is not None and np.isfinite(view.raw_target).all():
        targets.append(view.raw_target)
    z = bound(len(view.numbers) * len(targets))
    return [found for name in view.numbers for found in first(view, name, targets, z)]


def one_by_one(view: View) -> list[Floats]:
    """A multiclass target as one target per class, of the first few."""
    return [(view.target == code).astype(np.float64) for code in range(min(view.classes, MOST_CLASSES))]


def first(view: View, name: str, targets: list[Floats], z: float) -> Iterable[Finding]:
    """A finding for the first target whose mean a column is."""
    for target in targets:
        chosen = whole_values(view.numbers[name])
        found = closeness(view.numbers[name][chosen], target[chosen], z)
        if found is not None and found.ratio < min(CLOSER, found.least) and found.ratio < (1 - TOLD) * found.without:
            yield finding(view.target_name, name, found)
            return


def whole_values(values: Floats) -> NDArray[np.bool_]:
    """The rows of some of a column's values, all rows of each: so many that they are enough to count."""
    if len(values) <= ROWS:
        return np.ones(len(values), dtype=np.bool_)
    return np.asarray(mixed((values + 0.0).view(np.uint64), 1) < np.uint64(int(2**64 * ROWS / len(values))))


def closeness(values: Floats, target: Floats, z: float) -> Closeness | None:
    """How close the mean targets of a column's values lie to a straight line in it.

    Parameters
    ----------
    values, target : arrays of float, shape (n,)
    z : float
        Standard errors of the interval.

    Returns
    -------
    Closeness or None
        None where too few values come with two or more rows.
    """
    there = np.isfinite(values)
    found, codes, rows, _ = distinct(values[there])
    several = rows >= 2
    if several.sum() < FEWEST_GROUPS or rows[several].sum() < 0.5 * len(values):
        return None
    wanted = target[there] - target[there].mean()
    means = np.bincount(codes, wanted) / rows
    within = np.bincount(codes, (wanted - means[codes]) ** 2)[several] / (rows[several] - 1)
    weight, means, found = rows[several].astype(np.float64), means[several], found[several]
    chance = float(np.add.reduce(within))
    if chance <= 0:
        return None
    spread = weight * (means - line(found, means, weight)) ** 2
    alone = weight * (means - np.add.reduce(weight * means) / np.add.reduce(weight)) ** 2
    ratio = float(np.add.reduce(spread)) / chance
    error = float(np.sqrt(2 * np.add.reduce(within**2))) / chance  # each group's is a chi-square of one degree
    return Closeness(len(found), ratio, 1 - z * error, float(np.add.reduce(alone)) / chance)


def line(found: Floats, means: Floats, rows: Floats) -> Floats:
    """The weighted least squares line of means on values."""
    total = np.add.reduce(rows)
    centre, height = np.add.reduce(rows * found) / total, np.add.reduce(rows * means) / total
    spread = np.add.reduce(rows * (found - centre) ** 2)
    slope = np.add.reduce(rows * (found - centre) * (means - height)) / spread if spread > 0 else 0.0
    return np.asarray(height + slope * (found - centre))


def finding(target: str, name: str, found: Closeness) -> Finding:
    """In words."""
    return Finding(
        PROBE,
        (name,),
        {
            "groups": float(found.groups),
            "spread_over_chance": found.ratio,
            "least_of_an_honest_column": found.least,
            "spread_without_the_column": found.without,
        },
        f"column {name!r} holds mean targets of these very rows: the mean {target!r} of its {found.groups} values lies "
        f"around it with {found.ratio:.2f} of the spread that chance alone gives (an honest column has 1 or more, and "
        f"no less than {found.least:.2f}). Put it under `drop`, and let `encode` make it inside each fold.",
    )


LEAST_ROWS = 4  # of a group, so that a line through its rows means something
MOST_FOUND = 3
MOST_UNITS = 8  # columns by whose values rows are taken together
APART = 0.95  # of what sets a group's rows apart: a line through so few rows has a third of it by chance
ELSEWHERE = 0.8  # of the target that the column tells whatever the group


def left_one_out(view: View, told: Mapping[str, Told]) -> list[Finding]:
    """Columns that part the rows of each group by their target, as a mean of the group's other rows does.

    Within a group, the mean of the others falls as the row's own target rises: a straight line through all its rows.
    """
    targets = [view.target] if view.classes <= 2 else one_by_one(view)
    units = list(named_units(view, numbers=view.rows <= ROWS))
    units.sort(key=lambda unit: (unit.name not in view.levels, -unit.levels.count, unit.name))
    units = [unit for unit in units if enough_rows(unit)][:MOST_UNITS]
    weak = [name for name in view.numbers if told[name].all.value < ELSEWHERE]
    found = [each for unit in units for each in within(view, unit, weak, targets)]
    return found[:MOST_FOUND]


def enough_rows(unit: Unit) -> bool:
    """Whether most rows are of groups that a line can be drawn through."""
    sizes = np.bincount(unit.levels.codes, minlength=unit.levels.count)
    large = sizes[sizes >= LEAST_ROWS]
    return bool(len(large) >= FEWEST_GROUPS and large.sum() >= 0.5 * sizes.sum())


def within(view: View, unit: Unit, names: list[str], targets: list[Floats]) -> Iterable[Finding]:
    """A finding for each column with which a line in each group goes through the targets of its rows."""
    rows = whole_units(view, unit)
    levels = Levels(np.unique(unit.levels.codes[rows], return_inverse=True)[1], len(rows))
    for name in names:
        share = max(line_within(view.numbers[name][rows], target[rows], levels) for target in targets)
        if name != unit.name and share >= APART:
            yield within_finding(view.target_name, name, unit.name, share)


def within_finding(target: str, name: str, unit: str, share: float) -> Finding:
    """In words."""
    return Finding(
        PROBE,
        (name,),
        {"share_told_within_groups": share, "most_of_an_honest_column": APART},
        f"within each {unit!r}, column {name!r} tells {100 * share:.1f} % of {target!r} by a straight line: it holds "
        "the mean target of the group's other rows, which gives each row's own away. Put it under `drop`, and let "
        "`encode` make it inside each fold.",
    )


def line_within(values: Floats, target: Floats, levels: Levels) -> float:
    """Share of the target's variance within groups that a falling line in each of them tells."""
    there = np.isfinite(values)
    codes, x, y = levels.codes[there], values[there], target[there]
    rows = np.bincount(codes, minlength=levels.count)
    enough = rows >= LEAST_ROWS
    x, y = (centred(each, codes, rows) for each in (x, y))
    xx, xy, yy = (np.bincount(codes, each, levels.count) for each in (x * x, x * y, y * y))
    varies = enough & (xx > 1e-12 * max(float(np.add.reduce(values[there] ** 2)), 1e-300) / len(there))
    whole = float(np.add.reduce(yy[enough]))
    if whole <= 0 or rows[enough].sum() < 0.5 * len(values):
        return 0.0
    falls = varies & (xy < 0)
    return float(np.add.reduce(xy[falls] ** 2 / xx[falls])) / whole


def centred(values: Floats, codes: NDArray[np.intp], rows: NDArray[np.intp]) -> Floats:
    """Values less the mean of their group."""
    means = np.bincount(codes, values, len(rows)) / np.maximum(rows, 1)
    return np.asarray(values - means[codes])
