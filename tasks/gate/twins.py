"""Models like the one in `models/<pipeline>/`, trained again with other seeds: how much of a score is luck."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.bundle import predictions
from tasks.estimator import thread_count
from tasks.train import cross_validate, declared_model, features_of, fit_final, load_rows, rounds_for_all_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.estimator import TabularModel
    from tasks.train import TrainingRows

SEEDS = 2**31


def reseeded(pipeline: Pipeline, seed: int) -> Pipeline:
    """The same declaration with another seed of training; rows stay in the parts and folds that they are in."""
    return pipeline.model_copy(update={"train": pipeline.train.model_copy(update={"seed": seed % SEEDS})})


def fitted(rows: TrainingRows) -> TabularModel:
    """Train as the stage `train` does: boosting rounds by cross-validation, then all rows."""
    model = declared_model(rows.pipeline)
    features = features_of(model, rows)
    folds = cross_validate(model, features, rows, thread_count())
    fit_final(model, features, rows, rounds_for_all_rows(folds))
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
    list of array of float, shape (n,)
    """
    rows = load_rows(pipeline)
    seeds = [pipeline.train.seed + number for number in range(1, count + 1)]
    return [predictions(fitted(replace(rows, pipeline=reseeded(pipeline, seed))), raw) for seed in seeds]
