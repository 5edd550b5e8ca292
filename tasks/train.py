"""Stage `train`: cross-validate, then fit the model that is kept.

Each fold encodes, stops early and predicts with what its own training rows hold: the encoder is fitted inside the fold,
early stopping watches rows of the training part, and validation rows are met once, to be predicted.
"""

from __future__ import annotations

import math
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError
from tasks.atomic import write_json, write_text
from tasks.bundle import save_bundle, sha256
from tasks.features import derived_features
from tasks.folds import early_stopping_rows, inner_folds, microseconds, order_keys
from tasks.metrics import score
from tasks.split import (
    TRAIN,
    DeclaredSplit,
    embargo,
    group_values,
    load_split,
    needed_columns,
    split_path,
    time_values,
)
from tasks.stage import LIBRARIES, PYTHON_MINOR, declared_params, installed_version, run_as_command
from tasks.table import BATCH, LINE, read_batches, to_frame, write_table
from tasks.target import target_column, target_values

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.estimator import TabularModel

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

SECTIONS = ("columns", "drop", "time", "target", "features", "encode", "split", "train")


class MisalignedRowsError(DataError):
    """The split was not made from the valid rows that are there."""


class FoldFitError(DataError):
    """A fold cannot be fitted or scored; the text says which, and why."""


@dataclass(frozen=True)
class TrainingRows:
    """The rows to train on, in one order: what the model is given, what it learns, and how rows are drawn.

    Attributes
    ----------
    pipeline : Pipeline
        Its sections `train`, `encode`, `split` and `target` say how.
    raw : DataFrame, shape (n, d)
        Typed columns that the model reads.
    names : DataFrame, shape (n, 2)
        `_batch` and `_line`.
    target : array of float, shape (n,)
    times : Series of datetime64[us, UTC], shape (n,), or None
    groups : array of object, shape (n,), or None
    splitter : DeclaredSplit
    """

    pipeline: Pipeline
    raw: pd.DataFrame
    names: pd.DataFrame
    target: Floats
    times: pd.Series | None
    groups: NDArray[np.object_] | None
    splitter: DeclaredSplit

    def early_stopping(self, train: Positions) -> tuple[Positions, Positions]:
        """Part a fold's training rows into those that it learns from and those that early stopping watches."""
        share, apart = self.pipeline.train.early_stopping_share, embargo(self.pipeline)
        learnt, watched = early_stopping_rows(**self.draw(train), share=share, embargo=apart)
        return train[learnt], train[watched]

    def inner_folds(self, chosen: Positions) -> NDArray[np.int64]:
        """Number the inner fold in which each chosen row is left out of its own encoding."""
        return inner_folds(**self.draw(chosen), folds=self.pipeline.encode.folds)

    def draw(self, chosen: Positions) -> dict[str, Any]:
        """Gather what a draw among some of the rows goes by."""
        seed, names = self.pipeline.train.seed, self.names.iloc[chosen]
        return {
            "target": self.target[chosen],
            "task": self.pipeline.task,
            "kind": self.pipeline.split_kind,
            "times": None if self.times is None else self.times.iloc[chosen],
            "groups": None if self.groups is None else self.groups[chosen],
            "keys": order_keys(names[BATCH], names[LINE], seed),
            "seed": seed,
        }


@dataclass(frozen=True)
class Fold:
    """One fold's outcome: predictions of the validated rows, their score, and the watched rows' score per round."""

    valid: Positions
    prediction: Floats
    score: float
    curve: list[float]
    rounds: int


def declared_model(pipeline: Pipeline) -> TabularModel:
    """The estimator that a pipeline declares, not fitted."""
    from tasks.encoder import TargetEncoding
    from tasks.estimator import BoostedTrees, tabular_model

    train = pipeline.train
    return tabular_model(
        derived_features(pipeline),
        TargetEncoding(pipeline.encoded_columns, pipeline.encode.smooth, pipeline.encode.folds, train.seed),
        BoostedTrees(pipeline.task, train.params.model_dump(), train.rounds, train.seed),
    )


