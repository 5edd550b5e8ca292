from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.intervals import (
    Bootstrap,
    Question,
    Score,
    _area_under_roc,
    _paired_blocks,
    _ranked,
    expanded_tail,
    interval,
    prepare,
    resample_counts,
)
from tasks.metrics import score

BINARY = ("roc_auc", "average_precision", "log_loss", "brier")
REGRESSION = ("rmse", "mae", "r2")


def slow_auc(target, prediction):
    """Every pair, one by one."""
    pairs = [
        (p > n) + (p == n) / 2
        for p, positive in zip(prediction, target, strict=True)
        for n, other in zip(prediction, target, strict=True)
        if positive == 1 and other == 0
    ]
    return sum(pairs) / len(pairs) if pairs else float("nan")


def rows_drawn(counts, block):
    """The rows of a resample, copied out: what counts stand for."""
    return np.concatenate([np.flatnonzero(block == index) for index, count in enumerate(counts) for _ in range(count)])


def scikit_learn(metric, target, prediction):
    from sklearn import metrics

    functions = {
        "roc_auc": metrics.roc_auc_score,
        "average_precision": metrics.average_precision_score,
        "log_loss": metrics.log_loss,
        "brier": metrics.brier_score_loss,
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "r2": metrics.r2_score,
    }
    return functions[metric](target, prediction)


def some_rows(metric, rows=300, blocks=12, seed=0):
    """Rows with many tied predictions, in blocks of uneven size."""
    generator = np.random.default_rng(seed)
    prediction = generator.integers(1, 20, rows) / 20
    noise = generator.random(rows)
    target = (noise < prediction).astype(float) if metric in BINARY else prediction + noise
    return target, prediction, np.sort(generator.integers(0, blocks, rows)), blocks


@pytest.mark.parametrize("metric", BINARY + REGRESSION)
def test_counts_score_like_copied_rows(metric):
    target, prediction, block, blocks = some_rows(metric)
    scorer = prepare(metric, target, prediction, block, blocks)
    for counts in resample_counts(blocks, 20, seed=1):
        rows = rows_drawn(counts, block)
        assert scorer(counts) == pytest.approx(scikit_learn(metric, target[rows], prediction[rows]), rel=1e-12)


CLASSES = ("roc_auc", "log_loss", "brier", "accuracy")


def some_classes(rows=300, blocks=12, seed=0):
    """Rows of three classes with tied predictions, in blocks of uneven size."""
    generator = np.random.default_rng(seed)
    prediction = generator.integers(1, 9, (rows, 3)).astype(float)
    prediction /= prediction.sum(axis=1, keepdims=True)
    target = (generator.random((rows, 1)) > prediction.cumsum(axis=1)).sum(axis=1).clip(0, 2).astype(float)
    return target, prediction, np.sort(generator.integers(0, blocks, rows)), blocks


@pytest.mark.parametrize("metric", CLASSES)
def test_counts_of_several_classes_score_like_copied_rows(metric):
    from sklearn import metrics

    slow = {
        "roc_auc": lambda y, p: metrics.roc_auc_score(y, p, multi_class="ovr", average="macro"),
        "log_loss": metrics.log_loss,
        "brier": lambda y, p: np.square(p - np.eye(3)[y.astype(int)]).sum(axis=1).mean(),
        "accuracy": lambda y, p: metrics.accuracy_score(y, p.argmax(axis=1)),
    }[metric]
    target, prediction, block, blocks = some_classes()
    scorer = prepare(metric, target, prediction, block, blocks)
    for counts in resample_counts(blocks, 20, seed=1):
        rows = rows_drawn(counts, block)
        assert scorer(counts) == pytest.approx(slow(target[rows], prediction[rows]), rel=1e-12)


@pytest.mark.parametrize("metric", CLASSES)
def test_interval_of_classes_holds_what_training_scores(metric):
    target, prediction, block, blocks = some_classes()
    found = Bootstrap(blocks, 100, 7).answer({"a": Question(metric, target, prediction, block)})["a"]
    assert found.value == pytest.approx(score(metric, target, prediction), rel=1e-12)
    assert np.quantile(found.resampled, 0.01) < found.value < np.quantile(found.resampled, 0.99)


