from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from configs.sections.evaluate import Evaluate
from tasks.evaluation.explain import tree_contributions
from tasks.evaluation.intervals import Interval
from tasks.evaluation.judge import Blocks
from tasks.evaluation.spare_columns import (
    NEGLIGIBLE,
    SHARE,
    Trial,
    candidates,
    columns_of,
    copies,
    costs_nothing,
    judge_trial,
    refitted,
    row_losses,
)
from tasks.model.boosting import BoostedTrees

NAMES = ["strong", "bent", "noise_a", "noise_b", "noise_c", "copy"]
METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
PARAMS = {"max_depth": 4, "learning_rate": 0.1}


def planted(task: str, seed: int, rows: int):
    """Two columns that tell, three that do not, and a copy of the first in another unit."""
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(rows, 6)).astype(np.float32)
    matrix[:, 5] = 32 - 1.8 * matrix[:, 0]
    tells = 1.5 * matrix[:, 0] + matrix[:, 1] ** 2 - 1
    if task == "regression":
        return matrix, tells + generator.normal(size=rows)
    if task == "multiclass":
        return matrix, np.digitize(tells + generator.normal(size=rows), [-0.5, 1]).astype(float)
    return matrix, (generator.random(rows) < 1 / (1 + np.exp(-tells))).astype(float)


def trial_of(task: str, seed: int, learnt: int, held: int):
    """Fit, choose columns by the held-out rows, fit without them: what the stage does."""
    matrix, target = planted(task, seed, learnt + held)
    features, rows, truth = matrix[learnt:], matrix[:learnt], target[learnt:]
    trees = BoostedTrees(task, PARAMS, rounds=30).fit(rows, target[:learnt], names=NAMES)
    contributions, _ = tree_contributions(trees.booster, pd.DataFrame(features, columns=NAMES))
    columns = columns_of(NAMES, [], None)
    tried = candidates(task, truth, contributions, features, columns)
    left_out = columns.mask(tried)
    without = refitted(trees, rows, target[:learnt], None, left_out).scores(features[:, ~left_out])
    share = np.bincount(target[:learnt].astype(int)) / learnt if task == "multiclass" else target[:learnt].mean()
    constant = np.broadcast_to(share, trees.scores(features).shape)
    blocks = Blocks(np.arange(held), held, "row")
    return Trial(truth, blocks, trees.scores(features), without, constant), tried


def judged(task: str, seed: int, learnt: int = 1500, held: int = 900):
    trial, tried = trial_of(task, seed, learnt, held)
    return judge_trial(trial, tried, METRICS[task], Evaluate(resamples=200), 7)


@pytest.mark.parametrize("task", METRICS)
def test_noise_and_copies_are_named_and_nothing_else(task):
    named = set(judged(task, seed=0)["columns"])
    assert {"noise_a", "noise_b", "noise_c"} & named
    assert len({"strong", "copy"} & named) <= 1
    assert "bent" not in named


@pytest.mark.campaign
@pytest.mark.parametrize("task", METRICS)
def test_no_column_that_tells_is_ever_named(task, record_property):
    found = [set(judged(task, seed, learnt=3000, held=1500)["columns"]) for seed in range(20)]
    record_property("named noise", sum(len({name for name in named if "noise" in name}) for named in found))
    assert not any("bent" in named or {"strong", "copy"} <= named for named in found)
    assert sum(bool(named) for named in found) >= 15


def test_column_that_tells_is_not_proven_even_when_tried():
    matrix, target = planted("binary", 0, 2400)
    trees = BoostedTrees("binary", PARAMS, rounds=30).fit(matrix[:1500], target[:1500], names=NAMES)
    left_out = columns_of(NAMES, [], None).mask(["bent"])
    without = refitted(trees, matrix[:1500], target[:1500], None, left_out).scores(matrix[1500:, ~left_out])
    model, constant = trees.scores(matrix[1500:]), np.full(900, target[:1500].mean())
    trial = Trial(target[1500:], Blocks(np.arange(900), 900, "row"), model, without, constant)
    found = judge_trial(trial, ["bent"], "roc_auc", Evaluate(resamples=200), 7)
    assert found["columns"] == []
    assert found["gain_high"] < 0


