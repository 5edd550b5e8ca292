"""Thresholds: distances that are 0 of the same, p-values that are uniform, a budget of false alarms that is kept."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import anderson_ksamp

from tasks.drift.profile import Declared, Grid, make_profile, merged, observe, read_profile, write_profile
from tasks.drift.profile.cells import numeric_cells
from tasks.drift.thresholds import (
    NO_FLOOR,
    Budget,
    EffectFloor,
    EmptyBatchError,
    History,
    OtherGridError,
    judge,
)
from tasks.drift.thresholds.company import Company
from tasks.drift.thresholds.distances import SHIFT, SPREAD, NumberDistance, arcsine
from tasks.drift.thresholds.family import family_threshold
from tasks.drift.thresholds.null import at_least_by_chance, expected_each, ratio_to
from tasks.drift.thresholds.pseudo_batches import peers_of, pseudo_batches
from tasks.drift.thresholds.shape import Shape, Spread
from tasks.drift.thresholds.wandering import (
    AT_RHO,
    RHOS,
    SHARE,
    Wandering,
    expected_power,
    growth_of_batches,
    growth_of_history,
    likeness,
    surely_alike,
    waves,
)
from tests.drift_tables import ROLES, batch, chunks, profile

BUDGET = Budget(1, "quarter", 13)


def finding(judged, column, test):
    return next(each for each in judged.findings if (each.column, each.test) == (column, test))


def numbers(batches, rows=1_000, columns=1, seed=0, level=None):
    """A profile of normal columns; `level` moves the mean of each batch."""
    random = np.random.default_rng(seed)
    moved = np.zeros(batches) if level is None else level
    tables = [
        (f"{number:03}", pa.table({f"x{place}": random.normal(moved[number], 1, rows) for place in range(columns)}))
        for number in range(batches)
    ]
    names = tables[0][1].column_names
    return make_profile(tables, Declared("numbers", dict.fromkeys(names, "feature")), rows=0)


# ---- the budget


@pytest.mark.parametrize(("rate", "per", "batches", "alpha"), [(1, "quarter", 13, 1 / 13), (2, "year", 12, 1 / 6)])
def test_budget_is_shared_out_over_the_batches_of_its_period(rate, per, batches, alpha):
    assert Budget(rate, per, batches).alpha == pytest.approx(alpha)


def test_budget_of_more_alarms_than_batches_is_half_of_them():
    assert Budget(5, "week", 1).alpha == 0.5


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_budget_of_nothing_is_refused(rate):
    with pytest.raises(ValueError, match="above 0"):
        Budget(rate, "week", 1)


# ---- distances


def test_batch_equal_to_the_reference_has_statistic_zero():
    made = profile()
    judged = judge(observe((table for _, table in chunks()), made.grid), made, BUDGET)
    assert {each.statistic for each in judged.findings} == {0.0}
    assert (judged.alarmed, judged.statistic) == (False, 0.0)


def any_tables(seed, batches, rows):
    """Batches of numbers with and without ties, levels and truth values, of which some are missing."""
    random = np.random.default_rng(seed)
    gone = [random.random(rows) < random.choice([0.0, 0.2, 1.0]) for _ in range(3)]
    return [
        (
            f"{number:03}",
            pa.table(
                {
                    "smooth": pa.array(random.standard_t(2, rows), mask=gone[0]),
                    "tied": pa.array(random.integers(0, 4, rows), mask=gone[1]),
                    "level": pa.array(random.choice([*"abcdefgh"], rows), mask=gone[2]),
                    "truth": random.random(rows) < 0.5,
                }
            ),
        )
        for number in range(batches)
    ]


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_any_reference_is_at_no_distance_from_itself(seed, batches, rows):
    tables = any_tables(seed, batches, rows)
    made = make_profile(tables, Declared("any", dict.fromkeys(tables[0][1].column_names, "feature")), rows=0)
    judged = judge(observe((table for _, table in tables), made.grid), made, BUDGET)
    assert {each.statistic for each in judged.findings} == {0.0}


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_order_of_rows_and_columns_changes_no_finding(seed):
    made, table, random = profile(), batch(99, shift=0.3), np.random.default_rng(seed)
    shuffled = table.take(random.permutation(table.num_rows)).select(random.permutation(table.column_names).tolist())
    assert judge(observe(shuffled, made.grid), made, BUDGET) == judge(observe(table, made.grid), made, BUDGET)


def test_distance_of_numbers_is_anderson_and_darlings_up_to_its_cells():
    random = np.random.default_rng(0)
    reference, shifted = random.normal(size=200_000), random.normal(0.2, 1, 500)
    cells = numeric_cells(reference, reference.min(), reference.max())
    grid = Grid({"x": cells}, {"x": "feature"})
    total, own = (observe(pa.table({"x": values}), grid) for values in (reference, shifted))
    distance = NumberDistance.of(grid)
    apart = distance.apart(distance.stack([own]), distance.stack([total]))
    found = 500 * np.square(apart[0, 0, :-2]).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's p-value is capped; the statistic is not
        known = anderson_ksamp([reference, shifted], midrank=False)
    statistic = known.statistic * 0.7610 + 1  # from its standardised form back: sd and mean of A^2 of two large samples
    assert found == pytest.approx(statistic, rel=0.05)


def numbers_apart(reference, values):
    """The vector between some values and a reference, and the covariance that it has by chance."""
    grid = Grid({"x": numeric_cells(reference, reference.min(), reference.max())}, {"x": "feature"})
    distance = NumberDistance.of(grid)
    own, total = (distance.stack([observe(pa.table({"x": each}), grid)]) for each in (values, reference))
    return distance.apart(own, total)[0, 0], distance.shape_by_chance(total)[0]


def test_last_directions_of_numbers_are_their_mean_normal_score_and_its_square():
    random = np.random.default_rng(0)
    reference, values = random.normal(size=400_000), random.normal(0.2, 1.1, 50_000)
    apart, _ = numbers_apart(reference, values)
    scores = np.array([values.mean(), (np.square(values).mean() - 1) / 2**0.5])  # of a normal column, cut at 2.15 sd
    assert apart[-2:] == pytest.approx(scores * np.sqrt([SHIFT, SPREAD]), rel=0.15)


def test_numbers_vary_by_chance_as_independent_rows_do():
    random = np.random.default_rng(0)
    reference = random.normal(size=100_000)
    grid = Grid({"x": numeric_cells(reference, reference.min(), reference.max())}, {"x": "feature"})
    distance = NumberDistance.of(grid)
    total = distance.stack([observe(pa.table({"x": reference}), grid)])
    own = random.multinomial(1_000, total[0, 0] / total.sum(), 20_000)[None]
    found = distance.apart(own, total)[0]
    known = distance.shape_by_chance(total)[0]
    assert 1_000 * found.T @ found / len(found) == pytest.approx(known, abs=0.03 * known.max())


def test_column_of_two_values_has_no_spread_of_scores():
    reference = np.repeat([0.0, 1.0], [700, 300])
    apart, by_chance = numbers_apart(reference, np.repeat([0.0, 1.0], [600, 400]))
    assert apart[-2] == pytest.approx(SHIFT**0.5 * 0.1 / 0.21**0.5)
    assert (apart[-1], by_chance[-1, -1]) == (0.0, 0.0)


@pytest.mark.parametrize("shift", [0.1, 0.25, 0.5])
def test_effect_of_a_normal_column_is_its_shift_in_sd(shift):
    made = numbers(30, 2_000)
    table = pa.table({"x0": np.random.default_rng(9).normal(shift, 1, 60_000)})
    judged = judge(observe(table, made.grid), made, BUDGET)
    assert finding(judged, "x0", "distribution").effect == pytest.approx(shift, abs=0.05)


def test_effect_of_a_mix_is_the_share_that_moved():
    made = profile(size=5_000)
    ports = np.repeat(["EWR", "JFK", "LGA"], [2_000, 1_500, 1_500])
    judged = judge(observe(batch(50, 5_000, port=pa.array(ports)), made.grid), made, BUDGET)
    assert finding(judged, "port", "mix").effect == pytest.approx(0.1, abs=0.01)


def station(number, rows=1_000, apart=0.0):
    """A batch whose wind and rain lack their values in the same rows, but for a share of the rain's that do not."""
    random = np.random.default_rng(number)
    silent = random.random(rows) < 0.08
    moved = np.where(random.random(rows) < apart, random.permutation(silent), silent)
    wind, rain = random.normal(size=rows), random.normal(size=rows)
    return pa.table({"rain": pa.array(rain, mask=moved), "wind": pa.array(wind, mask=silent), "sun": rain + wind})


