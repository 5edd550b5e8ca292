from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.sections.train import Costs
from tasks.model.bundle import canonical
from tasks.model.calibration import fitted_calibration, logistic
from tasks.model.decision import (
    ELKAN,
    EMPIRICAL,
    EXPECTED,
    UNCALIBRATED,
    Decision,
    cheapest_threshold,
    cost_matrix,
    costs_of_decisions,
    elkan_threshold,
    fitted_decision,
)

RARE = Costs(false_positive=1, false_negative=9)
MATRIX = ((0.0, 1.0, 4.0), (2.0, 0.0, 1.0), (9.0, 9.0, -1.0))


def rows_of(rows=4000, seed=0):
    """True probabilities of 1, and a target that follows them."""
    generator = np.random.default_rng(seed)
    probability = logistic(generator.normal(size=rows) * 1.5 - 1.5)
    return probability, (generator.random(rows) < probability).astype(float)


def total(threshold, probability, target, costs=RARE):
    """Cost of all rows when those from a threshold on are decided to be 1, counted one by one."""
    matrix = [[costs.true_negative, costs.false_positive], [costs.false_negative, costs.true_positive]]
    return sum(matrix[int(y)][int(p >= threshold)] for p, y in zip(probability, target, strict=True))


def test_named_costs_are_a_matrix():
    named = Costs(false_positive=1, false_negative=9, true_positive=-2, true_negative=0.5)
    assert cost_matrix(named, "binary") == cost_matrix(Costs(matrix=((0.5, 1), (9, -2))), "binary")


@pytest.mark.parametrize(("task", "costs"), [("binary", Costs()), ("regression", Costs(over=1, under=2))])
def test_nobody_said_what_a_decision_costs(task, costs):
    assert cost_matrix(costs, task) is None


def test_without_costs_one_half_decides():
    decision = fitted_decision(Costs(), np.array([0.4, 0.5, 0.6]), np.array([0.0, 1.0, 1.0]), "binary", True)
    assert (decision.threshold, decision.decide(np.array([0.4, 0.5, 0.6])).tolist()) == (0.5, [0, 1, 1])


def test_without_costs_the_most_probable_class_is_decided():
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]])
    decision = fitted_decision(Costs(), probabilities, np.array([1.0, 0.0]), "multiclass", False)
    assert decision.decide(probabilities).tolist() == [1, 0]


def test_regression_decides_nothing():
    assert fitted_decision(Costs(over=1, under=2), np.array([3.0]), np.array([2.0]), "regression", False) is None


def test_calibrated_probabilities_are_cut_where_costs_imply():
    decision = fitted_decision(RARE, *rows_of(), "binary", True)
    assert (decision.rule, decision.threshold) == (ELKAN, 0.1)


def test_least_expected_cost_is_counted_by_hand():
    decision = fitted_decision(Costs(matrix=MATRIX), np.full((1, 3), 1 / 3), np.array([0.0]), "multiclass", True)
    # costs of deciding 0, 1, 2 at (.6, .3, .1): 1.5, 1.5 - .0, 2.6: 0 + .6 + .9, 0.6 + 0 + .9, 2.4 + .3 - .1
    assert (decision.rule, decision.decide(np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])).tolist()) == (EXPECTED, [0, 2])


def test_classes_that_are_not_calibrated_are_told_so():
    decision = fitted_decision(Costs(matrix=MATRIX), np.full((1, 3), 1 / 3), np.array([0.0]), "multiclass", False)
    assert decision.rule == UNCALIBRATED


def test_matrix_of_two_classes_decides_as_the_threshold():
    probability = np.linspace(0, 1, 1001)
    matrix = ((0.0, 1.0), (9.0, -3.0))
    by_cost = Decision(EXPECTED, None, matrix).decide(np.column_stack([1 - probability, probability]))
    by_threshold = probability > elkan_threshold(matrix)
    assert np.array_equal(by_cost.astype(bool), by_threshold)


levels = st.integers(0, 8).map(lambda eighths: eighths / 8)


