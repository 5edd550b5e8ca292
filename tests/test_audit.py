from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import DataError
from tasks import train
from tasks.audit import Audit, Finding, LeakError, neighbours, noise
from tasks.audit.averages import closeness
from tasks.audit.beside import Beside, places
from tasks.audit.columns import taken_from_before
from tasks.audit.lookup import Losses, Truth, binned, distinct, looked_up, share_told
from tasks.audit.missing import missing_with_target
from tasks.audit.reconstruct import area_under, run_count, screened
from tasks.audit.sides import both_sides
from tasks.train import declared_model
from tasks.training.matrices import prepare
from tasks.training.rows import load_rows
from tests import leaks
from tests.conftest import ROOT

LEAKS = leaks.BUILD_LEAKS | leaks.JUDGE_LEAKS | leaks.CHECK_LEAKS
HONEST = leaks.BUILD_HONEST | leaks.JUDGE_HONEST | leaks.CHECK_HONEST
QUICK_LEAKS = (
    "noisy_copy", "two_parts", "patients", "duplicated", "shuffled_series", "only_positives", "whole_table_mean",
    "numbered_by_outcome", "missing_together", "next_value", "bucketed", "left_one_out", "class_codes",
)  # fmt: skip
QUICK_HONEST = (
    "iris", "strong_feature", "few_values", "plain_ids", "trend", "informative_holes", "zip_codes", "lagged",
    "declared_patients", "last_years_mean", "census",
)  # fmt: skip

OWN = """
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin


class Naive(TransformerMixin, BaseEstimator):
    def fit(self, X, y):
        self.means_ = pd.Series(y).groupby(X["code"].to_numpy()).mean().to_dict()
        return self

    def transform(self, X):
        return pd.DataFrame({"code_rate": X["code"].map(self.means_).fillna(0.5).astype(float)})


class Size(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.rows_ = X["code"].value_counts().to_dict()
        return self

    def transform(self, X):
        return pd.DataFrame({"code_rows": X["code"].map(self.rows_).fillna(0).astype(float)})
"""