def test_auc_of_a_class_without_rows_is_undefined():
    target, prediction, block, blocks = some_classes()
    scorer = prepare("roc_auc", np.minimum(target, 1), prediction, block, blocks)
    assert np.isnan(scorer(np.ones(blocks, dtype=np.int64)))


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=25),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
def test_auc_equals_every_pair_compared(rows, counts):
    table = np.array(rows, dtype=float)
    target, prediction, block = table[:, 0], table[:, 1], table[:, 2].astype(int)
    drawn = rows_drawn([*counts, 1], np.append(block, 4))[:-1]
    slow = slow_auc(target[drawn], prediction[drawn])
    ranked = _ranked(target, prediction, block, _area_under_roc)(np.array(counts))
    assert ranked == pytest.approx(slow, nan_ok=True, rel=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_auc_by_pairs_of_blocks_is_bit_equal_to_ranked(seed):
    target, prediction, block, blocks = some_rows("roc_auc", rows=60, blocks=7, seed=seed)
    counts = next(resample_counts(blocks, 1, seed))
    fast = _paired_blocks(target, prediction, block, blocks)(counts)
    assert np.array_equal(fast, _ranked(target, prediction, block, _area_under_roc)(counts), equal_nan=True)


def test_log_loss_of_a_certain_mistake_is_finite():
    score = prepare("log_loss", np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.arange(2), 2)(np.array([1, 1]))
    assert score == pytest.approx(scikit_learn("log_loss", [1, 0], np.array([0.0, 1.0])))


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "r2"])
def test_one_class_or_constant_target_is_undefined(metric):
    target, prediction, block, blocks = some_rows(metric)
    scorer = prepare(metric, np.zeros_like(target), prediction, block, blocks)
    assert np.isnan(scorer(np.ones(blocks, dtype=np.int64)))


@pytest.mark.parametrize("metric", BINARY + REGRESSION)
def test_no_row_is_undefined(metric):
    empty = np.empty(0)
    assert np.isnan(prepare(metric, empty, empty, empty.astype(int), 3)(np.ones(3, dtype=np.int64)))


def test_resamples_draw_each_block_equally_often():
    drawn = sum(resample_counts(blocks=50, resamples=2000, seed=3))
    assert np.abs(drawn / 2000 - 1).max() < 5 / np.sqrt(2000)


def test_same_seed_gives_same_scores():
    *rows, blocks = some_rows("roc_auc")
    asked = {"a": Question("roc_auc", *rows)}
    first, second = (Bootstrap(blocks, 50, seed=9).answer(asked)["a"].resampled for _ in range(2))
    assert np.array_equal(first, second)


def test_gain_over_itself_is_nothing():
    *rows, blocks = some_rows("rmse")
    score = Bootstrap(blocks, 50, seed=9).answer({"a": Question("rmse", *rows)})["a"]
    assert interval(score.gain_over(score, -1), 0.95) == interval(Score(0.0, np.zeros(50), 12), 0.95)


def test_gain_is_positive_where_less_is_better():
    target, prediction, block, blocks = some_rows("rmse")
    asked = {"good": Question("rmse", target, target + 0.1, block), "bad": Question("rmse", target, prediction, block)}
    scores = Bootstrap(blocks, 200, seed=9).answer(asked)
    assert (interval(scores["good"].gain_over(scores["bad"], -1), 0.95).low or 0) > 0


def test_expanded_interval_is_wider_for_fewer_blocks():
    tails = [expanded_tail(0.95, blocks) for blocks in (3, 10, 30, 1000)]
    assert tails == sorted(tails)


def test_interval_of_undefined_score_says_why():
    found = interval(Score(float("nan"), np.full(100, np.nan), 10), 0.95)
    assert (found.value, found.low) == (None, None)
    assert "one value" in (found.reason or "")


def test_interval_is_withheld_when_resamples_are_often_undefined():
    found = interval(Score(0.7, np.where(np.arange(100) < 10, np.nan, 0.7), 10), 0.95)
    assert (found.value, found.low, found.high) == (0.7, None, None)
    assert "10 of 100" in (found.reason or "")


def test_interval_needs_two_blocks():
    assert interval(Score(0.7, np.full(100, 0.7), 1), 0.95).low is None


def clustered_mean_error(generator, days=25, rows=40):
    """Losses whose level is the day's, as weather makes it: the truth is 0."""
    day = np.repeat(np.arange(days), rows)
    level = generator.standard_normal(days)[day] + generator.standard_normal(days * rows)
    return level + 10, np.zeros(days * rows), day


def coverage(by_day: bool, trials: int) -> float:
    """How often the 95 % interval of a mean error of 10 holds 10 (all losses are far from 0, so |x| is x)."""
    hits = 0
    for seed in range(trials):
        target, prediction, day = clustered_mean_error(np.random.default_rng(seed))
        block = day if by_day else np.arange(len(day))
        score = Bootstrap(int(block.max()) + 1, 200, seed).answer({"mae": Question("mae", target, prediction, block)})
        found = interval(score["mae"], 0.95)
        hits += found.low <= 10 <= found.high
    return hits / trials


def test_interval_by_day_covers_what_it_promises():
    assert coverage(by_day=True, trials=200) >= 0.91


def test_interval_by_row_would_not():
    assert coverage(by_day=False, trials=60) < 0.6
