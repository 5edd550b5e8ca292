"""From a budget in human units to one per batch."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.sections.drift import Drift, per_day
from tasks.drift.schedule import MOST, Schedule, rhythm, schedule_of

START = datetime(2013, 1, 1)


def spans(starts, length=timedelta(0)):
    return {str(number): (start, start + length) for number, start in enumerate(starts)}


def daily(days):
    return spans([START + timedelta(days=day) for day in days])


@pytest.mark.parametrize(
    ("budget", "expected"),
    [("1 per week", 7), ("1 per month", 30.4375), ("1 per quarter", 91.3125), ("1 per year", 365.25)],
)
def test_daily_batches_share_a_budget(budget, expected):
    assert schedule_of(Drift(false_alarms=budget), daily(range(40))).batches == pytest.approx(expected)


def test_declared_cadence_goes_before_times():
    found = schedule_of(Drift(batches="2 per day"), daily(range(40)))
    assert (found.known_by, found.batches) == ("declared", pytest.approx(2 * 91.3125))


def test_cadence_is_assumed_and_said_where_nothing_tells():
    found = schedule_of(Drift(), {"all": (None, None)})
    assert (found.known_by, found.batches) == ("assumed", pytest.approx(91.3125))
    assert "an assumption" in found.sentence


def test_batch_alone_tells_by_its_length():
    found = schedule_of(Drift(), spans([START], timedelta(days=7)))
    assert (found.known_by, found.batches) == ("times", pytest.approx(91.3125 / 7))


def test_batches_of_one_instant_tell_nothing():
    assert rhythm(spans([START]).values()) is None


def test_gap_does_not_change_the_rhythm():
    assert rhythm(daily([0, 1, 2, 3, 60, 61, 62]).values()) == timedelta(days=1)


def test_order_of_batches_does_not_change_the_rhythm():
    assert rhythm(daily([3, 0, 2, 1]).values()) == rhythm(daily([0, 1, 2, 3]).values())


def test_quarterly_batches_are_not_all_let_alarm():
    found = Schedule(1, "quarter", 1.0, "declared")
    assert found.batches_judged == 1 / MOST
    assert "the most that is put up with" in found.sentence


@settings(deadline=None)
@given(
    st.integers(1, 9999),
    st.sampled_from(["week", "month", "quarter", "year"]),
    st.floats(0.01, 1e4),
)
def test_no_budget_lets_more_than_half_of_the_batches_alarm(number, period, batches):
    found = Schedule(number, period, batches, "times")
    assert 0 < found.false_alarms / found.batches_judged <= MOST
    assert found.batches_judged >= found.batches


@settings(deadline=None)
@given(st.integers(1, 20), st.sampled_from(["hour", "day", "week"]))
def test_declared_batches_are_those_per_period(number, unit):
    declared = f"{number} per {unit}"
    found = schedule_of(Drift(batches=declared), {})
    assert found.batches == pytest.approx(per_day(declared) * 91.3125)
