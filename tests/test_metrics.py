import numpy as np
import pytest

from configs.errors import DataError
from tasks.metrics import FUNCTIONS, GREATER_IS_BETTER, UndefinedMetricError, greater_is_better, score


def reference(metric, y, p):
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
    return functions[metric](y, p)


@pytest.mark.parametrize("decimals", [1, 3, 17])  # few decimals: many ties
@pytest.mark.parametrize("metric", sorted(GREATER_IS_BETTER))
def test_metric_equals_scikit_learn(metric, decimals):
    for seed in range(20):
        random = np.random.default_rng(seed)
        y = (random.random(200) < 0.3).astype(float)
        p = np.round(np.clip(0.3 * y + random.random(200) * 0.7, 0, 1), decimals)
        assert score(metric, y, p) == pytest.approx(reference(metric, y, p), abs=1e-12)


@pytest.mark.parametrize("metric", sorted(GREATER_IS_BETTER))
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


@pytest.mark.parametrize("metric", sorted(FUNCTIONS))
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
