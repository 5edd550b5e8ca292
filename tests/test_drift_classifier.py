from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from tasks.drift.model import domain_classifier
from tasks.drift.model.classifier_rows import compared_rows, names_the_time, ordered_sample, stretch_numbers
from tasks.drift.profile import Declared, make_profile
from tests.drift_world import BATCHES, FEATURES, profile_of, rows_of, table_of

ALPHA = 0.05


def correlated(rows, seed, angle=0.0):
    """Two columns of correlation 0.8, turned by an angle: a quarter turn makes it -0.8, and each alone is as before."""
    random = np.random.default_rng(seed)
    values = random.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], rows)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return pa.table(dict(zip("ab", (values @ turn.T).T, strict=True)))


def autoregressive(rows, columns, seed, phi=0.9):
    random = np.random.default_rng(seed)
    noise = random.normal(size=(rows + 200, columns)) * np.sqrt(1 - phi**2)
    found = np.zeros_like(noise)
    for row in range(1, len(noise)):
        found[row] = phi * found[row - 1] + noise[row]
    return found[200:]


def profile_from(tables, rows=20_000):
    """A profile of batches whose lines are numbered, as typed rows' are."""
    chunks = []
    for number, table in enumerate(tables):
        name = f"b{number:03}"
        lines = pa.array(np.arange(table.num_rows))
        marked = table.append_column("_batch", pa.array([name] * table.num_rows)).append_column("_line", lines)
        chunks.append((name, marked))
    return make_profile(chunks, Declared("demo", dict.fromkeys(tables[0].column_names, "feature")), rows=rows, seed=1)


@pytest.fixture(scope="module")
def correlated_profile():
    return profile_from([correlated(400, seed) for seed in range(20)])


def test_rotation_that_no_column_shows_is_seen(correlated_profile):
    batch = correlated(400, 99, np.pi / 2)
    alone = [ks_2samp(batch.column(name), correlated_profile.sample.column(name)).pvalue for name in "ab"]
    assert min(alone) > 0.05
    assert domain_classifier(batch, correlated_profile, alpha=ALPHA).alarmed


def test_quiet_batch_is_not_told_apart(correlated_profile):
    found = domain_classifier(correlated(400, 98), correlated_profile, alpha=ALPHA)
    assert not found.alarmed
    assert found.interval[0] < found.statistic < found.interval[1]


def test_columns_that_tell_most_are_named():
    frame = rows_of(BATCHES)
    found = domain_classifier(table_of(frame.assign(idle=frame["idle"] + 3)), profile_of(), alpha=ALPHA)
    assert found.alarmed
    assert found.told_by[0] == "idle"


def test_quiet_autocorrelated_batches_alarm_in_their_share():
    alarms, permuted = [], []
    for seed in range(5):
        rows = autoregressive(30 * 200, 2, seed)
        parts = [pa.table(dict(zip("ab", part.T, strict=True))) for part in np.split(rows, 30)]
        profile = profile_from(parts[:19])
        for batch in parts[20::2]:
            found = domain_classifier(batch, profile, alpha=0.2)
            alarms.append(found.alarmed)
            permuted.append(found.statistic > 0.5 + 2 * np.sqrt((1 / 200 + 1 / 2000) / 12))
    assert 0.05 <= np.mean(alarms) <= 0.37  # 25 batches at 0.2: two standard errors
    assert np.mean(permuted) > 0.2  # single rows permuted, at 0.023: two standard errors of the area's own


def test_same_seed_gives_the_same(correlated_profile):
    batch = correlated(400, 97)
    first = domain_classifier(batch, correlated_profile, alpha=ALPHA)
    assert first == domain_classifier(batch, correlated_profile, alpha=ALPHA)


def test_number_of_threads_changes_nothing(correlated_profile, monkeypatch):
    batch, found = correlated(400, 97), []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(domain_classifier(batch, correlated_profile, alpha=ALPHA))
    assert found[0] == found[1]


def test_profile_without_rows_says_that_the_test_is_off():
    found = domain_classifier(table_of(rows_of(BATCHES)), profile_of(rows=0), alpha=ALPHA)
    assert found.sentence == "The multivariate test is off: the profile has no sample of rows (`profile: {rows: 0}`)."


