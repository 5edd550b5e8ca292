import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from configs.errors import DataError
from configs.load import load_pipeline
from tasks import split, train
from tasks.atomic import write_json
from tasks.audit import LeakError
from tasks.metrics import score
from tasks.model.bundle import golden_difference, load_bundle, read_manifest
from tasks.model.model_matrix import NoFeatureError
from tasks.table import BATCH, LINE, read_batches, read_table, to_frame, write_table
from tasks.training.matrices import fit_matrices, prepare
from tasks.training.rows import MisalignedRowsError, load_rows

REPOSITORY = Path(__file__).parent.parent
MADE = ("models/homes", "data/predictions", "metrics/homes/train.json", "plots/homes")
CONFIG = """
owner: {}
source: {path: "data/incoming/homes/*.csv"}
time: {}
target: {name: %(target)s}
columns:
  city: {type: category}
  agent: {type: category}
  area: {type: float}
  rooms: {type: integer}
  price: {type: float}
  sold: {type: boolean}
  grade: {type: category}
drop: [%(drop)s]
expectations: []
features: {sql: {area_per_room: "area / rooms"}}
encode: {}
split: {%(by)s, holdout: 1 batch}
train: {%(train)s}
evaluate: {}
drift: {}
retrain: {}
gate: {}
"""