def station_profile(**options):
    tables = [(f"{number:03}", station(number)) for number in range(30)]
    return make_profile(tables, Declared("station", dict.fromkeys(["rain", "wind", "sun"], "feature")), **options)


def test_columns_that_go_missing_together_are_a_pair():
    assert station_profile(rows=0).grid.together == (("rain", "wind"),)


def test_columns_that_go_missing_by_themselves_are_no_pair():
    tables = [(f"{number:03}", station(number, apart=1.0)) for number in range(5)]
    made = make_profile(tables, Declared("station", dict.fromkeys(["rain", "wind"], "feature")), rows=0)
    assert made.grid.together == ()


def test_columns_that_no_longer_go_missing_together_are_drift():
    made = station_profile(rows=0)
    judged = judge(observe(station(100, apart=1.0), made.grid), made, BUDGET)
    alarmed = [(each.column, each.test, each.found) for each in judged.findings if each.alarmed]
    assert alarmed == [("wind", "co_missing", "rain")]  # either is missing as often as ever
    assert finding(judged, "wind", "co_missing").effect == pytest.approx(2 * 0.08 * 0.92, abs=0.05)


def test_columns_that_go_missing_together_oftener_have_not_come_apart():
    made = station_profile(rows=0)
    table = pa.concat_tables([station(99, 900), station(98, 900).filter(station(98, 900)["wind"].is_null())])
    judged = judge(observe(table, made.grid), made, BUDGET)
    assert not finding(judged, "wind", "co_missing").alarmed
    assert finding(judged, "wind", "missing").alarmed