def features_of(model: TabularModel, rows: TrainingRows) -> pd.DataFrame:
    """Derive the features of all rows at once: row by row, so no fold can see another; each category factorised once.

    Raises
    ------
    NoFeatureError
        If the pipeline declares no feature.
    """
    from tasks.estimator import NoFeatureError

    derived: pd.DataFrame = model["features"].fit_transform(rows.raw)
    if derived.shape[1] == 0:
        raise NoFeatureError(
            "no feature is left to learn from; at least one was expected. See `columns`, `drop` and `features`."
        )
    return derived.astype(dict.fromkeys(model["encode"].columns, "category"))


def fit_fold(
    model: TabularModel, features: pd.DataFrame, rows: TrainingRows, parts: tuple[Positions, Positions], threads: int
) -> Fold:
    """Fit one fold on its training rows, and predict and score the rows that it validates.

    Parameters
    ----------
    model : TabularModel
        As declared; its learning steps are cloned.
    features : DataFrame, shape (n, d)
        `features_of` the rows.
    rows : TrainingRows
    parts : two arrays of int
        Positions of the training and of the validated rows.
    threads : int
    """
    from sklearn.base import clone

    from tasks.estimator import StoppingRows, best_round

    encode, trees, y = clone(model["encode"]), clone(model["booster"]), rows.target
    metric, patience = rows.pipeline.metric, rows.pipeline.train.early_stopping_rounds
    learnt, watched = rows.early_stopping(parts[0])
    encoded = encode.fit_transform(features.iloc[learnt], y[learnt], folds=rows.inner_folds(learnt))
    stopping = StoppingRows(encode.transform(features.iloc[watched]), y[watched], metric, patience)
    trees.fit(encoded, y[learnt], stopping, threads)
    valid = parts[1]
    prediction = trees.scores(encode.transform(features.iloc[valid]))
    return Fold(valid, prediction, score(metric, y[valid], prediction), trees.curve_, best_round(trees.curve_, metric))


