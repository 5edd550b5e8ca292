"""What a model's predictions of a batch cost, by the metric that the pipeline declares to be judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError
from tasks.metrics import greater_is_better, score
from tasks.model.bundle import predictions, read_manifest
from tasks.store import content_hash
from tasks.table import read_table, to_frame
from tasks.target import class_codes, finite_numbers, target_column

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.replay.arrivals import Arrival
    from tasks.replay.making import Kept, Made

    Floats = NDArray[np.float64]

UNMET = -1.0  # the number of a class that the model never met


def loss_of(kept: Kept, model: Made, arrival: Arrival) -> dict[str, Any]:
    """What a model's predictions of a batch cost.

    Returns
    -------
    dict
        `rows` with a label of a class that the model knows, `unmet` with one that it never met, the declared `metric`
        of the former (None where it is undefined, as an AUC of one class is), that as a `loss`, and `cpu_seconds`.
    """
    key = content_hash(f"{model.manifest_sha256}:{arrival.hash}:{kept.pipeline.metric}".encode())
    return kept.summary("loss", key, lambda: measured(kept, model, arrival))


def measured(kept: Kept, model: Made, arrival: Arrival) -> dict[str, Any]:
    """Predict the batch, and hold it against the labels."""
    pipeline = kept.pipeline
    manifest, frame = read_manifest(model.bundle, model.manifest_sha256), to_frame(read_table(arrival.file))
    predicted = predictions(kept.loaded(model), frame[manifest["inputs"]])
    target = truth(frame, pipeline, tuple(manifest.get("classes") or ()))
    known = target >= 0 if pipeline.task != "regression" else ~np.isnan(target)
    metric = metric_of(pipeline.metric, target[known], predicted[known])
    return {
        "rows": int(known.sum()),
        "unmet": int((target == UNMET).sum()) if pipeline.task != "regression" else 0,
        "metric": metric,
        "loss": None if metric is None else as_loss(pipeline.metric, metric),
    }


def as_loss(metric: str, value: float) -> float:
    """A metric as a loss: what is lacking to 1 where greater is better, else the metric itself.

    >>> round(as_loss("roc_auc", 0.7), 6), as_loss("rmse", 3.0)
    (0.3, 3.0)
    """
    return 1.0 - value if greater_is_better(metric) else value


def loss_name(metric: str) -> str:
    """What the loss is called.

    >>> loss_name("roc_auc"), loss_name("rmse")
    ('1 - roc_auc', 'rmse')
    """
    return f"1 - {metric}" if greater_is_better(metric) else metric


def truth(frame: pd.DataFrame, pipeline: Pipeline, classes: tuple[str, ...]) -> Floats:
    """The target as the model was taught it: NaN where it is not known, `UNMET` for a class it never met."""
    values, target = frame[target_column(pipeline.target)], pipeline.target
    if classes:
        codes = class_codes(values, classes).to_numpy(dtype=np.float64)
        return np.where(np.isnan(codes) & values.notna().to_numpy(), UNMET, codes)
    numbers = finite_numbers(values).to_numpy(dtype=np.float64)
    if target.above is not None:
        numbers = np.where(np.isnan(numbers), np.nan, numbers > target.above)
    return numbers.astype(np.float64)


def metric_of(metric: str, target: Floats, predicted: Floats) -> float | None:
    """The declared metric; None where it is undefined, as an AUC of one class is."""
    try:
        return float(score(metric, target, predicted))
    except DataError:
        return None
