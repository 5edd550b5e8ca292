"""What a model's metric on a batch should be, before any label is known: from its own calibrated probabilities.

If the model says 0.8 of a row and is calibrated, the row is a 1 in 8 of 10 cases; so the expected area under ROC, loss
or cost of a batch follows from its scores alone (CBPE: J. Białek et al. (2024), "Estimating Model Performance Under
Covariate Shift Without Labels", arXiv:2401.08348). It sees that rows became harder to tell apart. It cannot see concept
drift: where the relation of features and target changed, the probabilities are wrong, and so is the estimate.

A regression's prediction does not say how far off it is. There the batch's predictions are weighed with what rows of
alike prediction cost in the reference: it sees that rows moved to where the model errs more, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.pseudo_columns import EPSILON, LOSS, PREDICTION
from tasks.gate.costs import deciding
from tasks.metrics import UndefinedMetricError, score
from tasks.model.decision import cost_matrix, expected_costs

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.model.decision import Decision, Matrix
    from tasks.model.estimator import TabularModel

    Floats = NDArray[np.float64]
    Expected = Callable[[Floats], Floats]

ROWS = 20_000  # that labels are drawn for; the interval of more rows follows from its root law
DRAWS = 200
CONFIDENCE = 0.95
BINS = 10  # of a regression's prediction
ASSUMES = "this assumes that the relation of features and target is as it was (no concept drift)"


@dataclass(frozen=True)
class Estimate:
    """What a metric should be on a batch without labels.

    Attributes
    ----------
    metric : str
    value : float or None
    interval : (float, float) or None
        Where the metric will lie in 95 of 100 cases once the labels are known, if what is assumed holds.
    reference : float or None
        The metric on the reference, by models that did not learn from its rows.
    cost : float or None
        Expected cost of a row by `train.costs`, where they are declared.
    accuracy : float or None
        Expected share of right decisions; None for a regression.
    assumes : str
        What must hold for the estimate to be right.
    off : str or None
        Why there is no estimate.
    """

    metric: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    reference: float | None = None
    cost: float | None = None
    accuracy: float | None = None
    assumes: str = ASSUMES
    off: str | None = None

    @property
    def sentence(self) -> str:
        """What is expected, in words."""
        if self.value is None:
            return f"The {self.metric} cannot be estimated without labels: {self.off}."
        interval = "" if self.interval is None else f" ({self.interval[0]:.4f} to {self.interval[1]:.4f})"
        beside = "" if self.reference is None else f"; it was {self.reference:.4f} on the reference"
        return f"Without labels the {self.metric} is estimated as {self.value:.4f}{interval}{beside}; {self.assumes}."


def estimated_performance(  # noqa: PLR0913  # what an estimate is made of
    scores: Floats,
    model: TabularModel,
    pipeline: Pipeline,
    *,
    sample: pa.Table | None = None,
    reference: float | None = None,
    seed: int = 7,
) -> Estimate:
    """Estimate the declared metric on a batch from the model's scores alone.

    Parameters
    ----------
    scores : array of float, shape (n,) or (n, C)
        Calibrated, of the batch's rows.
    model : TabularModel
    pipeline : Pipeline
        Says the metric and the costs.
    sample : pa.Table, optional
        The profile's sample with its pseudo-columns: a regression needs it.
    reference : float, optional
        The metric over the reference's folds.
    seed : int
        Of the labels that are drawn for the interval.

    Returns
    -------
    Estimate

    Examples
    --------
    Rows of which the model says 0.5 have an expected accuracy of 0.5, whatever they are.
    """
    if not len(scores):
        return Estimate(pipeline.metric, reference=reference, off="the batch has no rows")
    if model.task == "regression":
        return regression_estimate(scores, pipeline.metric, sample, reference)
    chances = with_both_classes(scores)
    try:
        value = expected_metric(pipeline.metric, scores)
    except UndefinedMetricError as error:
        return Estimate(pipeline.metric, reference=reference, off=str(error))
    matrix, rule = cost_matrix(pipeline.train.costs, model.task), deciding_rule(model, pipeline)
    decided = model.decided(scores).astype(np.int64)
    return Estimate(
        pipeline.metric,
        value,
        drawn_interval(pipeline.metric, scores, value, seed),
        reference,
        cost=None if matrix is None or rule is None else expected_cost(matrix, chances, rule.decide(scores)),
        accuracy=float(chances[np.arange(len(chances)), decided].mean()),
        assumes=ASSUMES
        if model.calibration_ is not None
        else f"the model's probabilities are not calibrated, and {ASSUMES}",
    )


def deciding_rule(model: TabularModel, pipeline: Pipeline) -> Decision | None:
    """How the model decides where decisions have a cost."""
    return deciding(pipeline.train.costs, model.task, model.decision_)


def with_both_classes(scores: Floats) -> Floats:
    """Probabilities of all classes, shape (n, C)."""
    return scores if scores.ndim == 2 else np.column_stack([1 - scores, scores])


def expected_cost(matrix: Matrix, chances: Floats, decided: NDArray[np.int64]) -> float:
    """Mean cost of decisions, were the probabilities true.

    >>> expected_cost(((0.0, 1.0), (9.0, 0.0)), np.array([[0.75, 0.25]]), np.array([0]))
    2.25
    """
    return float(expected_costs(matrix, chances)[np.arange(len(decided)), decided].mean())


def expected_metric(metric: str, scores: Floats) -> float:
    """A metric of classes, were the probabilities true.

    Parameters
    ----------
    metric : str
        One of `tasks.metrics`, for a binary task or one of several classes.
    scores : array of float, shape (n,) or (n, C)

    Returns
    -------
    float
        Of ratios (the areas) the ratio of expectations, which differs from the expected ratio by the order of 1/n.

    Raises
    ------
    UndefinedMetricError
        If all rows are surely of one class.

    Examples
    --------
    >>> expected_metric("brier", np.array([0.5, 0.9])), round(expected_metric("roc_auc", np.array([0.2, 0.8])), 3)
    (0.17, 0.941)
    """
    if metric == "roc_auc":
        columns = [scores] if scores.ndim == 1 else list(scores.T)
        return float(np.mean([expected_area(np.ascontiguousarray(column)) for column in columns]))
    if metric == "average_precision":
        return weighted_twice(metric, scores)
    return float(EXPECTED[metric](scores).mean())


def expected_area(chances: Floats) -> float:
    """Probability that a 1 is ranked above a 0, the labels being drawn row by row: no row is both of a pair.

    References
    ----------
    Mann and Whitney's U with a label's probability in place of the label.
    """
    own = chances * (1 - chances)  # a row beside itself: a tie that no draw of labels makes
    pairs = float(chances.sum()) * float((1 - chances).sum())
    if not pairs - own.sum() > 0:
        raise UndefinedMetricError(f"roc_auc needs rows of both classes; all {len(chances)} are surely of one")
    return float((weighted_twice("roc_auc", chances) * pairs - own.sum() / 2) / (pairs - own.sum()))


def weighted_twice(metric: str, chances: Floats) -> float:
    """A metric of rows that each count as a 1 by their probability, and as a 0 by what is left of it."""
    kept = np.clip(chances, EPSILON, 1 - EPSILON)
    label = np.repeat([1.0, 0.0], len(chances))
    return score(metric, label, np.concatenate([chances, chances]), np.concatenate([kept, 1 - kept]))


def entropy(scores: Floats) -> Floats:
    """Expected log loss of each row, in nats; shape (n,)."""
    kept = np.clip(with_both_classes(scores), EPSILON, 1.0)
    return -np.asarray((kept * np.log(kept)).sum(axis=1))


def impurity(scores: Floats) -> Floats:
    """Expected Brier score of each row; of two classes in one column half of it, as `tasks.metrics` has it."""
    return scores * (1 - scores) if scores.ndim == 1 else 1 - np.square(scores).sum(axis=1)


def confidence(scores: Floats) -> Floats:
    """Expected accuracy of each row's most probable class."""
    return np.asarray(with_both_classes(scores).max(axis=1))


