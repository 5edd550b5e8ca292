"""What a model says of rows, as columns beside the features: drift is looked for in all of them alike.

| column | role | holds |
| --- | --- | --- |
| `(prediction)` | prediction | probability of 1, the most probable class's probability, or the predicted number |
| `(decision)` | decision | the class that is decided on, as text; a regression has none |
| `(target)` | target | the class as text, or the number; null where it is not known |
| `(loss)` | loss | what the row costs by the training metric's proper loss; null where the target is not known |
| `(cost)` | loss | what the row costs by `train.costs`; only where they are declared |

A reference's rows must be scored by models that were not trained on them: out of fold, or held out. Scores of training
rows are too good, and every batch would look worse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.model.estimator import TabularModel

    Floats = NDArray[np.float64]

PREDICTION, DECISION, TARGET, LOSS, COST = "(prediction)", "(decision)", "(target)", "(loss)", "(cost)"
Role = Literal["prediction", "decision", "target", "loss"]
ROLES: dict[str, Role] = {
    PREDICTION: "prediction",
    DECISION: "decision",
    TARGET: "target",
    LOSS: "loss",
    COST: "loss",
}
Loss = Literal["log loss", "squared error", "absolute error"]
EPSILON = float(np.finfo(np.float64).eps)  # a certain and wrong prediction costs 36 nats, as in `tasks.metrics`


def pseudo_columns(scores: Floats, target: Floats, model: TabularModel, pipeline: Pipeline) -> pa.Table:
    """Make the columns of what a model says of rows, and of what came true.

    Parameters
    ----------
    scores : array of float, shape (n,) or (n, C)
        Calibrated: probability of 1, of each class, or the predicted number.
    target : array of float, shape (n,)
        0 and 1, 0 to C - 1, or the number; NaN where it is not known.
    model : TabularModel
        Names the classes and decides on them.
    pipeline : Pipeline
        Its `train` says the metric and the costs.

    Returns
    -------
    pa.Table, n rows
        Of the names in `ROLES`, in their order; float64 or string.
    """
    import pyarrow as pa

    columns = {PREDICTION: pa.array(leading_score(scores))}
    if model.task != "regression":
        columns[DECISION] = class_texts(model.decided(scores), model)
    columns[TARGET] = known_numbers(target) if model.task == "regression" else class_texts(target, model)
    columns[LOSS] = known_numbers(row_losses(loss_of(pipeline.metric), scores, target))
    costs = row_costs(scores, target, model, pipeline)
    if costs is not None:
        columns[COST] = known_numbers(costs)
    return pa.table(columns)


def leading_score(scores: Floats) -> Floats:
    """One number per row: the score itself, or the most probable class's probability; shape (n,)."""
    return np.asarray(scores if scores.ndim == 1 else scores.max(axis=1, initial=0.0), dtype=np.float64)


def class_names(model: TabularModel) -> tuple[str, ...]:
    """What the numbers of the classes stand for; '0' and '1' where they have no names."""
    trees = model[-1]
    return tuple(trees.classes or map(str, range(max(2, trees.class_count_))))


def class_texts(numbers: Floats, model: TabularModel) -> pa.Array:
    """The name of each row's class, null where it is not known."""
    import pyarrow as pa

    known = ~np.isnan(numbers)
    codes = np.where(known, numbers, 0).astype(np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, mask=~known), pa.array(class_names(model))
    ).dictionary_decode()


def known_numbers(values: Floats) -> pa.Array:
    """Numbers, null where they are not known."""
    import pyarrow as pa

    return pa.array(values, mask=np.isnan(values))


def loss_of(metric: str) -> Loss:
    """The proper loss of a metric: what is least on average where the prediction is right.

    A rank metric has no loss per row; its model was trained on the log loss.

    >>> loss_of("roc_auc"), loss_of("brier"), loss_of("mae")
    ('log loss', 'squared error', 'absolute error')
    """
    if metric == "mae":
        return "absolute error"
    return "squared error" if metric in ("brier", "rmse", "r2") else "log loss"


def row_losses(loss: Loss, scores: Floats, target: Floats) -> Floats:
    """How wrong each prediction turned out to be.

    Parameters
    ----------
    loss : {"log loss", "squared error", "absolute error"}
    scores : array of float, shape (n,) or (n, C)
    target : array of float, shape (n,)
        NaN where it is not known.

    Returns
    -------
    array of float, shape (n,)
        In nats, or in the target's unit, squared or not; NaN where the target is not known. The squared error of
        classes is the sum over them (G. W. Brier, 1950).

    Examples
    --------
    >>> row_losses("squared error", np.array([0.25, 0.5]), np.array([1.0, np.nan])).tolist()
    [0.5625, nan]
    """
    if loss == "absolute error":
        return np.abs(scores - target)
    if scores.ndim == 2:
        return class_losses(loss, scores, target)
    if loss == "squared error":
        return np.square(scores - target)
    told = np.clip(scores, EPSILON, 1 - EPSILON)
    return -np.asarray(target * np.log(told) + (1 - target) * np.log1p(-told))


def class_losses(loss: Loss, scores: Floats, target: Floats) -> Floats:
    """As `row_losses`, of several classes."""
    known = ~np.isnan(target)
    own = scores[np.arange(len(target)), np.where(known, target, 0).astype(np.intp)]
    if loss == "squared error":
        found = np.square(scores).sum(axis=1) - 2 * own + 1
    else:
        found = -np.log(np.clip(own, EPSILON, 1.0))
    return np.where(known, found, np.nan)


def row_costs(scores: Floats, target: Floats, model: TabularModel, pipeline: Pipeline) -> Floats | None:
    """What each row's decision cost by `train.costs`, NaN where that is not known; None where none are declared."""
    from tasks.gate.costs import are_declared, cost_of_rows

    costs = pipeline.train.costs
    if not are_declared(costs):
        return None
    known = ~np.isnan(target)
    found = np.full(len(target), np.nan)
    found[known] = cost_of_rows(costs, pipeline.task, target[known], scores[known], model.decision_)
    return found
