import json
import os

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import cross_val_score

from configs.errors import DataError
from configs.sections.train import Costs
from tasks.encoding.encoder import TargetEncoding
from tasks.features import DerivedFeatures
from tasks.metrics import score
from tasks.model.boosting import BoostedTrees, MonotoneError, StoppingRows, best_round
from tasks.model.bundle import canonical
from tasks.model.calibration import fitted_calibration
from tasks.model.decision import Decision, fitted_decision
from tasks.model.device import Crew, NoCudaError, device_taken, thread_count, why_no_cuda
from tasks.model.estimator import tabular_model
from tasks.model.model_matrix import InfiniteFeatureError, NoFeatureError, WeightError, model_matrix

SIZES = ("large", "medium", "small")  # of homes, in order of text
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
    if task == "multiclass":
        return np.digitize(signal, signal.quantile([0.5, 0.8])).astype(float)
    return (signal > signal.median()).astype(float) if task == "binary" else signal


def fresh_model(task="regression", rounds=20, **params):
    features = DerivedFeatures(
        COLUMNS, ("city", "area", "rooms"), {"sold_at": ("month",)}, {"m2": "area / rooms"}, "UTC"
    )
    classes = SIZES if task == "multiclass" else None
    return tabular_model(
        features, TargetEncoding(("city",), classes=classes), BoostedTrees(task, params, rounds, classes=classes)
    )


def numeric(rows=400, seed=0):
    random = np.random.default_rng(seed)
    X = pd.DataFrame(random.normal(size=(rows, 4)), columns=list("abcd"))
    return X, X["a"] + np.sin(3 * X["b"]) + 0.3 * random.normal(size=rows)


def numeric_target(task, rows=400, seed=0):
    X, y = numeric(rows, seed)
    return X, {"binary": y > 0.5, "multiclass": np.digitize(y, [-0.5, 1.0]), "regression": y}[task] * 1.0


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_model_learns_from_raw_rows(task):
    raw = raw_rows()
    y = target_of(raw, task)
    model = fresh_model(task, rounds=100).fit(raw, y)
    predicted = model.predict_proba(raw)[:, 1] if task == "binary" else model.predict(raw)
    assert np.corrcoef(predicted, y)[0, 1] > 0.95


def test_model_learns_classes_from_raw_rows():
    raw = raw_rows()
    y = target_of(raw, "multiclass")
    model = fresh_model("multiclass", rounds=60).fit(raw, y)
    assert model.score(raw, y) > 0.95
    assert model.predict(raw).tolist() == [SIZES[int(k)] for k in model.predict_proba(raw).argmax(axis=1)]


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_trees_can_memorise_twenty_rows(task):
    random = np.random.default_rng(1)
    X, y = pd.DataFrame({"a": np.arange(20.0)}), np.round(random.random(20))
    trees = BoostedTrees(task, {"min_child_weight": 0, "reg_lambda": 0, "learning_rate": 0.5}, 200).fit(X, y)
    assert trees.scores(X) == pytest.approx(y, abs=0.02)


def test_constant_target_is_predicted():
    X, _ = numeric(50)
    assert BoostedTrees(rounds=5).fit(X, np.full(50, 3.5)).predict(X).tolist() == [3.5] * 50


@pytest.mark.parametrize(("task", "classes"), [("binary", [0.0, 1.0]), ("multiclass", [*SIZES])])
def test_probabilities_sum_to_one(task, classes):
    raw = raw_rows()
    model = fresh_model(task).fit(raw, target_of(raw, task))
    assert model.predict_proba(raw).sum(axis=1) == pytest.approx(1.0, abs=1e-15)
    assert model.predict_proba(raw).shape == (200, len(classes))
    assert sorted({*model.predict(raw)}) == model.classes_.tolist() == classes


def test_regression_has_no_probabilities():
    raw = raw_rows()
    model = fresh_model().fit(raw, target_of(raw, "regression"))
    assert not hasattr(model, "predict_proba")


def test_scikit_learn_knows_the_kind_of_model():
    assert is_classifier(fresh_model("binary"))
    assert is_classifier(fresh_model("multiclass"))
    assert is_regressor(fresh_model("regression"))


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_clone_fits_alike(task):
    raw = raw_rows()
    model = fresh_model(task).fit(raw, target_of(raw, task))
    assert clone(model).fit(raw, target_of(raw, task))[-1].ubj_ == model[-1].ubj_


