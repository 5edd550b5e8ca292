"""What a fault is told by, on small tables that are written out: decimals, rings, moments, runs, sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.cause import BatchContext, Cause, habits_of, triage
from tasks.drift.cause.conversions import CONVERSIONS, different, is_possible, is_same
from tasks.drift.cause.grid import share_on
from tasks.drift.cause.shuffled_columns import longer_rings
from tasks.drift.profile import Declared, make_profile, observe
from tests.drift_faults import as_table

ROWS = 600
BATCHES = 8


def batch(number: int) -> pd.DataFrame:
    """A week of parcels; numbers are written with one decimal, or none."""
    random = np.random.default_rng([7, number])
    start = pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(weeks=number)
    return pd.DataFrame(
        {
            "sent": (start + pd.to_timedelta(np.sort(random.integers(0, 7 * 86_400, ROWS)), unit="s")).as_unit("us"),
            "weight": random.lognormal(1.5, 0.8, ROWS).round(1),
            "price": random.lognormal(5.0, 0.5, ROWS).round(0),
            "years": random.integers(1, 50, ROWS).astype(float),
            "visits": np.where(random.random(ROWS) < 0.4, 0, random.poisson(3, ROWS)).astype(float),
            "warmth": random.normal(12.0, 5.0, ROWS).round(1),
        }
    )


@pytest.fixture(scope="module")
def told():
    """What is said of a batch, beside eight like it."""
    tables = [(f"week-{number}", as_table(batch(number))) for number in range(BATCHES)]
    roles = dict.fromkeys(batch(0).columns, "feature")
    profile = make_profile(tables, Declared("parcels", roles, "sent"))
    context = BatchContext("sent", habits=tuple(habits_of(name, table, "sent") for name, table in tables))

    def said(frame: pd.DataFrame) -> list[Cause]:
        table = as_table(frame)
        return [*triage(observe(table, profile.grid), table, profile, None, context)]

    return said


def first(causes: list[Cause]) -> tuple[str, tuple[str, ...]] | None:
    """Kind and columns of the likeliest fault of the feed."""
    return next(((cause.kind, cause.columns) for cause in causes if cause.feed), None)


def now(**columns: object) -> pd.DataFrame:
    """The batch after the reference, with other columns."""
    return batch(BATCHES).assign(**columns)


def test_batch_as_ever_has_no_fault(told):
    assert first(told(now())) is None


@pytest.mark.parametrize("factor", [5280.0, 60_000.0, 166.386])
def test_large_factor_is_another_unit_whatever_it_is(told, factor):
    assert first(told(now(price=now()["price"] * factor))) == ("unit_change", ("price",))


@pytest.mark.parametrize("factor", [1.609344, 0.45359237])
def test_factor_near_one_that_brings_the_decimals_back_is_another_unit(told, factor):
    assert first(told(now(price=now()["price"] * factor))) == ("unit_change", ("price",))


@pytest.mark.parametrize("factor", [1.6, 0.4601])
def test_like_factor_that_leaves_the_decimals_astray_is_the_world(told, factor):
    assert first(told(now(price=now()["price"] * factor))) is None


def test_months_among_years_are_told_by_their_divisor(told):
    months = np.arange(ROWS) % 3 == 0
    assert first(told(now(years=np.where(months, 12 * now()["years"], now()["years"])))) == ("unit_change", ("years",))


def test_older_people_among_others_are_no_other_unit(told):
    random = np.random.default_rng(3)
    older = np.where(np.arange(ROWS) % 3 == 0, random.integers(51, 600, ROWS), now()["years"])
    assert first(told(now(years=older))) is None


def test_degrees_of_what_is_no_temperature_are_not_thought_of(told):
    assert first(told(now(price=now()["price"] + 273.15))) is None


def test_temperature_in_fahrenheit_is_another_unit(told):
    assert first(told(now(warmth=(now()["warmth"] * 1.8 + 32).round(1)))) == ("unit_change", ("warmth",))


def test_three_columns_in_a_ring_are_shuffled(told):
    here = now()
    kind, columns = first(told(now(weight=here["price"], price=here["years"], years=here["weight"])))
    assert (kind, {*columns}) == ("shuffled_columns", {"weight", "price", "years"})


@pytest.mark.parametrize("token", ["1900-01-01", "2099-12-31"])
def test_moment_far_away_that_rows_share_is_a_null_token(told, token):
    sent = now()["sent"].where(np.arange(ROWS) % 20 != 0, pd.Timestamp(token, tz="UTC"))
    assert first(told(now(sent=sent))) == ("null_token", ("sent",))


def test_number_nobody_measures_is_a_null_token_though_the_range_has_moved(told):
    moved = (now()["weight"] + 150).round(0)
    assert ("null_token", ("weight",)) in [
        (cause.kind, cause.columns) for cause in told(now(weight=moved.where(np.arange(ROWS) % 20 != 0, -9999.0)))
    ]


def test_common_value_that_does_not_change_any_more_is_stuck(told):
    visits = now()["visits"].where(np.arange(ROWS) < ROWS // 2, 0.0)
    assert first(told(now(visits=visits))) == ("stuck_sensor", ("visits",))


def test_common_value_that_becomes_more_common_is_not_stuck(told):
    zeros = np.random.default_rng(5).random(ROWS) < 0.5
    assert first(told(now(visits=now()["visits"].where(~zeros, 0.0)))) is None


def test_column_of_one_common_value_alone_is_stuck(told):
    assert first(told(now(visits=0.0))) == ("stuck_sensor", ("visits",))


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=20), st.sampled_from([0.01, 0.5, 1.0, 12.0]))
def test_multiples_of_a_step_are_on_its_grid(numbers, step):
    assert share_on(np.array(numbers) * step, step) == 1.0


@pytest.mark.parametrize("size", [3, 4, 6])
def test_ring_of_any_size_is_found_whole(size):
    logs = [
        [np.full(30, 1.0 if place == (source + 1) % size else 0.0) for place in range(size)] for source in range(size)
    ]
    (ring,) = longer_rings(logs)
    assert [*ring] == [*range(size)][:1] + [*range(size)][:0:-1]


def test_no_two_conversions_that_are_thought_of_are_one():
    found = different(CONVERSIONS)
    assert not any(is_same(one, other) for place, one in enumerate(found) for other in found[:place])


def test_share_is_possible_between_nought_and_one_alone():
    (complement,) = [each for each in CONVERSIONS if each.name == "a share to its complement"]
    assert [is_possible(complement, *ends) for ends in ((0.0, 1.0), (0.2, 1.1), (-0.1, 0.5))] == [True, False, False]