def test_pairs_are_known_after_writing_and_merging(tmp_path):
    made = station_profile(rows=0)
    write_profile(made, tmp_path / "profile")
    read = read_profile(tmp_path / "profile")
    twice = merged(read, station_profile(rows=0, grid=read.grid))
    judged = [judge(observe(station(99, apart=0.3), each.grid), each, BUDGET) for each in (made, read)]
    assert judged[0] == judged[1]
    assert [block.summary.co_missing for block in twice.blocks] == 2 * [b.summary.co_missing for b in made.blocks]


def test_chance_of_a_share_is_as_large_whatever_the_share():
    random, rows = np.random.default_rng(0), 2_000
    spread = []
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        some = random.binomial(rows, share, 20_000)
        spread.append(arcsine(some / rows, rows).std() * rows**0.5)
    assert spread == pytest.approx([1.0] * 5, abs=0.05)


# ---- p-values


@pytest.mark.parametrize("weights", [[1.0], [1.0] * 8, [1 / (k * (k + 1)) for k in range(1, 20)], [19, 9.5, 6.4, 4.8]])
def test_small_p_values_of_quiet_distances_are_as_rare_as_they_say(weights):
    random, n, many = np.random.default_rng(1), 60, 4_000
    root = np.sqrt(weights)
    found = []
    for _ in range(many):
        apart = random.normal(size=(1, n, len(root))) * root
        squared = np.square(random.normal(size=len(root)) * root).sum()
        shape = Shape.of(Spread.of(apart, np.diag(np.square(root))[None]))
        mean = np.einsum("cnk,cnk->c", apart, apart) / n
        found.append(float(shape.p_value(squared / mean[:, None], n)[0, 0]))
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, rel=0.2)
    assert np.mean(np.array(found) < 0.01) == pytest.approx(0.01, rel=0.4)


