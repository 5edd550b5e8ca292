from __future__ import annotations

import numpy as np
import pytest

from configs.sections.evaluate import Evaluate
from tasks.evaluation.judge import Blocks
from tasks.evaluation.ladder import Validated, dealt, has_earned, judge_ladder, mean_of_folds
from tasks.metrics import score

SETTINGS = Evaluate(resamples=200)


def by_row(rows: int) -> Blocks:
    return Blocks(np.arange(rows), rows, "row")


def folds_of(rows=600, folds=3, seed=0):
    """A binary target, a good and a poor score of it, and the rows of each fold; the last fold's base rate differs."""
    generator = np.random.default_rng(seed)
    valid = np.array_split(generator.permutation(rows), folds)
    target = (generator.random(rows) < 0.3).astype(float)
    target[valid[-1]] = (generator.random(len(valid[-1])) < 0.7).astype(float)
    good, poor = (strength * target + generator.normal(size=rows) for strength in (2.0, 0.7))
    return valid, target, good, poor


def judged(model, rung, valid, target, metric="roc_auc"):
    predictions = {"model": [model[each] for each in valid], "linear": [rung[each] for each in valid]}
    return judge_ladder(Validated(valid, target, by_row(len(target))), predictions, metric, SETTINGS, 7)


def test_score_is_the_mean_of_the_folds():
    valid, target, good, poor = folds_of()
    found = judged(good, poor, valid, target)
    assert found["model"]["value"] == pytest.approx(
        np.mean([score("roc_auc", target[each], good[each]) for each in valid])
    )
    assert (found["folds"], found["rows"]) == (3, 600)


def test_mean_of_folds_scores_like_copied_rows():
    valid, target, good, _ = folds_of(rows=90)
    scorer = mean_of_folds("roc_auc", [(target[each], each) for each in valid], [good[each] for each in valid])
    counts = np.random.default_rng(1).integers(0, 3, 90)
    copied = [np.repeat(each, counts[each]) for each in valid]
    assert scorer(counts) == pytest.approx(np.mean([score("roc_auc", target[rows], good[rows]) for rows in copied]))


def test_better_model_earns_and_worse_does_not():
    valid, target, good, poor = folds_of()
    better, worse = judged(good, poor, valid, target), judged(poor, good, valid, target)
    assert has_earned(better["rungs"]["linear"]) is True
    assert has_earned(worse["rungs"]["linear"]) is False


def test_copy_of_a_rung_is_no_better():
    valid, target, good, _ = folds_of()
    rung = judged(good, good, valid, target)["rungs"]["linear"]
    assert (rung["gain"], rung["gain_low"], rung["gain_high"]) == (0.0, 0.0, 0.0)
    assert has_earned(rung) is False


def test_each_rung_is_compared_with_the_one_below():
    valid, target, good, poor = folds_of()
    constant = np.full(len(target), 0.5)
    predictions = {
        name: [values[each] for each in valid]
        for name, values in {"model": good, "constant": constant, "linear": poor, "shallow_trees": good}.items()
    }
    rungs = judge_ladder(Validated(valid, target, by_row(600)), predictions, "roc_auc", SETTINGS, 7)["rungs"]
    assert "step" not in rungs["constant"]
    assert rungs["linear"]["step"] == pytest.approx(rungs["linear"]["value"] - 0.5)
    assert rungs["shallow_trees"]["step_low"] > 0


def test_model_that_is_surely_worse_on_the_holdout_has_not_earned():
    surely, worse = {"gain_low": 0.01, "gain_high": 0.02}, {"gain_low": -0.02, "gain_high": -0.01}
    unknown = {"gain_low": None, "gain_high": None}
    assert has_earned(surely, worse) is False
    assert has_earned(surely, unknown) is True
    assert has_earned(unknown, unknown) is None


def test_many_blocks_are_dealt_into_few_of_equal_size():
    blocks = dealt(by_row(10_000), seed=7, most=100)
    assert (blocks.count, blocks.unit) == (100, "row")
    assert np.bincount(blocks.code).tolist() == [100] * 100


def test_rows_of_a_group_are_dealt_together():
    groups = np.repeat(np.arange(500), 4)
    blocks = dealt(Blocks(groups, 500, "value of patient"), seed=7, most=50)
    assert all(len(np.unique(blocks.code[groups == group])) == 1 for group in range(0, 500, 50))


def test_few_blocks_stay_as_they_are():
    blocks = by_row(200)
    assert dealt(blocks, seed=7) is blocks


def test_dealt_blocks_give_the_interval_of_single_rows():
    valid, target, good, poor = folds_of(rows=3000)
    single = Validated(valid, target, by_row(3000))
    many = mean_of_folds("roc_auc", [(target[each], each) for each in valid], [good[each] for each in valid])
    from tasks.evaluation.intervals import Bootstrap, interval

    slow = interval(Bootstrap(3000, 300, 1).scores({"a": (many, 3000)})["a"], 0.95)
    fast = judge_ladder(
        single,
        {"model": [good[each] for each in valid], "linear": [poor[each] for each in valid]},
        "roc_auc",
        SETTINGS,
        7,
    )["model"]
    assert fast["high"] - fast["low"] == pytest.approx(slow.high - slow.low, rel=0.25)


def test_several_classes_have_a_ladder():
    generator = np.random.default_rng(0)
    target = generator.integers(0, 3, 300).astype(float)
    sharp = np.eye(3)[target.astype(int)] * 0.6 + 0.4 / 3
    flat = np.full((300, 3), 1 / 3)
    found = judged(sharp, flat, np.array_split(np.arange(300), 3), target, metric="log_loss")
    assert found["rungs"]["linear"]["gain"] == pytest.approx(np.log(3) + np.log(0.6 + 0.4 / 3))
    assert found["best_rung"] == "linear"
