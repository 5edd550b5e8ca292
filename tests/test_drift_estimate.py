from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tasks.drift.model import estimated_performance
from tasks.drift.model.estimate import drawn_labels, expected_area, expected_metric, weighted_loss
from tasks.drift.pseudo_columns import LOSS, PREDICTION
from tasks.metrics import UndefinedMetricError, score
from tasks.model.decision import Decision
from tests.drift_world import BATCHES, chance_of, model_of, numbers_of, pipeline_of, profile_of, rows_of


def chances(rows=400, classes=None, seed=1):
    random = np.random.default_rng(seed)
    return random.random(rows) if classes is None else random.dirichlet(np.ones(classes), rows)


def drawn_mean(metric, scores, draws=400):
    """The slow, obvious way: draw labels by the probabilities, again and again."""
    generator = np.random.default_rng(2)
    return np.mean([score(metric, drawn_labels(scores, generator), scores) for _ in range(draws)])


def estimate(scores, task="binary", **settings):
    train = settings.pop("train", {})
    return estimated_performance(scores, model_of(task), pipeline_of(task, **train), **settings)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "log_loss", "brier"])
def test_expected_metric_is_the_mean_over_drawn_labels(metric):
    assert expected_metric(metric, chances()) == pytest.approx(drawn_mean(metric, chances()), abs=0.003)


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "log_loss", "brier"])
def test_expected_metric_of_classes_is_the_mean_over_drawn_labels(metric):
    scores = chances(classes=4)
    assert expected_metric(metric, scores) == pytest.approx(drawn_mean(metric, scores), abs=0.004)


def test_area_counts_each_pair_of_rows_by_its_chance():
    p = chances(30)
    pairs = [(p[i] * (1 - p[j]), float(p[i] > p[j])) for i in range(30) for j in range(30) if i != j]
    by_pair = sum(chance * right for chance, right in pairs) / sum(chance for chance, _ in pairs)
    assert expected_area(p) == pytest.approx(by_pair)


def test_rows_of_one_sure_class_have_no_area():
    with pytest.raises(UndefinedMetricError, match="all 5 are surely of one"):
        expected_area(np.ones(5))


def test_labels_are_drawn_by_their_chance():
    drawn = drawn_labels(np.tile([[0.2, 0.5, 0.3]], (20_000, 1)), np.random.default_rng(1))
    assert np.bincount(drawn.astype(int)) / 20_000 == pytest.approx([0.2, 0.5, 0.3], abs=0.01)


def test_realised_metric_lies_in_the_interval_of_a_calibrated_model():
    random = np.random.default_rng(4)
    inside = []
    for batch in range(40):
        scores = chances(300, seed=100 + batch)
        found = estimate(scores)
        realised = score("roc_auc", (random.random(300) < scores) * 1.0, scores)
        inside.append(found.interval[0] <= realised <= found.interval[1])
    assert np.mean(inside) >= 0.85


def test_harder_rows_lower_the_estimate_as_they_lower_the_metric():
    frame = rows_of(BATCHES, 4000)
    hard = frame.assign(strong=frame["strong"] * 0.3)
    hard["bought"] = np.random.default_rng(1).random(4000) < chance_of(hard)
    scores = model_of().scores(hard)
    assert estimate(scores).value < estimate(model_of().scores(frame)).value - 0.1
    assert estimate(scores).value == pytest.approx(score("roc_auc", numbers_of(hard, "binary"), scores), abs=0.03)


def test_estimate_cannot_see_a_changed_relation_and_says_so():
    frame = rows_of(BATCHES, 1000)
    flipped = frame.assign(bought=~frame["bought"])
    found = estimate(model_of().scores(flipped))
    assert found.value == estimate(model_of().scores(frame)).value
    assert "no concept drift" in found.sentence


def test_interval_narrows_by_the_root_of_the_rows():
    small, large = (estimate(np.tile(chances(1000), times)).interval for times in (1, 100))
    assert (large[1] - large[0]) / (small[1] - small[0]) == pytest.approx(0.1, rel=0.2)


def test_cost_is_that_of_the_decision():
    scores = np.array([0.05, 0.5])
    found = estimate(scores, train={"costs": {"false_positive": 1, "false_negative": 9}})
    assert found.cost == pytest.approx((9 * 0.05 + 1 * 0.5) / 2)


def test_accuracy_is_that_of_the_models_own_decision():
    model = model_of()
    model.decision_ = replace(Decision("", 0.9, None))
    found = estimated_performance(np.array([0.8, 0.8]), model, pipeline_of())
    model.decision_ = None
    assert found.accuracy == pytest.approx(0.2)


def test_uncalibrated_probabilities_are_told():
    assert "not calibrated" in estimate(chances()).assumes


def test_reference_stands_beside_the_estimate():
    assert "it was 0.8000 on the reference" in estimate(chances(), reference=0.8).sentence


def test_same_seed_gives_the_same_interval():
    assert estimate(chances(), seed=5) == estimate(chances(), seed=5)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_empty_batch_has_no_estimate(task):
    scores = np.empty((0, 3)) if task == "multiclass" else np.empty(0)
    assert estimate(scores, task).off == "the batch has no rows"


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc"])
def test_one_row_is_no_error(metric):
    found = estimate(np.array([0.5]), train={"metric": metric})
    assert (found.value is None) == (metric == "roc_auc")


def test_regression_without_a_sample_says_what_it_cannot():
    found = estimate(np.arange(9.0), "regression")
    assert found.value is None
    assert "do not say how far off they are" in found.sentence


def test_regression_weighs_the_losses_of_alike_predictions():
    predicted = np.repeat(np.arange(10.0), 50)
    losses = predicted**2
    value, _ = weighted_loss(np.array([9.0, 9.0, 0.0, 0.0]), predicted, losses)
    assert value == pytest.approx((81 + 0) / 2)


def test_regression_that_did_not_move_keeps_the_loss_of_the_reference():
    sample, scores = (
        profile_of("regression").sample,
        model_of("regression").scores(rows_of(BATCHES, 4000, "regression")),
    )
    found = estimate(scores, "regression", sample=sample)
    assert found.value == pytest.approx(np.sqrt(np.nanmean(sample.column(LOSS).to_numpy())), rel=0.03)
    assert found.interval[0] < found.value < found.interval[1]


def test_r2_is_not_estimated():
    sample = pa.table({PREDICTION: np.arange(20.0), LOSS: np.arange(20.0)})
    found = estimate(np.arange(9.0), "regression", sample=sample, train={"metric": "r2"})
    assert "no prediction tells" in found.off
