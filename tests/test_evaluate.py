from __future__ import annotations

import copy
import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from configs.load import load_pipeline
from configs.sections.evaluate import Evaluate
from tasks import evaluate, split, train
from tasks.atomic import write_json
from tasks.evaluation.intervals import Question
from tasks.evaluation.judge import Blocks, Holdout, judge, judge_slices, out_of_fold, resampling_blocks
from tasks.evaluation.ladder import has_earned
from tasks.evaluation.slices import calibration_table, class_table, confusion_table, slice_levels, top_class
from tasks.stage import declared_sections
from tasks.table import read_table, write_table
from tasks.training.rows import MisalignedRowsError
from tests.report_facts import metrics

REPOSITORY = Path(__file__).parents[1]
CONFIG = """
owner: someone@example.org
source: {path: "data/incoming/shop/*.csv"}
time: {column: sold_at, timezone: America/New_York}
target: {name: returned}
columns:
  sold_at: {type: timestamp}
  price: {type: float, unit: euros}
  shop: {type: category}
  size: {type: integer}
  returned: {type: boolean}
drop: []
expectations: []
features: {parts: {sold_at: [hour]}, sql: {double: "price * 2", a_half: "price / 2"}}
encode: {}
split: {folds: 2, holdout: 30%}
train: {params: {max_depth: 3}, seed: 3, rounds: 80, audit: "off"}
evaluate: {slices: [shop], slice_rows: 60, resamples: 200}
drift: {}
retrain: {}
gate: {}
"""
ROWS = 1500


def shop_rows(signal: float) -> pa.Table:
    """Sales over 60 days; cheap and dear ones come back, the more often the stronger the signal; `rare` never does."""
    generator = np.random.default_rng(0)
    price = generator.normal(size=ROWS)
    shop = generator.choice(["north", "south", None, "rare"], ROWS, p=[0.4, 0.3, 0.05, 0.25])
    minutes = np.sort(generator.choice(60 * 24 * 60, ROWS, replace=False))
    times = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(minutes, unit="min")
    returned = (generator.random(ROWS) < 1 / (1 + np.exp(-signal * (price**2 - 1)))) & (shop != "rare")
    return pa.table(
        {
            "_line": pa.array(np.arange(ROWS) + 2),
            "sold_at": pa.array(times.as_unit("us"), pa.timestamp("us", tz="UTC")),
            "price": price,
            "shop": pa.array(shop),
            "size": pa.array(generator.integers(1, 9, ROWS)),
            "returned": pa.array(returned),
        }
    )


def run_stages(*stages, pipeline: str = "shop") -> None:
    for stage in stages:
        name = stage.__name__.removeprefix("tasks.")
        stage.main(load_pipeline(pipeline).limited_to(name, declared_sections(name)))


def make_shop(root: Path, signal: float = 3.0) -> None:
    """A repository in which `shop` was split and trained."""
    (root / "configs/shop").mkdir(parents=True)
    (root / "configs/shop/__init__.py").write_text("")
    (root / "configs/shop.yaml").write_text(CONFIG)
    for file in ("dvc.yaml", "configs/libraries.yaml"):
        (root / file).write_text((REPOSITORY / file).read_text())
    write_table(shop_rows(signal), root / "data/valid/shop/2020.parquet")
    write_json(root / "metrics/shop/ingest.json", {"dialects": {"csv utf-8 ','": 1}})
    run_stages(split, train)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """One evaluated repository; its tests only look."""
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        make_shop(root)
        run_stages(evaluate)
        yield root


@pytest.fixture(scope="module")
def found(shop):
    return json.loads((shop / "reports/shop/evaluation.json").read_text())


def test_model_of_a_bent_relation_beats_the_straight_one(found):
    assert found["baselines"]["linear"]["gain_low"] > 0.2
    assert found["ladder"]["rungs"]["linear"]["gain_low"] > 0.1