EXPECTED: dict[str, Expected] = {"log_loss": entropy, "brier": impurity, "accuracy": confidence}


def drawn_interval(metric: str, scores: Floats, value: float, seed: int) -> tuple[float, float] | None:
    """Where a metric lies when labels are drawn by the probabilities; None where it is hardly ever defined.

    Of many rows some are drawn for, evenly spread, and the interval is drawn in by the root of their share.
    """
    kept = scores[np.linspace(0, len(scores) - 1, min(ROWS, len(scores))).round().astype(np.intp)]
    generator = np.random.Generator(np.random.PCG64(seed))
    found = []
    for _ in range(DRAWS):
        try:
            found.append(score(metric, drawn_labels(kept, generator), kept))
        except UndefinedMetricError:
            continue
    if len(found) < CONFIDENCE * DRAWS:
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(found, [tail, 1 - tail]) - float(np.mean(found))
    narrower = (len(kept) / len(scores)) ** 0.5
    return value + float(low) * narrower, value + float(high) * narrower


def drawn_labels(scores: Floats, generator: np.random.Generator) -> Floats:
    """Draw a label for each row by its probabilities; shape (n,)."""
    level = generator.random(len(scores))
    if scores.ndim == 1:
        return np.asarray(level < scores, dtype=np.float64)
    reached = np.cumsum(scores, axis=1)
    return np.asarray(np.minimum((level[:, None] >= reached).sum(axis=1), scores.shape[1] - 1), dtype=np.float64)


