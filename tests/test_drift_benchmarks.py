"""The benchmarks of drift: their streams are what they say, and other tools' rules are what those tools compute."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp, norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import drift_flights
import drift_rules
import drift_streams
from drift_streams import FINE_EDGES, SHARES, Planted, Stream

from tasks.drift.profile import observe
from tasks.drift.thresholds import History


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_simulated_rows_are_a_stationary_normal_autoregression(rho):
    rows = drift_streams.ar_rows(np.random.default_rng(0), 400, rho)
    assert (rows[:, 0].std(), rows[:, -1].std()) == (pytest.approx(1, abs=0.1), pytest.approx(1, abs=0.1))
    assert np.corrcoef(rows[:, 1:].ravel(), rows[:, :-1].ravel())[0, 1] == pytest.approx(rho, abs=0.01)


@pytest.mark.parametrize("rows", [1_000, 20_000, 1_000_000])
def test_pooled_batches_have_the_variance_of_their_rows(rows):
    counts = drift_streams.pool(0.5, "number", Planted(), rows, 2_000)
    below = counts[:, :256].sum(axis=1) / rows
    known = 0.25 + 2 * sum(np.arcsin(0.5**lag) / (2 * np.pi) for lag in range(1, 40))  # of the sign of a normal AR(1)
    assert below.var() * rows == pytest.approx(known, rel=0.1)


def test_planted_mix_moves_the_points_that_it_says():
    batches = Stream("independent", 10, 1_000, 500).batches(0, 300, Planted(mix=0.1), quiet=100)
    shares = batches.counts[8][100:, :-1].mean(axis=0) / 1_000
    assert shares == pytest.approx(SHARES + 0.1 * np.array([-1, 0, 0, 0, 1]), abs=0.005)


def test_planted_change_leaves_the_reference_as_it_was():
    stream = Stream("weekly", 10, 1_000, 500)
    quiet, changed = (stream.batches(3, 40, planted, quiet=20).part(slice(0, 20)) for planted in (None, Planted(0.5)))
    assert all((one == other).all() for one, other in zip(quiet.counts[:1], changed.counts[:1], strict=True))


def test_summaries_hold_every_row():
    batches = Stream("level09", 10, 1_000, 500).batches(0, 5)
    assert {int(counts.sum()) for summary in batches.summaries() for counts in summary.counts.values()} == {1_000}


def test_p_values_are_scipys():
    random = np.random.default_rng(0)
    one, other = random.normal(0.05, 1, 1_000), random.normal(size=20_000)
    cells = [np.bincount(np.searchsorted(FINE_EDGES, each), minlength=512) for each in (one, other)]
    found = drift_rules.kolmogorov_smirnov(cells[0][None], cells[1])[0]
    assert found == pytest.approx(ks_2samp(one, other, method="asymp").pvalue, rel=0.3)
    table = random.multinomial([1_000, 9_000], SHARES)
    known = chi2_contingency(table, correction=False).pvalue
    assert drift_rules.chi_square(table[:1], table[1])[0] == pytest.approx(known)


def test_distances_are_scipys():
    random = np.random.default_rng(0)
    one, other = random.multinomial(500, SHARES), random.multinomial(500, SHARES)
    assert drift_rules.jensen_shannon(one[None], other)[0] == pytest.approx(jensenshannon(one, other, base=2))
    shares = np.diff(norm.cdf(FINE_EDGES), prepend=0.0, append=1.0)
    moved = np.diff(norm.cdf(FINE_EDGES - 0.3), prepend=0.0, append=1.0)
    assert drift_rules.wasserstein(moved[None] * 1e6, shares * 1e6, drift_rules.MIDDLES)[0] == pytest.approx(
        0.3, abs=0.005
    )


def test_each_batch_of_the_history_is_judged_as_if_it_had_not_been():
    batches = Stream("independent", 20, 1_000, 5_000).batches(0, 9)
    history = History(batches.profile(), 1_000, batches.summaries()[0])
    for left_out in range(9):
        others = History(batches.part(np.delete(np.arange(9), left_out)).profile(), 1_000, batches.summaries()[0])
        for null, known in zip(history.tests, others.tests, strict=True):
            p_values = known.measure([batches.summaries()[left_out]]).p_value[:, 0]
            assert null.surprise[:, left_out] == pytest.approx(-np.log(p_values), rel=0.03, abs=0.01)


def test_flights_of_drawn_days_are_counted_as_their_rows_are():
    month = drift_flights.month("2013-02")
    batches = drift_flights.FlightStream("2013-02").batches(0, 4)
    for summary, days in zip(batches.summaries(), batches.drawn, strict=True):
        known = observe(pa.concat_tables([month.tables[day] for day in days]), month.grid)
        assert summary.rows == known.rows
        assert all((summary.counts[name] == counts).all() for name, counts in known.counts.items())


def test_rules_see_the_values_of_the_flights_that_were_drawn():
    month = drift_flights.month("2013-02")
    batches = drift_flights.FlightStream("2013-02").batches(0, 2)
    place = batches.names().index("distance")
    rows = pa.concat_tables([month.tables[day] for day in batches.drawn[1]])["distance"].to_numpy()
    values, counts = np.unique(rows, return_counts=True)
    found = batches.counts[place][1, :-1]
    assert dict(zip(batches.values[place][found > 0], found[found > 0], strict=True)) == dict(
        zip(values, counts, strict=True)
    )
