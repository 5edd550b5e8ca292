"""Calibration: a curve per class that makes scores into probabilities, learned on out-of-fold rows only.

`sigmoid` is Platt's: a straight line in log-odds, which two numbers describe, so a few hundred rows are enough.
`isotonic` is any rising curve; it needs thousands of rows, and gives ties, exact 0 and exact 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from configs.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.sections.train import Task

    Floats = NDArray[np.float64]

Kind = Literal["none", "sigmoid", "isotonic"]
EDGE = 2.0**-24  # a 32-bit probability of less than 1 is at least this far from it
NEWTON_STEPS, HALVINGS, FLAT = 100, 10, 1e-12


class CalibrationError(DataError):
    """The out-of-fold rows do not determine a calibration."""


@dataclass(frozen=True)
class Sigmoid:
    """Probability `1 / (1 + exp(-(slope * log_odds(score) + intercept)))`; slope 1 and intercept 0 change nothing."""

    slope: float
    intercept: float

    def apply(self, score: Floats) -> Floats:
        """Probabilities of scores in [0, 1]; shape (n,)."""
        return logistic(self.slope * log_odds(score) + self.intercept)

    def state(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class Isotonic:
    """A rising broken line through (`scores`, `probabilities`), level beyond its ends."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def apply(self, score: Floats) -> Floats:
        """Probabilities of scores; shape (n,)."""
        return np.asarray(np.interp(score, self.scores, self.probabilities), dtype=np.float64)

    def state(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"scores": list(self.scores), "probabilities": list(self.probabilities)}


Curve = Sigmoid | Isotonic