def test_scikit_learn_cross_validates_classes_by_name():
    raw = raw_rows()
    names = np.array(SIZES, dtype=object)[target_of(raw, "multiclass").astype(int)]
    for scoring in (None, "neg_log_loss", "roc_auc_ovr"):
        chance = {None: 0.5, "neg_log_loss": -1.03, "roc_auc_ovr": 0.5}[scoring]
        assert cross_val_score(fresh_model("multiclass"), raw, names, cv=3, scoring=scoring).mean() > chance + 0.2


def test_name_of_no_class_is_refused():
    raw = raw_rows(rows=4)
    with pytest.raises(DataError, match="'huge' is none of the classes 'large', 'medium', 'small'"):
        fresh_model("multiclass").fit(raw, ["huge", "small", "large", "medium"])


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


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_state_makes_the_same_model(task):
    raw = raw_rows()
    model = decided_model(task, raw)
    twin = type(model).from_state(json.loads(json.dumps(model.state())), model[-1].ubj_)
    assert twin.scores(raw).tolist() == model.scores(raw).tolist()
    assert twin.predict(raw).tolist() == model.predict(raw).tolist()
    assert canonical(twin.state()) == canonical(model.state())


def decided_model(task, raw):
    """A model that learned how to calibrate and decide; on training rows, for want of others."""
    y = target_of(raw, task)
    model = fresh_model(task).fit(raw, y)
    dear = {"binary": Costs(false_positive=9.0, false_negative=1.0), "multiclass": Costs(matrix=DEAR)}
    model.calibration_ = fitted_calibration("sigmoid", model.scores(raw), y, task)
    model.decision_ = fitted_decision(dear.get(task, Costs()), model.scores(raw), y, task, calibrated=True)
    return model


