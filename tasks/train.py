"""Stage `train`: look for leaks, cross-validate, then fit the model that is kept.

Each fold encodes, stops early and predicts with what its own training rows hold: which rows' targets a number is made
of follows from one plan (`tasks.splitting.cross_fitting`), early stopping watches rows of the training part, and
validation rows are met once, to be predicted. Calibration and decision are learned from those out-of-fold predictions
alone.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError
from configs.schema import Pipeline
from tasks.atomic import read_json, write_json, write_text
from tasks.model.bundle import prediction_columns, save_bundle, sha256
from tasks.model.calibration import fitted_calibration
from tasks.model.decision import fitted_decision
from tasks.model.device import thread_count
from tasks.model.golden import golden_rows
from tasks.model.seen import seen_facts
from tasks.split import split_path
from tasks.stage import LIBRARIES, PYTHON_MINOR, declared_params, installed_version, run_as_command
from tasks.table import BATCH, LINE, write_table
from tasks.training.cross_validation import Fold, cross_validate, rounds_for_all_rows
from tasks.training.matrices import fit_matrices, prepare
from tasks.training.rows import TrainingRows, load_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.audit import Audit
    from tasks.model.estimator import TabularModel
    from tasks.training.matrices import FitMatrices, Prepared

    Floats = NDArray[np.float64]

SECTIONS = ("columns", "drop", "time", "target", "features", "encode", "split", "train")


def declared_model(pipeline: Pipeline, classes: tuple[str, ...] | None = None) -> TabularModel:
    """The estimator that a pipeline declares, not fitted.

    Parameters
    ----------
    pipeline : Pipeline
    classes : tuple of str, optional
        `TrainingRows.classes`.
    """
    from tasks.encoding.encoder import TargetEncoding
    from tasks.features import derived_features
    from tasks.model.boosting import BoostedTrees
    from tasks.model.estimator import tabular_model
    from tasks.own_features.user_features import user_features

    train = pipeline.train
    trees = BoostedTrees(
        pipeline.task,
        train.params.model_dump(),
        train.rounds,
        train.seed,
        monotone=dict(train.monotone),
        device=train.device,
        classes=classes,
    )
    encode = TargetEncoding(pipeline.encoded_columns, pipeline.encode.smooth, pipeline.inner_folds, train.seed, classes)
    others = [f"{name}_{label}" for name in pipeline.encoded_columns for label in classes or ()]
    return tabular_model(derived_features(pipeline), encode, trees, user_features(pipeline, others))


def looked_for_leaks(prepared: Prepared, model: TabularModel, threads: int) -> Audit | None:
    """Audit the features before anything is trained on them, unless `train.audit` is off.

    Raises
    ------
    LeakError
        If something was found and `train.audit` is stop; its text is what was found.
    """
    wanted = prepared.rows.pipeline.train.audit
    if wanted == "off":
        return None
    from tasks.audit import LeakError, audit

    found = audit(prepared, model, threads)
    if found.findings and wanted == "stop":
        raise LeakError(found)
    for finding in found.findings:
        print(f"train: {finding.text}", flush=True)
    return found


def train_model(prepared: Prepared, model: TabularModel, threads: int) -> list[Fold]:
    """Cross-validate, learn from the out-of-fold rows what follows the trees, then fit the model on all rows.

    Returns
    -------
    list of Fold
        The model is fitted in place.
    """
    folds = cross_validate(prepared, model, threads)
    fit_final(prepared, model, rounds_for_all_rows(folds))
    learn_decision(prepared.rows, model, folds)
    return folds


def fit_final(prepared: Prepared, model: TabularModel, rounds: int) -> None:
    """Fit the model itself, on all training rows, for a number of rounds that is given."""
    rows, fit = prepared.rows, prepared.rows.plan.final
    model.set_params(booster__rounds=rounds)
    matrices = fit_matrices(prepared, fit, model)
    learn_features(prepared, model, matrices)
    weight = rows.weights(fit.learnt)
    model["booster"].fit(matrices.learnt, rows.target[fit.learnt], weight=weight, names=matrices.names)


def learn_features(prepared: Prepared, model: TabularModel, matrices: FitMatrices) -> None:
    """Set what the model's steps before the trees learned from all training rows."""
    encode = model["encode"].fit_cells(prepared.table, prepared.rows.plan.final)
    if matrices.custom is not None:
        model.set_params(custom=matrices.custom)
        own = matrices.custom.get_feature_names_out()
        encode.feature_names_in_ = np.asarray([*prepared.features, *own], dtype=object)
        encode.n_features_in_ = len(encode.feature_names_in_)


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of the rows that folds validate, in the rows' order.

    Attributes
    ----------
    validated : array of bool, shape (n,)
        The training rows that a fold validates, m of them.
    fold : array of int, shape (m,)
    prediction : array of float, shape (m,), or (m, C) for C classes
        Not calibrated.
    """

    validated: NDArray[np.bool_]
    fold: NDArray[np.int16]
    prediction: Floats

    @classmethod
    def of(cls, rows: int, folds: list[Fold]) -> OutOfFold:
        """Put the folds' predictions in the order of the rows."""
        order = np.concatenate([fold.valid for fold in folds])
        number = np.repeat(np.arange(len(folds), dtype=np.int16), [len(fold.valid) for fold in folds])
        back = np.argsort(order, kind="stable")
        validated = np.zeros(rows, dtype=np.bool_)
        validated[order] = True
        return cls(validated, number[back], np.concatenate([fold.prediction for fold in folds])[back])