def test_small_p_values_are_as_rare_as_they_say():
    random, root, n = np.random.default_rng(2), np.sqrt([1 / (k * (k + 1)) for k in range(1, 20)]), 100
    apart = random.normal(size=(1, n, len(root))) * root
    shape = Shape.of(Spread.of(np.tile(apart, (1, 50, 1)), np.diag(np.square(root))[None]))
    squared = np.square(random.normal(size=(200_000, len(root))) * root).sum(axis=1)
    ratio = squared / np.square(root).sum()
    assert (shape.p_value(ratio[None], 5_000) < 0.001).mean() == pytest.approx(0.001, rel=0.5)


@pytest.mark.parametrize("weights", [[1.0], [5.0, 1.0, 0.2]])
def test_spread_without_each_vector_is_that_of_the_others(weights):
    random, n = np.random.default_rng(1), 12
    vectors = random.normal(size=(1, n, len(weights))) * np.sqrt(weights)
    by_chance, centre = np.eye(len(weights))[None], vectors.mean(axis=1, keepdims=True)
    found = Spread.without_each((vectors - centre) * n / (n - 1), by_chance, np.full(n, 1 + 1 / (n - 1)))
    for left_out in range(n):
        others = np.delete(vectors, left_out, axis=1)
        known = Spread.of(others - others.mean(axis=1, keepdims=True), by_chance)
        assert found.second[0, left_out] == pytest.approx(known.second[0, 0])
        assert found.third[0, left_out] == pytest.approx(known.third[0, 0])


def test_expected_distance_of_others_is_as_if_each_had_not_been():
    vectors, n = np.random.default_rng(1).normal(size=(1, 9, 2)), 9
    squared = np.square((vectors - vectors.mean(axis=1, keepdims=True)) * n / (n - 1)).sum(axis=2)
    found = expected_each(squared, Company(np.full(n, 100.0)))
    for left_out in range(n):
        others = np.delete(vectors, left_out, axis=1)
        known = np.square((others - others.mean(axis=1, keepdims=True)) * (n - 1) / (n - 2)).sum(axis=2).mean()
        assert found[0, left_out] == pytest.approx(known)


def test_one_odd_row_is_no_surprise():
    p_value = at_least_by_chance(np.zeros((1, 1)), np.array([[1.0]]), np.array([1_000.0]), np.array([[99_000.0]]))
    assert p_value == pytest.approx(0.01)


# ---- levels that wander


ONE, FAR = np.ones(1), np.array([np.inf])
ONE_NUMBER = Shape.of(Spread(np.ones((1, 1)), np.ones((1, 1)))).deeper


def wandering_levels(rho, n, many=300, chance=0.0):
    """Levels of variance 1, and chance on top; shape (many, n, 1)."""
    random = np.random.default_rng(0)
    rows = np.empty((many, n, 1))
    rows[:, 0] = random.normal(size=(many, 1))
    for step in range(1, n):
        rows[:, step] = rho * rows[:, step - 1] + (1 - rho**2) ** 0.5 * random.normal(size=(many, 1))
    return rows + chance * random.normal(size=rows.shape)


def mixed(quiet, ratio):
    """P-values of ratios to the means of some models."""
    return (quiet.weights * ONE_NUMBER.p_value(ratio, quiet.batches)).sum(axis=2)


def model(rho, share):
    """Place of a model of the grid."""
    return int(np.flatnonzero((np.flatnonzero(rho == RHOS)[0] == AT_RHO) & (share == SHARE))[-1])


def fitted(rows):
    """Models of vectors of shape (tests, n, 1)."""
    apart = rows - rows.mean(axis=1, keepdims=True)
    power = np.square(waves(apart))[..., 0]
    return Wandering.of(power, np.ones(len(rows)), Company(np.ones(rows.shape[1])))