def test_sample_without_an_order_says_that_the_test_is_off():
    tables = [("b", correlated(400, seed)) for seed in range(5)]
    profile = make_profile(tables, Declared("demo", {"a": "feature", "b": "feature"}))
    assert "neither `_batch` nor a column of time" in domain_classifier(correlated(400, 9), profile, alpha=ALPHA).off


@pytest.mark.parametrize(
    ("rows", "why"), [(0, "the batch has 0 rows; 30 are needed"), (1, "the batch has 1 rows; 30 are needed")]
)
def test_tiny_batch_is_not_tested(rows, why):
    assert domain_classifier(table_of(rows_of(BATCHES).head(rows)), profile_of(), alpha=ALPHA).off == why


def test_batch_longer_than_the_history_is_not_tested(correlated_profile):
    found = domain_classifier(correlated(4000, 9), correlated_profile, alpha=ALPHA)
    assert found.off == "the reference is 2.0 times as long as the batch; 4 are needed"


def test_sample_that_is_too_thin_is_told():
    profile = profile_from([correlated(400, seed) for seed in range(20)], rows=200)
    assert (
        "the sample has 10 rows of a stretch of 400" in domain_classifier(correlated(400, 9), profile, alpha=ALPHA).off
    )


def test_missing_column_tells_the_batch_apart():
    found = domain_classifier(table_of(rows_of(BATCHES).drop(columns="strong")), profile_of(), alpha=ALPHA)
    assert found.told_by[0] == "strong"


def test_column_without_a_value_tells_the_batch_apart():
    frame = rows_of(BATCHES).assign(city=None)
    assert domain_classifier(table_of(frame), profile_of(), alpha=ALPHA).told_by[0] == "city"


def test_category_that_became_a_number_is_no_error():
    frame = rows_of(BATCHES).assign(city=np.arange(500.0))
    assert domain_classifier(table_of(frame), profile_of(), alpha=ALPHA).told_by[0] == "city"


def test_column_that_names_the_time_is_left_out():
    tables = [correlated(200, seed).append_column("day", pa.array(np.full(200, seed))) for seed in range(12)]
    batch = correlated(200, 50).append_column("day", pa.array(np.full(200, 50)))
    found = domain_classifier(batch, profile_from(tables), alpha=ALPHA)
    assert found.left_out == ("day",)
    assert not found.alarmed


def test_constant_column_names_no_time():
    assert not names_the_time(np.ones((90, 1), dtype=np.float32), stretch_numbers(90, 30)).any()


def test_sample_is_put_in_order_of_batch_and_line(correlated_profile):
    ordered = ordered_sample(correlated_profile)
    named = list(zip(ordered.column("_batch").to_pylist(), ordered.column("_line").to_pylist(), strict=True))
    assert named == sorted(named)


def test_sample_is_put_in_order_of_time():
    times = ordered_sample(profile_of()).column("at").to_pylist()
    assert times == sorted(times)


def test_rare_and_new_levels_are_one_level():
    sample = pa.table({"city": [f"c{number:02}" for number in range(40) for _ in range(50 - number)]})
    codes = compared_rows(pa.table({"city": ["c00", "c39", "nowhere", None]}), sample, ["city"]).batch[:, 0]
    assert codes[:3].tolist() == [0, 30, 30]
    assert np.isnan(codes[3])


def test_dates_are_not_compared():
    assert compared_rows(table_of(rows_of(1)), profile_of().sample, ["at", *FEATURES]).names == FEATURES


def test_short_history_widens_the_interval(correlated_profile):
    found = domain_classifier(correlated(400, 98), correlated_profile, alpha=0.001)
    assert "20 stretches of history cannot show what happens once in 1000 batches" in found.widened


def test_private_column_is_not_compared():
    profile = profile_of()
    without = replace(profile, sample=profile.sample.drop_columns(["idle"]))
    assert "idle" not in compared_rows(table_of(rows_of(1)), without.sample, FEATURES).names
