"""The month, week or day of a moment is what a calendar and a clock of its zone say, also where the clock jumps."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.sections.source import PERIODS, Period
from tasks.ingestion.periods import period_names

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
JUMPS = [  # instants about which clocks are put forward or back, and, in Apia, a day is left out
    dt.datetime(2013, 3, 10, 7, tzinfo=dt.UTC),
    dt.datetime(2013, 11, 3, 6, tzinfo=dt.UTC),
    dt.datetime(2013, 4, 6, 15, tzinfo=dt.UTC),
    dt.datetime(2013, 10, 5, 15, 30, tzinfo=dt.UTC),
    dt.datetime(2011, 12, 30, 10, tzinfo=dt.UTC),
    dt.datetime(2012, 12, 31, tzinfo=dt.UTC),
]
INSTANTS = st.one_of(
    st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2030, 1, 1), timezones=st.just(dt.UTC)),
    st.builds(lambda jump, hours: jump + dt.timedelta(minutes=hours), st.sampled_from(JUMPS), st.integers(-2000, 2000)),
)


def slow_name(day: dt.date, period: Period) -> str:
    return {"month": f"{day:%Y-%m}", "week": f"{day:%G-W%V}", "day": f"{day:%Y-%m-%d}"}[period]


def names(values: list[dt.datetime | None], period: Period, zone: str) -> list[str | None]:
    found: list[str | None] = period_names(
        pa.chunked_array([pa.array(values, pa.timestamp("us", "UTC"))]), period, zone
    ).tolist()
    return found


@settings(deadline=None)  # the first example imports DuckDB
@given(st.lists(st.none() | INSTANTS, max_size=30), st.sampled_from(PERIODS), st.sampled_from(ZONES))
def test_period_is_the_one_of_the_local_day(values: list[dt.datetime | None], period: Period, zone: str) -> None:
    expected = [value and slow_name(value.astimezone(ZoneInfo(zone)).date(), period) for value in values]
    assert names(values, period, zone) == expected


@settings(deadline=None)
@given(st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31)), st.sampled_from([p for p in PERIODS if p != "week"]))
def test_period_of_a_date_needs_no_zone(day: dt.date, period: Period) -> None:
    found = period_names(pa.chunked_array([[day]]), period, "Pacific/Apia").tolist()
    assert found == [day.isoformat()[: 7 if period == "month" else 10]]


@settings(deadline=None)
@given(st.lists(INSTANTS, min_size=2, max_size=2), st.sampled_from(PERIODS), st.sampled_from(ZONES))
def test_names_sort_as_time_goes(values: list[dt.datetime], period: Period, zone: str) -> None:
    first, second = names(sorted(values), period, zone)
    assert str(first) <= str(second)


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        (dt.datetime(9999, 12, 31, 20, tzinfo=dt.UTC), "Asia/Kathmandu", "9999-12-31"),
        (dt.datetime(1, 1, 1, 2, tzinfo=dt.UTC), "America/New_York", "0001-01-01"),
    ],
)
def test_day_beyond_the_calendar_is_its_last(value: dt.datetime, zone: str, expected: str) -> None:
    assert names([value], "day", zone) == [expected]


def test_nothing_has_no_period() -> None:
    assert period_names(pa.chunked_array([], pa.date32()), "month", "UTC").tolist() == []
