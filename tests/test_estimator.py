import os

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor

from tasks.encoder import TargetEncoding
from tasks.estimator import (
    BoostedTrees,
    InfiniteFeatureError,
    NoFeatureError,
    StoppingRows,
    best_round,
    model_matrix,
    tabular_model,
    thread_count,
)
from tasks.features import DerivedFeatures

COLUMNS = {"city": "category", "area": "float", "rooms": "integer", "sold_at": "timestamp"}


def raw_rows(seed=0, rows=200):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "city": random.choice(np.array(["Bonn", "Kiel", "Ulm", None], dtype=object), rows),
            "area": random.normal(80.0, 20.0, rows),
            "rooms": pd.array(random.integers(1, 6, rows), dtype="Int64"),
            "sold_at": pd.Timestamp("2013-03-01", tz="UTC") + pd.to_timedelta(random.integers(0, 9000, rows), unit="h"),
        }
    )


def target_of(raw, task):
    signal = raw["area"] + 10 * raw["rooms"].astype(float) + 30 * (raw["city"] == "Ulm")
    return (signal > signal.median()).astype(float) if task == "binary" else signal


def fresh_model(task="regression", rounds=20, **params):
    features = DerivedFeatures(
        COLUMNS, ("city", "area", "rooms"), {"sold_at": ("month",)}, {"m2": "area / rooms"}, "UTC"
    )
    return tabular_model(features, TargetEncoding(("city",)), BoostedTrees(task, params, rounds))


def numeric(rows=400, seed=0):
    random = np.random.default_rng(seed)
    X = pd.DataFrame(random.normal(size=(rows, 4)), columns=list("abcd"))
    return X, X["a"] + np.sin(3 * X["b"]) + 0.3 * random.normal(size=rows)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_model_learns_from_raw_rows(task):
    raw = raw_rows()
    y = target_of(raw, task)
    model = fresh_model(task, rounds=100).fit(raw, y)
    predicted = model.predict_proba(raw)[:, 1] if task == "binary" else model.predict(raw)
    assert np.corrcoef(predicted, y)[0, 1] > 0.95


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_trees_can_memorise_twenty_rows(task):
    random = np.random.default_rng(1)
    X, y = pd.DataFrame({"a": np.arange(20.0)}), np.round(random.random(20))
    trees = BoostedTrees(task, {"min_child_weight": 0, "reg_lambda": 0, "learning_rate": 0.5}, 200).fit(X, y)
    assert trees.scores(X) == pytest.approx(y, abs=0.02)


def test_constant_target_is_predicted():
    X, _ = numeric(50)
    assert BoostedTrees(rounds=5).fit(X, np.full(50, 3.5)).predict(X).tolist() == [3.5] * 50


def test_probabilities_sum_to_one():
    raw = raw_rows()
    model = fresh_model("binary").fit(raw, target_of(raw, "binary"))
    assert model.predict_proba(raw).sum(axis=1) == pytest.approx(1.0, abs=1e-15)
    assert set(model.predict(raw)) == {0.0, 1.0}


def test_regression_has_no_probabilities():
    raw = raw_rows()
    model = fresh_model().fit(raw, target_of(raw, "regression"))
    assert not hasattr(model, "predict_proba")


def test_scikit_learn_knows_the_kind_of_model():
    assert is_classifier(fresh_model("binary"))
    assert is_regressor(fresh_model("regression"))


def test_clone_fits_alike():
    raw = raw_rows()
    model = fresh_model().fit(raw, target_of(raw, "regression"))
    assert clone(model).fit(raw, target_of(raw, "regression"))[-1].ubj_ == model[-1].ubj_


def test_order_of_columns_and_other_columns_do_not_matter():
    raw = raw_rows()
    model = fresh_model().fit(raw, target_of(raw, "regression"))
    shuffled = raw.assign(other=1)[["other", "sold_at", "rooms", "area", "city"]]
    assert model.predict(shuffled).tolist() == model.predict(raw).tolist()


def test_each_row_is_predicted_alone_as_in_a_batch():
    raw = raw_rows(rows=40)
    model = fresh_model().fit(raw, target_of(raw, "regression"))
    alone = [model.predict(raw.iloc[[row]])[0] for row in range(40)]
    assert model.predict(raw).tolist() == alone


def test_features_in_are_what_the_booster_reads():
    import xgboost

    raw = raw_rows()
    model = fresh_model().fit(raw, target_of(raw, "regression"))
    inputs = model.features_in(raw)
    assert list(inputs.columns) == ["city", "area", "rooms", "sold_at_month", "m2"] == model.booster.feature_names
    assert model.booster.predict(xgboost.DMatrix(inputs)).tolist() == model.predict(raw).tolist()


