"""Stage `evaluate`: judge the bundle on rows that training never saw, beside simpler models, per slice; explain it.

Simpler models are fitted in each fold too, on what the model was fitted on there: the ladder. And of the rows that
training did see it makes the drift profile, which later batches are compared with.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError
from tasks.atomic import write_json, write_text
from tasks.drift.reference import reference_of, write_reference
from tasks.evaluation.baselines import baseline_predictions
from tasks.evaluation.explain import explained, sample_rows
from tasks.evaluation.judge import Blocks, Holdout, judge, judge_slices, out_of_fold, predicted, resampling_blocks
from tasks.evaluation.ladder import Validated, has_earned, judge_ladder, rungs_out_of_fold
from tasks.evaluation.slices import calibration_table, class_table, confusion_table, top_class
from tasks.evaluation.spare_columns import Trial, candidates, columns_of, judge_trial, nothing_tried, refitted
from tasks.metrics import greater_is_better
from tasks.model.bundle import load_bundle, read_manifest
from tasks.model.calibration import fitted_calibration
from tasks.model.decision import cost_matrix, costs_of_decisions
from tasks.reporting.wording import Comparison, spare_sentence, too_good, verdict
from tasks.split import HOLDOUT, load_split
from tasks.stage import run_as_command
from tasks.table import read_batches, read_table, to_frame
from tasks.target import target_column, target_values
from tasks.training.matrices import fit_matrices, prepare
from tasks.training.rows import MisalignedRowsError, load_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.model.estimator import TabularModel
    from tasks.training.matrices import FitMatrices, Prepared
    from tasks.training.rows import TrainingRows

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
    labels = to_frame(table.select([target_column(pipeline.target)]))  # of all rows: they say which classes there are
    target = target_values(labels, pipeline.target, pipeline.task).to_numpy(np.float64)
    return to_frame(table.filter(held_out)), np.asarray(target[held_out], np.float64)


@dataclass(frozen=True)
class Judged:
    """A bundle, the rows that it was trained on, and held-out rows as its trees read them.

    Attributes
    ----------
    model : TabularModel
    prepared : Prepared
        What all fits on the training rows share.
    final : FitMatrices
        What the model was fitted on.
    holdout : Holdout
    features : DataFrame of float, shape (n, d)
        Of the held-out rows.
    scores : array of float, shape (n,) or (n, C)
        The trees' own, of the held-out rows; not calibrated.
    """

    model: TabularModel
    prepared: Prepared
    final: FitMatrices
    holdout: Holdout
    features: pd.DataFrame
    scores: Floats

    @property
    def pipeline(self) -> Pipeline:
        """What was declared."""
        return self.prepared.rows.pipeline


def read_judged(pipeline: Pipeline) -> Judged:
    """Load the bundle and its rows, and predict the held-out ones."""
    model, rows = load_bundle(Path(f"models/{pipeline.name}")), load_rows(pipeline)
    frame, target = read_holdout(pipeline)
    features = model.features_in(frame[list(pipeline.input_columns)])[list(model[-1].feature_names_in_)]
    prepared = prepare(model, rows)
    return Judged(
        model,
        prepared,
        fit_matrices(prepared, rows.plan.final, model),
        Holdout(frame, target, resampling_blocks(frame, pipeline)),
        features,
        model[-1].scores(features),
    )


def holdout_rungs(judged: Judged) -> dict[str, Floats]:
    """Fit the rungs below the model on the very features that the model was fitted on; predict the holdout."""
    rows, final = judged.prepared.rows, judged.final
    return baseline_predictions(
        judged.model.task,
        final.learnt,
        rows.target[rows.plan.final.learnt],
        judged.features[final.names],
        seed=rows.pipeline.train.seed,
        weight=rows.weights(rows.plan.final.learnt),
        classes=len(rows.classes or ()),
    )


def validated_rows(rows: TrainingRows) -> Validated:
    """The training rows that the folds validate, and what is drawn together of them."""
    import pandas as pd

    pipeline = rows.pipeline
    known = {pipeline.time.column: rows.times, pipeline.split.group: rows.groups}
    frame = pd.DataFrame({name: values for name, values in known.items() if name is not None and values is not None})
    blocks = resampling_blocks(frame, pipeline) if len(frame.columns) else by_row(len(rows.target))
    return Validated([fit.valid for fit in rows.plan.folds], rows.target, blocks)


def by_row(rows: int) -> Blocks:
    """Each row is drawn by itself."""
    return Blocks(np.arange(rows), rows, "row")


def model_out_of_fold(rows: TrainingRows, kept: pd.DataFrame) -> list[Floats]:
    """What training kept of the model's out-of-fold predictions, fold by fold.

    Raises
    ------
    MisalignedRowsError
        If they are of other rows than the plan validates.
    """
    place = np.full(len(rows.target), -1, dtype=np.intp)
    place[np.sort(np.concatenate([fit.valid for fit in rows.plan.folds]))] = np.arange(len(kept))
    found, target = predicted(kept), kept["target"].to_numpy()
    for fit in rows.plan.folds:
        if not np.array_equal(target[place[fit.valid]], rows.target[fit.valid]):
            raise MisalignedRowsError(
                f"data/predictions/{rows.pipeline.name}.parquet is of other rows than the folds validate. "
                f"Run `dvc repro train@{rows.pipeline.name}`."
            )
    return [found[place[fit.valid]] for fit in rows.plan.folds]


def calibrated_alike(
    judged: Judged, rungs: Mapping[str, Floats], folds: Mapping[str, Sequence[Floats]]
) -> dict[str, Floats]:
    """Calibrate each rung's predictions of the holdout by its own out-of-fold ones, where the model's are."""
    rows, kind = judged.prepared.rows, judged.pipeline.train.calibration
    valid = np.concatenate([fit.valid for fit in rows.plan.folds])
    weight = None if rows.weight is None else rows.weight[valid]
    found = dict(rungs)
    for name in rungs if kind != "none" else ():
        learned = np.concatenate(folds[name])
        calibration = fitted_calibration(kind, learned, rows.target[valid], judged.model.task, weight)
        found[name] = rungs[name] if calibration is None else calibration.apply(rungs[name])
    return found


def tried_without(judged: Judged, contributions: Floats, sample: NDArray[np.int64], constant: Floats) -> dict[str, Any]:
    """Name the columns whose removal costs nothing: fit the model anew without those that seem to.

    The rows that chose the columns do not judge them, where as many others are left.
    """
    rows, names, target = judged.prepared.rows, judged.final.names, judged.holdout.target
    columns = columns_of(names, rows.pipeline.encoded_columns, rows.classes)
    read = judged.features[names].to_numpy(np.float32)
    tried = candidates(judged.model.task, target[sample], contributions, read[sample], columns)
    if not tried:
        return nothing_tried(len(columns.names))
    left_out, learnt = columns.mask(tried), rows.plan.final.learnt
    again = refitted(judged.model[-1], judged.final.learnt, rows.target[learnt], rows.weights(learnt), left_out)
    trial = Trial(target, judged.holdout.blocks, judged.scores, again.scores(read[:, ~left_out]), constant)
    unseen = np.ones(len(target), dtype=np.bool_)
    unseen[sample] = False
    judges = trial.part(unseen) if unseen.sum() >= len(sample) else trial
    return judge_trial(judges, tried, rows.pipeline.metric, rows.pipeline.evaluate, rows.pipeline.train.seed)


def decisions(judged: Judged, scores: Floats) -> dict[str, Any] | None:
    """Count the held-out rows by class and by the model's decision, and what it cost; None for a regression."""
    task, target, pipeline = judged.model.task, judged.holdout.target, judged.pipeline
    if task == "regression":
        return None
    names = class_labels(judged.prepared.rows)
    decided, matrix = judged.model.decided(scores), cost_matrix(pipeline.train.costs, task)
    rule = judged.model.decision_
    cost = None if matrix is None else float(costs_of_decisions(matrix, target, decided.astype(np.int64)).mean())
    return {
        "classes": list(names),
        "confusion": confusion_table(target, decided, len(names)),
        "rule": None if rule is None else rule.rule,
        "threshold": None if rule is None else rule.threshold,
        "cost_per_row": cost,
    }