def cross_validate(model: TabularModel, features: pd.DataFrame, rows: TrainingRows, threads: int) -> list[Fold]:
    """Fit the declared folds, several at a time: one thread each is faster than many threads for one.

    The largest begins first, so that it is not left alone at the end.

    Raises
    ------
    FoldFitError
        Names the first fold that cannot be fitted or scored.
    """
    splits = list(rows.splitter.split())
    workers = min(threads, len(splits))
    largest_first = sorted(range(len(splits)), key=lambda number: -len(splits[number][0]))
    with ThreadPoolExecutor(workers) as pool:
        fits = {
            number: pool.submit(fit_fold, model, features, rows, splits[number], threads // workers)
            for number in largest_first
        }
    folds = []
    for number in range(len(splits)):
        try:
            folds.append(fits[number].result())
        except DataError as error:
            raise FoldFitError(f"fold {number} of {len(splits)}: {error}") from error
    return folds


def rounds_for_all_rows(folds: list[Fold]) -> int:
    """Boosting rounds of the final model: the median of the folds' best rounds, rounded up.

    The final model learns from all training rows, so none is left to watch. What cross-validation chose is what it
    uses; the median, because one fold that stops at once or never should not decide.

    References
    ----------
    T. Hastie, R. Tibshirani, J. Friedman (2009), "The Elements of Statistical Learning", section 7.10.1: choose the
    complexity by cross-validation, then fit the chosen model to all the data.
    """
    return math.ceil(statistics.median(fold.rounds for fold in folds))


def fit_final(model: TabularModel, features: pd.DataFrame, rows: TrainingRows, rounds: int) -> None:
    """Fit the model itself, on all training rows, for a number of rounds that is given."""
    model.set_params(booster__rounds=rounds)
    inner = rows.inner_folds(np.arange(len(rows.target)))
    model["booster"].fit(model["encode"].fit_transform(features, rows.target, folds=inner), rows.target)


def load_rows(pipeline: Pipeline) -> TrainingRows:
    """Read the rows of the split's training part.

    Raises
    ------
    MisalignedRowsError
        If the split does not name the valid rows in their order.
    """
    split, folder = load_split(pipeline), Path(f"data/valid/{pipeline.name}")
    columns = dict.fromkeys([*needed_columns(pipeline), *pipeline.input_columns])
    table = read_batches(folder, list(columns))
    names = to_frame(table.select([BATCH, LINE]))
    if len(names) != len(split) or not all(np.array_equal(names[key], split[key]) for key in (BATCH, LINE)):
        raise MisalignedRowsError(
            f"{split_path(pipeline)} names {len(split)} rows, {folder} has {len(names)}, and they are not the same in "
            f"one order. Run `dvc repro split@{pipeline.name}`."
        )
    train = (split["part"] == TRAIN).to_numpy()
    labels = to_frame(table.select([target_column(pipeline.target)]))
    target = np.asarray(target_values(labels, pipeline.target, pipeline.task), dtype=np.float64)
    frame = to_frame(table.filter(train))
    times = time_values(frame, pipeline)
    instants = microseconds(times) if times is not None and pipeline.split_kind == "time" else None
    return TrainingRows(
        pipeline=pipeline,
        raw=frame[list(pipeline.input_columns)],
        names=frame[[BATCH, LINE]],
        target=target[train],
        times=times,
        groups=group_values(frame, pipeline),
        splitter=DeclaredSplit(split["fold"].to_numpy()[train], instants, embargo(pipeline)),
    )


def facts_of(model: TabularModel, rows: TrainingRows) -> dict[str, Any]:
    """Say what the model was made of, for the manifest: only what follows from data, code, parameters and libraries."""
    pipeline = rows.pipeline
    batches = rows.names[BATCH].value_counts()
    return {
        "pipeline": pipeline.name,
        "task": pipeline.task,
        "metric": pipeline.metric,
        "target": pipeline.target.name,
        "inputs": list(pipeline.input_columns),
        "features": model["encode"].feature_names_in_.tolist(),
        "rounds": model.rounds,
        "data": {
            "rows": len(rows.target),
            "batches": {str(name): int(count) for name, count in sorted(batches.items())},
            "split_sha256": sha256(split_path(pipeline).read_bytes()),
        },
        "params": pipeline.model_dump(mode="json", by_alias=True, include=set(SECTIONS)),
        "libraries": {name: installed_version(name) for name in declared_params("train", LIBRARIES.as_posix())},
        "python": PYTHON_MINOR,
    }


def learning_curve(folds: list[Fold]) -> str:
    """The watched rows' score per fold and round, as CSV."""
    lines = [
        f"{number},{index},{value!r}"
        for number, fold in enumerate(folds)
        for index, value in enumerate(fold.curve, start=1)
    ]
    return "\n".join(["fold,round,score", *lines, ""])


def write_predictions(path: Path, rows: TrainingRows, folds: list[Fold]) -> None:
    """Write the out-of-fold predictions, in the rows' order."""
    import pyarrow as pa

    fold = np.full(len(rows.target), -1, dtype=np.int16)
    prediction = np.full(len(rows.target), np.nan)
    for number, outcome in enumerate(folds):
        fold[outcome.valid] = number
        prediction[outcome.valid] = outcome.prediction
    kept = fold >= 0
    columns = {
        BATCH: pa.array(rows.names[BATCH][kept], pa.string()),
        LINE: pa.array(rows.names[LINE][kept], pa.int64()),
        "fold": pa.array(fold[kept]),
        "target": pa.array(rows.target[kept]),
        "prediction": pa.array(prediction[kept]),
    }
    write_table(pa.table(columns), path)


def main(pipeline: Pipeline) -> None:
    """Stage `train` of dvc.yaml: read the split's training rows, write bundle, out-of-fold predictions and scores."""
    from tasks.estimator import thread_count

    name, rows, model = pipeline.name, load_rows(pipeline), declared_model(pipeline)
    features = features_of(model, rows)
    folds = cross_validate(model, features, rows, thread_count())
    scores = [fold.score for fold in folds]
    mean, spread, rounds = statistics.fmean(scores), statistics.stdev(scores), rounds_for_all_rows(folds)
    print(f"train: {pipeline.metric} {mean:.4f} +- {spread:.4f} over {len(folds)} folds, {rounds} rounds", flush=True)
    fit_final(model, features, rows, rounds)
    save_bundle(Path(f"models/{name}"), model, rows.raw, facts_of(model, rows))
    write_predictions(Path(f"data/predictions/{name}.parquet"), rows, folds)
    write_text(Path(f"plots/{name}/learning_curve.csv"), learning_curve(folds))
    cv = {"mean": mean, "std": spread, "folds": scores}
    write_json(
        Path(f"metrics/{name}/train.json"),
        {"metric": pipeline.metric, "cv": cv, "rounds": rounds, "features": features.shape[1]},
    )


if __name__ == "__main__":
    run_as_command("train")