@pytest.mark.parametrize("n", [5, 30])
@pytest.mark.parametrize(("rho", "share"), [(0.5, 1.0), (0.9, 0.6)])
def test_expected_power_is_that_of_the_covariance(n, rho, share):
    places = np.arange(n)
    covariance = share * rho ** np.abs(places[:, None] - places) + (1 - share) * np.eye(n)
    turned = waves(np.eye(n)[None])[0]  # the transform as a matrix
    assert expected_power(n)[model(rho, share)] == pytest.approx(np.diag(turned @ covariance @ turned.T))


@pytest.mark.parametrize(("rho", "chance", "share"), [(0.5, 0.0, 1.0), (0.9, 0.0, 1.0), (0.9, 1.0, 0.5)])
def test_wandering_of_a_level_is_found_behind_chance(rho, chance, share):
    weights = fitted(wandering_levels(rho, 100, many=60, chance=chance)).weights.mean(axis=0)
    found = weights @ np.concatenate(([0.0], RHOS))[np.where(SHARE > 0, AT_RHO + 1, 0)]
    assert (found, weights @ SHARE) == (pytest.approx(rho, abs=0.06), pytest.approx(share, abs=0.1))


def test_columns_that_wander_otherwise_are_told_apart():
    found = fitted(np.concatenate([wandering_levels(0.9, 100, many=20), wandering_levels(0.3, 100, many=20)]))
    rhos = found.weights @ np.where(SHARE > 0, RHOS[AT_RHO], 0.0)
    assert (rhos[:20].mean(), rhos[20:].mean()) == (pytest.approx(0.9, abs=0.05), pytest.approx(0.3, abs=0.1))


def test_test_that_never_moved_tells_the_others_nothing():
    moving = wandering_levels(0.9, 30, many=8)
    alone, beside = fitted(moving), fitted(np.concatenate([moving, np.zeros((40, 30, 1))]))
    assert beside.weights[:8] == pytest.approx(alone.weights)


def test_independent_batches_are_not_taken_to_be_alike():
    rows = wandering_levels(0.0, 100, many=1_000)
    found = surely_alike(likeness(rows - rows.mean(axis=1, keepdims=True)), 100)
    assert found.mean() < 0.005


def test_batches_whose_levels_wander_are_taken_to_be_alike():
    rows = wandering_levels(0.9, 100, many=100)
    assert surely_alike(likeness(rows - rows.mean(axis=1, keepdims=True)), 100).all()


@pytest.mark.parametrize(("ahead", "rho"), [(1, 0.9), (5, 0.9), (np.inf, 0.9), (2, 0.5)])
def test_growth_of_a_batch_is_how_far_it_is_from_the_history(ahead, rho):
    n, gap = 12, 60 if ahead == np.inf else int(ahead)
    rows = wandering_levels(rho, n + gap, many=40_000)[..., 0]
    known = np.square(rows[:, -1] - rows[:, :n].mean(axis=1)).mean()
    found = growth_of_batches(Company(np.ones(n)), np.ones(1), np.array([float(ahead)]))
    assert found[model(rho, 1.0), 0] == pytest.approx(known, rel=0.03)


def test_growth_of_the_history_is_how_far_each_is_from_its_peers():
    n, like = 12, np.arange(13)[:, None] % 2 == np.arange(12) % 2
    rows, company = wandering_levels(0.8, n, many=40_000, chance=0.5)[..., 0], Company(np.ones(n), like)
    known = np.square(rows - rows @ company.shares[:-1].T).mean(axis=0) / 1.25
    assert growth_of_history(company)[model(0.8, 0.8)] == pytest.approx(known, rel=0.04)