def class_labels(rows: TrainingRows) -> tuple[str, ...]:
    """What the classes are called: 0 and 1 where they have no names."""
    return rows.classes or ("0", "1")


def read_out_of_fold(pipeline: Pipeline) -> pd.DataFrame:
    """What training predicted of the rows that its folds validate."""
    return to_frame(read_table(Path(f"data/predictions/{pipeline.name}.parquet")))


def evaluation(judged: Judged, kept: pd.DataFrame) -> dict[str, Any]:
    """Judge and explain the bundle: what the report and the gate read.

    Parameters
    ----------
    judged : Judged
    kept : DataFrame
        `read_out_of_fold`'s.
    """
    pipeline, rows, holdout, model = judged.pipeline, judged.prepared.rows, judged.holdout, judged.model
    metric, settings, seed = pipeline.metric, pipeline.evaluate, pipeline.train.seed
    sample, scores = sample_rows(len(holdout.target), seed), model.calibrated(judged.scores)
    with ThreadPoolExecutor(1) as beside:  # XGBoost lets go of the interpreter while it explains
        explaining = beside.submit(explained, model.booster, judged.features.iloc[sample], rows.classes or ())
        below, rungs = rungs_out_of_fold(judged.prepared, model), holdout_rungs(judged)
        predictions = {"model": scores, **calibrated_alike(judged, rungs, below)}
        on_holdout = judge(holdout, predictions, metric, settings, seed)
        slices = judge_slices(holdout, scores, metric, settings, seed)
    folds = {"model": model_out_of_fold(rows, kept), **below}
    ladder = judge_ladder(validated_rows(rows), folds, metric, settings, seed)
    explanation, contributions = explaining.result()
    spare = tried_without(judged, contributions, sample, rungs["constant"])
    reached, constant = on_holdout["holdout"][metric]["value"], on_holdout["baselines"]["constant"]["value"]
    earned = has_earned(ladder["rungs"][ladder["best_rung"]], on_holdout["baselines"][on_holdout["best_baseline"]])
    judgement = verdict(metric, earned, comparisons(ladder, on_holdout, metric), settings.confidence)
    doubt = too_good(reached, constant, greater_is_better=greater_is_better(metric))
    return {
        **on_holdout,
        "ladder": ladder,
        "beats_baselines": earned is True,
        "verdict": " ".join(filter(None, (judgement, doubt))),
        "spare_columns": {**spare, "sentence": spare_sentence(spare, metric, settings.confidence)},
        "pipeline": pipeline.name,
        "task": pipeline.task,
        "metric": metric,
        "greater_is_better": greater_is_better(metric),
        "rows": {"train": len(rows.target), "holdout": len(holdout.target)},
        "target_mean": target_means(rows, holdout),
        "classes": class_table(holdout.target, scores, rows.target, class_labels(rows)) if scores.ndim == 2 else None,
        "intervals": {
            "confidence": settings.confidence,
            "resamples": settings.resamples,
            "seed": seed,
            "unit": holdout.blocks.unit,
            "blocks": holdout.blocks.count,
        },
        "slices": slices,
        "out_of_fold": out_of_fold(kept, metric, on_holdout["holdout"][metric]["value"]),
        "calibration": calibration_table(*(top_class if scores.ndim == 2 else both)(holdout.target, scores)),
        "decisions": decisions(judged, scores),
        "explanation": explanation,
        "model": read_manifest(Path(f"models/{pipeline.name}")),
        "settings": settings.model_dump(mode="json"),
    }


