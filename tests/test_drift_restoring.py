import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from tasks.drift.model.restoring import (
    mean_move,
    reassigned,
    restored_categories,
    restored_numbers,
    spread,
    wanted_rows,
)

counts_of_cells = st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any)


def cells_of(values, pieces=32):
    edges = np.unique(np.quantile(values[np.isfinite(values)], np.arange(1, pieces) / pieces))
    finite = np.bincount(np.searchsorted(edges, values[np.isfinite(values)], side="right"), minlength=len(edges) + 1)
    return edges, np.array([*finite, np.isnan(values).sum(), np.isinf(values).sum()], dtype=float)


def restored(values, reference, seed=7):
    finite = reference[np.isfinite(reference)]
    return restored_numbers(values, *cells_of(reference), (finite.min(), finite.max()), seed)


@given(counts_of_cells, st.integers(0, 200))
def test_wanted_rows_sum_up_and_miss_their_share_by_less_than_one(counts, rows):
    shares = np.array(counts, dtype=float)
    found = wanted_rows(shares, rows)
    assert found.sum() == rows
    assert np.abs(found - shares * rows / shares.sum()).max() < 1


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 9))
def test_no_more_rows_change_than_must(cells, seed):
    own = np.array(cells)
    wanted = wanted_rows(np.ones(4), len(own))
    found = reassigned(own, wanted, seed)
    assert np.bincount(found, minlength=4).tolist() == wanted.tolist()
    assert (found != own).sum() == np.maximum(wanted - np.bincount(own, minlength=4), 0).sum()


def test_column_that_did_not_drift_hardly_moves():
    random = np.random.default_rng(1)
    reference, values = random.normal(size=20_000), random.normal(size=5_000)
    assert np.abs(restored(values, reference) - values).mean() < 0.03


def test_reference_itself_does_not_move_at_all():
    reference = np.random.default_rng(1).normal(size=4_000)
    assert restored(reference, reference).tolist() == reference.tolist()


def test_shift_is_taken_back_row_by_row():
    reference = np.random.default_rng(1).normal(size=20_000)
    values = reference[:5_000] + 3
    assert np.abs(restored(values, reference) - (values - 3)).mean() < 0.08


def test_scale_is_taken_back_in_distribution():
    reference = np.random.default_rng(1).normal(size=20_000)
    assert ks_2samp(restored(reference[:5_000] * 1000, reference), reference).statistic < 0.03


def test_constant_becomes_the_reference_at_random():
    reference = np.random.default_rng(1).normal(size=20_000)
    found = restored(np.zeros(5_000), reference)
    assert ks_2samp(found, reference).statistic < 0.03
    assert abs(np.corrcoef(found, np.arange(5_000))[0, 1]) < 0.05


def test_missing_rows_are_filled_to_the_share_of_the_reference():
    random = np.random.default_rng(1)
    reference = np.where(random.random(20_000) < 0.1, np.nan, random.normal(size=20_000))
    found = restored(np.full(5_000, np.nan), reference)
    assert np.isnan(found).mean() == pytest.approx(0.1, abs=0.01)


def test_infinite_numbers_become_numbers_again():
    reference = np.random.default_rng(1).normal(size=2_000)
    assert np.isfinite(restored(np.array([np.inf, -np.inf, 0.0]), reference)).all()


def test_rows_are_in_order_of_their_cells_as_before():
    reference = np.random.default_rng(1).normal(size=20_000)
    values = np.sort(reference[:500]) * 7 + 2
    cells = np.searchsorted(cells_of(reference)[0], restored(values, reference), side="right")
    assert (np.diff(cells) >= 0).all()


def test_numbers_of_few_values_keep_theirs():
    random = np.random.default_rng(1)
    reference, values = random.integers(0, 4, 20_000).astype(float), random.integers(0, 4, 5_000).astype(float)
    edges, counts = np.array([1.0, 2.0, 3.0]), np.array([*np.bincount(reference.astype(int)), 0, 0], dtype=float)
    found = restored_numbers(values, edges, counts, (0.0, 3.0), seed=7)
    assert (found != values).mean() < 0.03


@given(st.lists(st.integers(0, 3), min_size=1, max_size=80))
def test_categories_get_the_shares_of_the_reference(cells):
    counts = np.array([6.0, 3.0, 1.0, 0.0])
    found = restored_categories(np.array(cells), counts, [True, True, True, False], seed=7)
    assert np.bincount(found, minlength=4).tolist() == wanted_rows(counts, len(cells)).tolist()


def test_nothing_is_moved_to_a_cell_that_stands_for_many_levels():
    found = restored_categories(np.array([0, 0, 0, 0]), np.array([1.0, 1.0, 2.0]), [True, True, False], seed=7)
    assert np.bincount(found, minlength=3).tolist() == [2, 2, 0]


def test_same_seed_restores_the_same():
    reference = np.random.default_rng(1).normal(size=2_000)
    assert restored(np.zeros(99), reference, 5).tolist() == restored(np.zeros(99), reference, 5).tolist()


def test_classes_move_by_the_probability_that_changes_hands():
    before, after = np.array([[0.7, 0.2, 0.1]]), np.array([[0.4, 0.4, 0.2]])
    assert mean_move(before, after) == pytest.approx(0.3)


def test_two_classes_spread_as_one_probability_does():
    chance = np.random.default_rng(1).random(100)
    assert spread(np.column_stack([chance, 1 - chance])) == pytest.approx(spread(chance))
