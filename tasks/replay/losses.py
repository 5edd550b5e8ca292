"""What a model's predictions of a batch cost: a proper loss per row, so that it can be added up over batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError
from tasks.metrics import score
from tasks.model.bundle import predictions, read_manifest
from tasks.store import content_hash
from tasks.table import read_table, to_frame
from tasks.target import class_codes, finite_numbers, target_column

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline, Task
    from tasks.replay.arrivals import Arrival
    from tasks.replay.making import Kept, Made

    Floats = NDArray[np.float64]

LEAST = 1e-15  # probability that a model is taken to give at least, as scikit-learn's log loss does
NAMES = {"binary": "log loss", "multiclass": "log loss", "regression": "squared error"}  # by task


def loss_of(kept: Kept, model: Made, arrival: Arrival) -> dict[str, Any]:
    """What a model's predictions of a batch cost.

    Returns
    -------
    dict
        `rows` with a label, the `sum` of their losses (log loss, or squared error), `metric`, the declared metric, None
        where it is undefined, and `cpu_seconds`.
    """
    key = content_hash(f"{model.manifest_sha256}:{arrival.hash}".encode())
    return kept.summary("loss", key, lambda: measured(kept.pipeline, model, arrival))


def measured(pipeline: Pipeline, model: Made, arrival: Arrival) -> dict[str, Any]:
    """Predict the batch, and hold it against the labels."""
    manifest, frame = read_manifest(model.bundle, model.manifest_sha256), to_frame(read_table(arrival.file))
    predicted = predictions(model.load(), frame[manifest["inputs"]])
    target = truth(frame, pipeline, tuple(manifest.get("classes") or ()))
    known = ~np.isnan(target)
    losses = losses_of_rows(target[known], predicted[known], pipeline.task)
    return {
        "rows": int(known.sum()),
        "sum": float(np.add.reduce(losses)),
        "metric": metric_of(pipeline.metric, target[known], predicted[known]),
    }


def truth(frame: pd.DataFrame, pipeline: Pipeline, classes: tuple[str, ...]) -> Floats:
    """The target of each row as the model was taught it: NaN where it is not known, -1 for a class it never met."""
    values, target = frame[target_column(pipeline.target)], pipeline.target
    if classes:
        codes = class_codes(values, classes).to_numpy(dtype=np.float64)
        return np.where(np.isnan(codes) & values.notna().to_numpy(), -1.0, codes)
    numbers = finite_numbers(values).to_numpy(dtype=np.float64)
    if target.above is not None:
        numbers = np.where(np.isnan(numbers), np.nan, numbers > target.above)
    return numbers.astype(np.float64)


def losses_of_rows(target: Floats, predicted: Floats, task: Task) -> Floats:
    """Log loss of each row for probabilities, squared error for numbers.

    Parameters
    ----------
    target : array of float, shape (n,)
        0 or 1, the number of a class (-1 for one that the model does not know), or a number.
    predicted : array of float, shape (n,) or (n, C)
    task : {"binary", "multiclass", "regression"}

    Examples
    --------
    >>> losses_of_rows(np.array([1.0, 0.0]), np.array([0.5, 0.75]), "binary").round(4).tolist()
    [0.6931, 1.3863]
    >>> losses_of_rows(np.array([1.0]), np.array([3.0]), "regression").tolist()
    [4.0]
    """
    if task == "regression":
        return np.asarray(np.square(target - predicted))
    if predicted.ndim == 2:
        chosen = np.where(target < 0, 0.0, predicted[np.arange(len(target)), target.astype(np.intp)])
    else:
        chosen = np.where(target == 1, predicted, 1 - predicted)
    return np.asarray(-np.log(np.clip(chosen, LEAST, 1.0)))


def metric_of(metric: str, target: Floats, predicted: Floats) -> float | None:
    """The declared metric; None where it is undefined, as an AUC of one class is."""
    if (target < 0).any():
        return None
    try:
        return float(score(metric, target, predicted))
    except DataError:
        return None