def test_model_that_knows_nothing_has_no_spare_column():
    generator = np.random.default_rng(0)
    target, guess = (generator.random(400) < 0.5).astype(float), generator.random(400)
    trial = Trial(target, Blocks(np.arange(400), 400, "row"), guess, guess, np.full(400, 0.5))
    found = judge_trial(trial, ["a"], "roc_auc", Evaluate(resamples=200), 7)
    assert found["columns"] == []
    assert "not surely better than the constant" in found["reason"]


def test_loss_counts_as_nothing_beside_what_the_model_is_worth():
    assert costs_nothing(Interval(-0.01, -0.9 * SHARE, 0.01), worth=1.0)
    assert not costs_nothing(Interval(-0.01, -1.1 * SHARE, 0.01), worth=1.0)
    assert not costs_nothing(Interval(-0.01, -0.9 * SHARE, -0.001), worth=1.0)  # a sure loss
    assert costs_nothing(Interval(-0.005, -0.9 * NEGLIGIBLE, -0.001), worth=1.0)  # sure, and of no weight
    assert not costs_nothing(Interval(0.1, None, None, "no interval"), worth=1.0)


def test_refit_without_nothing_is_the_model_itself():
    matrix, target = planted("binary", 0, 500)
    trees = BoostedTrees("binary", PARAMS, rounds=5, monotone={"strong": "increasing"}).fit(matrix, target, names=NAMES)
    assert refitted(trees, matrix, target, None, np.zeros(6, dtype=bool)).ubj_ == trees.ubj_


def test_refit_forgets_the_direction_of_a_column_that_is_gone():
    matrix, target = planted("binary", 0, 500)
    trees = BoostedTrees("binary", PARAMS, rounds=5, monotone={"strong": "increasing"}).fit(matrix, target, names=NAMES)
    again = refitted(trees, matrix, target, None, np.arange(6) == 0)
    assert again.monotone is None
    assert list(again.feature_names_in_) == NAMES[1:]


def test_weightiest_of_a_family_of_copies_is_kept():
    values = np.array([[1, -10, 5, 0], [2, -20, 3, 0], [np.nan, np.nan, 4, 0], [9, -30, 9, 1]], dtype=np.float32)
    columns = columns_of(["a", "b", "c", "d"], [], None)
    assert copies(values, columns, np.array([0.1, 0.5, 0.2, 0.0])) == [0]
    assert copies(values, columns, np.array([0.5, 0.5, 0.2, 0.0])) == [1]


def test_gap_in_another_place_is_no_copy():
    values = np.array([[1, 1], [np.nan, 2], [3, 3]], dtype=np.float32)
    assert copies(values, columns_of(["a", "b"], [], None), np.ones(2)) == []


def test_encodings_of_one_column_stand_and_fall_together():
    columns = columns_of(["size", "shop_a", "shop_b", "shop_c"], ["shop"], ["a", "b", "c"])
    assert columns.names == ("size", "shop")
    assert columns.mask(["shop"]).tolist() == [False, True, True, True]


def test_some_column_is_always_left():
    contributions = np.array([[0.0, 0.0, 0.3], [0.0, 0.0, 0.3]])
    features = np.array([[1, 5], [2, 1]], dtype=np.float32)
    found = candidates("regression", np.array([0.0, 1.0]), contributions, features, columns_of(["a", "b"], [], None))
    assert found == ["b"]


def test_losses_are_those_of_the_metrics():
    from tasks.metrics import score

    generator = np.random.default_rng(0)
    margin, target = generator.normal(size=50), (generator.random(50) < 0.5).astype(float)
    assert row_losses("binary", target, margin).mean() == pytest.approx(
        score("log_loss", target, 1 / (1 + np.exp(-margin)))
    )
    margins, classes = generator.normal(size=(50, 3)), generator.integers(0, 3, 50).astype(float)
    told = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    assert row_losses("multiclass", classes, margins).mean() == pytest.approx(score("log_loss", classes, told))


def test_lighter_half_of_the_useless_columns_is_tried():
    contributions = np.column_stack([np.tile([0.3, -0.3], 20), np.tile([0.2, -0.2], 20), np.tile([0.0, 0.5], (40, 1))])
    target = np.full(40, 0.5)  # the first two only swing about it
    features = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    columns = columns_of(["loud", "quiet", "silent"], [], None)
    assert candidates("regression", target, contributions, features, columns) == ["silent"]