def batch_of(seed, rows):
    random = np.random.default_rng(seed)
    city = random.choice(np.array(["Bonn", "Kiel", "Ulm", None], dtype=object), rows)
    area, rooms = random.normal(80.0, 20.0, rows), random.integers(1, 6, rows)
    price = 2 * area + 15 * rooms + 60 * (city == "Ulm") + random.normal(0, 10, rows)
    columns = {
        LINE: np.arange(2, rows + 2),
        "city": pa.array(city, pa.string()),
        "agent": [f"agent {number}" for number in random.integers(0, rows // 3, rows)],
        "area": area,
        "rooms": rooms,
        "price": price,
        "sold": random.random(rows) < 0.4,  # pure noise
        "grade": np.array(["high", "low", "middle"])[np.digitize(price, [150, 250])],
    }
    return pa.table(columns)


def write_workspace(
    folder, *, rows=400, target="price", drop="sold, grade", settings="rounds: 60, audit: off", by="folds: 4"
):
    (folder / "configs").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml", "configs/libraries.yaml"):
        shutil.copy(REPOSITORY / name, folder / name)
    declared = CONFIG % {"target": target, "drop": drop, "train": settings, "by": by}
    (folder / "configs/homes.yaml").write_text(declared)
    for number in range(3):
        write_table(batch_of(number, rows), folder / f"data/valid/homes/2013-0{number}.parquet")
    write_json(folder / "metrics/homes/ingest.json", {"dialects": {"csv utf-8 ','": 3}})
    return folder


def run(folder, *stages):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pipeline = load_pipeline("homes")
        for stage in stages:
            stage.main(pipeline)
        return load_rows(pipeline)


def digests(folder, *names):
    files = [path for name in names for path in (folder / name, *sorted((folder / name).rglob("*"))) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    folder = write_workspace(tmp_path_factory.mktemp("homes") / "repository")
    run(folder, split, train)
    return folder


@pytest.fixture
def copied(homes, tmp_path):
    return shutil.copytree(homes, tmp_path / "copy")


@pytest.fixture(scope="module")
def rows(homes):
    return run(homes)


def test_stage_twice_in_two_processes_gives_the_same_bytes(homes, copied):
    for name in MADE:
        shutil.rmtree(copied / name) if (copied / name).is_dir() else (copied / name).unlink()
    environment = {"PYTHONHASHSEED": "4", "OMP_NUM_THREADS": "1", "TZ": "Asia/Tokyo", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tasks.train", "homes"]
    subprocess.run(command, cwd=copied, env={**os.environ, **environment}, check=True)
    assert digests(homes, *MADE) == digests(copied, *MADE)
    assert len(digests(homes, *MADE)) == 8


def test_metrics_say_the_spread_over_folds(homes):
    metrics = json.loads((homes / "metrics/homes/train.json").read_text())
    folds = metrics["cv"]["folds"]
    assert metrics == {
        "metric": "rmse",
        "cv": {"folds": folds, "mean": pytest.approx(np.mean(folds)), "std": pytest.approx(np.std(folds, ddof=1))},
        "rounds": metrics["rounds"],
        "features": 5,
        "device": "cpu",
        "leak_audit": {"outcome": "off", "reason": "train.audit is off", "findings": [], "probes": {}},
    }


def test_model_beats_the_mean_of_the_target(homes, rows):
    metrics = json.loads((homes / "metrics/homes/train.json").read_text())
    assert metrics["cv"]["mean"] < 0.5 * rows.target.std()


def test_predictions_are_out_of_fold_and_score_as_reported(homes):
    found = to_frame(read_table(homes / "data/predictions/homes.parquet"))
    reported = json.loads((homes / "metrics/homes/train.json").read_text())["cv"]["folds"]
    scores = [score("rmse", fold["target"], fold["prediction"]) for _, fold in found.groupby("fold")]
    assert scores == reported
    assert list(found.columns) == [BATCH, LINE, "fold", "target", "prediction"]


def test_predictions_name_each_training_row_once_in_order(homes, rows):
    found = to_frame(read_table(homes / "data/predictions/homes.parquet", [BATCH, LINE]))
    pd.testing.assert_frame_equal(found, rows.names)


def test_learning_curve_ends_where_patience_does(homes):
    curve = pd.read_csv(homes / "plots/homes/learning_curve.csv")
    assert list(curve.columns) == ["fold", "round", "score"]
    for _, fold in curve.groupby("fold"):
        assert len(fold) == min(60, int(fold["score"].argmin()) + 1 + 30)


def test_final_model_has_the_median_of_the_folds_rounds(homes):
    curve = pd.read_csv(homes / "plots/homes/learning_curve.csv")
    best = [int(fold["score"].argmin()) + 1 for _, fold in curve.groupby("fold")]
    assert load_bundle(homes / "models/homes").rounds == int(np.ceil(np.median(best)))


def test_bundle_predicts_its_golden_rows(homes):
    assert golden_difference(homes / "models/homes") == 0.0


def test_manifest_says_what_the_model_was_made_of(homes):
    manifest = read_manifest(homes / "models/homes")
    assert manifest["data"]["batches"] == {"2013-00": 400, "2013-01": 400}
    assert manifest["data"]["dialects"] == {"csv utf-8 ','": 3}
    assert manifest["features"] == ["city", "agent", "area", "rooms", "area_per_room"]
    assert manifest["inputs"] == ["city", "agent", "area", "rooms"]
    assert manifest["libraries"]["xgboost"]
    assert manifest["params"]["train"]["rounds"] == 60


def test_holdout_never_reaches_the_model(homes, copied):
    table = read_table(copied / "data/valid/homes/2013-02.parquet")
    moved = table.set_column(5, "price", pa.array(table["price"].to_numpy() + 1e6))
    write_table(
        moved.set_column(3, "area", pa.array(table["area"].to_numpy() * 9)), copied / "data/valid/homes/2013-02.parquet"
    )
    run(copied, split, train)
    assert digests(homes, "models/homes") == digests(copied, "models/homes")


def test_groups_stay_whole_in_the_inner_folds_too(tmp_path):
    folder = write_workspace(tmp_path / "groups", by="kind: group, group: agent, folds: 3")
    rows = run(folder, split, train)
    fit = rows.plan.folds[0]
    for side in (fit.watched, fit.valid):
        assert not set(rows.groups[fit.learnt]) & set(rows.groups[side])
    assert pd.Series(rows.plan.cell).groupby(rows.groups).nunique().max() == 1
    assert read_manifest(folder / "models/homes")["features"] == ["city", "area", "rooms", "area_per_room"]


def test_noise_is_scored_as_noise_despite_high_cardinality(tmp_path):
    write_workspace(
        tmp_path / "noise", rows=1500, target="sold", drop="price, grade", settings="rounds: 40, audit: off"
    )
    run(tmp_path / "noise", split, train)
    metrics = json.loads((tmp_path / "noise/metrics/homes/train.json").read_text())
    assert metrics["metric"] == "roc_auc"
    assert metrics["cv"]["mean"] == pytest.approx(0.5, abs=0.03)  # 3,000 rows: one standard error is 0.011


def test_pipeline_without_features_is_refused(rows):
    model = train.declared_model(rows.pipeline)
    model.set_params(features__feature_columns=(), features__sql={}, encode__columns=())
    with pytest.raises(NoFeatureError, match="at least one was expected"):
        prepare(model, rows)


def test_infinite_feature_is_refused_before_training(copied):
    path = copied / "data/valid/homes/2013-00.parquet"
    table = read_table(path)
    area = table["area"].to_numpy().copy()
    area[3] = np.inf
    write_table(table.set_column(3, "area", pa.array(area)), path)
    with pytest.raises(DataError, match=r"(?s)area.*infinite|infinite.*area"):
        run(copied, train)


def test_split_of_other_rows_is_refused(copied):
    path = copied / "data/valid/homes/2013-01.parquet"
    write_table(read_table(path).slice(1), path)
    with pytest.raises(MisalignedRowsError, match="names 1200 rows, data/valid/homes has 1199"):
        run(copied, train)


def test_constant_and_empty_columns_are_trained_with(copied):
    for path in (copied / "data/valid/homes").iterdir():
        table = read_table(path)
        empty = table.set_column(1, "city", pa.nulls(len(table), pa.string())).set_column(
            3, "area", pa.nulls(len(table), pa.float64())
        )
        write_table(empty.set_column(4, "rooms", pa.array([3] * len(table))), path)
    run(copied, split, train)
    raw = to_frame(read_batches(copied / "data/valid/homes"))
    assert np.isfinite(load_bundle(copied / "models/homes").predict(raw)).all()
    assert golden_difference(copied / "models/homes") == 0.0


def test_classes_have_a_column_each_and_their_names_in_the_manifest(tmp_path):
    settings = "task: multiclass, rounds: 30, balance: true, audit: off"
    folder = write_workspace(tmp_path / "classes", target="grade", drop="price, sold", settings=settings)
    run(folder, split, train)
    found = to_frame(read_table(folder / "data/predictions/homes.parquet"))
    predictions = found[["prediction_0", "prediction_1", "prediction_2"]]
    metrics = json.loads((folder / "metrics/homes/train.json").read_text())
    manifest = read_manifest(folder / "models/homes")
    assert list(found.columns) == [BATCH, LINE, "fold", "target", *predictions]
    assert predictions.sum(axis=1).tolist() == pytest.approx([1] * len(found))
    assert metrics["classes"] == manifest["classes"] == ["high", "low", "middle"]
    assert metrics["cv"]["mean"] < 0.7  # log loss; guessing costs 1.1
    assert manifest["features"][:4] == ["city_high", "city_low", "city_middle", "agent_high"]
    assert golden_difference(folder / "models/homes") == 0.0


def test_calibration_and_decision_are_learned_from_out_of_fold_rows(tmp_path):
    costs = "costs: {false_positive: 1, false_negative: 4}"
    settings = f"rounds: 30, calibration: isotonic, {costs}, audit: off"
    folder = write_workspace(tmp_path / "costs", target="sold", drop="price, grade", settings=settings)
    rows, model = run(folder, split, train), load_bundle(folder / "models/homes")
    found = to_frame(read_table(folder / "data/predictions/homes.parquet"))
    calibrated = model.calibrated(found["prediction"].to_numpy())
    assert calibrated.mean() == pytest.approx(rows.target.mean())  # isotonic regression keeps the mean of its rows
    assert model.decision_.threshold == pytest.approx(0.2)
    metrics = json.loads((folder / "metrics/homes/train.json").read_text())
    assert (metrics["calibration"], metrics["decision"]["threshold"]) == ("isotonic", model.decision_.threshold)


def test_declared_weights_are_no_feature(copied):
    path = copied / "configs/homes.yaml"
    path.write_text(path.read_text().replace("rounds: 60", "rounds: 60, weight: rooms"))
    rows = run(copied, split, train)
    assert rows.weights(np.arange(len(rows.target))).tolist() == rows.weight.tolist()
    assert sorted(set(rows.weight)) == [1, 2, 3, 4, 5]
    assert "rooms" not in read_manifest(copied / "models/homes")["features"]


TRANSFORMER = """
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin


class Centred(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.mean_ = float(np.nanmean(X["area"]))
        return self

    def transform(self, X):
        return pd.DataFrame({"area_off_mean": X["area"] - self.mean_}, index=X.index)
"""


def test_own_transformer_is_fitted_on_each_folds_learnt_rows(copied):
    (copied / "configs/homes").mkdir(exist_ok=True)
    (copied / "configs/homes/own.py").write_text(TRANSFORMER)
    (copied / "configs/homes/__init__.py").write_text("")
    path = copied / "configs/homes.yaml"
    path.write_text(path.read_text().replace("features: {", "features: {transformer: own.Centred, "))
    rows = run(copied, split, train)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copied)
        model = train.declared_model(rows.pipeline)
        prepared = prepare(model, rows)
        for fit in (rows.plan.folds[0], rows.plan.final):
            matrices = fit_matrices(prepared, fit, model)
            area = rows.raw["area"].to_numpy()[fit.learnt]
            expected = (area - np.nanmean(area)).astype(np.float32)
            np.testing.assert_array_equal(matrices.learnt[:, matrices.names.index("area_off_mean")], expected)
        assert golden_difference(copied / "models/homes") == 0.0
    assert read_manifest(copied / "models/homes")["features"][-1] == "area_off_mean"


def write_leak(folder, audit):
    """Let one feature be the target itself, in another unit."""
    declared = folder / "configs/homes.yaml"
    declared.write_text(declared.read_text().replace("audit: off", f"audit: {audit}"))
    for path in (folder / "data/valid/homes").iterdir():
        table = read_table(path)
        write_table(table.set_column(4, "rooms", pa.array((table["price"].to_numpy() * 100).astype(int))), path)


def test_leak_ends_the_training_before_a_fold_is_fitted(copied):
    write_leak(copied, "stop")
    before = digests(copied, "models/homes")
    with pytest.raises(LeakError, match="rooms"):
        run(copied, split, train)
    assert digests(copied, "models/homes") == before


def test_leak_that_is_only_told_is_in_metrics_and_manifest(copied, capsys):
    write_leak(copied, "warn")
    run(copied, split, train)
    found = json.loads((copied / "metrics/homes/train.json").read_text())["leak_audit"]
    assert found["outcome"] == "warned"
    assert any("rooms" in finding["columns"] for finding in found["findings"])
    assert found["findings"][0]["text"] in capsys.readouterr().out
    assert read_manifest(copied / "models/homes")["leak_audit"] == found


def test_audit_leaves_the_trained_model_as_it_is(homes, copied):
    path = copied / "configs/homes.yaml"
    path.write_text(path.read_text().replace(", audit: off", ""))
    run(copied, split, train)
    assert digests(homes, "models/homes/booster.ubj") == digests(copied, "models/homes/booster.ubj")
    assert json.loads((copied / "metrics/homes/train.json").read_text())["leak_audit"]["outcome"] == "passed"
