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
    Matrix = NDArray[np.float64]

GREATER_IS_BETTER = {
    "roc_auc": True,
    "average_precision": True,
    "accuracy": True,
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


def score(metric: str, target: Any, prediction: Any, weight: Any = None) -> float:
    """Score predictions by a declared metric.

    Parameters
    ----------
    metric : str
        One of `MULTICLASS` where the prediction is a matrix, else one of `ONE_COLUMN`.
    target : array of float, shape (n,)
        0 and 1 for a binary task, 0 to C - 1 for one of C classes, the target's unit for regression.
    prediction : array of float, shape (n,) or (n, C)
        Probability of 1, probability of each class, or a number in the target's unit.
    weight : array of float, shape (n,), optional
        How much each row counts, above 0; all alike when absent.

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
    >>> score("accuracy", [0, 2], [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])
    0.5
    """
    import numpy as np

    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    w = None if weight is None else np.asarray(weight, dtype=np.float64)
    require_scorable(metric, y, p, w)
    value = (ONE_COLUMN if p.ndim == 1 else MULTICLASS)[metric](y, p, w)
    if not np.isfinite(value):
        raise DataError(f"{metric} over {len(y)} rows is {value}; a finite number was expected.")
    return float(value)


def require_scorable(metric: str, y: Vector, p: Vector | Matrix, w: Vector | None) -> None:
    """Refuse shapes that do not fit, no rows, and numbers that are missing, infinite or out of range."""
    import numpy as np

    if y.ndim != 1 or p.shape[:1] != y.shape or p.ndim > 2 or (w is not None and w.shape != y.shape):
        raise ValueError(
            f"target, prediction and weight have one entry per row, not the shapes {y.shape}, {p.shape}"
            f"{'' if w is None else f' and {w.shape}'}"
        )
    if len(y) == 0:
        raise UndefinedMetricError(f"{metric} was asked of 0 rows; it needs at least one.")
    finite = np.isfinite(y) & (np.isfinite(p) if p.ndim == 1 else np.isfinite(p).all(axis=1))
    if bad := int(np.count_nonzero(~finite)):
        raise DataError(f"{metric}: {bad} of {len(y)} rows have a target or prediction that is missing or infinite.")
    if w is not None and not (np.isfinite(w) & (w > 0)).all():
        raise DataError(f"{metric}: a weight is not above 0, or not finite.")
    if p.ndim == 2 and not np.isin(y, np.arange(p.shape[1])).all():
        raise DataError(f"{metric}: a target is none of the classes 0 to {p.shape[1] - 1} that are predicted.")


def mean(values: Vector, w: Vector | None) -> float:
    """Mean over rows, each counted by its weight."""
    import numpy as np

    return float(np.mean(values) if w is None else np.add.reduce(w * values) / np.add.reduce(w))


def require_both_classes(metric: str, y: Vector) -> int:
    """Count the positives; refuse rows of one class."""
    positives = int(y.sum())
    if positives in (0, len(y)):
        raise UndefinedMetricError(f"{metric} needs rows of both classes; {positives} of {len(y)} rows are positive.")
    return positives


def roc_auc(y: Vector, p: Vector, w: Vector | None = None) -> float:
    """Probability that a positive row is ranked above a negative one, ties counted half (Mann-Whitney's U)."""
    import numpy as np

    require_both_classes("roc_auc", y)
    rows, hits = ranked_counts(y, p) if w is None else ranked_weights(y, p, w)
    misses = rows - hits
    below = np.cumsum(misses) - misses  # negatives ranked under each group of equal predictions
    wins = np.sum(hits * (below + 0.5 * misses))
    return float(wins / (np.sum(hits) * np.sum(misses)))


def ranked_counts(y: Vector, p: Vector) -> tuple[Vector, Vector]:
    """Rows and positives of each group of equal predictions, in ascending order: whole numbers, exact in any order.

    Sorts one integer per row - the bits of a number that is not below 0 are in the number's order, and the class fits
    below them - which takes a third of the time of sorting positions; early stopping does it after each round.
    """
    import numpy as np

    if p.min() < 0:
        p = np.unique(p, return_inverse=True)[1].astype(np.float64)
    bits = np.ascontiguousarray(p).view(np.uint64)
    keys = np.sort((bits << np.uint64(1)) | (y > 0))  # what is shifted out is the sign, so that -0 is 0
    level, hit = keys >> np.uint64(1), (keys & np.uint64(1)).astype(np.float64)
    ends = np.flatnonzero(np.append(level[1:] != level[:-1], True)) + 1
    return np.diff(ends, prepend=0).astype(np.float64), np.diff(np.cumsum(hit)[ends - 1], prepend=0.0)


def ranked_weights(y: Vector, p: Vector, w: Vector) -> tuple[Vector, Vector]:
    """Weight of all rows and of the positives of each group of equal predictions, in ascending order."""
    import numpy as np

    order = np.argsort(p, kind="stable")
    ranked, counted = p[order], w[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    return np.add.reduceat(counted, starts), np.add.reduceat(counted * y[order], starts)


def average_precision(y: Vector, p: Vector, w: Vector | None = None) -> float:
    """Precision at each threshold, weighted by the recall it adds; no interpolation (as scikit-learn defines it)."""
    import numpy as np

    require_both_classes("average_precision", y)
    order = np.argsort(-p, kind=None if w is None else "stable")
    ranked, hit = p[order], y[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1
    told = ends.astype(np.float64) if w is None else np.cumsum(w[order])[ends - 1]
    found = np.cumsum(hit if w is None else hit * w[order])[ends - 1]
    return float(np.sum(np.diff(found, prepend=0.0) * found / told) / found[-1])


def log_loss(y: Vector, p: Vector, w: Vector | None = None) -> float:
    """Mean negative log-likelihood in nats; a probability is kept one machine epsilon away from 0 and 1."""
    import numpy as np

    epsilon = np.finfo(np.float64).eps
    kept = np.clip(p, epsilon, 1 - epsilon)
    return -mean(y * np.log(kept) + (1 - y) * np.log1p(-kept), w)


def brier(y: Vector, p: Vector, w: Vector | None = None) -> float:
    """Mean squared difference of probability and outcome (G. W. Brier, 1950)."""
    import numpy as np

    return mean(np.square(y - p), w)


def rmse(y: Vector, p: Vector, w: Vector | None = None) -> float:
    """Root of the mean squared error, in the target's unit."""
    import numpy as np

    with np.errstate(over="ignore"):  # `score` refuses what is not finite
        return float(np.sqrt(mean(np.square(y - p), w)))


def mae(y: Vector, p: Vector, w: Vector | None = None) -> float:
    """Mean absolute error, in the target's unit."""
    import numpy as np

    return mean(np.abs(y - p), w)


def r2(y: Vector, p: Vector, w: Vector | None = None) -> float:
    """Share of the target's variance that the prediction accounts for; 0 for the rows' own mean, negative for worse."""
    import numpy as np

    counted = 1.0 if w is None else w
    spread = float(np.sum(counted * np.square(y - mean(y, w))))
    if spread == 0:
        raise UndefinedMetricError(f"r2 needs a target that varies; all {len(y)} rows are {float(y[0])!r}.")
    return float(1 - np.sum(counted * np.square(y - p)) / spread)


def class_roc_auc(y: Vector, p: Matrix, w: Vector | None = None) -> float:
    """Mean over the classes of each one's `roc_auc` against the rest, classes counted alike (macro one-vs-rest).

    References
    ----------
    D. J. Hand, R. J. Till (2001), doi:10.1023/A:1010920819831, discuss it beside one-vs-one.
    """
    import numpy as np

    missing = np.flatnonzero(np.bincount(y.astype(np.intp), minlength=p.shape[1]) == 0)
    if missing.size:
        raise UndefinedMetricError(
            f"roc_auc needs rows of every class; {missing.size} of {p.shape[1]} have none among {len(y)} rows, "
            f"such as class {missing[0]}."
        )
    return float(np.mean([roc_auc((y == k).astype(np.float64), p[:, k], w) for k in range(p.shape[1])]))


def class_log_loss(y: Vector, p: Matrix, w: Vector | None = None) -> float:
    """Mean negative logarithm of the actual class's probability, in nats; it is kept above one machine epsilon."""
    import numpy as np

    told = p[np.arange(len(y)), y.astype(np.intp)]
    epsilon = np.finfo(np.float64).eps
    return -mean(np.log(np.clip(told, epsilon, 1.0)), w)


def class_brier(y: Vector, p: Matrix, w: Vector | None = None) -> float:
    """Mean over the rows of the sum over the classes of squared differences, 0 to 2 (G. W. Brier, 1950)."""
    import numpy as np

    own = p[np.arange(len(y)), y.astype(np.intp)]
    return mean(np.square(p).sum(axis=1) - 2 * own + 1, w)


def accuracy(y: Vector, p: Matrix, w: Vector | None = None) -> float:
    """Share of the rows whose most probable class is the actual one; of equally probable classes the first counts."""
    import numpy as np

    return mean((p.argmax(axis=1) == y).astype(np.float64), w)


Metric = Callable[["Vector", "Any", "Vector | None"], float]

ONE_COLUMN: dict[str, Metric] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier": brier,
    "rmse": rmse,
    "mae": mae,
    "r2": r2,
}
MULTICLASS: dict[str, Metric] = {
    "log_loss": class_log_loss,
    "accuracy": accuracy,
    "roc_auc": class_roc_auc,
    "brier": class_brier,
}
