"""Typing beside a slow and obvious reference in plain Python, for every notation that a column may declare."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from configs.sections.columns import Column
from tasks.cells.values import FormatError, OnChange, TypedCells, refuse_unknown_formats, type_cells

UTC = dt.UTC
SPACES, APOSTROPHES = " \u00a0\u202f", "'\u2019"


def typed(texts: list[str], zone: str = "UTC", on_change: OnChange = "stop", **column: Any) -> TypedCells:
    return type_cells(pa.table({"a": pa.array(texts, pa.string())}), {"a": Column(**column)}, zone, on_change)


def outcomes(texts: list[str], zone: str = "UTC", **column: Any) -> list[object]:
    """The value of each text, or the reason why it has none."""
    cells = typed(texts, zone, **column)
    values = cells.values.column("a").to_pylist()
    return [cells.refused[row][1] if row in cells.refused else value for row, value in enumerate(values)]


def plain(text: str, decimal: str, thousands: str | None) -> str | None:
    """The reference: a number's text as Python reads it, None where its groups or separators are not as declared."""
    whole, point, rest = text.lstrip("+-").partition(decimal)
    if (text[1:2] in "+-" and text[1:2]) or not re.fullmatch("[0-9]*", rest):
        return None
    marks = {None: "", " ": SPACES, "'": APOSTROPHES}.get(thousands, thousands) or ""
    groups = re.split(f"[{re.escape(marks)}]", whole) if marks else [whole]
    is_grouped = len(groups) > 1 and 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    digits = "".join(groups)
    if not (len(groups) == 1 or is_grouped) or not re.fullmatch("[0-9]*", digits) or not digits + rest:
        return None
    return f"{'-' if text.startswith('-') else ''}{digits or '0'}{'.' * bool(point)}{rest}"


ISO_TIMES = st.one_of(
    st.from_regex(
        r"(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\.[0-9]{1,7})?)?Z", fullmatch=True
    ),
    st.sampled_from(
        ["2013-01-01Z", "2013-01-01T05Z", "2013-01-01T05:00ZZ", "0000-01-01T00:00Z", "2013-01-01T05:00", "Z"]
    ),
    st.sampled_from(
        ["0001-01-01T00:00Z", "9999-12-31T23:59:59.999999Z", "2013-01-01T05:00:00.1234567Z", "2013-01-01T24:00Z"]
    ),
)
SEPARATORS = [(".", None), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", None)]
NUMBERS = st.text(f"0123456789+-., '{SPACES}{APOSTROPHES}", min_size=1, max_size=9)
WRITTEN = st.builds(
    lambda number, mark, places: f"{number:,.{places}f}".replace(",", "#").replace(".", "@").replace("#", mark),
    st.decimals(-(10**9), 10**9, allow_nan=False, places=4),
    st.sampled_from([",", ".", " ", "'", "\u202f", ""]),
    st.integers(0, 4),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS | WRITTEN, min_size=1, max_size=30), st.sampled_from(SEPARATORS), st.integers(0, 4))
def test_decimals_are_what_python_reads_or_refused(
    texts: list[str], separators: tuple[str, str | None], scale: int
) -> None:
    decimal, thousands = separators
    texts = [text.replace("@", decimal) for text in texts]
    found = outcomes(texts, type="decimal", scale=scale, decimal=decimal, thousands=thousands, nulls=[])
    for text, outcome in zip(texts, found, strict=True):
        number = plain(text, decimal, thousands)
        if number is None:
            assert outcome == "not_a_number"
        elif Decimal(number) != round(Decimal(number), scale):
            assert outcome == "finer_than_scale"
        else:
            assert outcome == Decimal(number)


@settings(max_examples=40, deadline=None)
@given(st.lists(NUMBERS | WRITTEN, min_size=1, max_size=30), st.sampled_from(SEPARATORS))
def test_floats_in_any_notation_are_what_python_reads(texts: list[str], separators: tuple[str, str | None]) -> None:
    decimal, thousands = separators
    texts = [text.replace("@", decimal) for text in texts]
    numbers = [plain(text, decimal, thousands) for text in texts]
    expected = ["not_a_number" if number is None else float(number) for number in numbers]
    assert outcomes(texts, type="float", decimal=decimal, thousands=thousands, nulls=[]) == expected


