import numpy as np
import pytest

from configs.errors import DataError
from tasks.metrics import MULTICLASS, ONE_COLUMN, UndefinedMetricError, greater_is_better, score


def reference(metric, y, p, weight=None):
    from sklearn import metrics

    if p.ndim == 2:
        return class_reference(metric, y, p, weight)
    functions = {
        "roc_auc": metrics.roc_auc_score,
        "average_precision": metrics.average_precision_score,
        "log_loss": metrics.log_loss,
        "brier": metrics.brier_score_loss,
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "r2": metrics.r2_score,
    }
    return functions[metric](y, p, sample_weight=weight)


def class_reference(metric, y, p, weight):
    from sklearn import metrics

    if metric == "accuracy":
        return metrics.accuracy_score(y, p.argmax(axis=1), sample_weight=weight)
    if metric == "roc_auc":
        return metrics.roc_auc_score(y, p, multi_class="ovr", average="macro", sample_weight=weight)
    function = metrics.log_loss if metric == "log_loss" else metrics.brier_score_loss
    return function(y, p, labels=range(p.shape[1]), sample_weight=weight)


def probabilities(random, y, classes, decimals):
    p = random.random((len(y), classes)) + 0.7 * (y[:, np.newaxis] == np.arange(classes))
    p = np.round(p / p.sum(axis=1, keepdims=True), decimals) + 10.0**-decimals
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decimals", [1, 3, 17])  # few decimals: many ties
@pytest.mark.parametrize("metric", sorted(ONE_COLUMN))
def test_metric_equals_scikit_learn(metric, decimals, weighted):
    for seed in range(6):
        random = np.random.default_rng(seed)
        y = (random.random(200) < 0.3).astype(float)
        p = np.round(np.clip(0.3 * y + random.random(200) * 0.7, 0, 1), decimals)
        weight = random.uniform(0.1, 5.0, 200) if weighted else None
        assert score(metric, y, p, weight) == pytest.approx(reference(metric, y, p, weight), abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decimals", [1, 16])
@pytest.mark.parametrize("metric", sorted(MULTICLASS))
def test_metric_of_classes_equals_scikit_learn(metric, decimals, weighted):
    for seed in range(4):
        random = np.random.default_rng(seed)
        y = random.integers(0, 4, 150).astype(float)
        p, weight = probabilities(random, y, 4, decimals), random.uniform(0.1, 5.0, 150) if weighted else None
        assert score(metric, y, p, weight) == pytest.approx(reference(metric, y, p, weight), abs=1e-12)


@pytest.mark.parametrize("metric", sorted(MULTICLASS))
def test_score_of_two_classes_is_that_of_one_column(metric):
    random = np.random.default_rng(0)
    y, p = (random.random(100) < 0.4).astype(float), random.random(100)
    both = score(metric, y, np.column_stack([1 - p, p]))
    one_column = {
        "accuracy": np.mean((p > 0.5) == y),
        "brier": 2 * score("brier", y, p),
        "log_loss": score("log_loss", y, p),
        "roc_auc": score("roc_auc", y, p),
    }
    assert both == pytest.approx(one_column[metric], abs=1e-12)


@pytest.mark.parametrize("metric", sorted(MULTICLASS))
def test_better_probabilities_of_classes_score_in_the_declared_direction(metric):
    y = np.array([0.0, 1.0, 2.0, 1.0])
    good = np.where(y[:, np.newaxis] == np.arange(3), 0.8, 0.1)
    assert (score(metric, y, good) > score(metric, y, 1 - good)) is greater_is_better(metric)


@pytest.mark.parametrize("metric", sorted(MULTICLASS))
def test_order_of_classes_and_of_rows_changes_no_score(metric):
    random = np.random.default_rng(2)
    y = np.tile([0.0, 1.0, 2.0, 3.0], 30)
    p, classes, rows = probabilities(random, y, 4, 16), random.permutation(4), random.permutation(120)
    relabelled = score(metric, np.argsort(classes)[y.astype(int)][rows], p[:, classes][rows])
    assert relabelled == pytest.approx(score(metric, y, p), abs=1e-12)


@pytest.mark.parametrize("metric", sorted({*ONE_COLUMN, *MULTICLASS}))
def test_weight_of_two_is_the_row_twice(metric):
    random = np.random.default_rng(1)
    y = np.tile([0.0, 1.0, 1.0, 2.0], 10) if metric in MULTICLASS else np.tile([0.0, 1.0, 1.0, 0.0], 10)
    p = probabilities(random, y, 3, 2) if metric in MULTICLASS else np.round(random.random(40), 1)
    times = random.integers(1, 4, 40)
    again = score(metric, np.repeat(y, times), np.repeat(p, times, axis=0))
    assert score(metric, y, p, times) == pytest.approx(again, abs=1e-12)


def test_roc_auc_ranks_numbers_below_zero_too():
    assert score("roc_auc", [0, 1, 0, 1], [-2.0, -1.0, -1.0, 3.0]) == 0.875
    assert score("roc_auc", [0, 1], [0.0, -0.0]) == 0.5


def test_roc_auc_of_a_class_without_rows_is_refused():
    with pytest.raises(UndefinedMetricError, match="1 of 3 have none among 2 rows, such as class 1"):
        score("roc_auc", [0, 2], np.full((2, 3), 1 / 3))


def test_target_that_is_no_predicted_class_is_refused():
    with pytest.raises(DataError, match="none of the classes 0 to 1"):
        score("log_loss", [0, 2], np.full((2, 2), 0.5))


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_weight_that_does_not_count_is_refused(weight):
    with pytest.raises(DataError, match="a weight is not above 0"):
        score("rmse", [1.0, 2.0], [1.0, 2.0], [1.0, weight])


@pytest.mark.parametrize("shape", [(3,), (3, 2), (2, 2, 2)])
def test_prediction_of_other_rows_is_refused(shape):
    with pytest.raises(ValueError, match="one entry per row"):
        score("log_loss", [0.0, 1.0], np.full(shape, 0.5))


@pytest.mark.parametrize("metric", sorted(ONE_COLUMN))
def test_better_prediction_scores_in_the_declared_direction(metric):
    y = np.array([0.0, 1.0, 0.0, 1.0])
    good, bad = score(metric, y, 0.1 + 0.8 * y), score(metric, y, 0.9 - 0.8 * y)
    assert (good > bad) is greater_is_better(metric)


def test_roc_auc_counts_ties_half():
    assert score("roc_auc", [0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]) == 0.5


def test_roc_auc_ignores_the_order_of_rows():
    random = np.random.default_rng(3)
    y, p = (random.random(500) < 0.2).astype(float), np.round(random.random(500), 2)
    order = random.permutation(500)
    assert score("roc_auc", y, p) == score("roc_auc", y[order], p[order])


def test_log_loss_of_a_certain_mistake_is_finite():
    assert 30 < score("log_loss", [1.0], [0.0]) < 40


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_ranking_metric_of_one_class_is_refused(metric, label):
    with pytest.raises(UndefinedMetricError, match="both classes"):
        score(metric, [label, label], [0.2, 0.4])


def test_r2_of_a_constant_target_is_refused():
    with pytest.raises(UndefinedMetricError, match=r"all 2 rows are 3\.0"):
        score("r2", [3.0, 3.0], [3.0, 2.0])


@pytest.mark.parametrize("metric", sorted(ONE_COLUMN))
def test_metric_of_no_rows_is_refused(metric):
    with pytest.raises(UndefinedMetricError, match="0 rows"):
        score(metric, [], [])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_or_infinite_prediction_is_refused(bad):
    with pytest.raises(DataError, match="1 of 2 rows"):
        score("rmse", [1.0, 2.0], [1.0, bad])


def test_overflowing_score_is_refused():
    with pytest.raises(DataError, match="inf"):
        score("rmse", [1e200], [-1e200])