@given(
    st.lists(st.tuples(levels, st.booleans()), min_size=1, max_size=25),
    st.floats(0.1, 9),
    st.floats(0.1, 9),
    st.floats(-2, 0),
)
@settings(max_examples=50, deadline=None)
def test_cheapest_threshold_is_the_brute_force_one(rows, false_positive, false_negative, right):
    costs = Costs(
        false_positive=false_positive, false_negative=false_negative, true_positive=right, true_negative=right
    )
    probability, target = (np.array(values, dtype=float) for values in zip(*rows, strict=True))
    found = cheapest_threshold(cost_matrix(costs, "binary"), probability, target)
    tried = [total(threshold, probability, target, costs) for threshold in np.linspace(0.01, 1, 100)]
    assert 0 < found <= 1
    assert total(found, probability, target, costs) == pytest.approx(min(tried), abs=1e-6)


def test_thresholds_that_cost_alike_leave_the_implied_one():
    probability, target = np.array([0.05, 0.9]), np.array([0.0, 1.0])
    assert cheapest_threshold(cost_matrix(RARE, "binary"), probability, target) == 0.1


def test_nearest_of_the_cheapest_thresholds_is_taken():
    costs = Costs(false_positive=1, false_negative=1)  # implied: 0.5
    probability, target = np.array([0.1, 0.2, 0.3, 0.8]), np.array([0.0, 1.0, 0.0, 1.0])
    # from above 0.1 or from above 0.3 on, one row is wrong; 0.5 lies in the second gap
    assert cheapest_threshold(cost_matrix(costs, "binary"), probability, target) == 0.5


def test_weights_are_rows_that_stand_for_several():
    probability, target = rows_of(300)
    weight = np.random.default_rng(0).integers(1, 5, 300)
    copied = np.repeat(probability, weight), np.repeat(target, weight)
    matrix = cost_matrix(RARE, "binary")
    assert cheapest_threshold(matrix, probability, target, weight * 1.0) == cheapest_threshold(matrix, *copied)


def test_order_of_rows_changes_nothing():
    probability, target = rows_of(500)
    order = np.random.default_rng(1).permutation(500)
    first = fitted_decision(RARE, probability, target, "binary", False)
    assert first.threshold == fitted_decision(RARE, probability[order], target[order], "binary", False).threshold


def test_threshold_of_scores_that_lie_costs_less_than_the_implied_one():
    (probability, target), (others, known) = rows_of(20_000), rows_of(20_000, seed=1)
    distorted, elsewhere = probability**3, others**3
    decision = fitted_decision(RARE, distorted, target, "binary", False)
    assert decision.rule == EMPIRICAL
    assert total(decision.threshold, elsewhere, known) < 0.95 * total(0.1, elsewhere, known)


def test_calibration_makes_the_implied_threshold_as_cheap():
    (probability, target), (others, known) = rows_of(20_000), rows_of(20_000, seed=1)
    distorted, elsewhere = probability**3, others**3
    empirical = fitted_decision(RARE, distorted, target, "binary", False).threshold
    calibrated = fitted_calibration("isotonic", distorted, target, "binary").apply(elsewhere)
    assert total(0.1, calibrated, known) < 1.02 * total(empirical, elsewhere, known)


def test_costs_of_plainer_ways_are_told():
    probability, target = rows_of(1000)
    told = dict(fitted_decision(RARE, probability, target, "binary", True).costs)
    assert told["always class 0"] == pytest.approx(9 * target.mean())
    assert told["always class 1"] == pytest.approx(1 - target.mean())
    assert told["decision"] == pytest.approx(total(0.1, probability, target) / 1000)


def test_cost_of_a_decision_is_read_from_the_matrix():
    found = costs_of_decisions(MATRIX, np.array([0.0, 1.0, 2.0]), np.array([2, 1, 0]))
    assert found.tolist() == [4.0, 0.0, 9.0]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("declared", [True, False])
def test_decision_comes_back_from_json(task, declared):
    probability, target = rows_of(50)
    if task == "multiclass":
        probability = np.column_stack([probability / 2, probability / 2, 1 - probability])
    costs = {"binary": RARE, "multiclass": Costs(matrix=MATRIX)}[task] if declared else Costs()
    decision = fitted_decision(costs, probability, target, task, False)
    assert Decision.from_state(json.loads(canonical(decision.state()))) == decision
