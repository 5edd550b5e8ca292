"""What columns have in common of how far quiet batches are: steadier where they are alike, each its own where not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.profile import Declared, make_profile, observe
from tasks.drift.thresholds import Budget, History, judge
from tasks.drift.thresholds.common_scale import steadied
from tasks.drift.thresholds.family import weight_of
from tasks.drift.thresholds.shape import Shape
from tests.drift_tables import batch, profile

SEEDS = st.integers(0, 2**32 - 1)


def sampled(random, tests, spread, batches=100):
    """Mean distances of some tests whose design effects differ by `spread`, and what is true."""
    true = np.exp(spread * random.normal(size=tests))
    by_chance = random.uniform(0.5, 2.0, tests)
    means = true * by_chance * random.chisquare(3 * batches, tests) / (3 * batches)
    return means[:, None], by_chance, np.full((tests, 1), 2 / (3 * batches)), true * by_chance


def alike(means):
    """All tests are of one kind."""
    return np.zeros(len(means), dtype=int)


def error(found, true):
    return float(np.square(np.log(found / true)).mean())


@pytest.mark.parametrize(("spread", "most"), [(0.0, 0.4), (1.0, 1.02)])
def test_tests_that_are_alike_are_steadier_and_others_lose_nothing(spread, most):
    random, alone, together = np.random.default_rng(1), [], []
    for _ in range(200):
        means, by_chance, variance, true = sampled(random, 20, spread)
        factor = steadied(means, by_chance, variance, alike(means)).factor
        alone.append(error(means[:, 0], true))
        together.append(error((means * factor)[:, 0], true))
    assert np.mean(together) < most * np.mean(alone)


@given(SEEDS, st.floats(0.01, 100.0))
def test_the_factor_that_all_have_in_common_is_of_no_matter(seed, factor):
    means, by_chance, variance, _ = sampled(np.random.default_rng(seed), 8, spread=0.2)
    once, again = (
        steadied(means, by_chance, variance, alike(means)),
        steadied(means, factor * by_chance, variance, alike(means)),
    )
    np.testing.assert_allclose(again.factor, once.factor, rtol=1e-6)
    np.testing.assert_allclose(again.more, once.more, rtol=1e-6)


@given(SEEDS)
def test_each_is_drawn_towards_the_others_and_never_past_them(seed):
    means, by_chance, variance, _ = sampled(np.random.default_rng(seed), 8, spread=0.3)
    before = means[:, 0] / by_chance
    after = before * steadied(means, by_chance, variance, alike(means)).factor[:, 0]
    assert before.min() <= after.min() * (1 + 1e-9)
    assert after.max() <= before.max() * (1 + 1e-9)
    assert (np.argsort(after) == np.argsort(before)).all()


@given(SEEDS)
def test_what_is_steadied_is_worth_more_batches_and_never_less(seed):
    means, by_chance, variance, _ = sampled(np.random.default_rng(seed), 8, spread=0.3)
    assert (steadied(means, by_chance, variance, alike(means)).more >= 1.0).all()


def test_test_that_cannot_be_compared_or_is_alone_stays_as_it_is():
    found = steadied(
        np.array([[1.0], [3.0], [2.0]]), np.array([1.0, 0.0, 1.0]), np.full((3, 1), 0.1), np.array([0, 0, 1])
    )
    np.testing.assert_allclose(found.factor, 1.0)
    np.testing.assert_allclose(found.more, 1.0)


def test_kinds_of_tests_differ_as_much_as_they_like():
    random = np.random.default_rng(4)
    means, by_chance, variance, _ = sampled(random, 20, spread=0.0)
    kinds = np.repeat([0, 1], 10)
    apart = steadied(means * np.where(kinds, 19.0, 1.0)[:, None], by_chance, variance, kinds)
    np.testing.assert_allclose(apart.factor, steadied(means, by_chance, variance, kinds).factor)


def test_what_is_left_of_uncertainty_is_as_large_as_the_error_made():
    random, errors, told = np.random.default_rng(5), [], []
    for _ in range(400):
        means, by_chance, variance, true = sampled(random, 6, spread=0.1)
        found = steadied(means, by_chance, variance, alike(means))
        errors.append(error((means * found.factor)[:, 0], true))
        told.append(float((variance / found.more).mean()))
    assert np.mean(told) == pytest.approx(np.mean(errors), rel=0.35)


def test_column_that_never_moved_has_no_part_in_it():
    means, chance, variance = np.array([[1.0], [1.3], [0.8], [0.0]]), np.ones(4), np.full((4, 1), 0.1)
    with_it, without = (
        steadied(means, chance, variance, alike(means)),
        steadied(means[:3], chance[:3], variance[:3], alike(means[:3])),
    )
    np.testing.assert_array_equal(with_it.factor[:3], without.factor)
    assert with_it.factor[3, 0] == 1.0


def test_mix_weighs_twice_as_much_as_any_other_test():
    others = {"distribution", "missing", "co_missing", "range", "new_levels"}
    assert {weight_of("mix") / weight_of(other) for other in others} == {2.0}


def test_finding_is_held_against_the_threshold_by_its_weighted_p_value():
    made = profile()
    judged = judge(observe([batch(99, shift=0.2)], made.grid), made, Budget(1, "quarter", 13))
    moved = [each for each in judged.findings if each.p_value < 0.5 and each.test != "break"]
    assert {each.test for each in moved} >= {"distribution", "mix"}
    for each in moved:
        surprise = -np.log(each.p_value / weight_of(each.test))
        assert each.excess * judged.threshold == pytest.approx(max(surprise, 0.0))
    assert judged.statistic == pytest.approx(max(-np.log(each.p_value / weight_of(each.test)) for each in moved))


# ---- in a history


def history(spread):
    """Twelve columns of independent rows, of 30 batches; a batch moves half of the columns by `spread`."""
    random = np.random.default_rng(3)
    moved = spread * random.normal(size=(30, 12)) * (np.arange(12) % 2)
    tables = [
        (f"{number:02}", pa.table({f"x{place:02}": random.normal(by, 1, 500) for place, by in enumerate(moves)}))
        for number, moves in enumerate(moved)
    ]
    names = tables[0][1].column_names
    made = make_profile(tables, Declared("numbers", dict.fromkeys(names, "feature")), rows=0)
    return History(made, 500, made.blocks[0].summary)


def mean_distances(null):
    """Expected squared distance of a quiet batch from each column, steadied."""
    return null.quiet(np.array([500.0]), np.array([np.inf])).means[:, 0, 0]


def test_columns_of_independent_rows_steady_each_other():
    null = history(0.0).tests[0]
    alone, together = null.squared.mean(axis=1), mean_distances(null)
    assert together.std() < 0.5 * alone.std()
    assert (null.own.more > 2).all()


def test_columns_of_a_unit_of_their_own_keep_how_far_their_batches_are():
    null = history(0.3).tests[0]
    np.testing.assert_allclose(mean_distances(null), null.squared.mean(axis=1), rtol=0.2)
    assert (null.own.more < 1.5).all()


def test_pseudo_batch_is_judged_by_what_the_others_have_in_common():
    """The slow way: the history without one batch, its common scale, its p-value."""
    known = history(0.0)
    first = known.tests[0]
    without = first.left_out.expected[:, [4]]
    by_chance = np.concatenate([null.left_out.by_chance for null in known.tests])[: len(without)]
    found = steadied(without, by_chance, first.left_out.variance[:, [4]], alike(without))
    ratio = first.squared[:, [4]] / (without * found.factor)
    only = Shape(
        first.left_out.shape.shift[:, [4]], first.left_out.shape.dof[:, [4]], first.left_out.shape.mean_dof[:, [4]]
    )
    expected = -np.log(only.p_value(ratio, (known.company.n - 1) * found.more))
    np.testing.assert_allclose(first.surprise[:, [4]], expected, rtol=1e-9)
