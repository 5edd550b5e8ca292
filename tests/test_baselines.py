from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.evaluation.baselines import Filling, baseline_predictions, describe
from tasks.evaluation.ladder import has_earned
from tasks.evaluation.spare_columns import nothing_tried
from tasks.metrics import score
from tasks.reporting.wording import NAMES, Comparison, figure, shift_sentence, spare_sentence, too_good, verdict


def rows(task, seed=0, count=600):
    """A straight relation and a bent one, a gap, a column that is always missing, and a constant one."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(generator.normal(size=(count, 2)), columns=["straight", "bent"])
    frame["gap"] = np.where(generator.random(count) < 0.3, np.nan, generator.normal(size=count))
    frame["missing"], frame["constant"] = np.nan, 1.0
    raw = 2 * frame["straight"] + np.abs(frame["bent"]) + generator.normal(size=count) / 2
    if task == "multiclass":
        return frame, np.digitize(raw, [0, 2]).astype(float)
    return frame, (raw > raw.mean()).to_numpy(float) if task == "binary" else raw.to_numpy()


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def ladder(request):
    training, target = rows(request.param)
    holdout, truth = rows(request.param, seed=1)
    return request.param, target, truth, baseline_predictions(request.param, training, target, holdout, seed=7)


def test_constant_is_the_training_mean(ladder):
    task, target, _, predictions = ladder
    mean = [np.mean(target == number) for number in range(3)] if task == "multiclass" else target.mean()
    assert predictions["constant"] == pytest.approx(np.broadcast_to(mean, predictions["constant"].shape))


def test_every_rung_beats_the_one_that_knows_nothing(ladder):
    task, _, truth, predictions = ladder
    metric = "rmse" if task == "regression" else "log_loss"
    scores = {name: score(metric, truth, values) for name, values in predictions.items()}
    assert max(scores["linear"], scores["shallow_trees"]) < 0.8 * scores["constant"]


def test_predictions_of_a_class_are_probabilities(ladder):
    task, _, _, predictions = ladder
    if task != "regression":
        assert all(((values >= 0) & (values <= 1)).all() for values in predictions.values())
    if task == "multiclass":
        assert all(values.sum(axis=1) == pytest.approx(1) for values in predictions.values())


def test_holdout_rows_do_not_touch_each_other():
    training, target = rows("binary")
    holdout, _ = rows("binary", seed=1)
    whole = baseline_predictions("binary", training, target, holdout, seed=7)
    one = baseline_predictions("binary", training, target, holdout.iloc[5:6], seed=7)
    assert all(one[name][0] == pytest.approx(whole[name][5], abs=1e-12) for name in whole)


def test_logistic_regression_finds_the_planted_direction():
    training, target = rows("binary", count=2000)
    probes = pd.DataFrame(0.0, index=range(2), columns=training.columns).assign(straight=[-2.0, 2.0])
    low, high = baseline_predictions("binary", training, target, probes, seed=7)["linear"]
    assert low < 0.1
    assert high > 0.9


def test_same_rows_give_the_same_bits():
    training, target = rows("binary")
    first, second = (baseline_predictions("binary", training, target, training, seed=7) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_filling_is_what_scikit_learn_does():
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    training, holdout = (rows("regression", seed)[0].to_numpy(np.float32) for seed in (0, 1))
    slow = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    expected = slow.fit(training.astype(np.float64)).transform(holdout.astype(np.float64))
    filling = Filling()
    filling.fit_transform(training)
    assert filling.transform(holdout) == pytest.approx(expected, abs=1e-6)


def test_a_class_that_is_not_learned_has_no_probability():
    training, target = rows("multiclass")
    made = baseline_predictions("multiclass", training, target, training, seed=7, classes=4)
    assert made["constant"].shape == made["linear"].shape == made["shallow_trees"].shape == (len(training), 4)
    assert made["linear"][:, 3].max() == 0


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_row_of_weight_two_counts_as_two_rows(task):
    training, target = rows(task)
    weight = np.where(np.arange(len(target)) < 200, 2.0, 1.0)
    twice = pd.concat([training, training[:200]], ignore_index=True)
    weighted = baseline_predictions(task, training, target, training[:50], seed=7, weight=weight)
    repeated = baseline_predictions(task, twice, np.append(target, target[:200]), training[:50], seed=7)
    assert weighted["constant"] == pytest.approx(repeated["constant"])
    assert weighted["linear"] == pytest.approx(repeated["linear"], abs=0.05)  # scaled by rows, not by their weight


def test_descriptions_name_the_learner():
    assert describe("linear", "binary").startswith("logistic regression")
    assert describe("linear", "regression").startswith("ridge regression")
    assert "shares of the classes" in describe("constant", "multiclass")
    assert "depth 2" in describe("shallow_trees", "binary")


BEST = {"value": 0.6, "gain": 0.05, "gain_low": 0.02, "gain_high": 0.08}


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({}, "The model has earned its complexity: ROC AUC 0.6500 against 0.6000 for the shallow trees over 5 folds"),
        ({"gain_low": -0.01}, "may be chance"),
        ({"gain": -0.05, "gain_low": -0.08, "gain_high": -0.02}, "worse by 0.0500 (95% interval 0.0200 to 0.0800)"),
        ({"gain_low": None, "gain_high": None}, "is open"),
    ],
)
def test_verdict_follows_the_interval(bounds, said):
    best = {**BEST, **bounds}
    comparison = Comparison("over 5 folds", 0.65, best, "shallow_trees")
    assert said in verdict("roc_auc", has_earned(best), [comparison], 0.95)


TRIAL = {
    "tried": ["a", "b"],
    "columns": [],
    "reason": None,
    "value": 0.7,
    "value_without": 0.69,
    "gain": -0.01,
    "gain_low": -0.03,
    "gain_high": 0.01,
    "allowed": 0.02,
    "rows": 1000,
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": ["a", "b"]}, "Removing a and b costs nothing: fitted anew without, the model has ROC AUC 0.6900"),
        ({}, "No column was proven to cost nothing: fitted anew without a and b"),
        ({"gain_high": -0.001}, "a sure loss"),
        ({"tried": []}, "No column was found"),
        (nothing_tried(1), "No column was tried to be left out: the model reads one column alone"),
        ({"reason": "because"}, "is open: because"),
    ],
)
def test_spare_columns_are_named_only_where_proven(changes, said):
    assert said in spare_sentence({**TRIAL, **changes}, "roc_auc", 0.95)


@pytest.mark.parametrize(
    ("shift", "greater", "said"), [(0.1, True, "better"), (0.1, False, "worse"), (-0.1, True, "worse")]
)
def test_shift_is_named_by_what_it_means(shift, greater, said):
    assert f"scores {said} than" in shift_sentence({"shift": shift, "shift_in_std": shift * 30}, greater)


def test_every_metric_has_a_name():
    from tasks.metrics import GREATER_IS_BETTER

    assert set(NAMES) == set(GREATER_IS_BETTER)


@pytest.mark.parametrize(
    ("value", "constant", "greater", "is_told"),
    [
        (0.0014, 1.02, False, True),
        (0.02, 1.02, False, False),
        (0.9999, 0.5, True, True),
        (0.98, 0.5, True, False),
        (None, 0.5, True, False),
        (0.0, 0.0, False, False),
    ],
)
def test_nearly_perfect_model_is_doubted(value, constant, greater, is_told):
    assert ("nearly perfect" in too_good(value, constant, greater_is_better=greater)) is is_told


def test_figures_keep_what_matters():
    assert [figure(value) for value in (-0.00004, 0.5, 99.999, 123456.7)] == ["-4e-05", "0.5000", "100.00", "123,457"]
