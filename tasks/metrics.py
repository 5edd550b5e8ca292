"""The metrics a pipeline may declare: each a function of target and prediction, and the direction it improves in.

Plain numpy, because early stopping asks for a score after every boosting round, and because XGBoost adds up its own
metrics per thread: their last bits, and with them the round that stops a fit, would depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from configs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

GREATER_IS_BETTER = {
    "roc_auc": True,
    "average_precision": True,
    "log_loss": False,
    "brier": False,
    "rmse": False,
    "mae": False,
    "r2": True,
}


class UndefinedMetricError(DataError):
    """The rows do not determine the metric: none at all, one class only, or a target that never varies."""


def greater_is_better(metric: str) -> bool:
    """Whether a greater value of the metric is a better model."""
    return GREATER_IS_BETTER[metric]


def score(metric: str, target: Any, prediction: Any) -> float:
    """Score predictions by a declared metric.

    Parameters
    ----------
    metric : str
        One of `GREATER_IS_BETTER`.
    target : array of float, shape (n,)
        0 and 1 for a binary task; the target's unit for regression.
    prediction : array of float, shape (n,)
        Probability of 1 for a binary task; the target's unit for regression.

    Returns
    -------
    float
        In the target's unit (`rmse`, `mae`), in nats (`log_loss`) or without unit. Finite.

    Raises
    ------
    UndefinedMetricError
        If the rows do not determine the metric.
    DataError
        If a target or a prediction is missing or infinite, or the score overflows.

    Examples
    --------
    >>> score("roc_auc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    >>> score("mae", [1.0, 2.0], [1.5, 2.0])
    0.25
    """
    import numpy as np

    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if y.shape != p.shape or y.ndim != 1:
        raise ValueError(f"target and prediction are vectors of one length, not of shapes {y.shape} and {p.shape}")
    if len(y) == 0:
        raise UndefinedMetricError(f"{metric} was asked of 0 rows; it needs at least one.")
    bad = int(np.count_nonzero(~(np.isfinite(y) & np.isfinite(p))))
    if bad:
        raise DataError(f"{metric}: {bad} of {len(y)} rows have a target or prediction that is missing or infinite.")
    value = FUNCTIONS[metric](y, p)
    if not np.isfinite(value):
        raise DataError(f"{metric} over {len(y)} rows is {value}; a finite number was expected.")
    return float(value)


def require_both_classes(metric: str, y: Vector) -> int:
    """Count the positives; refuse rows of one class."""
    positives = int(y.sum())
    if positives in (0, len(y)):
        raise UndefinedMetricError(f"{metric} needs rows of both classes; {positives} of {len(y)} rows are positive.")
    return positives


def roc_auc(y: Vector, p: Vector) -> float:
    """Probability that a positive row is ranked above a negative one, ties counted half (Mann-Whitney's U)."""
    import numpy as np

    positives = require_both_classes("roc_auc", y)
    order = np.argsort(p)
    ranked, hit = p[order], y[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1
    rows = np.diff(ends, prepend=0)
    hits = np.diff(np.cumsum(hit)[ends - 1], prepend=0.0)
    below = ends - rows - (np.cumsum(hits) - hits)  # negatives ranked under each group of equal predictions
    wins = np.sum(hits * (below + 0.5 * (rows - hits)))  # whole and half numbers: exact in any order
    return float(wins / (positives * (len(y) - positives)))


def average_precision(y: Vector, p: Vector) -> float:
    """Precision at each threshold, weighted by the recall it adds; no interpolation (as scikit-learn defines it)."""
    import numpy as np

    positives = require_both_classes("average_precision", y)
    order = np.argsort(-p)
    ranked, hit = p[order], y[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1
    found = np.cumsum(hit)[ends - 1]
    return float(np.sum(np.diff(found, prepend=0.0) * found / ends) / positives)


def log_loss(y: Vector, p: Vector) -> float:
    """Mean negative log-likelihood in nats; a probability is kept one machine epsilon away from 0 and 1."""
    import numpy as np

    epsilon = np.finfo(np.float64).eps
    kept = np.clip(p, epsilon, 1 - epsilon)
    return float(-np.mean(y * np.log(kept) + (1 - y) * np.log1p(-kept)))


def brier(y: Vector, p: Vector) -> float:
    """Mean squared difference of probability and outcome (G. W. Brier, 1950)."""
    import numpy as np

    return float(np.mean(np.square(y - p)))


def rmse(y: Vector, p: Vector) -> float:
    """Root of the mean squared error, in the target's unit."""
    import numpy as np

    with np.errstate(over="ignore"):  # `score` refuses what is not finite
        return float(np.sqrt(np.mean(np.square(y - p))))


def mae(y: Vector, p: Vector) -> float:
    """Mean absolute error, in the target's unit."""
    import numpy as np

    return float(np.mean(np.abs(y - p)))


def r2(y: Vector, p: Vector) -> float:
    """Share of the target's variance that the prediction accounts for; 0 for the rows' own mean, negative for worse."""
    import numpy as np

    spread = float(np.sum(np.square(y - y.mean())))
    if spread == 0:
        raise UndefinedMetricError(f"r2 needs a target that varies; all {len(y)} rows are {float(y[0])!r}.")
    return float(1 - np.sum(np.square(y - p)) / spread)


FUNCTIONS: dict[str, Callable[[Vector, Vector], float]] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier": brier,
    "rmse": rmse,
    "mae": mae,
    "r2": r2,
}