@settings(max_examples=40, deadline=None)
@example([("- 0", "{}"), ("-7", "$ {}")])
@given(st.lists(st.tuples(NUMBERS | WRITTEN, st.sampled_from(["{}", "$ {}", "{} %", " {}kg", "{}%kg"])), min_size=1))
def test_numbers_with_marks_are_those_without(written: list[tuple[str, str]]) -> None:
    bare = [text.strip(" \u00a0\u202f") for text, _ in written]
    texts = [form.format(text) for text, (_, form) in zip(bare, written, strict=True)]
    declared = {"type": "float", "thousands": ",", "nulls": []}
    assert outcomes(texts, marks=["$", "%", " kg"], **declared) == outcomes(bare, **declared)


def test_mark_that_is_not_declared_refuses() -> None:
    assert outcomes(["\u20ac5", "5$"], type="float", marks=["$"], nulls=[]) == ["not_a_number", 5.0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=30), st.sampled_from([None, ",", ".", " ", "'"]))
def test_integers_in_groups_are_exact(numbers: list[int], thousands: str | None) -> None:
    texts = [f"{number:,}".replace(",", thousands or "") for number in numbers]
    expected = [number if -(2**63) <= number < 2**63 else "integer_out_of_range" for number in numbers]
    assert outcomes(texts, type="integer", thousands=thousands, nulls=[]) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("0123456789+-.eExXinfaNF_ ", min_size=1, max_size=6), min_size=1, max_size=20))
def test_plain_numbers_are_judged_alike_alone_and_beside_one_that_is_none(texts: list[str]) -> None:
    for type_ in ("integer", "float"):
        alone = [outcomes([text], type=type_)[0] for text in texts]  # by Arrow's casts, where they can
        assert outcomes([*texts, "no number"], type=type_)[:-1] == alone


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("1,234", {"type": "integer"}, "not_an_integer"),
        ("1,234", {"type": "integer", "thousands": ","}, 1234),
        ("1,23", {"type": "integer", "thousands": ","}, "not_an_integer"),
        ("1234", {"type": "integer", "thousands": ","}, 1234),
        ("1,234", {"type": "float"}, "not_a_number"),
        ("1,234", {"type": "float", "decimal": ","}, 1.234),
        ("1.234,5", {"type": "float", "decimal": ",", "thousands": "."}, 1234.5),
        ("1,234.5", {"type": "float", "decimal": ",", "thousands": "."}, "not_a_number"),
        ("1\u202f234", {"type": "integer", "thousands": " "}, 1234),
        ("0.10", {"type": "decimal", "scale": 2}, Decimal("0.10")),
        ("0.1000", {"type": "decimal", "scale": 2}, Decimal("0.10")),
        ("0.101", {"type": "decimal", "scale": 2}, "finer_than_scale"),
        ("1000", {"type": "decimal", "scale": 2, "precision": 5}, "decimal_out_of_range"),
        ("999.99", {"type": "decimal", "scale": 2, "precision": 5}, Decimal("999.99")),
        ("9" * 36 + ".99", {"type": "decimal", "scale": 2}, Decimal("9" * 36 + ".99")),
        ("1e3", {"type": "decimal", "scale": 2}, "not_a_number"),
        ("nan", {"type": "decimal", "scale": 2}, "not_finite"),
        ("1.0", {"type": "integer"}, "not_an_integer"),
        ("0x1F", {"type": "integer"}, "not_an_integer"),
        ("inf", {"type": "float"}, "not_finite"),
        ("+1", {"type": "integer"}, 1),
    ],
)
def test_number_is_read_as_declared(text: str, column: dict[str, Any], expected: object) -> None:
    assert outcomes([text], **column) == [expected]


@pytest.mark.parametrize(
    ("column", "texts", "expected"),
    [
        ({"type": "integer", "min": 0, "max": 9}, ["-1", "0", "9", "10"], ["below_min", 0, 9, "above_max"]),
        ({"type": "integer", "min": 0.5}, ["0", "1"], ["below_min", 1]),
        ({"type": "integer", "max": 2**53}, [str(2**53), str(2**53 + 1)], [2**53, "above_max"]),
        ({"type": "float", "min": 0.1}, ["0.1", "0.0999"], [0.1, "below_min"]),
        (
            {"type": "decimal", "scale": 2, "min": 0.1, "max": 0.125},
            ["0.09", "0.1", "0.12", "0.13"],
            ["below_min", Decimal("0.10"), Decimal("0.12"), "above_max"],
        ),
        (
            {"type": "date", "min": "2013-01-01", "max": "2013-12-31"},
            ["2012-12-31", "2013-01-01", "2014-01-01"],
            ["below_min", dt.date(2013, 1, 1), "above_max"],
        ),
        (
            {
                "type": "timestamp",
                "min": "2013-01-01T00:00",
                "max": "2013-01-01T06:00Z",
                "timezone": "America/New_York",
            },
            ["2012-12-31 23:59", "2013-01-01 00:00", "2013-01-01 01:30"],
            ["below_min", dt.datetime(2013, 1, 1, 5, tzinfo=UTC), "above_max"],
        ),
    ],
)
def test_bounds_are_inclusive_and_exact(column: dict[str, Any], texts: list[str], expected: list[object]) -> None:
    assert outcomes(texts, **column) == expected


