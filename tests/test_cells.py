"""What a cell's text becomes: the declared type exactly, or a reason why not."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.sections.columns import Column
from tasks.cells.values import FormatError, TypedCells, refuse_unknown_formats, type_cells

UTC = dt.UTC


def typed(texts: list[str], zone: str = "UTC", **column: Any) -> TypedCells:
    return type_cells(pa.table({"a": texts}), {"a": Column(**column)}, zone)


def value(text: str, zone: str = "UTC", **column: Any) -> object:
    return typed([text], zone, **column).values.column("a")[0].as_py()


def reason(text: str, zone: str = "UTC", **column: Any) -> str | None:
    refused = typed([text], zone, **column).refused
    return refused[0][1] if refused else None


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        ("integer", "9007199254740993", 2**53 + 1),
        ("integer", "-9223372036854775808", -(2**63)),
        ("integer", "+00501", 501),
        ("float", "1e3", 1000.0),
        ("float", ".5", 0.5),
        ("float", "-3.", -3.0),
        ("float", "1e-400", 0.0),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("text", "00501", "00501"),
        ("text", "NA", "NA"),
        ("category", " a ", " a "),
        ("date", "2020-02-29", dt.date(2020, 2, 29)),
        ("timestamp", "2013-01-01T05:00:00Z", dt.datetime(2013, 1, 1, 5, tzinfo=UTC)),
        ("timestamp", "2013-01-01 05:00:00.123456000", dt.datetime(2013, 1, 1, 5, 0, 0, 123456, tzinfo=UTC)),
        ("timestamp", "2013-01-01T05:00+05:30", dt.datetime(2012, 12, 31, 23, 30, tzinfo=UTC)),
        ("timestamp", "2013-01-01T05:00-0800", dt.datetime(2013, 1, 1, 13, tzinfo=UTC)),
        ("timestamp", "2013-01-01T05:00:00-08", dt.datetime(2013, 1, 1, 13, tzinfo=UTC)),
        ("timestamp", "2013-01-01", dt.datetime(2013, 1, 1, tzinfo=UTC)),
        ("timestamp", "1677-01-01T00:00", dt.datetime(1677, 1, 1, tzinfo=UTC)),
        ("timestamp", "9999-12-31T23:59", dt.datetime(9999, 12, 31, 23, 59, tzinfo=UTC)),
    ],
)
def test_text_becomes_its_declared_value(type_: str, text: str, expected: object) -> None:
    assert value(text, type=type_) == expected


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        ("integer", "1.5", "not_an_integer"),
        ("integer", "1.0", "not_an_integer"),
        ("integer", "1e3", "not_an_integer"),
        ("integer", " 1", "not_an_integer"),
        ("integer", "1_000", "not_an_integer"),
        ("integer", "٣", "not_an_integer"),
        ("integer", "9223372036854775808", "integer_out_of_range"),
        ("float", "1,5", "not_a_number"),
        ("float", "$5", "not_a_number"),
        ("float", ".", "not_a_number"),
        ("float", "NA", "not_a_number"),
        ("float", "0x1p3", "not_a_number"),
        ("float", "-Infinity", "not_finite"),
        ("float", "nan", "not_finite"),
        ("float", "1e400", "number_out_of_range"),
        ("boolean", "2", "not_a_boolean"),
        ("date", "2013-02-30", "not_a_date"),
        ("date", "31/12/2020", "not_a_date"),
        ("date", "0000-01-01", "not_a_date"),
        ("date", "2013-01-01 00:00:00", "not_a_date"),
        ("timestamp", "1383460200", "not_a_timestamp"),
        ("timestamp", "2013-01-01T24:00", "not_a_timestamp"),
        ("timestamp", "2013-01-01T23:59:60", "not_a_timestamp"),
        ("timestamp", "2013-02-30T05:00", "not_a_timestamp"),
        ("timestamp", "2013-01-01Z", "not_a_timestamp"),
        ("timestamp", "2013-01-01T05:00:00.1234567", "finer_than_microseconds"),
    ],
)
def test_text_of_another_type_gets_a_reason(type_: str, text: str, expected: str) -> None:
    assert reason(text, type=type_) == expected


def test_null_tokens_are_missing_and_nothing_else_is() -> None:
    column = typed(["", "NA", "x"], type="category", nulls=["NA"]).values.column("a")
    assert column.to_pylist() == ["", None, "x"]


def test_nullable_integer_never_passes_through_float() -> None:
    column = typed(["", "9007199254740993"], type="integer").values.column("a")
    assert column.to_pylist() == [None, 2**53 + 1]


def test_infinity_may_be_declared_as_missing() -> None:
    assert typed(["inf", "1"], type="float", nulls=["inf"]).values.column("a").to_pylist() == [None, 1.0]


def test_first_bad_column_in_order_of_declaration_is_blamed() -> None:
    columns = {"b": Column(type="integer"), "a": Column(type="float")}
    refused = type_cells(pa.table({"b": ["x", "1"], "a": ["y", "z"]}), columns, "UTC").refused
    assert {row: why[:2] for row, why in refused.items()} == {0: ("b", "not_an_integer"), 1: ("a", "not_a_number")}


def test_detail_says_found_and_expected() -> None:
    assert typed(["x'y"], type="integer").refused[0][2].startswith('"x\'y" is no whole number')


def test_declared_format_reads_dates_and_times() -> None:
    assert value("31/12/2020", type="date", format="%d/%m/%Y") == dt.date(2020, 12, 31)
    assert value("12/31/2020 5 PM", type="timestamp", format="%m/%d/%Y %I %p") == dt.datetime(
        2020, 12, 31, 17, tzinfo=UTC
    )


def test_quarter_is_its_first_day() -> None:
    quarters = [value(f"2020Q{number}", type="date", format="%YQ%q") for number in (1, 2, 3, 4)]
    assert quarters == [dt.date(2020, month, 1) for month in (1, 4, 7, 10)]


def test_ordinal_is_a_day_of_the_month() -> None:
    texts = ("May 1st, 2020", "May 2nd, 2020", "May 3rd, 2020", "May 14th, 2020")
    found = [value(text, type="date", format="%B %d%o, %Y") for text in texts]
    assert found == [dt.date(2020, 5, day) for day in (1, 2, 3, 14)]


def test_fifth_quarter_is_refused() -> None:
    assert reason("2020Q5", type="date", format="%YQ%q") == "not_a_date"


def test_format_with_a_quarter_is_known() -> None:
    refuse_unknown_formats({"a": Column(type="date", format="Q%q %Y")})


def test_declared_format_with_offset_is_an_instant() -> None:
    found = value("31.12.2020 05:00 +0530", "America/New_York", type="timestamp", format="%d.%m.%Y %H:%M %z")
    assert found == dt.datetime(2020, 12, 30, 23, 30, tzinfo=UTC)


def test_time_of_day_in_a_date_is_refused() -> None:
    assert reason("2020-12-31 05:00", type="date", format="%Y-%m-%d %H:%M") == "not_a_date"


def test_unknown_format_is_refused_before_any_batch() -> None:
    with pytest.raises(FormatError, match="column 'a': format '%Q'"):
        refuse_unknown_formats({"a": Column(type="date", format="%Q")})


def test_column_zone_goes_before_the_general_one() -> None:
    found = value("2013-07-01T12:00", "America/New_York", type="timestamp", timezone="Asia/Kolkata")
    assert found == dt.datetime(2013, 7, 1, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "missing", "twice", "first"),
    [
        ("America/New_York", "2013-03-10T02:30", "2013-11-03T01:30", dt.datetime(2013, 11, 3, 5, 30, tzinfo=UTC)),
        ("Australia/Lord_Howe", "2013-10-06T02:15", "2013-04-07T01:45", dt.datetime(2013, 4, 6, 14, 45, tzinfo=UTC)),
        ("Pacific/Apia", "2011-12-30T12:00", "2013-04-07T03:30", dt.datetime(2013, 4, 6, 13, 30, tzinfo=UTC)),
    ],
)
def test_hours_of_a_clock_change(zone: str, missing: str, twice: str, first: dt.datetime) -> None:
    cells = typed([missing, twice], zone, type="timestamp")
    assert cells.refused[0][1] == "nonexistent_local_time"
    assert (cells.values.column("a")[1].as_py(), cells.ambiguous) == (first, 1)


def test_utc_texts_are_never_ambiguous() -> None:
    assert typed(["2013-11-03T01:30Z"], "America/New_York", type="timestamp").ambiguous == 0


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2037, 1, 1)), min_size=1, max_size=50),
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Europe/Berlin", "UTC"]),
)
def test_local_times_agree_with_zoneinfo(times: list[dt.datetime], zone: str) -> None:
    found = typed([time.isoformat() for time in times], zone, type="timestamp")
    for row, time in enumerate(times):
        instant = time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)  # fold=0: the first of two
        exists = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == time
        assert found.values.column("a")[row].as_py() == (instant if exists else None)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70)), min_size=1))
def test_floats_are_rounded_as_python_does(numbers: list[float]) -> None:
    texts = [repr(number) for number in numbers]
    assert typed(texts, type="float").values.column("a").to_pylist() == [float(text) for text in texts]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-(2**66), 2**66), min_size=1))
def test_integers_are_exact_or_refused(numbers: list[int]) -> None:
    expected = [number if -(2**63) <= number < 2**63 else None for number in numbers]
    assert typed([str(number) for number in numbers], type="integer").values.column("a").to_pylist() == expected


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1),
    st.sampled_from(["integer", "float", "date", "timestamp"]),
)
def test_any_text_is_typed_or_refused(texts: list[str], type_: str) -> None:
    cells = typed(texts, type=type_, nulls=[])
    missing = {row for row, found in enumerate(cells.values.column("a").to_pylist()) if found is None}
    assert missing == set(cells.refused)


def test_floats_are_finite() -> None:
    column = typed(["1e308", "1e309", "-1e400"], type="float").values.column("a").to_pylist()
    assert all(number is None or math.isfinite(number) for number in column)