DEAR = ((0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (90.0, 90.0, 0.0))  # a small home must not be missed


def test_probabilities_are_the_calibrated_scores():
    raw = raw_rows()
    model = decided_model("binary", raw)
    scores = model[-1].scores(model.features_in(raw))
    assert model.predict_proba(raw)[:, 1].tolist() == model.calibration_.apply(scores).tolist() != scores.tolist()
    assert model.scores(raw).tolist() == model.predict_proba(raw)[:, 1].tolist()


def test_decision_follows_the_costs():
    raw = raw_rows()
    binary, classes = decided_model("binary", raw), decided_model("multiclass", raw)
    assert binary.predict(raw).tolist() == (binary.predict_proba(raw)[:, 1] >= 0.9).astype(float).tolist()
    small = classes.predict(raw) == "small"
    assert small.sum() > (classes.predict_proba(raw).argmax(axis=1) == 2).sum()
    assert ((classes.predict_proba(raw)[:, 2] > 1 / 3) <= small).all()


def test_threshold_is_half_where_nothing_was_decided():
    raw = raw_rows()
    model = fresh_model("binary").fit(raw, target_of(raw, "binary"))
    plain = model.predict(raw).tolist()
    model.decision_ = Decision("the more probable class", 0.5, None)
    assert plain == (model.predict_proba(raw)[:, 1] > 0.5).astype(float).tolist() == model.predict(raw).tolist()


def test_fit_forgets_what_was_learned_from_other_rows():
    raw = raw_rows()
    model = decided_model("binary", raw)
    assert clone(model).calibration_ is None
    assert model.fit(raw, target_of(raw, "binary")).calibration_ is None is model.decision_


@pytest.mark.parametrize(
    ("task", "metric", "params", "weighted"),
    [
        ("regression", "rmse", {}, False),
        ("regression", "mae", {"subsample": 0.5, "colsample_bytree": 0.5}, True),
        ("regression", "r2", {"grow_policy": "lossguide", "max_leaves": 9}, False),
        ("binary", "roc_auc", {}, True),
        ("multiclass", "log_loss", {"subsample": 0.5}, True),
        ("multiclass", "roc_auc", {}, False),
    ],
)
def test_number_of_threads_changes_no_byte(monkeypatch, task, metric, params, weighted):
    monkeypatch.setattr("tasks.model.device.CELLS_PER_THREAD", 1)
    X, y = numeric_target(task, 3000)
    weight = np.random.default_rng(0).uniform(0.1, 9.0, 2000) if weighted else None
    stopping = StoppingRows(X[:1000], y[:1000], metric, 5)
    counts = iter([1, 2] * 9)
    fits = [
        BoostedTrees(task, params, 8).fit(X[1000:], y[1000:], stopping, threads, weight=weight)
        for threads in (1, 3, lambda: next(counts))
    ]
    assert len({trees.ubj_ for trees in fits}) == 1
    assert fits[0].curve_ == fits[1].curve_ == fits[2].curve_


def test_threads_that_become_free_are_given_to_the_fit():
    import xgboost

    rows = xgboost.DMatrix(np.zeros((2, 1)), label=[0.0, 1.0])
    counts, booster = iter([1, 3, 3, 9]), xgboost.Booster({"nthread": 1}, [rows])
    crew, told = Crew(lambda: next(counts), cells=4 * 500_000), []
    for _ in range(4):
        crew.lead(booster)
        told.append(json.loads(booster.save_config())["learner"]["generic_param"]["nthread"])
    assert told == ["1", "3", "3", "4"]  # four are what so many cells keep busy


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


@pytest.mark.parametrize("metric", ["log_loss", "accuracy", "roc_auc", "brier"])
def test_curve_of_classes_is_the_score_of_the_shorter_model(metric):
    X, y = numeric_target("multiclass")
    trees = BoostedTrees("multiclass", rounds=9).fit(X[:300], y[:300], StoppingRows(X[300:], y[300:], metric, 50))
    shorter = BoostedTrees("multiclass", rounds=4).fit(X[:300], y[:300])
    assert trees.curve_[3] == score(metric, y[300:], shorter.scores(X[300:]))
    assert trees.booster.num_boosted_rounds() == best_round(trees.curve_, metric)


def test_early_stopping_counts_watched_rows_by_their_weight():
    X, y = numeric()
    weight = np.linspace(0.1, 3.0, 100)
    trees = BoostedTrees(rounds=3).fit(X[:300], y[:300], StoppingRows(X[300:], y[300:], "mae", 50, weight))
    assert trees.curve_[-1] == score("mae", y[300:], trees.predict(X[300:]), weight)


@pytest.mark.parametrize("order", ["C", "F"])
def test_array_and_frame_give_the_same_bytes(order):
    X, y = numeric()
    matrix = np.asarray(X, dtype=np.float32, order=order)
    stopping = StoppingRows(matrix[300:], y[300:], "rmse", 5)
    trees = BoostedTrees(rounds=20).fit(matrix[:300], y[:300], stopping, names=list(X.columns))
    framed = BoostedTrees(rounds=20).fit(X[:300], y[:300], StoppingRows(X[300:], y[300:], "rmse", 5))
    assert trees.ubj_ == framed.ubj_
    assert trees.scores(matrix).tolist() == framed.scores(X[["d", "c", "b", "a"]]).tolist()


def test_array_of_floats_is_not_copied():
    matrix = np.zeros((9, 2), dtype=np.float32)
    assert model_matrix(matrix) is matrix


def test_array_of_other_columns_is_refused():
    X, y = numeric(50)
    trees = BoostedTrees(rounds=2).fit(X.to_numpy(np.float32), y)
    with pytest.raises(ValueError, match="4 features were expected in the order of the fit, not 3"):
        trees.scores(X.to_numpy(np.float32)[:, :3])
    with pytest.raises(ValueError, match="3 names were given for 4 columns"):
        trees.fit(X.to_numpy(np.float32), y, names=["a", "b", "c"])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_start_value_is_the_weighted_mean(task):
    X, y = numeric_target(task)
    weight = np.random.default_rng(2).uniform(0.5, 5.0, 400)
    trees = BoostedTrees(task, {"min_child_weight": 1e9}, 1).fit(X, y, weight=weight)  # no split is allowed
    hits = y[:, np.newaxis] == np.arange(3) if task == "multiclass" else y
    assert trees.scores(X)[0] == pytest.approx(np.average(hits, axis=0, weights=weight), abs=1e-6)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_weight_of_two_is_the_row_twice(task):
    X, y = numeric_target(task)
    X, times = X.round(1), np.random.default_rng(3).integers(1, 4, 400)  # few values: the same bins
    weighted = BoostedTrees(task, {"learning_rate": 0.3}, 10).fit(X, y, weight=times)
    repeated = BoostedTrees(task, {"learning_rate": 0.3}, 10).fit(X.loc[X.index.repeat(times)], np.repeat(y, times))
    assert weighted.scores(X) == pytest.approx(repeated.scores(X), abs=2e-3)


def test_balanced_weights_raise_the_rare_class():
    random = np.random.default_rng(4)
    X = pd.DataFrame({"a": random.normal(size=1000)})
    y = (random.random(1000) < 0.05 + 0.1 * (X["a"] > 1)).astype(float)
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    plain, balanced = (BoostedTrees("binary", rounds=10).fit(X, y, weight=each) for each in (None, weight))
    assert plain.scores(X).mean() < 0.1
    assert balanced.scores(X).mean() > 0.3


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_scores_are_those_of_the_estimator_of_xgboost(task):
    import xgboost

    X, y = numeric_target(task)
    weight = np.random.default_rng(5).uniform(0.2, 3.0, 400)
    trees = BoostedTrees(task, {"learning_rate": 0.3}, 10).fit(X, y, weight=weight)
    kind = xgboost.XGBRegressor if task == "regression" else xgboost.XGBClassifier
    peer = kind(n_estimators=10, learning_rate=0.3, n_jobs=1).fit(X, y, sample_weight=weight)
    expected = peer.predict(X) if task == "regression" else peer.predict_proba(X)
    assert trees.scores(X) == pytest.approx(expected[:, 1] if task == "binary" else expected, abs=1e-4)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, 1e-60, 1e60])