# ---- regression


def regression_estimate(scores: Floats, metric: str, sample: pa.Table | None, reference: float | None) -> Estimate:
    """Weigh the batch's predictions with what rows of alike prediction cost in the reference's sample."""
    if metric == "r2":
        off = "r2 is a share of the target's variance, which no prediction tells"
        return Estimate(metric, reference=reference, off=off)
    if sample is None or not {PREDICTION, LOSS} <= {*sample.column_names}:
        off = (
            "a regression's predictions do not say how far off they are, and the profile has no sample to compare with"
        )
        return Estimate(metric, reference=reference, off=off)
    predicted = sample.column(PREDICTION).to_numpy()
    losses = sample.column(LOSS).to_numpy()
    known = ~(np.isnan(losses) | np.isnan(predicted))
    if known.sum() < BINS:
        off = f"{int(known.sum())} rows of the profile's sample have a loss; {BINS} are needed"
        return Estimate(metric, reference=reference, off=off)
    value, error = weighted_loss(scores, predicted[known], losses[known])
    bounds = value - 2 * error, value + 2 * error
    finish = root if metric == "rmse" else float
    assumes = "this assumes that predictions of one size are as wrong as they were (it sees only where rows moved to)"
    return Estimate(metric, finish(value), (finish(max(bounds[0], 0.0)), finish(bounds[1])), reference, assumes=assumes)


def root(value: float) -> float:
    """Square root of a mean squared error."""
    return float(value**0.5)


def weighted_loss(scores: Floats, predicted: Floats, losses: Floats) -> tuple[float, float]:
    """The reference's mean loss per bin of the prediction, weighted by the batch's rows per bin, and its error.

    Returns
    -------
    (float, float)
        The mean, and its standard error: of as many rows as the batch has, and of the bins' means.

    References
    ----------
    Post-stratification: D. Holt, T. M. F. Smith (1979), doi:10.2307/2344652.

    Examples
    --------
    >>> predicted = np.arange(100.0)
    >>> round(weighted_loss(np.full(5, 95.0), predicted, predicted)[0], 1)
    94.5
    """
    cuts = np.unique(np.quantile(predicted, np.linspace(0, 1, BINS + 1)[1:-1]))
    home, there = np.searchsorted(cuts, predicted, side="right"), np.searchsorted(cuts, scores, side="right")
    rows = np.bincount(home, minlength=len(cuts) + 1)
    filled = np.maximum(rows, 1)
    mean = np.bincount(home, losses, minlength=len(rows)) / filled
    square = np.bincount(home, np.square(losses), minlength=len(rows)) / filled
    share = np.bincount(there, minlength=len(rows)) / len(scores)
    share = np.where(rows > 0, share, 0.0) / max(float(share[rows > 0].sum()), EPSILON)
    value, variance = float((share * mean).sum()), square - mean**2
    error = (share * (square - value * (2 * mean - value))).sum() / len(scores) + (share**2 * variance / filled).sum()
    return value, float(max(error, 0.0) ** 0.5)