@dataclass(frozen=True)
class Calibration:
    """How a model's scores become probabilities: one curve for a binary task, else one per class."""

    kind: Kind
    curves: tuple[Curve, ...]

    def apply(self, scores: Floats) -> Floats:
        """Make probabilities of scores.

        Parameters
        ----------
        scores : array of float in [0, 1], shape (n,) or (n, C)
            Of class 1, or of each class.

        Returns
        -------
        array of float, of the same shape
            With C classes each is calibrated against the rest, and a row's are divided by their sum; a row that no
            class claims gets 1/C each, as in scikit-learn.
        """
        if scores.ndim == 1:
            return self.curves[0].apply(scores)
        each = np.column_stack([curve.apply(scores[:, k]) for k, curve in enumerate(self.curves)])
        whole = each.sum(axis=1, keepdims=True)
        uniform = np.full_like(each, 1 / each.shape[1])
        return np.asarray(np.minimum(np.divide(each, whole, out=uniform, where=whole > 0), 1.0), dtype=np.float64)

    def state(self) -> dict[str, Any]:
        """As JSON holds it exactly."""
        return {"kind": self.kind, "curves": [curve.state() for curve in self.curves]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Calibration:
        """Make a calibration again from `state()`."""
        return cls(state["kind"], tuple(curve_from(state["kind"], each) for each in state["curves"]))


def curve_from(kind: Kind, state: dict[str, Any]) -> Curve:
    """Make one curve again from its state."""
    if kind == "sigmoid":
        return Sigmoid(state["slope"], state["intercept"])
    return Isotonic(tuple(state["scores"]), tuple(state["probabilities"]))


def fitted_calibration(
    kind: Kind, scores: Floats, target: Floats, task: Task, weight: Floats | None = None
) -> Calibration | None:
    """Learn a calibration from rows that the scores' models were not trained on.

    Parameters
    ----------
    kind : {"none", "sigmoid", "isotonic"}
    scores : array of float in [0, 1], shape (n,) or (n, C)
        Out-of-fold: of class 1, or of each class.
    target : array of float, shape (n,)
        0 and 1, or 0 to C - 1.
    task : {"binary", "multiclass", "regression"}
    weight : array of float, shape (n,), optional
        How much each row counts as evidence, above 0: `train.weight`, but not what balances the classes. A model that
        was trained on balanced classes gives probabilities of a balanced world; calibration brings back the real one.

    Returns
    -------
    Calibration or None
        None for `none` and for a regression: there is nothing to calibrate.

    Raises
    ------
    CalibrationError
        If a score is no number from 0 to 1, or a class has no row.

    References
    ----------
    J. Platt (1999), "Probabilistic Outputs for Support Vector Machines", with his smoothed targets, on log-odds, which
    are what XGBoost adds up. B. Zadrozny, C. Elkan (2002), "Transforming classifier scores into accurate multiclass
    probability estimates", doi:10.1145/775047.775151: isotonic, and one class against the rest.

    Examples
    --------
    >>> scores, target = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 0.0, 1.0, 1.0])
    >>> fitted_calibration("isotonic", scores, target, "binary").apply(np.array([0.1, 0.25, 0.9])).tolist()
    [0.0, 0.5, 1.0]
    """
    if kind == "none" or task == "regression":
        return None
    require_learnable(scores, target)
    columns = scores[:, np.newaxis] if scores.ndim == 1 else scores
    hits = [target > 0] if scores.ndim == 1 else [target == k for k in range(scores.shape[1])]
    fit = sigmoid if kind == "sigmoid" else isotonic
    return Calibration(kind, tuple(fit(columns[:, k], hit.astype(np.float64), weight) for k, hit in enumerate(hits)))


def require_learnable(scores: Floats, target: Floats) -> None:
    """Refuse scores that are no probabilities, and a class without rows."""
    if not ((scores >= 0) & (scores <= 1)).all():  # so is NaN
        raise CalibrationError("train.calibration: found an out-of-fold score that is no number from 0 to 1.")
    classes = np.arange(2 if scores.ndim == 1 else scores.shape[1])
    missing = np.setdiff1d(classes, target)
    if len(missing):
        raise CalibrationError(
            f"train.calibration: class {int(missing[0])} has none of the {len(target)} out-of-fold rows; each class "
            "needs some. Land more batches, declare fewer folds, or write `calibration: none`.",
            key=("train", "calibration"),
        )


def log_odds(probability: Floats) -> Floats:
    """Natural logarithm of p / (1 - p); p is kept away from 0 and 1 by what a 32-bit float can tell from 1."""
    kept = np.clip(probability, EDGE, 1 - EDGE)
    return np.asarray(np.log(kept) - np.log1p(-kept), dtype=np.float64)


def logistic(value: Floats) -> Floats:
    """Probability whose log-odds are given."""
    from scipy.special import expit

    return np.asarray(expit(value), dtype=np.float64)


def isotonic(score: Floats, hit: Floats, weight: Floats | None) -> Isotonic:
    """Fit the rising curve of least squared error, by scikit-learn's pool-adjacent-violators."""
    from sklearn.isotonic import IsotonicRegression

    found = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(score, hit, sample_weight=weight)
    return Isotonic(tuple(map(float, found.X_thresholds_)), tuple(map(float, found.y_thresholds_)))


def sigmoid(score: Floats, hit: Floats, weight: Floats | None) -> Sigmoid:
    """Fit the line in log-odds of greatest likelihood, by Newton's method with halved steps.

    The optimum is scikit-learn's; its own fit adds up by BLAS and OpenMP, whose last bits follow the threads' number.

    References
    ----------
    H.-T. Lin, C.-J. Lin, R. Weng (2007), "A note on Platt's probabilistic outputs", doi:10.1007/s10994-007-5018-6.
    """
    counted = np.ones(len(score)) if weight is None else weight
    odds, ones = log_odds(score), float((counted * hit).sum())
    zeros, middle = float(counted.sum()) - ones, float(odds.mean())
    odds = odds - middle  # so that scores of one value, which leave the slope open, are told from a slope
    wanted = np.where(hit > 0, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    line = (0.0, float(np.log((ones + 1) / (zeros + 1))))
    loss = line_loss(line, odds, wanted, counted)
    for _ in range(NEWTON_STEPS):
        before = loss
        line, loss = newton_step(line, odds, wanted, counted, before)
        if before - loss <= FLAT * abs(before):
            break
    return Sigmoid(line[0], line[1] - line[0] * middle)


def line_loss(line: tuple[float, float], odds: Floats, wanted: Floats, counted: Floats) -> float:
    """Negative log-likelihood of a line, in nats."""
    value = line[0] * odds + line[1]
    return float((counted * (np.logaddexp(0.0, value) - wanted * value)).sum())


def newton_step(
    line: tuple[float, float], odds: Floats, wanted: Floats, counted: Floats, loss: float
) -> tuple[tuple[float, float], float]:
    """Take Newton's step, halved until the loss falls, and tell the loss there; stay where none makes it fall."""
    probability = logistic(line[0] * odds + line[1])
    error, spread = counted * (probability - wanted), counted * probability * (1 - probability)
    tilted = spread * odds
    slope, intercept = float((error * odds).sum()), float(error.sum())
    aa, ab, bb = float((tilted * odds).sum()) + FLAT, float(tilted.sum()), float(spread.sum()) + FLAT
    determinant = aa * bb - ab * ab
    step = ((bb * slope - ab * intercept) / determinant, (aa * intercept - ab * slope) / determinant)
    for halving in range(HALVINGS):
        tried = (line[0] - step[0] / 2**halving, line[1] - step[1] / 2**halving)
        reached = line_loss(tried, odds, wanted, counted)
        if reached < loss:
            return tried, reached
    return line, loss