def test_verdict_is_what_folds_and_holdout_say(found):
    ladder, held = found["ladder"], found["baselines"][found["best_baseline"]]
    assert found["beats_baselines"] == has_earned(ladder["rungs"][ladder["best_rung"]], held)
    assert "over 2 folds" in found["verdict"]
    assert "on the holdout" in found["verdict"]


def test_ladder_scores_the_model_as_cross_validation_did(shop, found):
    said = json.loads((shop / "metrics/shop/train.json").read_text())["cv"]
    assert found["ladder"]["model"]["value"] == pytest.approx(said["mean"], rel=1e-12)
    assert list(found["ladder"]["rungs"]) == ["constant", "linear", "shallow_trees"]
    assert found["ladder"]["unit"] == "day"


def test_column_that_tells_is_not_spare(found):
    assert "price" not in found["spare_columns"]["columns"]
    assert found["spare_columns"]["sentence"]


def test_every_interval_holds_its_value(found):
    entries = [*found["holdout"].values(), *found["baselines"].values(), *found["slices"]]
    entries += [found["ladder"]["model"], *found["ladder"]["rungs"].values()]
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in entries if entry["low"] is not None)


def test_declared_metric_and_all_of_its_task_are_there(found):
    assert set(found["holdout"]) == {"roc_auc", "average_precision", "log_loss", "brier"}


def test_holdout_scores_are_those_of_the_bundle(shop, found):
    from sklearn.metrics import brier_score_loss, roc_auc_score

    from tasks.model.bundle import load_bundle, predictions

    rows = read_table(shop / "data/valid/shop/2020.parquet").to_pandas()
    held = rows[(read_table(shop / "data/split/shop.parquet")["part"].to_pandas() == "holdout").to_numpy()]
    predicted = predictions(load_bundle(shop / "models/shop"), held)
    assert found["rows"]["holdout"] == len(held)
    assert found["holdout"]["roc_auc"]["value"] == pytest.approx(roc_auc_score(held["returned"], predicted), abs=1e-12)
    assert found["holdout"]["brier"]["value"] == pytest.approx(brier_score_loss(held["returned"], predicted), abs=1e-12)


def test_rows_of_a_day_are_resampled_together(found):
    assert found["intervals"]["unit"] == "day"
    assert 15 <= found["intervals"]["blocks"] <= 21


def test_one_class_slice_is_null_with_a_reason(found):
    rare = next(entry for entry in found["slices"] if entry["level"] == "rare")
    assert (rare["value"], rare["target_mean"]) == (None, 0.0)
    assert "one value" in rare["reason"]


def test_slices_hold_every_row_once(found):
    assert sum(entry["rows"] for entry in found["slices"]) == found["rows"]["holdout"]


def test_folds_score_as_training_said(shop, found):
    said = json.loads((shop / "metrics/shop/train.json").read_text())["cv"]
    assert [fold["value"] for fold in found["out_of_fold"]["folds"]] == said["folds"]
    assert (found["out_of_fold"]["mean"], found["out_of_fold"]["std"]) == pytest.approx((said["mean"], said["std"]))


def test_contributions_add_up_and_name_the_cause(found):
    assert found["explanation"]["additivity_error"] < 1e-3
    assert found["explanation"]["features"][0]["feature"] == "price"
    assert sum(entry["share"] for entry in found["explanation"]["features"]) == pytest.approx(1)


def test_short_form_agrees_with_the_long_one(shop, found):
    short = json.loads((shop / "metrics/shop/evaluate.json").read_text())
    assert short["holdout"]["roc_auc"]["value"] == found["holdout"]["roc_auc"]["value"]
    assert short["baselines"] == {name: entry["value"] for name, entry in found["baselines"].items()}
    assert short["rows"] == found["rows"]["holdout"]


def test_plots_have_the_columns_that_dvc_yaml_names(shop):
    with (shop / "plots/shop/calibration.csv").open() as file:
        assert sum(int(row["rows"]) for row in csv.DictReader(file)) > 0
    with (shop / "plots/shop/importance.csv").open() as file:
        assert float(next(csv.DictReader(file))["contribution"]) > 0


