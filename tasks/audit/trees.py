"""Small experiments: a few rounds of boosting on few rows, and how much of the target they tell of other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.audit.lookup import Losses, Truth, truth_of
from tasks.model.boosting import BoostedTrees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from tasks.audit.view import Levels, View

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]
    Loss = Callable[[Truth, Floats, Positions], Floats]

ROUNDS = 40
PARAMS = {"max_depth": 5, "learning_rate": 0.2, "min_child_weight": 1.0}
LEARNT, ASKED = 4000, 2000  # rows of an experiment at the most
INNER = 5
RAREST = 1e-4
MOST_CLASSES = 10  # whose shares encode a level, each by a column


def told_by(  # noqa: PLR0913  # who is asked what, by whom
    view: View, names: Iterable[str], learnt: Positions, asked: Positions, threads: int, *, loss: Loss | None = None
) -> Losses:
    """What some columns together tell of the rows that are asked, once trees have learned from others.

    Parameters
    ----------
    view : View
    names : iterable of str
        Features; none at all tells nothing.
    learnt, asked : arrays of int
        Positions.
    threads : int
    loss : function of truth, prediction and rows
        `fit_losses` when absent.
    """
    loss = loss or fit_losses
    truth = truth_of(view)
    matrices = [features(view, names, learnt, rows) for rows in (learnt, asked)]
    without = loss(truth, prior(truth, learnt, len(asked)), asked)
    if not matrices[0].shape[1] or len(np.unique(truth.values[learnt])) < 2:
        return Losses(without, without, asked)
    trees = BoostedTrees(view.task, PARAMS, ROUNDS, 7, classes=tuple(map(str, range(view.classes))))
    predicted = trees.fit(matrices[0], truth.values[learnt], threads=threads).scores(matrices[1])
    return Losses(loss(truth, predicted, asked), without, asked)


def prior(truth: Truth, learnt: Positions, rows: int) -> Floats:
    """What is predicted by those who know nothing else."""
    values = truth.values[learnt]
    if truth.classes <= 2:
        return np.full(rows, values.mean())
    shares = np.bincount(values.astype(np.intp), minlength=truth.classes) / len(values)
    return np.tile(shares, (rows, 1))


def fit_losses(truth: Truth, predicted: Floats, rows: Positions) -> Floats:
    """The loss of each prediction: squared error, or the logarithm of the actual class's probability."""
    actual = truth.values[rows]
    if truth.classes == 1:
        return np.asarray((actual - predicted) ** 2)
    if predicted.ndim == 1:
        probability = np.where(actual == 1, predicted, 1 - predicted)
    else:
        probability = predicted[np.arange(len(rows)), actual.astype(np.intp)]
    return np.asarray(-np.log(np.clip(probability, RAREST, 1)), dtype=np.float64)


def squared_losses(truth: Truth, predicted: Floats, rows: Positions) -> Floats:
    """The squared error of each prediction, of classes summed: bounded, so that no row that surprises decides."""
    actual = truth.values[rows]
    if predicted.ndim == 1:
        return np.asarray((actual - predicted) ** 2)
    wanted = actual[:, None] == np.arange(predicted.shape[1])
    return np.asarray(np.add.reduce((predicted - wanted) ** 2, axis=1))


def features(view: View, names: Iterable[str], learnt: Positions, rows: Positions) -> NDArray[np.float32]:
    """The columns as trees read them; a category by the targets of the learnt rows, of a learnt one by others'."""
    truth, columns = truth_of(view), []
    for name in names:
        if name in view.numbers:
            columns.append(view.numbers[name][rows])
        else:
            columns += encoded(view.levels[name], truth, learnt, rows)
    matrix = np.empty((len(rows), len(columns)), dtype=np.float32, order="F")
    for place, values in enumerate(columns):
        matrix[:, place] = values
    return matrix


def encoded(levels: Levels, truth: Truth, learnt: Positions, rows: Positions) -> list[Floats]:
    """A category's shrunken mean target, one column per class where there are several."""
    if truth.classes <= 2:
        return [encoding(levels, truth.values, learnt, rows)]
    return [
        encoding(levels, (truth.values == code).astype(np.float64), learnt, rows)
        for code in range(min(truth.classes, MOST_CLASSES))
    ]


def encoding(levels: Levels, values: Floats, learnt: Positions, rows: Positions) -> Floats:
    """Mean of the level's learnt rows, shrunken by five rows; the learnt rows themselves are cross-fitted."""
    mean = values[learnt].mean()
    if rows is not learnt:
        return level_means(levels, values, learnt, mean)[levels.codes[rows]]
    part = np.arange(len(learnt)) % INNER
    found = np.empty(len(learnt))
    for number in range(INNER):
        means = level_means(levels, values, learnt[part != number], mean)
        found[part == number] = means[levels.codes[learnt[part == number]]]
    return found


def level_means(levels: Levels, values: Floats, rows: Positions, mean: float) -> Floats:
    """Each level's mean of some rows, shrunken by five."""
    sums = np.bincount(levels.codes[rows], values[rows] - mean, levels.count)
    return mean + np.asarray(sums / (np.bincount(levels.codes[rows], minlength=levels.count) + 5))
