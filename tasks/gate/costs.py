"""What decisions and predictions cost by the declared costs, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from configs.sections.train import Costs
from tasks.model.decision import Decision, cost_matrix, costs_of_decisions, implied_decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.sections.train import Task

    Floats = NDArray[np.float64]


def are_declared(costs: Costs) -> bool:
    """Whether somebody has said what decisions cost."""
    return any(declared is not None for declared in (costs.false_positive, costs.matrix, costs.over))


def deciding(costs: Costs, task: Task, own: Decision | None) -> Decision | None:
    """How a model decides: as it has learned to, or where it has learned nothing as the costs imply of probabilities.

    None for a regression, and for a model that has learned nothing where no costs are declared.
    """
    if own is not None:
        return own
    matrix = cost_matrix(costs, task)
    return None if matrix is None else implied_decision(matrix)


def cost_of_rows(costs: Costs, task: Task, target: Floats, prediction: Floats, own: Decision | None = None) -> Floats:
    """What a model's decision on each row costs, in the unit of the declared costs.

    Parameters
    ----------
    costs : Costs
        Declared: of decisions, or for a regression per unit over or under the target.
    task : {"binary", "multiclass", "regression"}
    target : array of float, shape (n,)
    prediction : array of float, shape (n,) or (n, C)
    own : Decision, optional
        The model's; what the costs imply of probabilities when absent.

    Returns
    -------
    array of float, shape (n,)

    Examples
    --------
    >>> target, prediction = np.array([0.0, 1.0]), np.array([0.5, 0.05])
    >>> cost_of_rows(Costs(false_positive=1, false_negative=9), "binary", target, prediction).tolist()
    [1.0, 9.0]
    >>> costs, target, prediction = Costs(over=1, under=3), np.array([10.0, 10.0]), np.array([12.0, 9.0])
    >>> cost_of_rows(costs, "regression", target, prediction).tolist()
    [2.0, 3.0]
    """
    if costs.over is not None and costs.under is not None:
        error = prediction - target
        return np.where(error > 0, costs.over * error, -costs.under * error)
    matrix, decision = cost_matrix(costs, task), deciding(costs, task, own)
    if matrix is None or decision is None:
        raise ValueError("a decision has a cost where costs of decisions are declared; see `are_declared`")
    return costs_of_decisions(matrix, target, decision.decide(prediction))
