"""How much of the target a column alone tells, out of fold: the mean target of its level, learned on other rows.

The share that is told is 1 - loss / loss of knowing nothing: of the logarithmic loss for classes (McFadden's R2), of
squared error for numbers (R2). It is the same for every monotone copy of a column, so units and logarithms are no
matter.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from tasks.audit.view import Levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.audit.view import View

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]
    Mask = NDArray[np.bool_]
    Folds = tuple[tuple[Positions, Positions], ...]

MOST_BINS = 64
ROWS_PER_BIN = 25
SHRUNKEN = 0.2  # rows that the mean of all weighs in the mean of a level: little, so that a clear level stays clear
ROWS_PER_LEVEL = 3  # a number whose values come back so often is also looked at value by value
MOST_CELLS = 5_000_000  # levels times classes


class Losses(NamedTuple):
    """Per row that is validated: its loss with and without what was looked at, and which row it is."""

    loss: Floats
    without: Floats
    rows: Positions


class Share(NamedTuple):
    """How much of the target is told: 0 nothing, 1 all, below 0 worse than nothing; `low` and `high` bound it."""

    value: float
    low: float
    high: float


def share_told(losses: Losses, z: float) -> Share:
    """The share and its interval, by the variance of a ratio of means.

    References
    ----------
    W. G. Cochran (1977), "Sampling Techniques", section 2.11.
    """
    total = float(np.add.reduce(losses.without))
    if total <= 0 or len(losses.loss) < 2:
        return Share(0.0, -1.0, 1.0)
    ratio = float(np.add.reduce(losses.loss)) / total
    residual = losses.loss - ratio * losses.without
    error = float(np.sqrt(np.add.reduce(residual**2) * len(residual) / (len(residual) - 1))) / total
    return Share(1 - ratio, 1 - ratio - z * error, 1 - ratio + z * error)


def bound(looks: int, doubt: float = 0.01) -> float:
    """How many standard errors an interval is wide on a side, so that of so many looks all hold, but for a doubt."""
    return NormalDist().inv_cdf(1 - doubt / (2 * max(looks, 1)))


class Distinct(NamedTuple):
    """The values of a column, ascending; a missing one is the last.

    Attributes
    ----------
    values : array of float, shape (d,)
    codes : array of int, shape (n,)
        Place of each row's value.
    counts : array of int, shape (d,)
    missing : bool
        Whether the last value is a missing one.
    """

    values: Floats
    codes: Positions
    counts: Positions
    missing: bool


def distinct(values: Floats) -> Distinct:
    """What `numpy.unique` gives, by hashing: only the values that differ are sorted, and missing ones are one value."""
    codes, found = pd.factorize(values, sort=True)
    missing = bool(len(codes)) and codes.min() < 0
    if missing:
        codes, found = np.where(codes < 0, len(found), codes), np.append(found, np.nan)
    return Distinct(found, codes, np.bincount(codes, minlength=len(found)), missing)


def as_ranks(values: Floats) -> Floats:
    """Places in the order of size, from 0 to 1, of equal values the middle one: no outlier decides."""
    found = distinct(values)
    middle = np.cumsum(found.counts) - (found.counts + 1) / 2
    ranks: Floats = middle[found.codes] / max(len(values) - 1, 1)
    return ranks


class Truth(NamedTuple):
    """What is predicted: classes by their numbers, or ranks of a number."""

    values: Floats
    classes: int  # 1 for a number


def truth_of(view: View) -> Truth:
    """The target as classes or as ranks."""
    return Truth(as_ranks(view.target) if view.classes == 1 else view.target, view.classes)


def binned(column: Distinct) -> Levels:
    """Numbers in bins of about as many rows; equal values share one, missing values have their own."""
    rows, present = len(column.codes), int(column.counts[: len(column.counts) - column.missing].sum())
    bins = int(np.clip(rows // ROWS_PER_BIN, 8, MOST_BINS))
    below = np.cumsum(column.counts) - column.counts
    bin_of = np.minimum(below * bins // max(present, 1), bins)  # what is missing comes after all that is present
    return Levels(bin_of[column.codes], bins + 1)


def as_levels(column: Distinct) -> Levels | None:
    """Numbers value by value, where values come back often; else None."""
    found = len(column.values)
    if found * ROWS_PER_LEVEL > len(column.codes) or found <= MOST_BINS:
        return None
    return Levels(column.codes, found)


def looked_up(levels: Levels, truth: Truth, folds: Folds, among: Mask | None = None) -> Losses:
    """Predict each validated row by the rows of its level that its fold learns from.

    Parameters
    ----------
    levels : Levels
        Of each row.
    truth : Truth
    folds : tuple of (array of int, array of int)
    among : array of bool, shape (n,), optional
        The rows that are looked at; all when absent.
    """
    parts = []
    for learnt, valid in folds:
        known, asked = (learnt, valid) if among is None else (learnt[among[learnt]], valid[among[valid]])
        if len(known) and len(asked):
            parts.append(Losses(*fold_losses(levels, truth, known, asked), asked))
    if not parts:
        nothing = np.zeros(0)
        return Losses(nothing, nothing, np.zeros(0, dtype=np.intp))
    return Losses(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def fold_losses(levels: Levels, truth: Truth, known: Positions, asked: Positions) -> tuple[Floats, Floats]:
    """Losses with and without the level, of one fold."""
    if truth.classes == 1:
        return squared_losses(levels, truth.values, known, asked)
    return log_losses(levels, truth, known, asked)


def squared_losses(levels: Levels, values: Floats, known: Positions, asked: Positions) -> tuple[Floats, Floats]:
    """Squared errors of the level's mean, shrunken a little, and of the mean of all."""
    prior = values[known].mean()
    sums = np.bincount(levels.codes[known], values[known] - prior, levels.count)
    rows = np.bincount(levels.codes[known], minlength=levels.count)
    predicted = prior + (sums / (rows + SHRUNKEN))[levels.codes[asked]]
    actual = values[asked]
    return (actual - predicted) ** 2, (actual - prior) ** 2


def log_losses(levels: Levels, truth: Truth, known: Positions, asked: Positions) -> tuple[Floats, Floats]:
    """Logarithmic losses of the level's shares of classes, shrunken by one row, and of the shares of all."""
    classes, number = truth.values.astype(np.intp), truth.classes
    prior = (np.bincount(classes[known], minlength=number) + 0.5) / (len(known) + 0.5 * number)
    if levels.count * number > MOST_CELLS:
        none = -np.log(prior[classes[asked]])
        return none, none
    counts = np.bincount(levels.codes[known] * number + classes[known], minlength=levels.count * number)
    rows = np.bincount(levels.codes[known], minlength=levels.count)
    actual, level = classes[asked], levels.codes[asked]
    predicted = (counts[level * number + actual] + prior[actual]) / (rows[level] + 1)
    return -np.log(predicted), (-np.log(prior))[actual]
