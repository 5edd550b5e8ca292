"""What predictions cost by the declared costs: the threshold to act at, and the cost of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from configs.schema import Costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def are_declared(costs: Costs) -> bool:
    """Whether somebody has said what predictions cost."""
    return costs.false_positive is not None or costs.over is not None


def threshold(costs: Costs) -> float:
    """Probability from which acting costs less on average than not acting.

    References
    ----------
    C. Elkan (2001), "The Foundations of Cost-Sensitive Learning", IJCAI, equation 2.

    Examples
    --------
    >>> threshold(Costs(false_positive=1, false_negative=9))
    0.1
    """
    if costs.false_positive is None or costs.false_negative is None:
        raise ValueError("a threshold follows from false_positive and false_negative; see `are_declared`")
    idle = costs.false_positive - costs.true_negative
    missed = costs.false_negative - costs.true_positive
    return idle / (idle + missed)


def cost_of_rows(costs: Costs, target: Floats, prediction: Floats) -> Floats:
    """What each prediction costs, in the unit of the declared costs.

    Parameters
    ----------
    costs : Costs
        Of a binary task: a row is acted on from `threshold` on. Of a regression: per unit over or under the target.
    target, prediction : arrays of float, shape (n,)

    Returns
    -------
    array of float, shape (n,)

    Examples
    --------
    >>> cost_of_rows(Costs(false_positive=1, false_negative=9), np.array([0.0, 1.0]), np.array([0.5, 0.05])).tolist()
    [1.0, 9.0]
    >>> cost_of_rows(Costs(over=1, under=3), np.array([10.0, 10.0]), np.array([12.0, 9.0])).tolist()
    [2.0, 3.0]
    """
    if costs.over is not None and costs.under is not None:
        error = prediction - target
        return np.where(error > 0, costs.over * error, -costs.under * error)
    acted, happened = prediction >= threshold(costs), target > 0
    matrix = np.array(
        [[costs.true_negative, costs.false_negative], [costs.false_positive, costs.true_positive]], dtype=np.float64
    )
    found: Floats = matrix[acted.astype(np.intp), happened.astype(np.intp)]
    return found
