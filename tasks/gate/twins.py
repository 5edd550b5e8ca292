"""Models like the one in `models/<pipeline>/`, trained again with other seeds: how much of a score is luck."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.model.bundle import predictions
from tasks.model.device import thread_count
from tasks.train import declared_model, train_model
from tasks.training.matrices import prepare
from tasks.training.rows import load_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.model.estimator import TabularModel
    from tasks.training.rows import TrainingRows


def fitted(rows: TrainingRows) -> TabularModel:
    """Train as the stage `train` does, without a second look for leaks."""
    model = declared_model(rows.pipeline, rows.classes)
    train_model(prepare(model, rows), model, thread_count())
    return model


def twin_predictions(pipeline: Pipeline, raw: pd.DataFrame, count: int) -> list[NDArray[np.float64]]:
    """Predict rows by models that differ from the challenger by their seed alone.

    Parameters
    ----------
    pipeline : Pipeline
        The current directory holds its valid rows and their split.
    raw : DataFrame, shape (n, d)
        Typed rows to predict.
    count : int
        Trainings: each takes as long as the stage `train`.

    Returns
    -------
    list of array of float, shape (n,), or (n, C) for C classes
    """
    rows = load_rows(pipeline)
    seeds = [pipeline.train.seed + number for number in range(1, count + 1)]
    return [predictions(fitted(rows.reseeded(seed)), raw) for seed in seeds]