def prepared_in(case, folder):
    """The case's rows and declared model, as a training has them."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        pipeline = leaks.written(case)
        rows = load_rows(pipeline)
        model = declared_model(pipeline, rows.classes)
        return prepare(model, rows), model


def own_case(name):
    case = leaks.nothing(3)
    features = {"transformer": f"own.{name}"}
    return replace(case, sections={**case.sections, "features": features, "encode": {"target": ["region", "code"]}})


def own_audit(name, folder):
    (folder / "configs/demo").mkdir(parents=True)
    (folder / "configs/demo/__init__.py").write_text("")
    (folder / "configs/demo/own.py").write_text(OWN)
    return leaks.audited(own_case(name), folder)


@pytest.mark.parametrize("name", QUICK_LEAKS)
def test_planted_leak_is_caught_and_named(name, tmp_path):
    case = LEAKS[name](0)
    assert leaks.caught(case, leaks.audited(case, tmp_path))


@pytest.mark.parametrize("name", QUICK_HONEST)
def test_honest_data_pass(name, tmp_path):
    assert leaks.audited(HONEST[name](0), tmp_path).findings == ()


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10, 15))
def test_eleven_of_twelve_leaks_of_the_zoo_are_caught(seed, tmp_path, record_property):
    cases = {name: make(seed) for name, make in LEAKS.items()}
    missed = [name for name, case in cases.items() if not leaks.caught(case, leaks.audited(case, tmp_path / name))]
    record_property("caught", len(cases) - len(missed))
    assert len(missed) * 12 <= len(cases), missed


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10, 15))
def test_no_honest_data_of_the_zoo_are_flagged(seed, tmp_path, record_property):
    found = {name: leaks.audited(make(seed), tmp_path / name).findings for name, make in HONEST.items()}
    record_property("honest", len(found))
    assert [name for name, findings in found.items() if findings] == []


def test_training_stops_at_a_leak_before_any_fold(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pipeline = leaks.written(leaks.label_text(0))
    monkeypatch.setattr(train, "train_model", None)
    with pytest.raises(LeakError, match=r"column 'decision' has one level for each class.*Put it under `drop`"):
        train.main(pipeline)


def test_leak_error_is_about_train_and_lists_all_findings():
    findings = tuple(Finding("probe", (name,), {"low": 0.9}, f"{name} leaks") for name in "ab")
    error = LeakError(Audit("failed", findings, {}, 0.1))
    assert isinstance(error, DataError)
    assert error.key == ("train",)
    assert "- a leaks\n- b leaks" in str(error)


def test_finding_holds_plain_numbers_that_json_takes(tmp_path):
    import json

    found = leaks.audited(leaks.two_parts(0), tmp_path)
    said = json.loads(json.dumps({"findings": [asdict(each) for each in found.findings], "probes": dict(found.probes)}))
    assert set(said["findings"][0]) == {"probe", "columns", "evidence", "text"}
    assert said["findings"][0]["evidence"]["r2"] > 0.999


def test_threads_and_hash_seed_change_no_bit(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tests import leaks; "
        "found = leaks.audited(leaks.class_codes(0), Path(sys.argv[1])); print(found.findings, dict(found.probes))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5", "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    here = leaks.audited(leaks.class_codes(0), tmp_path / "here", threads=2)
    assert said.splitlines()[-1] == f"{here.findings} {dict(here.probes)}"


def test_warn_tells_and_goes_on(tmp_path, monkeypatch, capsys):
    case = leaks.label_text(0)
    prepared, model = prepared_in(replace(case, sections={"train": {"task": "binary", "audit": "warn"}}), tmp_path)
    monkeypatch.chdir(tmp_path)
    found = train.looked_for_leaks(prepared, model, 1)
    assert found.outcome == "failed"
    assert "column 'decision' has one level for each class" in capsys.readouterr().out


def test_transformer_that_hands_rows_their_own_target_is_caught(tmp_path):
    found = own_audit("Naive", tmp_path)
    assert ("code_rate",) in [each.columns for each in found.findings if each.probe == noise.OWN]


def test_transformer_that_looks_at_no_target_passes(tmp_path):
    assert own_audit("Size", tmp_path).findings == ()


def test_encoding_by_all_rows_lets_planted_noise_through(tmp_path):
    prepared, model = prepared_in(leaks.nothing(0), tmp_path)
    naive = [replace(fit, sees=np.ones_like(fit.sees)) for fit in prepared.rows.plan.folds]
    leaky = replace(prepared, rows=replace(prepared.rows, plan=replace(prepared.rows.plan, folds=tuple(naive))))
    assert {each.probe for each in noise.meaningless(leaky, model, 1)[0]} >= {noise.PLANTED, noise.SHUFFLED}
    assert noise.meaningless(prepared, model, 1)[0] == []


def test_row_on_both_sides_of_a_plan_is_counted(tmp_path):
    prepared, _ = prepared_in(leaks.nothing(0), tmp_path)
    plan = prepared.rows.plan
    fit = replace(plan.folds[0], learnt=np.append(plan.folds[0].learnt, plan.folds[0].valid[:3]))
    wrong = replace(prepared.rows, plan=replace(plan, folds=(fit, *plan.folds[1:])))
    assert both_sides(prepared.rows)[1] == {"rows_on_both_sides": 0.0}
    assert both_sides(wrong)[1] == {"rows_on_both_sides": 3.0}


def test_group_on_both_sides_of_a_plan_is_counted(tmp_path):
    prepared, _ = prepared_in(leaks.declared_patients(0), tmp_path)
    one_group = replace(prepared.rows, groups=np.full(len(prepared.rows.target), "P", dtype=object))
    assert both_sides(prepared.rows)[0] == []
    assert both_sides(one_group)[1]["groups_on_both_sides"] > 0


def test_later_row_learnt_from_is_counted(tmp_path):
    prepared, _ = prepared_in(leaks.trend(0), tmp_path)
    backwards = replace(prepared.rows, times=prepared.rows.times[::-1].reset_index(drop=True))
    assert both_sides(prepared.rows)[0] == []
    assert both_sides(backwards)[1]["rows_learnt_from_too_late"] > 0


def test_share_told_is_the_r2_of_a_prediction():
    actual, predicted = np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 2.0, 4.0, 5.0])
    losses = Losses((actual - predicted) ** 2, (actual - 3.0) ** 2, np.arange(4))
    assert share_told(losses, 0.0).value == pytest.approx(1 - 2 / 14)


def test_lookup_of_noise_tells_nothing():
    random = np.random.default_rng(0)
    target = random.integers(0, 2, 4000).astype(float)
    folds = ((np.arange(2000), np.arange(2000, 4000)),)
    share = share_told(looked_up(binned(distinct(random.normal(size=4000))), Truth(target, 2), folds), 3.0)
    assert share.low < 0
    assert share.value < 0.01


def test_lookup_of_a_copy_tells_nearly_all():
    target = np.random.default_rng(0).random(4000)
    folds = ((np.arange(2000), np.arange(2000, 4000)),)
    assert share_told(looked_up(binned(distinct(np.exp(target))), Truth(target, 1), folds), 3.0).low > 0.995


def test_bins_keep_missing_values_apart():
    levels = binned(distinct(np.array([np.nan, 1.0, 2.0, np.nan] * 20)))
    assert (levels.codes[[0, 3]] == levels.count - 1).all()
    assert levels.codes[1] != levels.codes[2]


def test_means_of_the_same_rows_lie_closer_than_chance():
    random = np.random.default_rng(0)
    group, target = random.integers(0, 200, 4000), random.integers(0, 2, 4000).astype(float)
    own = (np.bincount(group, target) / np.bincount(group))[group]
    assert closeness(own, target, 3.0).ratio < 0.1
    before = random.binomial(20, 0.5, 200)[group] / 20
    assert closeness(before + group / 1e6, target, 3.0).ratio > 0.8


def test_lagged_target_is_taken_from_before_and_a_copy_is_not():
    target = np.random.default_rng(0).normal(size=300)
    assert taken_from_before(np.r_[np.nan, target[:-1]], target)
    assert not taken_from_before(target, target)


def test_sum_of_two_columns_is_screened_first():
    random = np.random.default_rng(0)
    numbers = {name: random.normal(size=500) for name in "abcdef"}
    share, terms = screened(numbers["b"] - numbers["e"], numbers, (2,))[0]
    assert (share, set(terms.names), terms.signs) == (pytest.approx(1.0), {"b", "e"}, (1, -1))


def test_levels_apart_make_one_run_each():
    values = np.random.default_rng(0).normal(size=100)
    assert run_count(values, np.digitize(values, [-0.5, 0.5])) == 3
    assert run_count(np.arange(4.0), np.array([0, 1, 0, 1])) == 4


def test_area_under_the_curve_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    values, target = random.integers(0, 9, 200).astype(float), random.integers(0, 2, 200)
    expected = roc_auc_score(target, values)
    assert area_under(values, target.astype(float)) == pytest.approx(max(expected, 1 - expected))


def test_blank_rows_are_no_leak():
    none = np.arange(400) % 10 == 0
    batch = np.zeros(400, dtype=int)
    blank = Beside(missing={"a": none, "b": none, "c": np.zeros(400, bool)}, no_target=none, batch=batch)
    assert missing_with_target(blank) == []
    alone = replace(blank, missing={**blank.missing, "b": np.zeros(400, bool), "d": np.zeros(400, bool)})
    assert [each.columns for each in missing_with_target(alone)] == [("a",)]


def test_column_of_a_batch_without_targets_is_no_leak():
    none = np.arange(400) < 100
    beside = Beside(missing={"a": none, "b": ~none, "c": ~none}, no_target=none, batch=none.astype(int))
    assert missing_with_target(beside) == []


def test_trained_rows_are_found_by_batch_and_line():
    batch, line = np.array([0, 0, 1, 1]), np.array([2, 3, 2, 3])
    assert places(batch, np.array([1, 0]), line, np.array([2, 3])).tolist() == [2, 1]


def test_units_of_the_experiment_stand_on_one_side_only(tmp_path):
    from tasks.audit.beside import read_beside
    from tasks.audit.view import view_of

    case = leaks.patients(0)
    prepared, _ = prepared_in(case, tmp_path)
    with contextlib.chdir(tmp_path):
        view = view_of(prepared, read_beside(prepared.rows))
    unit = next(each for each in neighbours.named_units(view) if each.name == "patient")
    sides = neighbours.drawn_sides(view, unit, 0)
    codes = unit.levels.codes
    assert not set(codes[sides.unseen]) & set(codes[sides.asked])
    assert set(codes[sides.seen]) & set(codes[sides.asked])
    assert len(sides.seen) == len(sides.unseen)
    assert not set(sides.seen) & set(sides.asked)


NUMBERS = st.lists(st.sampled_from([np.nan, -np.inf, np.inf, -0.0, 0.0, -1.5, 2.0, 2.0**53]) | st.floats(), max_size=60)


@given(NUMBERS)
def test_distinct_values_are_those_of_numpy(numbers):
    values = np.asarray(numbers, dtype=np.float64)
    found, codes, counts = np.unique(values, return_inverse=True, return_counts=True, equal_nan=True)
    ours = distinct(values)
    assert np.array_equal(ours.values, found, equal_nan=True)
    assert ours.codes.tolist() == codes.tolist()
    assert ours.counts.tolist() == counts.tolist()
    assert ours.missing == bool(np.isnan(values).any())


@given(NUMBERS)
def test_bins_are_those_of_counting_row_by_row(numbers):
    values = np.asarray(numbers, dtype=np.float64)
    present = values[~np.isnan(values)]
    bins = max(8, min(64, len(values) // 25))
    wanted = [bins if np.isnan(each) else int((present < each).sum()) * bins // len(present) for each in values]
    if len(present):
        assert binned(distinct(values)).codes.tolist() == wanted