def test_merged_models_have_about_the_p_values_of_all():
    company = Company(np.ones(20))
    found, growth = fitted(wandering_levels(0.9, 20, many=6, chance=0.5)), growth_of_batches(company, ONE, FAR)
    quiet = found.merged(growth)
    for distance in (3.0, 10.0, 30.0):
        merged = mixed(quiet, ratio_to(np.full((6, 1, 1), distance), quiet.means))
        each = ONE_NUMBER.p_value(distance / (found.scales * growth[:, 0])[:, None], found.batches)
        assert merged[:, 0] == pytest.approx((found.weights * each[:, 0]).sum(axis=1), rel=0.35)


@pytest.mark.parametrize(
    ("n", "rho", "least", "most"), [(100, 0.5, 0.8, 1.2), (100, 0.9, 0.6, 1.2), (15, 0.9, 0.0, 1.2)]
)
def test_small_p_values_of_levels_that_wander_are_as_rare_as_they_say(n, rho, least, most):
    levels = wandering_levels(rho, n + 60, many=2_000)
    passed = []
    for some in np.split(levels, 100):
        quiet = fitted(some[:, :n]).merged(growth_of_batches(Company(np.ones(n)), ONE, FAR))
        squared = np.square(some[:, -1] - some[:, :n].mean(axis=1))
        passed.append(mixed(quiet, ratio_to(squared[..., None], quiet.means)))
    assert least * 0.05 <= np.mean(np.array(passed) < 0.05) <= most * 0.05


# ---- pseudo-batches


def test_batches_of_the_batchs_size_are_the_history():
    assert pseudo_batches(profile(), 500).rows.tolist() == [500] * 20


def test_small_batch_is_compared_with_blocks_of_about_its_size():
    made = profile()
    assert pseudo_batches(made, 63).rows.max() <= 64
    assert len(pseudo_batches(made, 63)) == len(made.blocks)


def test_large_batch_is_compared_with_runs_of_batches():
    found = pseudo_batches(profile(), 1_000)
    assert found.rows.tolist() == [1_000] * 10


def test_pseudo_batches_hold_all_rows():
    made = profile()
    for rows in (1, 50, 170, 500, 1_700, 10_000, 10**9):
        assert pseudo_batches(made, rows).rows.sum() == made.total.rows


def daily(days=70):
    """Days whose numbers have a rhythm of the week."""
    random = np.random.default_rng(0)
    tables = []
    for day in range(days):
        stamps = np.datetime64("2013-01-07T00:00", "s") + 86_400 * day + np.sort(random.integers(0, 86_400, 400))
        tables.append((f"{day:03}", pa.table({"x": random.normal(day % 7, 1, 400), "at": pa.array(stamps)})))
    return tables


def test_day_is_compared_with_days_of_its_name():
    made = make_profile(daily(), Declared("days", {"x": "feature"}, time="at"), rows=0)
    tuesday = observe(daily(72)[71][1], made.grid)
    peers = peers_of(tuesday, pseudo_batches(made, 400))
    assert np.flatnonzero(peers[-1]).tolist() == list(range(1, 70, 7))


def test_rhythm_of_the_week_is_no_drift():
    made = make_profile(daily(), Declared("days", {"x": "feature"}, time="at"), rows=0)
    judged = [judge(observe(table, made.grid), made, Budget(1, "year", 365)) for _, table in daily(77)[70:]]
    assert [each.alarmed for each in judged] == [False] * 7
    assert all(each.like_with_like for each in judged)


def test_monday_that_looks_like_a_sunday_is_drift():
    made = make_profile(daily(), Declared("days", {"x": "feature"}, time="at"), rows=0)
    monday = daily(71)[70][1].set_column(0, "x", daily(77)[76][1].column("x"))
    assert judge(observe(monday, made.grid), made, Budget(1, "year", 365)).alarmed


# ---- the family's threshold