def learn_decision(rows: TrainingRows, model: TabularModel, folds: list[Fold]) -> None:
    """Learn what makes scores into probabilities and decisions, from out-of-fold rows alone; set it on the model."""
    found, train, task = OutOfFold.of(len(rows.target), folds), rows.pipeline.train, rows.pipeline.task
    target = rows.target[found.validated]
    weight = None if rows.weight is None else rows.weight[found.validated]
    calibration = fitted_calibration(train.calibration, found.prediction, target, task, weight)
    probabilities = found.prediction if calibration is None else calibration.apply(found.prediction)
    model.calibration_ = calibration
    model.decision_ = fitted_decision(train.costs, probabilities, target, task, calibration is not None, weight=weight)


def facts_of(model: TabularModel, rows: TrainingRows, found: Audit | None) -> dict[str, Any]:
    """Say what the model was made of, for the manifest: only what follows from data, code, parameters and libraries."""
    pipeline = rows.pipeline
    batches = rows.names[BATCH].value_counts()
    return {
        "pipeline": pipeline.name,
        "task": pipeline.task,
        "metric": pipeline.metric,
        "target": pipeline.target.name,
        "inputs": list(pipeline.input_columns),
        "features": model["booster"].feature_names_in_.tolist(),
        "rounds": model.rounds,
        **learned_facts(model, rows, found),
        "data": {
            "rows": len(rows.target),
            "batches": {str(name): int(count) for name, count in sorted(batches.items())},
            "dialects": found_dialects(pipeline.name),
            "split_sha256": sha256(split_path(pipeline).read_bytes()),
        },
        "seen": seen_facts(rows.raw, pipeline),
        "params": pipeline.model_dump(mode="json", by_alias=True, include=set(SECTIONS)),
        "libraries": {name: installed_version(name) for name in declared_params("train", LIBRARIES.as_posix())},
        "python": PYTHON_MINOR,
    }


def found_dialects(name: str) -> dict[str, int]:
    """How the raw files are written, as `ingest` found it or was told, with how many are written so.

    Raises
    ------
    DataError
        If `ingest` has not said so.
    """
    path = Path(f"metrics/{name}/ingest.json")
    try:
        found: dict[str, int] = read_json(path)["dialects"]
    except (FileNotFoundError, KeyError) as error:
        raise DataError(
            f"{path}: says no dialects of the raw files, which the model's manifest keeps ({error!r}). Run "
            f"`dvc repro ingest@{name}`."
        ) from error
    return found


def learned_facts(model: TabularModel, rows: TrainingRows, found: Audit | None) -> dict[str, Any]:
    """What manifest and metrics say alike: the audit, the device, and where they apply classes and decision."""
    applying = {
        "classes": None if rows.classes is None else list(rows.classes),
        "calibration": None if model.calibration_ is None else model.calibration_.kind,
        "decision": None if model.decision_ is None else model.decision_.state(),
    }
    return {
        "leak_audit": audit_facts(found),
        "device": model["booster"].device_,
        **{name: value for name, value in applying.items() if value is not None},
    }


def audit_facts(found: Audit | None) -> dict[str, Any]:
    """What the leak audit came to, without how long it took."""
    if found is None:
        return {"outcome": "off", "reason": "train.audit is off", "findings": [], "probes": {}}
    return {
        "outcome": "warned" if found.findings else found.outcome,  # `stop` would have ended the run
        "reason": found.reason,
        "findings": [asdict(finding) for finding in found.findings],
        "probes": {name: dict(numbers) for name, numbers in found.probes.items()},
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
    """Write the out-of-fold predictions, in the rows' order; of several classes a column each."""
    import pyarrow as pa

    found = OutOfFold.of(len(rows.target), folds)
    names, kept = rows.names, found.validated
    columns = {
        BATCH: pa.array(names[BATCH][kept], pa.string()),
        LINE: pa.array(names[LINE][kept], pa.int64()),
        "fold": pa.array(found.fold),
        "target": pa.array(rows.target[kept]),
        **{name: pa.array(values) for name, values in prediction_columns(found.prediction, "prediction").items()},
    }
    write_table(pa.table(columns), path)


def main(pipeline: Pipeline) -> None:
    """Stage `train` of dvc.yaml: read the split's training rows, write bundle, out-of-fold predictions and scores."""
    name, rows, threads = pipeline.name, load_rows(pipeline), thread_count()
    model = declared_model(pipeline, rows.classes)
    prepared = prepare(model, rows)
    found = looked_for_leaks(prepared, model, threads)
    folds = train_model(prepared, model, threads)
    scores = [fold.score for fold in folds]
    cv = {"mean": statistics.fmean(scores), "std": statistics.stdev(scores), "folds": scores}
    print(
        f"train: {pipeline.metric} {cv['mean']:.4f} +- {cv['std']:.4f} over {len(folds)} folds, {model.rounds} rounds",
        flush=True,
    )
    golden = golden_rows(rows.raw, pipeline.private_columns)
    save_bundle(Path(f"models/{name}"), model, golden, facts_of(model, rows, found))
    write_predictions(Path(f"data/predictions/{name}.parquet"), rows, folds)
    write_text(Path(f"plots/{name}/learning_curve.csv"), learning_curve(folds))
    features = len(model["booster"].feature_names_in_)
    write_json(
        Path(f"metrics/{name}/train.json"),
        {
            "metric": pipeline.metric,
            "cv": cv,
            "rounds": model.rounds,
            "features": features,
            **learned_facts(model, rows, found),
        },
    )


if __name__ == "__main__":
    run_as_command("train")
