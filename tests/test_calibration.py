from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression

from tasks.model.bundle import canonical
from tasks.model.calibration import Calibration, CalibrationError, fitted_calibration, log_odds, logistic

ROWS = 3000


def overconfident(rows=ROWS, seed=0):
    """A binary target, and scores whose log-odds are twice what they should be, and off by one."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=rows) - 1
    target = (generator.random(rows) < logistic(truth)).astype(float)
    return logistic(2 * truth + 1), target, generator.random(rows) + 0.5


def three_classes(rows=ROWS, seed=0):
    """A target of three classes, and scores of each."""
    generator = np.random.default_rng(seed)
    raw = generator.normal(size=(rows, 3))
    true = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    target = (generator.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1).astype(float)
    scores = np.exp(2 * raw)
    return scores / scores.sum(axis=1, keepdims=True), target


class Given(ClassifierMixin, BaseEstimator):
    """A classifier that takes scores for its rows and gives them back, for scikit-learn to calibrate."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return X.argmax(axis=1)


@pytest.mark.parametrize("weighted", [False, True])
def test_sigmoid_is_scikit_learns_on_log_odds(weighted):
    scores, target, weight = overconfident()
    chosen = weight if weighted else None
    found = fitted_calibration("sigmoid", scores, target, "binary", chosen).apply(scores)
    expected = _SigmoidCalibration().fit(log_odds(scores), target, chosen).predict(log_odds(scores))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_isotonic_is_scikit_learns(weighted):
    scores, target, weight = overconfident()
    chosen = weight if weighted else None
    found = fitted_calibration("isotonic", scores, target, "binary", chosen).apply(np.linspace(0, 1, 999))
    expected = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, target, chosen)
    assert found == pytest.approx(expected.predict(np.linspace(0, 1, 999)), abs=1e-12)


def test_classes_are_calibrated_as_scikit_learn_does():
    scores, target = three_classes()
    found = fitted_calibration("isotonic", scores, target, "multiclass").apply(scores)
    expected = CalibratedClassifierCV(FrozenEstimator(Given().fit(scores, target)), method="isotonic")
    assert found == pytest.approx(expected.fit(scores, target).predict_proba(scores), abs=1e-12)


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("made", [overconfident, three_classes])
def test_calibration_lowers_log_loss_of_other_rows(kind, made):
    from tasks.metrics import score

    (scores, target, *_), (others, known, *_) = made(seed=1), made(seed=2)
    task = "binary" if scores.ndim == 1 else "multiclass"
    after = fitted_calibration(kind, scores, target, task).apply(others)
    assert score("brier", known, after) < 0.98 * score("brier", known, others)


def test_sigmoid_finds_the_line_that_distorted_the_scores():
    scores, target, _ = overconfident(100_000)
    (line,) = fitted_calibration("sigmoid", scores, target, "binary").curves
    assert (line.slope, line.intercept) == (pytest.approx(0.5, abs=0.02), pytest.approx(-0.5, abs=0.02))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40),
    st.sampled_from(["sigmoid", "isotonic"]),
)
@settings(max_examples=40, deadline=None)
def test_calibrated_scores_are_probabilities(rows, kind):
    scores = np.array([score for score, _ in rows])
    target = np.array([float(hit) for _, hit in rows])
    target[:2] = 0, 1
    found = fitted_calibration(kind, scores, target, "binary").apply(np.linspace(0, 1, 50))
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_order_of_scores_is_kept(kind):
    scores, target, _ = overconfident(500)
    found = fitted_calibration(kind, scores, target, "binary").apply(np.sort(scores))
    assert (np.diff(found) >= 0).all()


def test_probabilities_of_classes_add_up_to_one():
    scores, target = three_classes(400)
    calibration = fitted_calibration("isotonic", scores, target, "multiclass")
    assert calibration.apply(scores).sum(axis=1) == pytest.approx(1.0)


def test_row_that_no_class_claims_is_uniform():
    nothing = {"scores": [0.0, 1.0], "probabilities": [0.0, 0.0]}
    calibration = Calibration.from_state({"kind": "isotonic", "curves": [nothing] * 4})
    assert calibration.apply(np.full((1, 4), 0.25)).tolist() == [[0.25] * 4]


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_calibration_comes_back_from_json(kind):
    scores, target = three_classes(300)
    calibration = fitted_calibration(kind, scores, target, "multiclass")
    again = Calibration.from_state(json.loads(canonical(calibration.state())))
    assert np.array_equal(again.apply(scores), calibration.apply(scores))


def test_scores_of_one_value_become_the_share_of_ones():
    found = fitted_calibration("sigmoid", np.full(1000, 0.7), np.repeat([0.0, 1.0], [900, 100]), "binary")
    assert found.apply(np.array([0.7])) == pytest.approx([0.1], abs=2e-3)


def test_separated_scores_keep_finite_numbers():
    target = np.repeat([0.0, 1.0], 50)
    (line,) = fitted_calibration("sigmoid", target.copy(), target, "binary").curves
    assert np.isfinite([line.slope, line.intercept]).all()


@pytest.mark.parametrize(("kind", "task"), [("none", "binary"), ("sigmoid", "regression")])
def test_nothing_is_learned_where_there_is_nothing_to_calibrate(kind, task):
    assert fitted_calibration(kind, np.array([0.5]), np.array([1.0]), task) is None


@pytest.mark.parametrize(
    ("scores", "target", "told"),
    [
        ([0.1, np.nan], [0.0, 1.0], "no number from 0 to 1"),
        ([0.1, 1.1], [0.0, 1.0], "no number from 0 to 1"),
        ([0.1, 0.2], [0.0, 0.0], "class 1 has none of the 2 out-of-fold rows"),
    ],
)
def test_rows_that_determine_nothing_are_refused(scores, target, told):
    with pytest.raises(CalibrationError, match=told):
        fitted_calibration("isotonic", np.array(scores), np.array(target), "binary")
