"""What a model must beat to be worth its weight: a ladder of simpler ones, on the same rows and the same features.

All rungs above the constant read what the model reads: its derived columns, categories target-encoded by an encoder
that has seen training rows only and cross-fits them. So the ladder compares learners, not encodings. Rows weigh in a
rung as they weigh in the model.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.sections.train import Task

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Matrix = NDArray[np.float32] | pd.DataFrame

RUNGS = ("constant", "linear", "shallow_trees")  # in order of complexity
DESCRIPTIONS = {
    "constant": "the training rows' {constant} for every row",
    "linear": "{regression} regression on the same encoded features, gaps filled by the median, scaled; learned from "
    "{rows} rows, evenly drawn, where there are more",
    "shallow_trees": "{rounds} rounds of boosted trees of depth {depth} on the same encoded features",
}
SHALLOW = {"max_depth": 2, "learning_rate": 0.3}
SHALLOW_ROUNDS = 50
LINEAR_ROWS = 50_000  # that a linear model learns from at the most: more change its score by less than its interval
ROWS_PER_COLUMN = 500  # but no fewer than these


def describe(name: str, task: Task) -> str:
    """Describe a baseline in one line."""
    return DESCRIPTIONS[name].format(
        constant="shares of the classes" if task == "multiclass" else "mean",
        regression="ridge" if task == "regression" else "logistic",
        rows=f"{LINEAR_ROWS:,}",
        rounds=SHALLOW_ROUNDS,
        depth=SHALLOW["max_depth"],
    )


def baseline_predictions(  # noqa: PLR0913  # all that a fit goes by
    task: Task,
    training: Matrix,
    target: Floats,
    holdout: Matrix,
    *,
    seed: int,
    weight: Floats | None = None,
    classes: int = 0,
) -> dict[str, Floats]:
    """Fit each baseline on the training rows and predict the holdout: trees and linear model beside each other.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
    training, holdout : DataFrames or arrays of float, shapes (n_training, n_features) and (n_holdout, n_features)
        Features as the model reads them, NaN where missing; the training rows' categories cross-fitted.
    target : array of float, shape (n_training,)
        0 and 1 for a binary task, both occur; of several classes 0 to C - 1.
    seed : int
    weight : array of float, shape (n_training,), optional
        How much each training row counts.
    classes : int
        C; as many as the target holds when 0.

    Returns
    -------
    dict of name to array of float, shape (n_holdout,) or (n_holdout, C)
        `constant`, `linear`, `shallow_trees`; probabilities for a task of classes.
    """
    count = classes or int(target.max()) + 1
    constant = constant_prediction(task, target, weight, count)
    matrices = np.asarray(training, dtype=np.float32), np.asarray(holdout, dtype=np.float32)
    with ThreadPoolExecutor(1) as beside:  # XGBoost lets go of the interpreter
        trees = beside.submit(
            shallow_tree_predictions, task, matrices[0], target, matrices[1], seed=seed, weight=weight, classes=count
        )
        linear = linear_predictions(task, matrices[0], target, matrices[1], weight=weight, classes=count)
        return {
            "constant": np.repeat(constant[None], len(holdout), axis=0),
            "linear": linear,
            "shallow_trees": trees.result(),
        }


def constant_prediction(task: Task, target: Floats, weight: Floats | None, classes: int) -> Floats:
    """The weighted mean of the target, shape (), or the share of each class, shape (C,)."""
    counted = np.ones(len(target)) if weight is None else weight
    if task == "multiclass":
        rows = np.bincount(target.astype(np.intp), counted, minlength=classes)
        return np.asarray(rows / rows.sum(), dtype=np.float64)
    return np.asarray(target.mean() if weight is None else (counted * target).sum() / counted.sum(), dtype=np.float64)


def evenly(rows: int, most: int) -> NDArray[np.intp]:
    """At most so many positions, spread evenly from the first to the last.

    >>> evenly(10, 4).tolist(), evenly(3, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(np.intp))


class Filling:
    """Gaps filled by the training rows' medians, a column that says where they were, all scaled.

    What scikit-learn's SimpleImputer with `add_indicator` and StandardScaler do, in a sixth of their time: the imputer
    sorts masked arrays.
    """

    def fit_transform(self, training: NDArray[np.float32]) -> Floats:
        """Learn medians, means and spreads, and give the training rows' columns."""
        gaps = np.isnan(training)
        self.gappy = gaps.any(axis=0)
        self.medians = np.array(
            [np.median(column[~gap]) if not gap.all() else 0.0 for column, gap in zip(training.T, gaps.T, strict=True)],
            dtype=np.float32,
        )
        filled = self.filled(training)
        self.means = filled.mean(axis=0)
        filled -= self.means
        spread = np.sqrt(np.square(filled).mean(axis=0))
        self.spreads = np.where(spread > 0, spread, 1.0)
        filled /= self.spreads
        return filled

    def filled(self, features: NDArray[np.float32]) -> Floats:
        """The columns without gaps, and those that say where gaps were."""
        gaps = np.isnan(features)
        told = [np.where(gaps, self.medians, features), gaps[:, self.gappy]]
        return np.concatenate(told, axis=1, dtype=np.float64)

    def transform(self, features: NDArray[np.float32]) -> Floats:
        """The columns that a linear model reads."""
        return np.asarray((self.filled(features) - self.means) / self.spreads, dtype=np.float64)


def linear_predictions(  # noqa: PLR0913  # all that a fit goes by
    task: Task,
    training: NDArray[np.float32],
    target: Floats,
    holdout: NDArray[np.float32],
    *,
    weight: Floats | None = None,
    classes: int = 0,
) -> Floats:
    """Fit scikit-learn's logistic or ridge regression with one thread.

    BLAS adds up in an order that depends on its number of threads, and the last bits of a coefficient with it.
    """
    from threadpoolctl import threadpool_limits

    kept = evenly(len(training), max(LINEAR_ROWS, ROWS_PER_COLUMN * training.shape[1]))
    model, filling = linear_model(task), Filling()
    learnt = filling.fit_transform(training if len(kept) == len(training) else training[kept])
    with threadpool_limits(limits=1):
        model.fit(learnt, target[kept], sample_weight=None if weight is None else weight[kept])
        features = filling.transform(holdout)
        if task == "regression":
            return np.asarray(model.predict(features), dtype=np.float64)
        found = model.predict_proba(features)
    if task == "binary":
        return np.asarray(found[:, 1], dtype=np.float64)
    probabilities = np.zeros((len(holdout), classes or found.shape[1]))
    probabilities[:, model.classes_.astype(np.intp)] = found
    return probabilities


def linear_model(task: Task) -> Any:
    """Logistic or ridge regression; both shrink a little, so that collinear features have one solution."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if task == "regression":
        return Ridge(alpha=1.0, solver="cholesky")
    return LogisticRegression(solver="newton-cholesky", max_iter=100)


def shallow_tree_predictions(  # noqa: PLR0913  # all that a fit goes by
    task: Task,
    training: Matrix,
    target: Floats,
    holdout: Matrix,
    *,
    seed: int,
    weight: Floats | None = None,
    classes: int = 0,
) -> Floats:
    """Boost trees that see two features at a time at the most, with one thread."""
    from tasks.model.boosting import BoostedTrees

    names = tuple(map(str, range(classes))) if task == "multiclass" and classes else None
    trees = BoostedTrees(task=task, params=dict(SHALLOW), rounds=SHALLOW_ROUNDS, seed=seed, classes=names)
    return trees.fit(training, target, threads=1, weight=weight).scores(holdout)
