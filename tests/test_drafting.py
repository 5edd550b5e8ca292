"""What is drafted of a file: types, roles, task and split by an expected table, and every draft is valid."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from configs.checks import contradictions
from configs.document import parse_document
from configs.errors import HoldfastError
from tasks.drafting import Draft, UndraftableError, draft_pipeline, sample, sample_files, sample_rows
from tasks.drafting.column_texts import column_texts
from tasks.drafting.column_types import decide_type
from tasks.drafting.split_trial import NoSplitError
from tasks.drafting.suspects import area_under_curve
from tasks.drafting.target_task import UnfitTargetError
from tasks.drafting.yaml_text import flow
from tasks.raw_files import Dialect, UnreadableFileError
from tests.drafted_files import FILES, written

SOURCE = "data/incoming/demo/*.csv"


def draft_of(content: bytes, target: str) -> Draft:
    with TemporaryDirectory() as folder:
        file = Path(folder, "rows.csv")
        file.write_bytes(content)
        return draft_pipeline(sample_rows(file), name="demo", target=target, source=SOURCE)


@cache
def drafted(name: str) -> Draft:
    make, target = FILES[name]
    return draft_of(make(), target)


def types_of(draft: Draft) -> dict[str, str]:
    columns = {name: column.type for name, column in draft.pipeline.columns.items()}
    return columns | dict.fromkeys(draft.pipeline.drop, "dropped")


MEASURES = dict.fromkeys(("age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"), "float")
EXPECTED = {
    "iris": dict.fromkeys(("sepal_length", "sepal_width", "petal_length", "petal_width"), "float")
    | {"species": "category"},
    "wine": {f"m{number}": "float" for number in range(13)} | {"m4": "integer", "m12": "integer", "grower": "integer"},
    "cancer": {"": "dropped"} | {f"m{number}": "float" for number in range(30)} | {"benign": "integer"},
    "progression": MEASURES | dict.fromkeys(("age", "sex", "s1", "s6", "progression"), "integer"),
    "planes": {
        "tailnum": "dropped",
        "year": "integer",
        "type": "category",
        "manufacturer": "category",
        "model": "category",
        "engines": "integer",
        "seats": "integer",
        "speed": "integer",
        "engine": "category",
    },
    "airports": {
        "faa": "dropped",
        "name": "text",
        "lat": "float",
        "lon": "float",
        "alt": "integer",
        "tz": "integer",
        "dst": "category",
        "tzone": "category",
    },
    "weather": {
        "origin": "category",
        "year": "dropped",
        "month": "integer",
        "day": "integer",
        "hour": "integer",
        "temp": "float",
        "dewp": "float",
        "humid": "float",
        "wind_dir": "integer",
        "wind_speed": "float",
        "wind_gust": "float",
        "precip": "float",
        "pressure": "float",
        "visib": "float",
        "time_hour": "timestamp",
    },
    "orders": {
        "row": "dropped",
        "customer_id": "category",
        "sold": "date",
        "zip": "category",
        "cost": "float",
        "paid": "category",
        "gift": "boolean",
        "note": "text",
        "currency": "dropped",
        "refund_code_known_later": "dropped",
        "outcome": "category",
    },
    "visits": {
        "patient_id": "category",
        "insurance": "category",
        "birth_date": "date",
        "weight": "float",
        "sex": "integer",
        "age": "integer",
        "pressure": "float",
    },
    "ambiguous": {"day": "text", "x": "float", "y": "integer"},
    "sensors": {"Zeit": "timestamp", "Fühler": "category", "Wärme": "float", "Druck": "float"},
}
DECIDED = {  # task, split, time, group
    "iris": ("multiclass", "stratified", None, None),
    "wine": ("multiclass", "stratified", None, None),
    "cancer": ("binary", "stratified", None, None),
    "progression": ("regression", "stratified", None, None),
    "planes": ("multiclass", "stratified", None, None),
    "airports": ("regression", "stratified", None, None),
    "weather": ("regression", "time", "time_hour", None),
    "orders": ("binary", "time", "sold", None),
    "visits": ("regression", "group", None, "patient_id"),
    "ambiguous": ("binary", "stratified", None, None),
    "sensors": ("regression", "time", "Zeit", None),
}


@pytest.mark.parametrize("name", FILES)
def test_columns_have_the_expected_types(name: str) -> None:
    assert types_of(drafted(name)) == EXPECTED[name]


@pytest.mark.parametrize("name", FILES)
def test_task_and_split_are_the_expected_ones(name: str) -> None:
    pipeline = drafted(name).pipeline
    found = (pipeline.task, pipeline.split_kind, pipeline.time.column, pipeline.split.group)
    assert found == DECIDED[name]


@pytest.mark.parametrize("name", FILES)
def test_draft_has_no_contradiction(name: str) -> None:
    assert list(contradictions(drafted(name).pipeline)) == []


@pytest.mark.parametrize("name", ["orders", "visits"])
def test_draft_is_the_same_text_again(name: str) -> None:
    make, target = FILES[name]
    assert draft_of(make(), target).text == drafted(name).text


def comment_of(name: str, column: str) -> str:
    (line,) = [line for line in drafted(name).text.splitlines() if line.startswith((f"  {column}:", f"  - {column} "))]
    return line.partition("   # ")[2]


@pytest.mark.parametrize(
    ("name", "column", "told"),
    [
        ("orders", "row", "identifier"),
        ("orders", "currency", "constant: 'EUR'"),
        ("orders", "refund_code_known_later", "tells the target alone (AUC 1.0000)"),
        ("orders", "customer_id", "may be split.group"),
        ("orders", "zip", "zeros in front"),
        ("orders", "sold", "the day stands first"),
        ("orders", "paid", "3 levels"),
        ("visits", "weight", "'unknown' taken as missing"),
        ("visits", "insurance", "more than 18 digits"),
        ("visits", "birth_date", "the month stands first"),
        ("visits", "age", "999 may stand for a missing value"),
        ("ambiguous", "day", "read them alike"),
        ("planes", "model", "127 levels"),
        ("cancer", "m22", "suspected leak"),
    ],
)
def test_comment_says_what_was_seen(name: str, column: str, told: str) -> None:
    assert told in comment_of(name, column)


def test_null_tokens_are_those_of_each_column() -> None:
    assert drafted("orders").pipeline.columns["cost"].nulls == ("", "-", "?", "NA", "null")
    assert drafted("orders").pipeline.columns["paid"].nulls == ("",)


def test_rare_classes_go_to_quarantine() -> None:
    (kept,) = [each for each in drafted("planes").pipeline.expectations if each.arguments.get("column") == "engine"][1:]
    assert (kept.arguments["value_set"], kept.otherwise) == (["Reciprocating", "Turbo-fan", "Turbo-jet"], "quarantine")


def test_only_rows_that_cannot_be_trained_on_go_to_quarantine() -> None:
    found = [each.arguments["column"] for each in drafted("orders").pipeline.expectations if each.otherwise != "warn"]
    assert found == ["outcome", "sold"]


def decided(*texts: str, name: str = "x") -> tuple[str, str | None]:
    declared = decide_type(column_texts(name, pa.chunked_array([list(texts)]))).declared
    return declared["type"], declared.get("format")


@pytest.mark.parametrize(
    ("texts", "name", "expected"),
    [
        (("1", "-2", "NA"), "x", ("integer", None)),
        (("1", "2.5", ""), "x", ("float", None)),
        (("1e3", ".5"), "x", ("float", None)),
        (("0", "1"), "x", ("integer", None)),
        (("t", "f"), "x", ("boolean", None)),
        (("TRUE", "false", "null"), "x", ("boolean", None)),
        (("yes", "maybe"), "x", ("category", None)),
        (("00501", "10001"), "x", ("category", None)),
        (("12345678901234567890", "12345678901234567891"), "x", ("category", None)),
        (("11", "12"), "store_id", ("category", None)),
        (("2024-01-31", "2024-02-29"), "x", ("date", None)),
        (("2024-01-31 10:00", "2024-02-29T11:00:30Z"), "x", ("timestamp", None)),
        (("31.01.2024", "01.02.2024"), "x", ("date", "%d.%m.%Y")),
        (("01/31/24", "02/01/24"), "x", ("date", "%m/%d/%y")),
        (("1-Feb-2024", "28-Mar-2024"), "x", ("date", "%d-%b-%Y")),
        (("31/01/2024 13:05", "01/02/2024 00:00"), "x", ("timestamp", "%d/%m/%Y %H:%M")),
        (("01/31/2024 1:05 PM", "02/01/2024 11:00 AM"), "x", ("timestamp", "%m/%d/%Y %I:%M %p")),
        (("20240131", "20240201"), "order_date", ("date", "%Y%m%d")),
        (("20240131", "20240201"), "parts", ("integer", None)),
        (("1700000000", "1700003600"), "event_time", ("timestamp", "epoch_s")),
        (("1700000000000", "1700003600000"), "event_time", ("timestamp", "epoch_ms")),
        (("1700000000", "1700003600"), "volume", ("integer", None)),
        (("2024-02-30", "2024-02-31"), "x", ("category", None)),
        (("DE", "NA", "FR"), "x", ("category", None)),
        (("", "NA"), "x", ("category", None)),
    ],
    ids=str,
)
def test_type_is_decided_by_all_texts(texts: tuple[str, ...], name: str, expected: tuple[str, str | None]) -> None:
    assert decided(*texts, name=name) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("1,5", "2", "0,25"), {"type": "float", "decimal": ","}),
        (("1,234", "5,678,901"), {"type": "integer", "thousands": ","}),
        (("1,234.5", "12"), {"type": "float", "thousands": ","}),
        (("1.234,5", "12"), {"type": "float", "decimal": ",", "thousands": "."}),
        (("1 234", "12"), {"type": "integer", "thousands": " "}),
        (("1,234", "5,678"), {"type": "category"}),  # either
        ((*(f"{number},154" for number in range(1, 9)), "154", "2"), {"type": "integer", "thousands": ","}),
        ((*(f"{number},154" for number in range(1, 9)), "154", "1234"), {"type": "category"}),
        (("1.2.3", "4.5.6"), {"type": "category"}),
        (("$1,234.50", "-$7", "$0.25"), {"type": "float", "thousands": ",", "marks": ["$"]}),
        (("12,5 %", "7 %", "0,25 %"), {"type": "float", "decimal": ",", "marks": ["%"]}),
        ((" 12", "7 "), {"type": "integer", "marks": [" "]}),
        (("$5", "\u20ac7"), {"type": "category"}),
        (("5 kg", "7 g"), {"type": "category"}),
        (("Q1", "Q2"), {"type": "category"}),
    ],
    ids=str,
)
def test_separators_are_decided_by_evidence(texts: tuple[str, ...], expected: dict[str, str]) -> None:
    assert decide_type(column_texts("x", pa.chunked_array([list(texts)]))).declared == expected


def test_one_misread_text_in_a_hundred_goes_to_quarantine() -> None:
    decision = decide_type(column_texts("x", pa.chunked_array([[str(number) for number in range(200)] + ["7x"]])))
    assert decision.declared == {"type": "integer"}
    assert decision.remarks == ("1 of 201 rows go to quarantine, such as '7x'",)


@pytest.mark.parametrize(
    ("many", "one", "keys"),
    [
        ("7,5", "1.234,5", {"type": "float", "decimal": ",", "thousands": "."}),
        ("7.5", "1,234.5", {"type": "float", "thousands": ","}),
        ("7,5 \u20ac", "1.234,5 \u20ac", {"type": "float", "decimal": ",", "thousands": ".", "marks": ["\u20ac"]}),
    ],
)
def test_separator_that_one_text_has_is_declared(many: str, one: str, keys: dict[str, str]) -> None:
    texts = [f"{number}{many}" for number in range(1, 200)] + [one]
    decision = decide_type(column_texts("x", pa.chunked_array([texts])))
    assert (decision.declared, decision.refused_rows) == (keys, 0)


@pytest.mark.parametrize("text", ["1.234,50-", "(1,234.50)", "<7.2"])
def test_text_that_looks_like_a_number_is_told(text: str) -> None:
    decision = decide_type(column_texts("x", pa.chunked_array([[text, "12", "13"]])))
    assert decision.declared == {"type": "category"}
    assert decision.remarks[0].startswith(f"numbers in several units or with other signs, such as {text!r}")


def test_codes_of_digits_and_a_letter_look_like_no_number() -> None:
    assert decide_type(column_texts("seat", pa.chunked_array([["12A", "7C", "31F"]]))).remarks == ("3 levels",)


def shop(tail: str) -> Draft:
    rows = [[f"2024-{1 + day // 28:02}-{1 + day % 28:02}", day % 7, ("kept", "lost")[day % 2]] for day in range(112)]
    return draft_of(written(["day", "size", "outcome"], rows) + tail.encode(), "outcome")


def test_rows_of_nothing_change_no_draft() -> None:
    with_tail, without = shop(",,\n" * 60), shop("")
    columns = {name: column.missing for name, column in without.pipeline.columns.items()}
    assert {name: column.missing for name, column in with_tail.pipeline.columns.items()} == columns
    assert with_tail.pipeline.time == without.pipeline.time


def test_rows_of_nothing_are_told() -> None:
    assert "60 rows have no value in any column: to quarantine, without a target" in shop(",,\n" * 60).text


def test_limit_of_quarantine_allows_for_rows_of_nothing() -> None:
    assert (shop("").pipeline.source.stop_above, shop(",,\n" * 200).pipeline.source.stop_above) == ("50%", "80%")


@pytest.mark.parametrize(
    ("content", "target", "error", "told"),
    [
        (b"a,b\n", "b", sample.SampleError, "a header and no row"),
        (b"a,b,c\n" + b"1,2\n" * 9, "b", sample.SampleError, "have 2 fields where the header has 3: they are refused"),
        (b"", "b", HoldfastError, "empty"),
        (b"a,a,b\n1,2,3\n", "a", UndraftableError, "target 'a': stands in the header more than once"),
        (b'"x\ny",b\n1,2\n', "b", UndraftableError, "column 1 is called 'x.ny'"),
        (b"_a,b\n1,2\n", "_a", UnfitTargetError, "no such column"),
        (b"price,b\n1,2\n", "prize", UnfitTargetError, "did you mean 'price'"),
        (b"7,1.5\n8,2.5\n9,1.5\n", "price", UnfitTargetError, "has: 'c1', 'c2'; there is no header"),
        (b"a,b\n1,2\n2,2\n", "b", UnfitTargetError, "the same value in every row"),
        (b"a,b\n1,\n2,NA\n", "b", UnfitTargetError, "no value in any row"),
        (b"a,b\n1,2024-01-01\n2,2024-01-02\n", "b", UnfitTargetError, "is a date"),
        (b"a,b\n1,2\n1,3\n", "b", UndraftableError, "no column is left to learn 'b' from"),
        (b"a,b\n1,0\n2,1\n", "b", NoSplitError, "More rows are needed"),
    ],
    ids=str,
)
def test_what_cannot_be_drafted_is_told(content: bytes, target: str, error: type[HoldfastError], told: str) -> None:
    with pytest.raises(error, match=told):
        draft_of(content, target)


def test_columns_that_cannot_be_declared_are_dropped() -> None:
    draft = draft_of(written(["", "_id", "x", "y"], [[n, n, n % 7, n * n % 5] for n in range(60)]), "y")
    assert types_of(draft) == {"": "dropped", "_id": "dropped", "x": "integer", "y": "integer"}


def test_columns_of_one_name_are_dropped() -> None:
    draft = draft_of(written(["a", "", "a", "", "x", "y"], [[n, "", n, "", n % 7, n * n % 5] for n in range(60)]), "y")
    assert types_of(draft) == {"a": "dropped", "": "dropped", "x": "integer", "y": "integer"}


def test_mark_that_some_rows_lack_is_a_feature() -> None:
    rows = [["Y" if n % 3 else "", "EUR" if n else "", n % 7, n * n % 5] for n in range(60)]
    draft = draft_of(written(["exempt", "currency", "x", "y"], rows), "y")
    assert draft.pipeline.columns["exempt"].missing == "event"
    assert draft.pipeline.drop == ("currency",)


@pytest.mark.parametrize(
    ("name", "texts", "kind"),
    [
        ("Year", [str(1901 + n) for n in range(60)], "time"),
        ("Year", [str(1960 - n // 3) for n in range(60)], "time"),
        ("Year", [str(1901 + n * 7 % 60) for n in range(60)], "stratified"),
        ("built", [str(1901 + n) for n in range(60)], "stratified"),
        ("month", [f"{1901 + n // 12}-{1 + n % 12:02}" for n in range(60)], "time"),
        ("season", [f"{1951 + n}-{(52 + n) % 100:02}" for n in range(60)], "stratified"),
    ],
)
def test_series_by_year_or_month_is_split_by_time(name: str, texts: list[str], kind: str) -> None:
    draft = draft_of(written([name, "x", "y"], [[text, n % 7, n * n % 11 / 3] for n, text in enumerate(texts)]), "y")
    assert draft.pipeline.split.kind == kind


@pytest.mark.parametrize(
    ("texts", "formed"),
    [
        (["2012-01", "2012-02", "2011-12"], "%Y-%m"),
        (["1977-Jan", "1977-Feb"], "%Y-%b"),
        (["01/2013", "11/2013"], "%m/%Y"),
        (["Jan-1-1995", "Feb-1-1995"], "%b-%d-%Y"),
        (["May 5th, 2020", "June 21st, 2020", "May 2nd, 2020"], "%B %d%o, %Y"),
        (["3rd Aug 2020", "21st Sep 2020"], "%d%o %b %Y"),
        (["2013M05", "2013M11"], "%YM%m"),
        (["1974Q1", "1974Q4"], "%YQ%q"),
        (["1974q1", "1974q4"], "%Yq%q"),
        (["2020-Q3", "2021-Q1"], "%Y-Q%q"),
        (["Q3 2020", "Q1 2021"], "Q%q %Y"),
        (["Q32020", "Q12021"], "Q%q%Y"),
        (["3Q20", "1Q21"], "%qQ%y"),
    ],
)
def test_months_and_other_orders_are_dates(texts: list[str], formed: str) -> None:
    decision = decide_type(column_texts("when", pa.chunked_array([texts])))
    assert decision.declared == {"type": "date", "format": formed}


@pytest.mark.parametrize(
    ("texts", "declared"),
    [
        (["17/Jan/20 01:35 AM", "3/Feb/20 11:05 PM"], {"type": "timestamp", "format": "%d/%b/%y %I:%M %p"}),
        (
            ["Jan 17, 2020, 01:35:05 AM", "Feb 3, 2020, 11:05:00 PM"],
            {"type": "timestamp", "format": "%b %d, %Y, %I:%M:%S %p"},
        ),
        (
            ["17/Jan/2020:01:35:05 +0000", "18/Jan/2020:01:35:05 +0100"],
            {"type": "timestamp", "format": "%d/%b/%Y:%H:%M:%S %z"},
        ),
        (
            ["Fri, 17 Jan 2020 01:35:05 +0000", "Mon, 3 Feb 2020 01:35:05 +0000"],
            {"type": "timestamp", "format": "%a, %d %b %Y %H:%M:%S %z"},
        ),
        (
            ["Fri Jan 17 01:35:05 2020", "Mon Feb 3 01:35:05 2020"],
            {"type": "timestamp", "format": "%a %b %d %H:%M:%S %Y"},
        ),
        (
            ["17.01.2020 01:35:05,250", "18.01.2020 01:35:05,500"],
            {"type": "timestamp", "format": "%d.%m.%Y %H:%M:%S,%f"},
        ),
        (["20200117T013505", "20200118T000000"], {"type": "timestamp", "format": "%Y%m%dT%H%M%S"}),
        (
            ["20200117T013505Z", "20200118T000000Z"],
            {"type": "timestamp", "format": "%Y%m%dT%H%M%SZ", "timezone": "UTC"},
        ),
        (
            ["17.01.2020 01:35:05 UTC", "18.01.2020 00:00:00 UTC"],
            {"type": "timestamp", "format": "%d.%m.%Y %H:%M:%S UTC", "timezone": "UTC"},
        ),
        (["17Jan2020", "03FEB2020"], {"type": "date", "format": "%d%b%Y"}),
        (["Friday, January 17, 2020", "Monday, February 3, 2020"], {"type": "date", "format": "%A, %B %d, %Y"}),
        (["2020.01.17.", "2020.02.03."], {"type": "date", "format": "%Y.%m.%d."}),
    ],
)
def test_moments_as_programs_write_them(texts: list[str], declared: dict[str, str]) -> None:
    decision = decide_type(column_texts("x", pa.chunked_array([texts])))
    assert decision.declared == declared


def test_date_that_cannot_be_read_is_told() -> None:
    decision = decide_type(column_texts("date", pa.chunked_array([["week 5 of 2020", "week 6 of 2020"]])))
    assert "a date or time by its name, but not known how to read, such as 'week 5 of 2020'" in decision.remarks[0]


def test_meals_under_the_name_of_a_time_are_no_date() -> None:
    assert decide_type(column_texts("time", pa.chunked_array([["Lunch", "Dinner"]]))).remarks == ("2 levels",)


def test_subject_that_knows_its_target_is_a_group_and_no_leak() -> None:
    rows = [
        [f"s{subject}", subject * 7 % 5, visit, "yes" if subject % 3 else "no"]
        for subject in range(40)
        for visit in range(6)
    ]
    draft = draft_of(written(["subject", "weight", "visit", "ill"], rows), "ill")
    assert (draft.pipeline.split.kind, draft.pipeline.split.group) == ("group", "subject")
    assert any("no split may part them" in remark for remark in draft.remarks)


def panel(years: int, *, members: int = 20, months: int = 1, float_years: bool = False, twice: bool = False) -> Draft:
    """A draft of members observed in each year or month, member by member; `twice` sets one row twice."""
    rows = [
        [
            f"m{member}",
            f"{1990 + year}{'.0' if float_years else ''}",
            month + 1,
            member * year % 7,
            member * month + year,
        ]
        for member in range(members)
        for year in range(years)
        for month in range(months)
    ]
    return draft_of(written(["country", "year", "month", "x", "y"], [*rows, *rows[:1] * twice]), "y")


def test_panel_of_many_years_is_split_by_time() -> None:
    draft = panel(years=15)
    assert (draft.pipeline.split.kind, draft.pipeline.time.column) == ("time", "year")
    assert any("a panel: each 'country' by 'year'" in remark for remark in draft.remarks)


def test_panel_of_months_is_split_by_time() -> None:
    assert panel(years=12, months=3).pipeline.split.kind == "time"


def test_panel_of_few_years_keeps_its_members_together() -> None:
    split = panel(years=4).pipeline.split
    assert (split.kind, split.group) == ("group", "country")


def test_panel_of_few_quarters_keeps_its_members_together() -> None:
    rows = [
        [f"s{state}", f"Q{1 + n % 4} {2010 + n // 4}", state * n % 7, state + n % 3]
        for state in range(20)
        for n in range(6)
    ]
    split = draft_of(written(["state", "quarter", "x", "y"], rows), "y").pipeline.split
    assert (split.kind, split.group) == ("group", "state")


def test_rows_of_one_member_and_year_are_no_panel() -> None:
    assert panel(years=15, twice=True).pipeline.split.kind == "stratified"


def test_years_written_as_floats_are_years() -> None:
    draft = panel(years=15, float_years=True)
    assert draft.pipeline.columns["year"].format == "%Y.0"


def days(*started: int) -> list[str]:
    return [str(np.datetime64("2020-03-01") + day) for day in started]


def test_time_is_when_a_row_began() -> None:
    began = [n * 37 % 90 for n in range(90)]
    dates = zip(days(*began), days(*(day + 5 for day in began)), strict=True)
    rows = [[end, start, n % 7, n * n % 11 / 3] for n, (start, end) in enumerate(dates)]
    draft = draft_of(written(["end_date", "start_date", "x", "y"], rows), "y")
    assert draft.pipeline.time.column == "start_date"
    assert any("end_date: later than 'start_date' in 100% of the rows" in remark for remark in draft.remarks)


def test_logarithm_of_the_target_is_dropped() -> None:
    rows = [[n % 7, np.log(1 + n * n * 31 % 977), n * n * 31 % 977] for n in range(90)]
    assert draft_of(written(["x", "log_y", "y"], rows), "y").pipeline.drop == ("log_y",)


def test_target_that_most_rows_lack_ends_no_run() -> None:
    rows = [[n % 7, n % 5, n * n % 11 / 3 if n % 3 == 0 else ""] for n in range(300)]
    draft = draft_of(written(["x", "z", "y"], rows), "y")
    assert draft.pipeline.source.stop_above == "80%"
    assert any("200 of 300 rows have none, and go to quarantine" in remark for remark in draft.remarks)


def test_copy_with_the_gaps_of_the_target_is_dropped() -> None:
    values = [n * n * 31 % 977 if n % 4 else "" for n in range(200)]
    rows = [[n % 7, f"{np.log(1 + value):.6f}" if value != "" else "", value] for n, value in enumerate(values)]
    assert draft_of(written(["x", "log_y", "y"], rows), "y").pipeline.drop == ("log_y",)


def test_hour_that_never_changes_is_no_feature() -> None:
    rows = [[f"{day} 00:00:00", n % 7, n * n % 11 / 3] for n, day in enumerate(days(*range(90)))]
    draft = draft_of(written(["sold_time", "x", "y"], rows), "y")
    assert draft.pipeline.features.parts["sold_time"] == ("day_of_week",)


@pytest.mark.parametrize(
    ("started", "parts"),
    [
        (range(90), ("day_of_week",)),
        (range(0, 630, 7), ()),
        (range(0, 900, 10), ("day_of_week", "month")),
        (range(0, 770, 7), ("month",)),
    ],
    ids=["days", "weeks", "years of days", "years of weeks"],
)
def test_parts_of_the_time_are_those_that_come_back(started: range, parts: tuple[str, ...]) -> None:
    rows = [[day, n % 7, n * n % 11 / 3] for n, day in enumerate(days(*started))]
    draft = draft_of(written(["day", "x", "y"], rows), "y")
    assert draft.pipeline.features.parts.get("day", ()) == parts


def draft_over_time(is_rare: Callable[[int], bool]) -> Draft:
    """A draft of 100 days, the class 1 on some of them."""
    rows = [[day, n % 7, int(is_rare(n))] for n, day in enumerate(days(*range(100)))]
    return draft_of(written(["day", "x", "y"], rows), "y")


def test_split_leaves_every_class_to_each_fit() -> None:
    """By time, early stopping of the first fold would watch two rows, both of one class: `train` would refuse that."""
    pipeline = draft_over_time(lambda n: n % 10 == 0).pipeline
    assert (pipeline.split.kind, pipeline.split.holdout, pipeline.train.early_stopping_share) == ("time", "20%", 0.3)


def test_more_rows_that_are_held_out_or_watched_are_told_with_the_rare_class() -> None:
    told = (
        "split: early stopping watches more rows, since of fewer a side would lack a class: 1 has 10 rows of the sample"
    )
    assert told in draft_over_time(lambda n: n % 10 == 0).remarks


def test_class_that_no_split_by_time_has_on_every_side_is_told_with_what_to_do() -> None:
    draft = draft_over_time(lambda n: n > 85)
    (told,) = [remark for remark in draft.remarks if remark.startswith("split: ")]
    assert draft.pipeline.split.kind == "stratified"
    assert "by time a side would lack a class: 1 has 14 rows of the sample" in told
    assert "write kind: time" in told
    assert "train: {audit: warn}" in told


def test_years_alone_stay_a_feature() -> None:
    draft = draft_of(written(["year", "people"], [[1790 + 10 * n, n * n + 3] for n in range(30)]), "people")
    assert types_of(draft)["year"] == "integer"


def test_integers_of_which_one_has_a_fraction_are_floats() -> None:
    decision = decide_type(column_texts("x", pa.chunked_array([[str(number) for number in range(200)] + ["97.5"]])))
    assert decision.declared == {"type": "float"}


@pytest.mark.parametrize("suffix", [".csv.gz", ".parquet", ".jsonl"])
def test_rows_of_every_format_are_sampled(tmp_path: Path, suffix: str) -> None:
    file, texts = tmp_path / f"rows{suffix}", pa.table({"a": ["1", "2"], "b": ["x", "y"]})
    if suffix == ".parquet":
        pq.write_table(texts, file)
    elif suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in texts.to_pylist()))
    else:
        file.write_bytes(gzip.compress(written(texts.column_names, [("1", "x"), ("2", "y")])))
    drawn = sample_rows(file)
    assert (drawn.names, list(zip(*drawn.texts.to_pydict().values(), strict=True))) == (
        ("a", "b"),
        [("1", "x"), ("2", "y")],
    )


def test_all_files_of_a_folder_are_sampled(tmp_path: Path) -> None:
    files = [tmp_path / f"{month:02}.csv" for month in range(1, 13)]
    for number, file in enumerate(files, start=1):
        header = ["month", "x"] if number % 2 else ["x", "month"]
        file.write_bytes(written(header, [[number, number]] * number))
    drawn = sample_files(files)
    assert sorted(set(drawn.texts.column(0).to_pylist()), key=int) == ["1", "3", "5", "7", "9", "12"]
    assert (drawn.texts.num_rows, drawn.file_rows, drawn.how) == (37, 1, "37 rows of 6 of 12 files")


@pytest.mark.parametrize("certainty", [0.5, 0.95])
def test_unsure_dialect_is_declared(certainty: float) -> None:
    found = Dialect(encoding="utf-8", delimiter=";", quote='"', preamble=2, header_lines=1, certainty=certainty)
    declared = {"encoding": "utf-8", "delimiter": ";", "quote": '"', "escape": "none", "preamble": 2, "header": 1}
    assert sample.unsure(found) == (declared if certainty < 0.9 else {})


def test_what_is_found_only_where_nothing_is_declared_is_not_declared() -> None:
    found = Dialect(encoding="utf-8", other_encoding="windows-1252", delimiter=",", spaces="aligned", certainty=0.5)
    assert sample.unsure(found).keys().isdisjoint({"encoding", "delimiter"})


def test_space_behind_each_delimiter_is_declared_with_it() -> None:
    found = Dialect(encoding="utf-8", delimiter=";", spaces="behind", certainty=0.5)
    assert sample.unsure(found)["delimiter"] == "; "


def test_doubtful_points_are_told() -> None:
    decision = decide_type(column_texts("x", pa.chunked_array([["1.234", "5.678", "12.345"]])))
    assert decision.remarks == ("or are these points between thousands?",)


def test_unreadable_records_are_told(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n" + "1,2\n" * 9 + "1,2,3\n")
    assert "1 records cannot be read (too_many_columns)" in " ".join(sample_rows(file).notes)


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="director"):
        sample_rows(tmp_path)


def test_large_file_is_sampled_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("WHOLE", 20_000), ("HEAD", 2_000), ("PLACES", 10), ("PIECE", 1_000)):
        monkeypatch.setattr(sample, name, size)
    file = tmp_path / "rows.csv"
    file.write_bytes(written(["n"], [[f"{number:09}"] for number in range(100_000)]))
    drawn = sample_rows(file)
    numbers = np.array(drawn.texts.column(0).to_pylist(), dtype=int)
    assert len({*numbers.tolist()}) == len(numbers) < 1_300
    assert max(np.diff([*numbers.tolist(), 100_000])) < 11_000
    assert drawn.file_rows == pytest.approx(100_000, rel=0.02)


def test_many_rows_are_thinned_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "MOST_ROWS", 100)
    file = tmp_path / "rows.csv"
    file.write_bytes(written(["n"], [[number] for number in range(1_000)]))
    numbers = np.array(sample_rows(file).texts.column(0).to_pylist(), dtype=int)
    assert numbers.tolist() == list(range(0, 1_000, 16))


@given(
    st.recursive(
        st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans(),
        lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
        max_leaves=8,
    )
)
def test_values_are_read_as_they_were_written(value: object) -> None:
    text = f"a: {flow(value)}\n"
    read = parse_document(text, Path("x.yaml"))
    if not read.mistakes:  # characters that no YAML of ours may hold
        assert read.root.value == {"a": value}


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2).filter(
        lambda rows: len({r[1] for r in rows}) == 2
    )
)
def test_area_is_the_chance_that_a_pair_is_in_order(rows: list[tuple[int, bool]]) -> None:
    ones, others = ([value for value, is_one in rows if is_one is side] for side in (True, False))
    pairs = [(one > other) + (one == other) / 2 for one in ones for other in others]
    values, classes = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    assert area_under_curve(values, classes) == pytest.approx(np.mean(pairs))


CELL = st.sampled_from(
    [
        "",
        "NA",
        "0",
        "1",
        "2.5",
        "-7",
        "00501",
        "x",
        "y",
        "yes",
        "no",
        "2024-01-31",
        "31/01/2024",
        "a b",
        "NO",
        "1,5",
        "é",
    ]
) | st.text(st.characters(codec="utf-8"), max_size=6)


NAMES = ("id", "date", "x", "a b", "no", "größe", "x_id")
CLASSES = (("0", "1"), ("yes", "no", ""), ("a", "b", "c"), ("1.5", "2.5", "4"))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Rows of any texts, most of them with names that are allowed and a target that can be learned."""
    header = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    header[0] = draw(st.sampled_from([header[0]] * 20 + ["", "_x", "\x00"]))
    cells = st.lists(CELL, min_size=len(header), max_size=len(header))
    few = draw(st.lists(cells, min_size=3, max_size=8))
    classes = draw(st.sampled_from(CLASSES))
    count = draw(st.sampled_from((60, 90, 40)))
    rows = [[*few[number % len(few)], classes[number * 7 // 3 % len(classes)]] for number in range(count)]
    return [*header, "target"], rows


@settings(max_examples=40, deadline=None)
@given(tables())
def test_any_table_gives_a_valid_draft_or_a_clear_error(table: tuple[list[str], list[list[str]]]) -> None:
    assert is_valid_or_refused(*table)


@pytest.mark.campaign
@settings(max_examples=3_000, deadline=None)
@given(tables())
def test_any_of_many_tables_gives_a_valid_draft(table: tuple[list[str], list[list[str]]]) -> None:
    assert is_valid_or_refused(*table)


def is_valid_or_refused(header: list[str], rows: list[list[str]]) -> bool:
    try:
        draft = draft_of(written(header, rows), "target")
    except HoldfastError as error:
        event(type(error).__name__)
        return len(str(error)) > 10
    event("drafted")
    return list(contradictions(draft.pipeline)) == []


def test_docs_show_a_real_draft() -> None:
    text = drafted("orders").text.replace("incoming/demo", "incoming/orders")
    assert text in (Path(__file__).parents[1] / "docs/init.md").read_text()