@pytest.mark.parametrize("mark", ["", "Z"])
def test_year_before_the_first_is_refused_among_many_times_too(mark: str) -> None:
    others = [f"2013-01-01T00:{minute:02}:{second:02}{mark}" for minute in range(3) for second in range(60)]
    assert outcomes([*others, f"0000-12-31T23:59{mark}"], type="timestamp")[-1] == "not_a_timestamp"


@settings(max_examples=40, deadline=None)
@given(st.lists(ISO_TIMES, min_size=1, max_size=20), st.booleans())
def test_times_in_utc_are_judged_alike_alone_and_among_many(texts: list[str], many: bool) -> None:
    others = [f"2013-01-01T00:{minute:02}:{second:02}Z" for minute in range(3) for second in range(60)]
    alone = [outcomes([text], "America/New_York", type="timestamp")[0] for text in texts]
    assert outcomes([*texts, *others * many], "America/New_York", type="timestamp")[: len(texts)] == alone


def test_bound_that_is_no_time_of_its_zone_is_refused_before_any_batch() -> None:
    column = Column(type="timestamp", min="2013-03-10T02:30")
    with pytest.raises(FormatError, match="column 'a': min '2013-03-10T02:30' does not exist in America/New_York"):
        refuse_unknown_formats({"a": column}, "America/New_York")


def test_missing_means_zero_where_declared_and_is_counted() -> None:
    cells = typed(["", "1", "NA", "x"], type="integer", nulls=["", "NA"], missing="zero")
    assert (cells.values.column("a").to_pylist()[:3], cells.zero_filled) == ([0, 1, 0], 2)


@pytest.mark.parametrize("missing", ["unknown", "event"])
def test_missing_that_is_unknown_or_an_event_is_null(missing: str) -> None:
    cells = typed(["", "1.5"], type="float", missing=missing)
    assert (cells.values.column("a").to_pylist(), cells.zero_filled) == ([None, 1.5], 0)


def test_zero_of_a_refused_row_is_not_counted() -> None:
    columns = {"a": Column(type="integer", missing="zero"), "b": Column(type="integer")}
    cells = type_cells(pa.table({"a": ["", ""], "b": ["x", "1"]}), columns, "UTC")
    assert ({*cells.refused}, cells.zero_filled) == ({0}, 1)


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("epoch_s", "1383460200", dt.datetime(2013, 11, 3, 6, 30, tzinfo=UTC)),
        ("epoch_s", "-1", dt.datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("epoch_s", "1.5", dt.datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
        ("epoch_ms", "1383460200123", dt.datetime(2013, 11, 3, 6, 30, 0, 123_000, tzinfo=UTC)),
        ("epoch_s", "1383460200123", "timestamp_out_of_range"),
        ("epoch_s", "1.0000001", "finer_than_microseconds"),
        ("epoch_s", "2013-11-03", "not_a_timestamp"),
        ("epoch_s", "0", dt.datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_epoch_is_an_instant_whatever_the_zone(form: str, text: str, expected: object) -> None:
    assert outcomes([text], "America/New_York", type="timestamp", format=form) == [expected]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)), min_size=1, max_size=20))
