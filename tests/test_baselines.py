from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.baselines import baseline_predictions, describe
from tasks.metrics import score
from tasks.wording import NAMES, figure, shift_sentence, verdict


def rows(task, seed=0, count=600):
    """A straight relation and a bent one, a gap, a column that is always missing, and a constant one."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(generator.normal(size=(count, 2)), columns=["straight", "bent"])
    frame["gap"] = np.where(generator.random(count) < 0.3, np.nan, generator.normal(size=count))
    frame["missing"], frame["constant"] = np.nan, 1.0
    raw = 2 * frame["straight"] + np.abs(frame["bent"]) + generator.normal(size=count) / 2
    return frame, (raw > raw.mean()).to_numpy(float) if task == "binary" else raw.to_numpy()


@pytest.fixture(scope="module", params=["binary", "regression"])
def ladder(request):
    training, target = rows(request.param)
    holdout, truth = rows(request.param, seed=1)
    return request.param, target, truth, baseline_predictions(request.param, training, target, holdout, seed=7)


def test_constant_is_the_training_mean(ladder):
    _, target, _, predictions = ladder
    assert set(predictions["constant"]) == {target.mean()}


def test_every_rung_beats_the_one_that_knows_nothing(ladder):
    task, _, truth, predictions = ladder
    metric = "log_loss" if task == "binary" else "rmse"
    scores = {name: score(metric, truth, values) for name, values in predictions.items()}
    assert max(scores["linear"], scores["shallow_trees"]) < 0.8 * scores["constant"]


def test_predictions_of_a_class_are_probabilities(ladder):
    task, _, _, predictions = ladder
    if task == "binary":
        assert all(((values >= 0) & (values <= 1)).all() for values in predictions.values())


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


def test_descriptions_name_the_learner():
    assert describe("linear", "binary").startswith("logistic regression")
    assert describe("linear", "regression").startswith("ridge regression")
    assert "depth 2" in describe("shallow_trees", "binary")


BEST = {"value": 0.6, "gain": 0.05, "gain_low": 0.02, "gain_high": 0.08}


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({}, "The model has earned its complexity: ROC AUC 0.6500 against 0.6000"),
        ({"gain_low": -0.01}, "may be chance"),
        ({"gain": -0.05, "gain_low": -0.08, "gain_high": -0.02}, "worse by 0.0500 (95% interval 0.0200 to 0.0800)"),
        ({"gain_low": None}, "is open"),
    ],
)
def test_verdict_follows_the_interval(bounds, said):
    assert said in verdict("roc_auc", 0.65, {**BEST, **bounds}, "shallow_trees", 0.95)


@pytest.mark.parametrize(
    ("shift", "greater", "said"), [(0.1, True, "better"), (0.1, False, "worse"), (-0.1, True, "worse")]
)
def test_shift_is_named_by_what_it_means(shift, greater, said):
    assert f"scores {said} than" in shift_sentence({"shift": shift, "shift_in_std": shift * 30}, greater)


def test_every_metric_has_a_name():
    from tasks.metrics import GREATER_IS_BETTER

    assert set(NAMES) == set(GREATER_IS_BETTER)


def test_figures_keep_what_matters():
    assert [figure(value) for value in (-0.00004, 0.5, 99.999, 123456.7)] == ["-0.0000", "0.5000", "100.00", "123,457"]