def test_weight_that_does_not_count_is_refused(bad):
    X, y = numeric(10)
    with pytest.raises(WeightError, match="1 of 10 rows have a weight that is missing, infinite, zero or below"):
        BoostedTrees().fit(X, y, weight=[bad, *[1.0] * 9])
    with pytest.raises(WeightError, match="a weight for each of 10 rows"):
        BoostedTrees().fit(X, y, weight=[1.0])


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize(("direction", "sign"), [("increasing", 1), ("decreasing", -1)])
def test_monotone_feature_moves_the_prediction_one_way(task, direction, sign):
    X, y = numeric_target(task)
    trees = BoostedTrees(task, {"learning_rate": 0.5}, 50, monotone={"b": direction}).fit(X, y)  # the target waves
    free = BoostedTrees(task, {"learning_rate": 0.5}, 50).fit(X, y)
    for row in range(20):
        along = X.iloc[[row] * 60].assign(b=np.linspace(-4, 4, 60))
        assert (sign * np.diff(trees.scores(along)) >= 0).all()
        assert (sign * np.diff(free.scores(along)) < 0).any()


def test_monotone_column_that_is_no_feature_is_refused():
    X, y = numeric(10)
    with pytest.raises(MonotoneError, match="names 'e', which is no feature; the features are 'a', 'b', 'c', 'd'"):
        BoostedTrees(monotone={"e": "increasing"}).fit(X, y)


def test_monotone_classes_are_refused():
    X, y = numeric_target("multiclass")
    with pytest.raises(MonotoneError, match="has no meaning for `task: multiclass`"):
        BoostedTrees("multiclass", monotone={"a": "increasing"}).fit(X, y)


def test_class_without_rows_has_a_column_and_hardly_a_chance():
    X, y = numeric_target("binary")
    trees = BoostedTrees("multiclass", rounds=5, classes=("no", "yes", "maybe")).fit(X, y)
    assert trees.scores(X).shape == (400, 3)
    assert trees.scores(X)[:, 2].max() < 1e-5


@pytest.mark.parametrize(("task", "bad", "last"), [("binary", 2.0, 1), ("binary", 0.5, 1), ("multiclass", -1.0, 2)])
def test_target_that_is_no_class_is_refused(task, bad, last):
    X, y = numeric_target(task)
    y[0] = bad
    with pytest.raises(DataError, match=f"none of the numbers 0 to {last}"):
        BoostedTrees(task).fit(X, y)


@pytest.mark.skipif(why_no_cuda() is None, reason="there is a GPU")
def test_cuda_that_is_missing_is_refused():
    X, y = numeric(10)
    with pytest.raises(NoCudaError, match=r"cannot grow a tree on it here: .*declare `device: cpu`, or `auto`"):
        BoostedTrees(device="cuda").fit(X, y)


@pytest.mark.skipif(why_no_cuda() is None, reason="there is a GPU")
def test_auto_takes_the_cpu_where_there_is_no_cuda_and_records_it():
    X, y = numeric(50)
    taken, asked = BoostedTrees(rounds=5, device="auto").fit(X, y), BoostedTrees(rounds=5).fit(X, y)
    assert (taken.device_, taken.ubj_) == ("cpu", asked.ubj_)


def test_auto_takes_cuda_where_it_works(monkeypatch):
    monkeypatch.setattr("tasks.model.device.why_no_cuda", lambda: None)
    assert [device_taken(asked) for asked in ("cpu", "cuda", "auto")] == ["cpu", "cuda", "cuda"]


@pytest.mark.skipif(why_no_cuda() is not None, reason="needs a GPU")
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_cuda_learns_as_the_cpu_does_and_the_same_twice(task):
    X, y = numeric_target(task, 5000)
    fits = [BoostedTrees(task, rounds=20, device=device).fit(X, y) for device in ("cuda", "cuda", "cpu")]
    assert fits[0].ubj_ == fits[1].ubj_
    assert fits[0].scores(X) == pytest.approx(fits[2].scores(X), abs=0.05)


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
