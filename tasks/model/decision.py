"""The decision: which class a model answers, by what the declared costs say of its probabilities."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.sections.train import Costs, Task

    Floats = NDArray[np.float64]
    Classes = NDArray[np.int64]

Matrix = tuple[tuple[float, ...], ...]
SAME = 1e-9  # costs that are closer than this share of the dearest error are alike: sums of decimals are not exact
LIKELIER = "the more probable class"
LIKELIEST = "the most probable class"
ELKAN = "the threshold that costs imply of calibrated probabilities"
EMPIRICAL = "the threshold of least cost on out-of-fold rows"
EXPECTED = "the least expected cost by calibrated probabilities"
UNCALIBRATED = "the least expected cost by probabilities as they are"


@dataclass(frozen=True)
class Decision:
    """A rule from probabilities to classes.

    Attributes
    ----------
    rule : str
        In words.
    threshold : float or None
        Binary: probability of 1 from which a row is decided to be 1.
    matrix : tuple of tuples or None
        What each decision costs: a row per actual class, a column per decision. None where nobody said.
    costs : tuple of (str, float)
        Mean cost of a row that the decision was learned on, by this rule and by plainer ones; empty without costs.
    """

    rule: str
    threshold: float | None
    matrix: Matrix | None
    costs: tuple[tuple[str, float], ...] = ()

    def decide(self, probabilities: Floats) -> Classes:
        """Decide on each row.

        Parameters
        ----------
        probabilities : array of float, shape (n,) or (n, C)
            Of class 1, or of each class.

        Returns
        -------
        array of int, shape (n,)
            0 or 1, or 0 to C - 1; of decisions that are alike, the first.
        """
        if self.threshold is not None:
            return (probabilities >= self.threshold).astype(np.int64)
        if self.matrix is None:
            return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
        return np.asarray(expected_costs(self.matrix, probabilities).argmin(axis=1), dtype=np.int64)

    def state(self) -> dict[str, Any]:
        """As JSON holds it exactly."""
        return {**asdict(self), "costs": [list(pair) for pair in self.costs]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Decision:
        """Make a decision again from `state()`, as JSON gave it back."""
        matrix = None if state["matrix"] is None else tuple(tuple(row) for row in state["matrix"])
        return cls(state["rule"], state["threshold"], matrix, tuple((name, cost) for name, cost in state["costs"]))


def cost_matrix(costs: Costs, task: Task) -> Matrix | None:
    """What each decision costs: a row per actual class, a column per decision; None where nobody said.

    >>> from configs.schema import Costs
    >>> cost_matrix(Costs(false_positive=1, false_negative=9, true_positive=-2), "binary")
    ((0.0, 1.0), (9.0, -2.0))
    """
    if task == "regression":
        return None
    if costs.matrix is not None:
        return tuple(tuple(map(float, row)) for row in costs.matrix)
    if costs.false_positive is None or costs.false_negative is None:
        return None
    return (
        (float(costs.true_negative), float(costs.false_positive)),
        (float(costs.false_negative), float(costs.true_positive)),
    )


def elkan_threshold(matrix: Matrix) -> float:
    """Probability of 1 from which deciding 1 costs less on average than deciding 0, were probabilities true.

    References
    ----------
    C. Elkan (2001), "The Foundations of Cost-Sensitive Learning", IJCAI, equation 2.

    Examples
    --------
    >>> elkan_threshold(((0.0, 1.0), (9.0, 0.0)))
    0.1
    """
    idle, missed = excess_costs(matrix)
    return idle / (idle + missed)


def excess_costs(matrix: Matrix) -> tuple[float, float]:
    """How much more a false positive and a false negative cost than being right about such a row."""
    (true_negative, false_positive), (false_negative, true_positive) = matrix
    return false_positive - true_negative, false_negative - true_positive


def expected_costs(matrix: Matrix, probabilities: Floats) -> Floats:
    """What each decision costs on average, by the probabilities; shape (n, C). No BLAS, whose sums follow its threads.

    >>> expected_costs(((0.0, 1.0), (9.0, 0.0)), np.array([[0.75, 0.25]])).tolist()
    [[2.25, 0.75]]
    """
    costs = np.asarray(matrix, dtype=np.float64)
    found = np.zeros((len(probabilities), costs.shape[1]))
    for actual, row in enumerate(costs):
        found += probabilities[:, [actual]] * row
    return found


def costs_of_decisions(matrix: Matrix, target: Floats, decided: Classes) -> Floats:
    """What each decision cost, now that the class is known; shape (n,)."""
    costs = np.asarray(matrix, dtype=np.float64)
    return np.asarray(costs[target.astype(np.intp), decided], dtype=np.float64)


def fitted_decision(  # noqa: PLR0913  # what a decision is made of
    costs: Costs,
    probabilities: Floats,
    target: Floats,
    task: Task,
    calibrated: bool,
    *,
    weight: Floats | None = None,
) -> Decision | None:
    """Learn how to decide, from rows that the probabilities' models were not trained on.

    Parameters
    ----------
    costs : Costs
        As declared; nothing given means that all errors count alike.
    probabilities : array of float, shape (n,) or (n, C)
        Out-of-fold: of class 1, or of each class, as the finished model gives them.
    target : array of float, shape (n,)
        0 and 1, or 0 to C - 1.
    task : {"binary", "multiclass", "regression"}
    calibrated : bool
        Whether the probabilities may be taken at their word.
    weight : array of float, shape (n,), optional
        How many rows each stands for, above 0.

    Returns
    -------
    Decision or None
        None for a regression. Without costs: 0.5, or the most probable class. With costs and calibration: Elkan's
        threshold, or the class of least expected cost. With costs of a binary task and without calibration: the
        threshold that cost least on these rows - of those that cost alike the nearest to Elkan's.

    References
    ----------
    C. Elkan (2001), "The Foundations of Cost-Sensitive Learning", IJCAI. V. Sheng, C. Ling (2006), "Thresholding for
    making classifiers cost-sensitive", AAAI: the empirical threshold.
    """
    matrix = cost_matrix(costs, task)
    if task == "regression":
        return None
    if matrix is None:
        return Decision(LIKELIER, 0.5, None) if task == "binary" else Decision(LIKELIEST, None, None)
    decision = implied_decision(matrix)
    if task == "multiclass" and not calibrated:
        decision = replace(decision, rule=UNCALIBRATED)
    if task == "binary" and not calibrated:
        decision = Decision(EMPIRICAL, cheapest_threshold(matrix, probabilities, target, weight), matrix)
    return replace(decision, costs=told_costs(decision, matrix, probabilities, target, weight))


def implied_decision(matrix: Matrix) -> Decision:
    """What the costs imply of probabilities that can be taken at their word."""
    if len(matrix) == 2:
        return Decision(ELKAN, elkan_threshold(matrix), matrix)
    return Decision(EXPECTED, None, matrix)


def told_costs(
    decision: Decision, matrix: Matrix, probabilities: Floats, target: Floats, weight: Floats | None
) -> tuple[tuple[str, float], ...]:
    """The mean cost of a row by a decision and by plainer ones: the likelier class, and the same class always."""
    counted = np.ones(len(target)) if weight is None else weight
    plain = Decision(LIKELIER, 0.5, None) if probabilities.ndim == 1 else Decision(LIKELIEST, None, None)
    ways = {"decision": decision.decide(probabilities), plain.rule: plain.decide(probabilities)}
    ways |= {f"always class {k}": np.full(len(target), k, dtype=np.int64) for k in range(len(matrix))}
    return tuple(
        (name, float((counted * costs_of_decisions(matrix, target, decided)).sum() / counted.sum()))
        for name, decided in ways.items()
    )


def cheapest_threshold(matrix: Matrix, probabilities: Floats, target: Floats, weight: Floats | None = None) -> float:
    """The threshold at which the rows cost least in all.

    Between two neighbouring probabilities all thresholds decide alike: the one that costs imply is taken where it lies
    there, the middle elsewhere, so that a probability that is off by its last bit is decided as before. Whatever costs
    say, a probability of 0 is decided to be 0, and one of 1 to be 1.

    Parameters
    ----------
    matrix : 2 x 2 costs, a row per actual class
    probabilities, target : arrays of float, shape (n,)
    weight : array of float, shape (n,), optional

    Returns
    -------
    float
        In (0, 1].

    Examples
    --------
    >>> cheapest_threshold(((0, 1), (1, 0)), np.array([0.1, 0.2, 0.4, 0.9]), np.array([0.0, 1.0, 1.0, 1.0]))
    0.15000000000000002
    """
    idle, missed = excess_costs(matrix)
    levels, position = np.unique(probabilities, return_inverse=True)
    counted = np.ones(len(target)) if weight is None else weight
    ones, zeros = (
        np.bincount(position, weights=counted * hit, minlength=len(levels)) for hit in (target > 0, target <= 0)
    )
    # a threshold in (edges[k], edges[k + 1]] decides that the levels from k on are 1
    false_negatives = np.concatenate([[0.0], np.cumsum(ones)])
    false_positives = np.concatenate([np.cumsum(zeros[::-1])[::-1], [0.0]])
    cost, edges = idle * false_positives + missed * false_negatives, np.concatenate([[0.0], levels, [1.0]])
    open_ = np.flatnonzero(edges[:-1] < edges[1:])
    cheapest = open_[cost[open_] <= cost[open_].min() + SAME * max(idle, missed)]
    low, high, implied = edges[cheapest], edges[cheapest + 1], elkan_threshold(matrix)
    nearest = int(np.argmin(np.maximum(0.0, np.maximum(low - implied, implied - high))))
    return between(float(low[nearest]), float(high[nearest]), implied)


def between(low: float, high: float, wanted: float) -> float:
    """A number above `low` and at most `high`: the wanted one, or else the middle.

    >>> between(0.2, 0.4, 0.25), between(0.5, 1.0, 0.25)
    (0.25, 0.75)
    """
    if low < wanted <= high:
        return wanted
    middle = (low + high) / 2
    return middle if middle > low else high