@pytest.mark.parametrize("alpha", [1 / 13, 1 / 7, 0.03])
@pytest.mark.parametrize("n", [40, 100])
def test_threshold_is_passed_as_often_as_the_budget_says(n, alpha):
    random = np.random.default_rng(3)
    passed = [random.gumbel(size=500) > family_threshold(random.gumbel(size=n), alpha).value for _ in range(2_000)]
    assert np.mean(passed) == pytest.approx(alpha, rel=0.1)


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("alpha", [1 / 52, 1 / 13])
def test_short_history_is_passed_no_more_often_than_the_budget_says(n, alpha):
    random = np.random.default_rng(4)
    passed = [random.gumbel(size=500) > family_threshold(random.gumbel(size=n), alpha).value for _ in range(2_000)]
    assert np.mean(passed) <= 1.1 * alpha


def test_short_history_says_how_wide_it_is():
    widened = family_threshold(np.random.default_rng(0).gumbel(size=10), 1 / 52).widened
    assert widened.startswith("10 batches of history do not show what happens once in 52: ")


def test_long_history_says_nothing():
    assert family_threshold(np.random.default_rng(0).gumbel(size=100), 1 / 13).widened is None


def test_where_levels_wander_the_threshold_is_sidaks():
    found = family_threshold(np.random.default_rng(0).gumbel(size=100) / 9, 0.1, wandering_tests=40)
    assert 1 - (1 - np.exp(-found.value)) ** 40 == pytest.approx(0.1)
    assert found.widened == "levels wander from batch to batch, so 100 batches show less of it"


def test_history_that_wanders_more_than_any_model_sets_its_own_threshold():
    surprises = np.random.default_rng(0).gumbel(size=100) * 9
    assert family_threshold(surprises, 0.1, wandering_tests=40).value > 20


def test_without_history_nothing_is_judged():
    assert family_threshold(np.arange(3.0), 0.1).value == np.inf


# ---- judging


def test_quiet_batches_alarm_about_as_often_as_the_budget_says():
    random, passed = np.random.default_rng(0), []
    for seed in range(12):
        made = numbers(40, 300, columns=5, seed=seed)
        some = [
            observe(pa.table({f"x{place}": random.normal(size=300) for place in range(5)}), made.grid)
            for _ in range(30)
        ]
        history = History(made, 300, some[0])
        passed += [history.judge(each, 1 / 13, NO_FLOOR).alarmed for each in some]
    assert 0.03 <= np.mean(passed) <= 0.13  # 0.077 is the budget


def test_wandering_level_between_batches_widens_what_is_quiet():
    random = np.random.default_rng(0)
    made = numbers(60, 2_000, level=random.normal(0, 0.2, 60))
    moved = pa.table({"x0": random.normal(0.2, 1, 2_000)})
    assert not judge(observe(moved, made.grid), made, BUDGET).alarmed
    assert judge(observe(moved, numbers(60, 2_000).grid), numbers(60, 2_000), BUDGET).alarmed


def test_verdict_says_how_much_farther_wandering_levels_are_taken_to_be():
    made = numbers(30, 500, columns=6, level=wandering_levels(0.9, 30)[3, :, 0])
    widened = judge(observe(pa.table({f"x{place}": np.zeros(500) for place in range(6)}), made.grid), made, BUDGET)
    said = re.fullmatch(r"levels wander .*: one to come is taken to be ([\d.]+) times as far away", widened.widened)
    assert float(said[1]) > 1.3


def test_one_broken_column_of_twenty_alarms_at_once():
    made = numbers(30, 500, columns=20)
    random, caught = np.random.default_rng(5), []
    for _ in range(20):
        table = pa.table({f"x{place}": random.normal(5.0 * (place == 7), 1, 500) for place in range(20)})
        judged = judge(observe(table, made.grid), made, BUDGET)
        caught.append(judged.alarmed and judged.findings[0].column == "x7")
    assert all(caught)


def test_harmless_shift_of_a_million_rows_is_quiet():
    made = numbers(20, 50_000)
    table = pa.table({"x0": np.random.default_rng(1).normal(0.01, 1, 1_000_000)})
    judged = judge(observe(table, made.grid), made, BUDGET)
    assert not judged.alarmed
    assert judge(observe(table, made.grid), made, BUDGET, EffectFloor(sd=0.001)).alarmed