def test_second_evaluation_writes_the_same_bytes(shop, monkeypatch):
    monkeypatch.chdir(shop)
    files = [shop / "reports/shop/evaluation.json", shop / "plots/shop/importance.csv"]
    before = [file.read_bytes() for file in files]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run_stages(evaluate)
    assert [file.read_bytes() for file in files] == before


def test_pure_noise_does_not_earn_complexity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_shop(tmp_path, signal=0.0)
    run_stages(evaluate)
    assert json.loads(Path("metrics/shop/evaluate.json").read_text())["beats_baselines"] is False


# --- the pure functions

SETTINGS = Evaluate(slices=("c",), resamples=200, slice_rows=3)


def by_row(target) -> Blocks:
    return Blocks(np.arange(len(target)), len(target), "row")


def test_better_model_has_a_positive_gain_for_an_error_too():
    generator = np.random.default_rng(1)
    target = generator.normal(size=200)
    predictions = {"model": target + 0.1, "constant": np.zeros(200), "linear": target + 1, "shallow_trees": target + 2}
    judged = judge(Holdout(pd.DataFrame(), target, by_row(target)), predictions, "rmse", SETTINGS, 7)
    assert has_earned(judged["baselines"][judged["best_baseline"]])
    assert all(rung["gain_low"] > 0 for rung in judged["baselines"].values())


def test_model_equal_to_the_best_baseline_has_not_earned():
    target = np.array([0.0, 1] * 50)
    same = np.linspace(0, 1, 100)
    predictions = {"model": same, "constant": np.full(100, 0.5), "linear": same, "shallow_trees": 1 - same}
    judged = judge(Holdout(pd.DataFrame(), target, by_row(target)), predictions, "roc_auc", SETTINGS, 7)
    assert judged["best_baseline"] == "linear"
    assert has_earned(judged["baselines"]["linear"]) is False


def test_holdout_of_one_class_gives_null_with_a_reason():
    target = np.zeros(40)
    predictions = dict.fromkeys(("model", "constant", "linear", "shallow_trees"), np.linspace(0, 1, 40))
    judged = judge(Holdout(pd.DataFrame(), target, by_row(target)), predictions, "roc_auc", SETTINGS, 7)
    assert judged["holdout"]["roc_auc"]["value"] is None
    assert judged["holdout"]["brier"]["value"] is not None
    assert has_earned(judged["baselines"]["linear"]) is None
    json.dumps(judged, allow_nan=False)


def test_rare_levels_are_pooled():
    levels = slice_levels(pd.Series(["a"] * 3 + ["b", "c", None]), least_rows=3)
    assert levels.tolist() == ["a"] * 3 + ["(other)"] * 3


def test_missing_level_is_a_slice_of_its_own():
    frame = pd.DataFrame({"c": ["a", "a", "a", None, None, None]})
    target = np.array([0.0, 1, 0, 1, 0, 1])
    found = judge_slices(Holdout(frame, target, by_row(target)), target, "roc_auc", SETTINGS, 7)
    assert [(entry["level"], entry["rows"]) for entry in found] == [("(missing)", 3), ("a", 3)]


def test_slice_is_scored_on_its_own_rows():
    target, prediction = np.array([0.0, 1, 0, 1, 1, 0]), np.array([0.1, 0.9, 0.2, 0.1, 0.2, 0.9])
    frame = pd.DataFrame({"c": list("aaabbb")})
    first, second = judge_slices(Holdout(frame, target, by_row(target)), prediction, "roc_auc", SETTINGS, 7)
    assert (first["value"], second["value"]) == (1.0, 0.0)


def test_calibration_bins_hold_every_row_in_order():
    generator = np.random.default_rng(0)
    prediction = generator.random(1003).round(2)
    bins = calibration_table((generator.random(1003) < prediction).astype(float), prediction)
    assert sum(entry["rows"] for entry in bins) == 1003
    assert [entry["prediction"] for entry in bins] == sorted(entry["prediction"] for entry in bins)
    assert all(abs(entry["target"] - entry["prediction"]) < 0.2 for entry in bins)