def both(target: Floats, prediction: Floats) -> tuple[Floats, Floats]:
    """What a calibration of one prediction per row compares."""
    return target, prediction


def target_means(rows: TrainingRows, holdout: Holdout) -> dict[str, float] | None:
    """Mean of the target among the training and the held-out rows; classes have none."""
    if rows.pipeline.task == "multiclass":
        return None
    return {"train": float(rows.target.mean()), "holdout": float(holdout.target.mean())}


def comparisons(ladder: Mapping[str, Any], on_holdout: Mapping[str, Any], metric: str) -> list[Comparison]:
    """The model beside the best simpler one: over the folds, and on the holdout."""
    rung, baseline = ladder["best_rung"], on_holdout["best_baseline"]
    return [
        Comparison(f"over {ladder['folds']} folds", ladder["model"]["value"], ladder["rungs"][rung], rung),
        Comparison(
            "on the holdout", on_holdout["holdout"][metric]["value"], on_holdout["baselines"][baseline], baseline
        ),
    ]


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
        "ladder": {name: entry["value"] for name, entry in found["ladder"]["rungs"].items()},
        "spare_columns": found["spare_columns"]["columns"],
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
    name, judged, kept = pipeline.name, read_judged(pipeline), read_out_of_fold(pipeline)
    rows = judged.prepared.rows
    with ThreadPoolExecutor(1) as beside:
        profiling = beside.submit(reference_of, rows, judged.model, predicted(kept))
        found = evaluation(judged, kept)
    write_reference(profiling.result(), rows, found["explanation"])
    write_json(Path(f"reports/{name}/evaluation.json"), found)
    write_json(Path(f"metrics/{name}/evaluate.json"), summary(found))
    write_text(Path(f"plots/{name}/calibration.csv"), csv_text(found["calibration"], CALIBRATION))
    write_text(Path(f"plots/{name}/importance.csv"), csv_text(found["explanation"]["features"], IMPORTANCE))
    print(found["verdict"], flush=True)
    print(found["spare_columns"]["sentence"], flush=True)


if __name__ == "__main__":
    run_as_command("evaluate")
