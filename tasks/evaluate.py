"""Stage `evaluate`: judge the bundle on rows that training never saw, beside simpler models, per slice; explain it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError
from tasks.atomic import write_json, write_text
from tasks.baselines import baseline_predictions
from tasks.bundle import load_bundle, read_manifest
from tasks.explain import explain, sample_rows
from tasks.judge import Holdout, judge, judge_slices, out_of_fold, resampling_blocks
from tasks.metrics import greater_is_better
from tasks.slices import calibration_table
from tasks.stage import run_as_command
from tasks.table import BATCH, LINE, read_batches, read_table, to_frame
from tasks.target import target_values

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.estimator import TabularModel

    Floats = NDArray[np.float64]

PARAMETERS = ("time", "target", "drop", "features", "encode", "split", "train", "evaluate")
CALIBRATION = ("bin", "rows", "prediction", "target")
IMPORTANCE = ("feature", "contribution", "share", "gain", "direction")


class MisalignedRowsError(DataError):
    """The split was not made from these valid rows."""


class EmptyPartError(DataError):
    """The split trains on no row, or holds out none."""


def read_rows(pipeline: Pipeline) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the valid rows and, row by row beside them, the split.

    Raises
    ------
    MisalignedRowsError
        If the split names other rows.
    """
    split = read_table(Path(f"data/split/{pipeline.name}.parquet"))
    valid = read_batches(Path(f"data/valid/{pipeline.name}"))
    if valid.select([BATCH, LINE]) != split.select([BATCH, LINE]):
        raise MisalignedRowsError(
            f"data/split/{pipeline.name}.parquet names {split.num_rows} rows, data/valid/{pipeline.name} has "
            f"{valid.num_rows}, and they are not the same ones in one order. Run `dvc repro split@{pipeline.name}`."
        )
    return to_frame(valid), to_frame(split)


def rows_of(part: str, split: pd.DataFrame, pipeline: str) -> NDArray[np.bool_]:
    """Mask the rows of one part.

    Raises
    ------
    EmptyPartError
        If there are none.
    """
    mask: NDArray[np.bool_] = (split["part"] == part).to_numpy(dtype=np.bool_)
    if not mask.any():
        raise EmptyPartError(
            f"data/split/{pipeline}.parquet: no row of {len(split)} is in part {part!r}; at least one was expected. "
            f"See `split` in configs/{pipeline}.yaml."
        )
    return mask


def all_predictions(
    model: TabularModel, training: pd.DataFrame, target: Floats, holdout: pd.DataFrame, seed: int
) -> dict[str, Floats]:
    """Predict the holdout by the model, and by baselines fitted on the training rows' features.

    Parameters
    ----------
    model : TabularModel
    training, holdout : DataFrames, shapes (n_training, d) and (n_holdout, d)
        Raw typed rows for the baselines; features as the booster reads them for the holdout.
    target : array of float, shape (n_training,)
    seed : int
    """
    from sklearn.base import clone

    derived = model.named_steps["features"].transform(training)
    encoded = clone(model.named_steps["encode"]).fit_transform(derived, target)[list(holdout.columns)]
    baselines = baseline_predictions(model.task, encoded, target, holdout, seed=seed)
    return {"model": model[-1].scores(holdout), **baselines}


def evaluation(pipeline: Pipeline) -> dict[str, Any]:
    """Judge and explain the bundle; what the report and the gate read."""
    name, metric, settings, seed = pipeline.name, pipeline.metric, pipeline.evaluate, pipeline.train.seed
    model = load_bundle(Path(f"models/{name}"))
    frame, split = read_rows(pipeline)
    targets: Floats = target_values(frame, pipeline.target, pipeline.task).to_numpy(np.float64)
    trained, held_out = rows_of("train", split, name), rows_of("holdout", split, name)
    raw = frame[list(pipeline.input_columns)]
    features = model.features_in(raw[held_out])[list(model.booster.feature_names)]
    predictions = all_predictions(model, raw[trained], targets[trained], features, seed)
    rows = frame[held_out]
    holdout = Holdout(rows, targets[held_out], resampling_blocks(rows, pipeline))
    judged = judge(holdout, predictions, metric, settings, seed)
    folds = to_frame(read_table(Path(f"data/predictions/{name}.parquet"), ["fold", "target", "prediction"]))
    return {
        **judged,
        "pipeline": name,
        "task": pipeline.task,
        "metric": metric,
        "greater_is_better": greater_is_better(metric),
        "rows": {"train": int(trained.sum()), "holdout": int(held_out.sum())},
        "target_mean": {"train": float(targets[trained].mean()), "holdout": float(holdout.target.mean())},
        "intervals": {
            "confidence": settings.confidence,
            "resamples": settings.resamples,
            "seed": seed,
            "unit": holdout.blocks.unit,
            "blocks": holdout.blocks.count,
        },
        "slices": judge_slices(holdout, predictions["model"], metric, settings, seed),
        "out_of_fold": out_of_fold(folds, metric, judged["holdout"][metric]["value"]),
        "calibration": calibration_table(holdout.target, predictions["model"]),
        "explanation": explain(model.booster, features.iloc[sample_rows(len(features), seed)]),
        "provenance": {"parameters": parameters(pipeline), "manifest": read_manifest(Path(f"models/{name}"))},
    }


def parameters(pipeline: Pipeline) -> dict[str, Any]:
    """Dump the declared sections that the model and its evaluation follow from, as JSON has them."""
    declared = pipeline.model_dump(mode="json", by_alias=True, include=set(PARAMETERS))
    return {name: declared[name] for name in PARAMETERS}


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten an evaluation for `dvc metrics`."""
    return {
        "metric": found["metric"],
        "rows": found["rows"]["holdout"],
        "holdout": {
            name: {bound: entry[bound] for bound in ("value", "low", "high")}
            for name, entry in found["holdout"].items()
        },
        "baselines": {name: entry["value"] for name, entry in found["baselines"].items()},
        "beats_baselines": found["beats_baselines"],
    }


def csv_text(entries: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    """Write a table as CSV, for `dvc plots`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
    return text.getvalue()


def main(pipeline: Pipeline) -> None:
    """Stage `evaluate` of dvc.yaml."""
    name, found = pipeline.name, evaluation(pipeline)
    write_json(Path(f"reports/{name}/evaluation.json"), found)
    write_json(Path(f"metrics/{name}/evaluate.json"), summary(found))
    write_text(Path(f"plots/{name}/calibration.csv"), csv_text(found["calibration"], CALIBRATION))
    write_text(Path(f"plots/{name}/importance.csv"), csv_text(found["explanation"]["features"], IMPORTANCE))
    print(found["verdict"], flush=True)


if __name__ == "__main__":
    run_as_command("evaluate")