def test_constant_prediction_is_one_bin():
    assert calibration_table(np.array([0.0, 1, 1, 0]), np.full(4, 0.3)) == [
        {"bin": 1, "rows": 4, "prediction": 0.3, "target": 0.5}
    ]


def test_shift_is_measured_in_the_folds_own_spread():
    predictions = pd.DataFrame({"fold": [0, 0, 1, 1], "target": [0.0, 0, 0, 0], "prediction": [1.0, 1, 3, 3]})
    found = out_of_fold(predictions, "mae", 5.0)
    assert (found["mean"], found["shift"]) == (2.0, 3.0)
    assert found["shift_in_std"] == pytest.approx(3 / np.sqrt(2))


def test_classes_of_several_are_counted_beside_what_was_expected():
    target, training = np.array([0.0, 1, 1, 2]), np.array([0.0, 0, 1, 2, 2])
    prediction = np.full((4, 3), [0.5, 0.25, 0.25])
    first = class_table(target, prediction, training, ("a", "b", "c"))[0]
    assert first == {"name": "a", "train": 0.4, "holdout": 0.25, "predicted": 0.5}


def test_confusion_counts_every_row_once():
    generator = np.random.default_rng(0)
    target, decided = generator.integers(0, 4, (2, 200))
    counts = confusion_table(target.astype(float), decided.astype(float), 4)
    assert [sum(row) for row in counts] == np.bincount(target, minlength=4).tolist()
    assert counts[1][2] == int(((target == 1) & (decided == 2)).sum())


def test_calibration_of_several_classes_is_that_of_the_likeliest():
    generator = np.random.default_rng(0)
    prediction = generator.dirichlet([1, 1, 1], 4000)
    target = (generator.random((4000, 1)) > prediction.cumsum(axis=1)).sum(axis=1).clip(0, 2).astype(float)
    bins = calibration_table(*top_class(target, prediction))
    assert all(abs(entry["target"] - entry["prediction"]) < 0.1 for entry in bins)


def test_folds_of_several_classes_are_scored():
    predictions = pd.DataFrame({"fold": [0, 0, 1, 1], "target": [0.0, 1, 2, 0]})
    predictions = predictions.assign(
        prediction_0=[0.8, 0.2, 0.2, 0.2], prediction_1=0.1, prediction_2=[0.1, 0.7, 0.7, 0.7]
    )
    assert [fold["value"] for fold in out_of_fold(predictions, "accuracy", 0.5)["folds"]] == [0.5, 0.5]


def changed(pipeline, **sections):
    return pipeline.model_copy(update=sections)


def test_few_days_give_way_to_instants_then_rows(shop, monkeypatch):
    monkeypatch.chdir(shop)
    pipeline = load_pipeline("shop")
    times = pd.Series(pd.date_range("2020-01-01", periods=30, freq="h", tz="UTC"))
    assert resampling_blocks(pd.DataFrame({"sold_at": times}), pipeline).unit == "value of sold_at"
    assert resampling_blocks(pd.DataFrame({"sold_at": times[:5]}), pipeline).unit == "row"


def test_days_are_local_days(shop, monkeypatch):
    monkeypatch.chdir(shop)
    times = pd.Series(pd.date_range("2020-01-01T06:00", periods=12 * 24, freq="h", tz="UTC"))
    blocks = resampling_blocks(pd.DataFrame({"sold_at": times}), load_pipeline("shop"))
    assert blocks.unit == "day"
    assert (blocks.code[22], blocks.code[23]) == (0, 1)  # 4:00 and 5:00 UTC: midnight in New York lies between them


