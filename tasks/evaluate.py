"""Stage `evaluate`: judge the bundle on rows that training never saw, beside simpler models, per slice; explain it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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
from tasks.split import HOLDOUT, load_split
from tasks.stage import run_as_command
from tasks.table import read_batches, read_table, to_frame
from tasks.target import target_column, target_values
from tasks.train import features_of, load_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.estimator import TabularModel
    from tasks.train import TrainingRows

    Floats = NDArray[np.float64]

CALIBRATION = ("bin", "rows", "prediction", "target")
IMPORTANCE = ("feature", "contribution", "share", "gain", "direction")


class EmptyHoldoutError(DataError):
    """The split holds out no row."""


def columns_read(pipeline: Pipeline) -> list[str]:
    """Name the declared columns that an evaluation needs, in order of declaration."""
    named = {*pipeline.input_columns, *pipeline.evaluate.slices, target_column(pipeline.target)}
    named |= {name for name in (pipeline.time.column, pipeline.split.group) if name is not None}
    return [name for name in pipeline.columns if name in named]


def read_holdout(pipeline: Pipeline) -> tuple[pd.DataFrame, Floats]:
    """Read the rows that the split holds out, and their target.

    Raises
    ------
    EmptyHoldoutError
        If there are none.
    """
    table = read_batches(Path(f"data/valid/{pipeline.name}"), columns_read(pipeline))
    held_out = (load_split(pipeline)["part"] == HOLDOUT).to_numpy()
    if not held_out.any():
        raise EmptyHoldoutError(
            f"data/split/{pipeline.name}.parquet: none of {len(held_out)} rows is held out; at least one was expected. "
            f"See `split` in configs/{pipeline.name}.yaml."
        )
    labels = to_frame(table.select([target_column(pipeline.target)]))  # of all rows, whose levels say which one is 1
    target = target_values(labels, pipeline.target, pipeline.task).to_numpy(np.float64)
    return to_frame(table.filter(held_out)), np.asarray(target[held_out], np.float64)


def fit_baselines(model: TabularModel, rows: TrainingRows, holdout: pd.DataFrame) -> dict[str, Floats]:
    """Fit the ladder on the very features that the model was fitted on; predict the holdout.

    Parameters
    ----------
    model : TabularModel
        Its steps are cloned: the encoder is learned anew, cross-fitted over the same inner folds as in training.
    rows : TrainingRows
    holdout : DataFrame of float, shape (n, d)
        The held-out rows as the booster reads them.
    """
    from sklearn.base import clone

    inner = rows.inner_folds(np.arange(len(rows.target)))
    encoded = clone(model["encode"]).fit_transform(features_of(model, rows), rows.target, folds=inner)
    return baseline_predictions(
        model.task, encoded[list(holdout.columns)], rows.target, holdout, seed=rows.pipeline.train.seed
    )


def evaluation(pipeline: Pipeline) -> dict[str, Any]:
    """Judge and explain the bundle: what the report and the gate read."""
    name, metric, settings, seed = pipeline.name, pipeline.metric, pipeline.evaluate, pipeline.train.seed
    model, rows = load_bundle(Path(f"models/{name}")), load_rows(pipeline)
    frame, target = read_holdout(pipeline)
    features = model.features_in(frame[list(pipeline.input_columns)])[list(model[-1].feature_names_in_)]
    scores, holdout = model[-1].scores(features), Holdout(frame, target, resampling_blocks(frame, pipeline))
    with ThreadPoolExecutor(1) as beside:  # XGBoost lets go of the interpreter while it explains
        explanation = beside.submit(explain, model.booster, features.iloc[sample_rows(len(features), seed)])
        predictions = {"model": scores, **fit_baselines(model, rows, features)}
        judged = judge(holdout, predictions, metric, settings, seed)
        slices = judge_slices(holdout, scores, metric, settings, seed)
    folds = to_frame(read_table(Path(f"data/predictions/{name}.parquet"), ["fold", "target", "prediction"]))
    return {
        **judged,
        "pipeline": name,
        "task": pipeline.task,
        "metric": metric,
        "greater_is_better": greater_is_better(metric),
        "rows": {"train": len(rows.target), "holdout": len(target)},
        "target_mean": {"train": float(rows.target.mean()), "holdout": float(target.mean())},
        "intervals": {
            "confidence": settings.confidence,
            "resamples": settings.resamples,
            "seed": seed,
            "unit": holdout.blocks.unit,
            "blocks": holdout.blocks.count,
        },
        "slices": slices,
        "out_of_fold": out_of_fold(folds, metric, judged["holdout"][metric]["value"]),
        "calibration": calibration_table(target, predictions["model"]),
        "explanation": explanation.result(),
        "model": read_manifest(Path(f"models/{name}")),
        "settings": settings.model_dump(mode="json"),
    }


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
