"""What a model must beat to be worth its weight: a ladder of simpler ones, on the same rows and the same features.

All rungs above the constant read what the model reads: its derived columns, categories target-encoded by an encoder
that has seen training rows only and cross-fits them. So the ladder compares learners, not encodings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Task = Literal["binary", "regression"]

DESCRIPTIONS = {
    "constant": "the training rows' mean for every row",
    "linear": "{regression} regression on the same encoded features, gaps filled by the median, scaled",
    "shallow_trees": "{rounds} boosted trees of depth {depth} on the same encoded features",
}
SHALLOW = {"max_depth": 2, "learning_rate": 0.3}
SHALLOW_ROUNDS = 50


def describe(name: str, task: Task) -> str:
    """Describe a baseline in one line."""
    regression = "logistic" if task == "binary" else "ridge"
    return DESCRIPTIONS[name].format(regression=regression, rounds=SHALLOW_ROUNDS, depth=SHALLOW["max_depth"])


def baseline_predictions(
    task: Task, training: pd.DataFrame, target: Floats, holdout: pd.DataFrame, *, seed: int
) -> dict[str, Floats]:
    """Fit each baseline on the training rows and predict the holdout.

    Parameters
    ----------
    task : {"binary", "regression"}
    training, holdout : DataFrames of float, shapes (n_training, n_features) and (n_holdout, n_features)
        Features as the model reads them, NaN where missing; the training rows' categories cross-fitted.
    target : array of float, shape (n_training,)
        0 and 1 for a binary task; both occur.
    seed : int

    Returns
    -------
    dict of name to array of float, shape (n_holdout,)
        `constant`, `linear`, `shallow_trees`; probabilities for a binary task.
    """
    return {
        "constant": np.full(len(holdout), float(target.mean())),
        "linear": linear_predictions(task, training, target, holdout),
        "shallow_trees": shallow_tree_predictions(task, training, target, holdout, seed=seed),
    }


def linear_predictions(task: Task, training: pd.DataFrame, target: Floats, holdout: pd.DataFrame) -> Floats:
    """Fit scikit-learn's logistic or ridge regression with one thread.

    BLAS adds up in an order that depends on its number of threads, and the last bits of a coefficient with it.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    filled = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    model = make_pipeline(filled, StandardScaler(), linear_model(task))
    with threadpool_limits(limits=1):
        model.fit(training.to_numpy(np.float64), target)
        features = holdout.to_numpy(np.float64)
        found = model.predict_proba(features)[:, 1] if task == "binary" else model.predict(features)
    return np.asarray(found, dtype=np.float64)


def linear_model(task: Task) -> Any:
    """Logistic or ridge regression; both shrink a little, so that collinear features have one solution."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if task == "binary":
        return LogisticRegression(solver="newton-cholesky", max_iter=100)
    return Ridge(alpha=1.0, solver="cholesky")


def shallow_tree_predictions(
    task: Task, training: pd.DataFrame, target: Floats, holdout: pd.DataFrame, *, seed: int
) -> Floats:
    """Boost trees that see two features at a time at the most."""
    from tasks.estimator import BoostedTrees

    trees = BoostedTrees(task=task, params=dict(SHALLOW), rounds=SHALLOW_ROUNDS, seed=seed)
    return trees.fit(training, target).scores(holdout)