def test_groups_are_resampled_whole(shop, monkeypatch):
    monkeypatch.chdir(shop)
    pipeline = load_pipeline("shop")
    grouped = changed(pipeline, split=pipeline.split.model_copy(update={"kind": "group", "group": "shop"}))
    blocks = resampling_blocks(pd.DataFrame({"shop": [str(index // 2) for index in range(40)]}), grouped)
    assert (blocks.unit, blocks.count) == ("value of shop", 20)


def test_of_days_and_groups_the_fewer_are_drawn(shop, monkeypatch):
    monkeypatch.chdir(shop)
    pipeline = load_pipeline("shop")
    both = changed(pipeline, split=pipeline.split.model_copy(update={"group": "shop"}))
    times = pd.Series(pd.date_range("2020-01-01", periods=30, freq="D", tz="UTC"))
    few, many = (pd.Series([str(index % groups) for index in range(30)]) for groups in (12, 30))
    assert resampling_blocks(pd.DataFrame({"sold_at": times, "shop": few}), both).unit == "value of shop"
    assert resampling_blocks(pd.DataFrame({"sold_at": times[:12], "shop": many[:12]}), both).count == 12


def test_predictions_of_other_rows_are_refused(shop, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(shop, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    path = Path("data/predictions/shop.parquet")
    table = read_table(path)
    flipped = pa.array(1 - table["target"].to_numpy())
    write_table(table.set_column(table.column_names.index("target"), "target", flipped), path)
    with pytest.raises(MisalignedRowsError, match="other rows than the folds validate"):
        run_stages(evaluate)


def test_empty_holdout_is_refused(shop, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(shop, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    table = read_table(Path("data/split/shop.parquet"))
    parts = pa.array(["outside" if part == "holdout" else part for part in table["part"].to_pylist()])
    write_table(table.set_column(table.column_names.index("part"), "part", parts), Path("data/split/shop.parquet"))
    with pytest.raises(evaluate.EmptyHoldoutError, match="none of 1500 rows is held out"):
        run_stages(evaluate)


def test_question_about_part_of_the_rows_keeps_their_blocks():
    question = Question("mae", np.arange(3.0), np.zeros(3), np.array([5, 6, 7]))
    part = question.part(np.array([True, False, True]))
    assert part.block.tolist() == [5, 7]
    assert copy.copy(part).target.tolist() == [0.0, 2.0]


# --- several classes, weights, calibration and costs, through evaluation, report and gate

CLASSES_CONFIG = """
owner: {}
source: {path: "data/incoming/trees/*.csv"}
time: {}
target: {name: species}
columns:
  height: {type: float}
  girth: {type: float}
  noise: {type: float}
  soil: {type: category}
  share: {type: float}
  species: {type: category}
drop: []
expectations: []
features: {}
encode: {}
split: {folds: 3, holdout: 30%}
train: {task: multiclass, params: {max_depth: 3}, rounds: 60, weight: share, calibration: sigmoid, audit: "off",
        costs: {matrix: [[0, 1, 4], [1, 0, 1], [4, 1, 0]]}}
evaluate: {slices: [soil], slice_rows: 30, resamples: 100}
drift: {}
retrain: {}
gate: {protected: [soil]}
"""


def tree_rows(rows: int = 900) -> pa.Table:
    """Three species that height and soil tell apart, and a column of noise."""
    generator = np.random.default_rng(0)
    species = generator.integers(0, 3, rows)
    soil = np.where(generator.random(rows) < 0.7, np.array(["clay", "loam", "sand"])[species], "loam")
    return pa.table(
        {
            "_line": pa.array(np.arange(rows) + 2),
            "height": species + generator.normal(size=rows) * 0.7,
            "girth": species * 0.3 + generator.normal(size=rows),
            "noise": generator.normal(size=rows),
            "soil": soil,
            "share": generator.uniform(0.5, 2, rows),
            "species": np.array(["ash", "beech", "oak"])[species],
        }
    )


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """One evaluated repository of three classes; its tests only look."""
    root = tmp_path_factory.mktemp("trees")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        (root / "configs/trees").mkdir(parents=True)
        (root / "configs/trees/__init__.py").write_text("")
        (root / "configs/trees.yaml").write_text(CLASSES_CONFIG)
        for file in ("dvc.yaml", "configs/libraries.yaml"):
            (root / file).write_text((REPOSITORY / file).read_text())
        write_table(tree_rows(), root / "data/valid/trees/all.parquet")
        write_json(root / "metrics/trees/ingest.json", {"dialects": {"csv utf-8 ','": 1}})
        run_stages(split, train, evaluate, pipeline="trees")
        yield root


@pytest.fixture(scope="module")
def of_classes(trees):
    return json.loads((trees / "reports/trees/evaluation.json").read_text())


def test_classes_are_scored_by_every_metric_of_theirs(of_classes):
    assert set(of_classes["holdout"]) == {"log_loss", "accuracy", "roc_auc", "brier"}
    entries = [*of_classes["holdout"].values(), *of_classes["ladder"]["rungs"].values()]
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in entries)


def test_scores_of_classes_are_those_of_the_bundle(trees, of_classes):
    from sklearn.metrics import log_loss, roc_auc_score

    from tasks.model.bundle import load_bundle

    rows = read_table(trees / "data/valid/trees/all.parquet").to_pandas()
    held = rows[(read_table(trees / "data/split/trees.parquet")["part"].to_pandas() == "holdout").to_numpy()]
    model = load_bundle(trees / "models/trees")
    made = model.predict_proba(held)
    assert of_classes["holdout"]["log_loss"]["value"] == pytest.approx(log_loss(held["species"], made), rel=1e-9)
    auc = roc_auc_score(held["species"], made, multi_class="ovr")
    assert of_classes["holdout"]["roc_auc"]["value"] == pytest.approx(auc, rel=1e-9)
    confusion = pd.crosstab(held["species"], model.predict(held)).reindex(columns=["ash", "beech", "oak"], fill_value=0)
    assert of_classes["decisions"]["confusion"] == confusion.to_numpy().tolist()
    costs = (confusion.to_numpy() * np.array([[0, 1, 4], [1, 0, 1], [4, 1, 0]])).sum() / len(held)
    assert of_classes["decisions"]["cost_per_row"] == pytest.approx(costs)


def test_shares_of_classes_add_up(of_classes):
    assert [entry["name"] for entry in of_classes["classes"]] == ["ash", "beech", "oak"]
    assert all(sum(entry[part] for entry in of_classes["classes"]) == pytest.approx(1) for part in ("train", "holdout"))


def test_contributions_to_each_class_add_up(of_classes):
    assert of_classes["explanation"]["additivity_error"] < 1e-3
    assert {entry["class"] for entry in of_classes["explanation"]["features"]} <= {"ash", "beech", "oak"}
    assert len(of_classes["explanation"]["bias"]) == 3


def test_model_of_classes_beats_the_constant(of_classes):
    assert of_classes["baselines"]["constant"]["gain_low"] > 0.2
    assert of_classes["ladder"]["rungs"]["constant"]["gain_low"] > 0.2


def test_columns_that_tell_classes_apart_are_not_spare(of_classes):
    assert {"height", "soil"} & {*of_classes["spare_columns"]["columns"]} == set()


def test_classes_reach_report_and_gate(trees, monkeypatch):
    from tasks.gate.contest import contest_of
    from tasks.gate.verdict import verdict_of
    from tasks.report import Written, model_card, page

    monkeypatch.chdir(trees)
    pipeline, found = load_pipeline("trees"), json.loads(Path("reports/trees/evaluation.json").read_text())
    verdict = verdict_of(pipeline, contest_of(pipeline, None))
    assert verdict["outcome"] == "promoted"
    assert {"accuracy", "selection rate of oak"} <= {*verdict["fairness"][0]["groups"][0]}
    facts = metrics() | {"train": json.loads(Path("metrics/trees/train.json").read_text())}
    written = Written(facts, {"batches": []}, found, [("fold 0", [1.0, 0.5])])
    target = {"name": "species", "from": None, "above": None}
    html = page(None, target, written)
    assert "the probability of each of ash, beech and oak" in html
    assert "sigmoid, learned on out-of-fold rows" in html
    assert "the column share" in html
    assert "beech" in model_card(None, target, written)
