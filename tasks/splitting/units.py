"""What is drawn as a whole, rows or groups: for outer and inner folds, and for early stopping to watch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from configs.sections.train import Task
from tasks.splitting.folds import TooFewRowsError, group_codes, group_keys, lightest_first, strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.splitting.folds import Integers, Mask


@dataclass(frozen=True)
class Units:
    """What is drawn as a whole, rows or groups: one entry per unit, and the unit of each row.

    Attributes
    ----------
    of_row : array of int, shape (n,)
    outer : array of int, shape (units,)
        The outer fold that validates the unit.
    stratum : array of int, shape (units,)
        What a draw holds apart: the classes, 0 for a number.
    level : array of float, shape (units,)
        What a draw spreads over: the target.
    key : array of uint64, shape (units,)
        The seeded order.
    rows : array of int, shape (units,)
    """

    of_row: NDArray[np.intp]
    outer: Integers
    stratum: Integers
    level: NDArray[np.float64]
    key: NDArray[np.uint64]
    rows: Integers


def row_units(target: NDArray[np.float64], task: Task, outer: Integers, keys: NDArray[np.uint64]) -> Units:
    """Each row on its own."""
    ones = np.ones(len(target), dtype=np.int64)
    stratum = np.zeros_like(ones) if task == "regression" else strata(target, task)
    return Units(np.arange(len(target)), outer, stratum, target, keys, ones)


def group_units(  # noqa: PLR0913  # what a row has, one by one
    target: NDArray[np.float64],
    task: Task,
    outer: Integers,
    keys: NDArray[np.uint64],
    *,
    groups: NDArray[np.object_],
    seed: int,
) -> Units:
    """Whole groups; of several classes the most frequent counts, and the mean of the target."""
    order = np.argsort(keys, kind="stable")  # a sum depends on the order of its terms
    codes = group_codes(groups)
    first, rows = np.unique(codes, return_index=True, return_counts=True)[1:]
    level = np.bincount(codes[order], target[order]) / rows
    stratum = np.zeros(len(rows), dtype=np.int64)
    if task != "regression":
        classes = int(target.max()) + 1
        counts = np.bincount(codes * classes + target.astype(np.int64), minlength=len(rows) * classes)
        stratum = counts.reshape(-1, classes).argmax(axis=1)
    return Units(codes, outer[first], stratum, level, group_keys(codes, groups, seed), rows)


def spread_share(units: Units, share: float) -> Mask:
    """A seeded draw of units that hold a share of the rows: alike in all outer folds, and along the target.

    At least two of each stratum, of different outer folds, so that every fold's fit has one; units that alone hold more
    than the share are left out where there are others.

    Returns
    -------
    array of bool, shape (units,)
    """
    chosen = np.zeros(len(units.outer), dtype=np.bool_)
    for number in np.unique(units.stratum):
        members = np.flatnonzero(units.stratum == number)
        rows = units.rows[members]
        small = members[rows <= max(share * rows.sum(), np.median(rows))]
        small = members if len(small) < 4 else small
        wanted = round(len(small) * share * rows.sum() / units.rows[small].sum())
        least = min(2, len(small) // 2)
        chosen[spread(units, small, min(max(wanted, least), len(small) - least))] = True
    return chosen


def spread(units: Units, members: NDArray[np.intp], wanted: int) -> NDArray[np.intp]:
    """Draw some of the units: each outer fold in proportion, one of each stretch of its units by target."""
    order = members[np.lexsort((units.key[members], units.level[members], units.outer[members]))]
    sizes = np.unique(units.outer[order], return_counts=True)[1]
    reached = np.rint(np.cumsum(sizes) * (wanted / len(order))).astype(np.int64)
    take = np.repeat(np.diff(reached, prepend=0), sizes)
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    stretch = np.repeat(reached, sizes) - take + place * take // np.repeat(sizes, sizes)
    order, stretch = order[take > 0], stretch[take > 0]
    drawn = np.lexsort((units.key[order], stretch))
    return np.asarray(order[drawn[np.unique(stretch[drawn], return_index=True)[1]]])


def dealt(units: Units, watched: Mask, folds: int) -> tuple[Integers, int]:
    """Deal units out to inner folds, those that are learnt from and those that are watched each for themselves.

    Returns
    -------
    inner fold, shape (units,), and the number of inner folds: `folds`, or as many as there are units.

    Raises
    ------
    TooFewRowsError
        If there are fewer than two units.
    """
    number = len(units.outer)
    if number < 2:
        raise TooFewRowsError(
            f"encode.folds: {number} rows or groups for {folds} inner folds; two are needed, so that a row is encoded "
            "by others. Train on more of them (split.window).",
            key=("encode", "folds"),
        )
    parts = min(folds, number)
    inner = np.empty(number, dtype=np.int64)
    tenths = strata(units.level, "regression")
    size = -np.frexp(units.rows)[1]  # the larger first, those of about one size along the target
    order = np.lexsort((units.key, tenths, units.stratum, size, units.outer, watched))
    if units.rows.max() == units.rows.min():
        inner[order] = np.arange(number) % parts
    else:
        inner[order] = lightest_first(units.rows[order], parts)
    return inner, parts


def group_folds(  # noqa: PLR0913  # what a row has, one by one
    target: NDArray[np.float64],
    task: Task,
    groups: NDArray[np.object_],
    keys: NDArray[np.uint64],
    *,
    folds: int,
    seed: int,
) -> Integers:
    """Deal whole groups out to the outer folds: rows alike, and the target's classes or size alike.

    Raises
    ------
    TooFewRowsError
        If there are fewer groups than folds.
    """
    units = group_units(target, task, np.zeros(len(target), dtype=np.int64), keys, groups=groups, seed=seed)
    number = len(units.rows)
    if number < folds:
        raise TooFewRowsError(f"{number} groups for {folds} folds; each needs at least one")
    return dealt(units, np.zeros(number, dtype=np.bool_), folds)[0][units.of_row]