@pytest.mark.parametrize(
    ("column", "values", "test"),
    [
        ("fare", pa.nulls(500, pa.float64()), "missing"),
        ("port", pa.array(["SWF"] * 500), "new_levels"),
        ("port", pa.array(["EWR"] * 500), "mix"),
        ("age", pa.array([17] * 450 + [999] * 50), "range"),
        ("age", pa.array(np.random.default_rng(0).integers(40, 90, 500)), "distribution"),
        ("late", pa.array([True] * 500), "mix"),
        ("age", pa.array(["old"] * 500), "break"),
    ],
)
def test_change_alarms_in_its_own_test(column, values, test):
    table, made = batch(50), profile()
    table = table.set_column(table.column_names.index(column), column, values)
    judged = judge(observe(table, made.grid), made, BUDGET)
    assert finding(judged, column, test).alarmed
    assert {each.column for each in judged.findings if each.alarmed} == {column}


def test_absent_column_alarms_first():
    made = profile()
    judged = judge(observe(batch(50).drop_columns(["fare"]), made.grid), made, BUDGET)
    assert (judged.alarmed, judged.findings[0].test, judged.findings[0].found) == (True, "break", "no such column")


def test_findings_name_the_role_of_their_column():
    judged = judge(observe(batch(50), profile().grid), profile(), BUDGET)
    assert finding(judged, "late", "mix").role == "target"


def test_batch_of_one_row_is_judged_and_says_that_the_history_has_none_so_small():
    made = profile()
    judged = judge(observe(batch(50).slice(0, 1), made.grid), made, BUDGET)
    assert not judged.alarmed
    assert judged.widened.startswith("the batch has 1 rows, and the history was compared in parts of ")


def test_empty_batch_is_refused():
    made = profile()
    with pytest.raises(EmptyBatchError, match="no row"):
        judge(observe([], made.grid), made, BUDGET)


def test_batch_counted_into_other_cells_is_refused():
    made = profile()
    with pytest.raises(OtherGridError, match=r"column '(age|x0|fare)' of the batch was not counted"):
        judge(observe(pa.table({"x0": [1.0]}), numbers(5).grid), made, BUDGET)


def test_constant_column_that_stays_is_quiet_and_one_that_moves_is_not():
    tables = [(f"{number:02}", pa.table({"x": np.full(300, 5.0)})) for number in range(30)]
    made = make_profile(tables, Declared("flat", {"x": "feature"}))
    assert not judge(observe(tables[0][1], made.grid), made, BUDGET).alarmed
    assert judge(observe(pa.table({"x": np.full(300, 6.0)}), made.grid), made, BUDGET).alarmed


def test_reference_of_one_batch_is_judged_by_its_blocks():
    made = make_profile(chunks(1, 4_000), Declared("ships", ROLES))
    judged = judge(observe(batch(50, 4_000), made.grid), made, BUDGET)
    assert not judged.alarmed
    assert judged.widened is not None


def test_judged_is_the_same_after_a_year_of_older_batches_left_the_blocks():
    made = profile()
    shorter = replace(made, blocks=made.blocks[len(made.blocks) // 2 :])
    assert not judge(observe(batch(50), made.grid), shorter, BUDGET).alarmed


def test_column_with_new_levels_in_each_batch_hides_no_other():
    def turnover(seed, **columns):
        customers = pa.array([f"customer {seed:03}-{row % 60}" for row in range(500)])
        return batch(seed, **columns).append_column("customer", customers)

    tables = [(f"{number:03}", turnover(number)) for number in range(30)]
    made = make_profile(tables, Declared("ships", {**ROLES, "customer": "feature"}))
    quiet = judge(observe(turnover(50), made.grid), made, BUDGET)
    moved = judge(observe(turnover(50, shift=1.0), made.grid), made, BUDGET)
    assert quiet.threshold < 50
    assert not finding(quiet, "customer", "new_levels").alarmed
    assert moved.alarmed