def test_unseen_category_is_predicted_as_the_mean_city():
    raw = raw_rows()
    model = fresh_model().fit(raw, target_of(raw, "regression"))
    assert model.features_in(raw.assign(city="Jena"))["city"].unique().tolist() == [model["encode"].prior_]


def test_state_makes_the_same_model():
    raw = raw_rows()
    model = fresh_model().fit(raw, target_of(raw, "regression"))
    twin = type(model).from_state(model.state(), model[-1].ubj_)
    assert twin.predict(raw).tolist() == model.predict(raw).tolist()
    assert twin.state() == model.state()


@pytest.mark.parametrize(
    ("metric", "params"),
    [
        ("rmse", {}),
        ("mae", {"subsample": 0.5, "colsample_bytree": 0.5}),
        ("r2", {"grow_policy": "lossguide", "max_leaves": 9}),
    ],
)
def test_number_of_threads_changes_no_byte(monkeypatch, metric, params):
    monkeypatch.setattr("tasks.estimator.CELLS_PER_THREAD", 1)
    X, y = numeric(5000)
    stopping = StoppingRows(X[:1500], y[:1500], metric, 5)
    fits = [BoostedTrees("regression", params, 15).fit(X[1500:], y[1500:], stopping, threads=n) for n in (1, 2, 3)]
    assert len({trees.ubj_ for trees in fits}) == 1
    assert fits[0].curve_ == fits[1].curve_ == fits[2].curve_


def test_number_of_threads_changes_no_prediction(monkeypatch):
    X, y = numeric(5000)
    ubj = BoostedTrees(rounds=30).fit(X, y).ubj_
    predicted = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        trees = BoostedTrees()
        trees.ubj_, trees.feature_names_in_ = ubj, np.array(list(X.columns), dtype=object)
        predicted.append(trees.predict(X).tolist())
    assert predicted[0] == predicted[1]


def test_early_stopping_keeps_the_best_round():
    X, y = numeric()
    trees = BoostedTrees("regression", {"learning_rate": 0.5}, 300).fit(
        X[:300], y[:300], StoppingRows(X[300:], y[300:], "rmse", 10)
    )
    assert len(trees.curve_) == best_round(trees.curve_, "rmse") + 10 < 300
    assert trees.booster.num_boosted_rounds() == best_round(trees.curve_, "rmse")


def test_curve_is_the_score_of_the_shorter_model():
    from tasks.metrics import score

    X, y = numeric()
    trees = BoostedTrees(rounds=12).fit(X[:300], y[:300], StoppingRows(X[300:], y[300:], "mae", 50))
    shorter = BoostedTrees(rounds=5).fit(X[:300], y[:300])
    assert trees.curve_[4] == score("mae", y[300:], shorter.predict(X[300:]))


def test_targets_of_stopping_rows_never_reach_the_trees():
    X, y = numeric()
    fits = [
        BoostedTrees(rounds=5).fit(X[:300], y[:300], StoppingRows(X[300:], y[300:] + moved, "rmse", 50))
        for moved in (0, 1e-3)
    ]
    assert fits[0].ubj_ == fits[1].ubj_


def test_missing_values_are_a_direction_of_their_own():
    X, y = numeric()
    X.loc[::3, "a"] = np.nan
    assert np.isfinite(BoostedTrees(rounds=5).fit(X, y).predict(X)).all()


def test_constant_and_empty_features_are_no_hindrance():
    X, y = numeric(100)
    X = X.assign(constant=1.0, empty=np.nan)
    assert np.isfinite(BoostedTrees(rounds=5).fit(X, y).predict(X)).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_infinite_feature_is_refused(value):
    X, _ = numeric(10)
    X.loc[3, "b"] = value
    with pytest.raises(InfiniteFeatureError, match=r"'b' \(1\)"):
        model_matrix(X)


def test_table_without_features_is_refused():
    with pytest.raises(NoFeatureError, match="no feature is left"):
        BoostedTrees().fit(pd.DataFrame(index=range(3)), [0.0, 1.0, 0.0])


@pytest.mark.parametrize(("value", "threads"), [("3", 3), ("2,1", 2)])
def test_threads_come_from_the_environment(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert thread_count() == threads


@pytest.mark.parametrize("value", ["", "0", "many"])
def test_threads_are_the_cores_where_the_environment_names_none(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert thread_count() == len(os.sched_getaffinity(0))