def test_epochs_agree_with_datetime(times: list[dt.datetime]) -> None:
    since = [time.replace(tzinfo=UTC) - dt.datetime(1970, 1, 1, tzinfo=UTC) for time in times]
    texts = [str(Decimal(each // dt.timedelta(microseconds=1)) / 10**6) for each in since]
    texts = [format(Decimal(text), "f") for text in texts]
    assert outcomes(texts, type="timestamp", format="epoch_s") == [time.replace(tzinfo=UTC) for time in times]


def test_offsets_zones_and_local_times_may_stand_in_one_column() -> None:
    texts = ["2013-07-01T12:00Z", "2013-07-01T12:00+05:30", "2013-07-01T12:00", "2013-07-01"]
    hours = [dt.datetime(2013, 7, 1, *clock, tzinfo=UTC) for clock in ((12,), (6, 30), (16,), (4,))]
    assert outcomes(texts, "America/New_York", type="timestamp") == hours


# a zone, a local time that it skips, one that it shows twice, and the offsets before and after each, in minutes
CHANGES = [
    ("America/New_York", "2013-03-10T02:30", (-300, -240), "2013-11-03T01:30", (-240, -300)),
    ("Australia/Lord_Howe", "2013-10-06T02:15", (630, 660), "2013-04-07T01:45", (660, 630)),
    ("US/Pacific", "2013-03-10T02:30", (-480, -420), "2013-11-03T01:30", (-420, -480)),
    ("Europe/Berlin", "2013-03-31T02:30", (60, 120), "2013-10-27T02:30", (120, 60)),
    ("Pacific/Apia", "2011-12-30T12:00", (-600, 840), "2013-04-07T03:30", (840, 780)),
]


def at(text: str, minutes: int) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))


@pytest.mark.parametrize(("zone", "skipped", "around", "twice", "both"), CHANGES)
def test_each_clock_change_is_judged_as_declared(
    zone: str, skipped: str, around: tuple[int, int], twice: str, both: tuple[int, int]
) -> None:
    def judged(**column: Any) -> list[object]:
        return outcomes([skipped, twice], zone, type="timestamp", **column)

    earlier, later = at(twice, both[0]), at(twice, both[1])
    assert judged() == ["nonexistent_local_time", earlier]
    assert judged(ambiguous="later") == ["nonexistent_local_time", later]
    assert judged(ambiguous="refuse") == ["nonexistent_local_time", "ambiguous_local_time"]
    assert judged(nonexistent="forward") == [at(skipped, around[0]), earlier]


def test_what_a_clock_change_did_is_counted() -> None:
    texts = ["2013-03-10T02:30", "2013-11-03T01:30", "2013-11-03T01:30-05:00", "2013-07-01T12:00"]
    cells = typed(texts, "America/New_York", type="timestamp", nonexistent="forward")
    assert (cells.shifted, cells.ambiguous) == (1, 1)


@pytest.mark.parametrize(
    ("alias", "zone"),
    [("US/Pacific", "America/Los_Angeles"), ("Asia/Calcutta", "Asia/Kolkata"), ("GB", "Europe/London")],
)
def test_abolished_name_of_a_zone_is_its_successor(alias: str, zone: str) -> None:
    texts = [f"2013-{month:02}-15T12:00" for month in range(1, 13)]
    assert outcomes(texts, alias, type="timestamp") == outcomes(texts, zone, type="timestamp")


def test_zone_that_is_no_more_is_refused_at_the_door() -> None:
    with pytest.raises(ValueError, match="a time zone is a name of the IANA database"):
        Column(type="timestamp", timezone="US/Pacific-New")


@settings(max_examples=25, deadline=None)
@given(
    # not beyond today: of the future the two databases may know different laws
    st.lists(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2024, 1, 1)), min_size=120, max_size=200, unique=True),
    st.sampled_from([zone for zone, *_ in CHANGES] + ["Africa/Casablanca", "Asia/Kolkata", "America/St_Johns"]),
    st.sampled_from(["earlier", "later", "refuse"]),
    st.sampled_from(["refuse", "forward"]),
)
def test_many_local_times_agree_with_zoneinfo(
    times: list[dt.datetime], zone: str, ambiguous: str, nonexistent: str
) -> None:
    times += [dt.datetime(2013, 3, 10, 2, 30), dt.datetime(2013, 11, 3, 1, 30), dt.datetime(2013, 4, 7, 1, 45)]
    texts = [time.isoformat() for time in times]
    found = outcomes(texts, zone, type="timestamp", ambiguous=ambiguous, nonexistent=nonexistent)
    assert found == [by_zoneinfo(time, ZoneInfo(zone), ambiguous, nonexistent) for time in times]


def by_zoneinfo(time: dt.datetime, zone: ZoneInfo, ambiguous: str, nonexistent: str) -> object:
    """The reference: both instants that a local time may be, by Python's `fold`."""
    one, other = (time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if one.astimezone(zone).replace(tzinfo=None) != time:
        return one if nonexistent == "forward" else "nonexistent_local_time"
    if one == other:
        return one
    return {"earlier": min(one, other), "later": max(one, other), "refuse": "ambiguous_local_time"}[ambiguous]
