"""What is drafted of times in several columns, members and ids that are floats, short years, durations, and units."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from configs.checks import contradictions
from tasks.drafting import Draft, UndraftableError
from tasks.drafting.column_texts import column_texts
from tasks.drafting.column_types import Decision, decide_type
from tests.drafted_files import written
from tests.test_drafting import draft_of, types_of

ROWS = 120


def moment(row: int) -> datetime:
    return datetime(2011, 1, 1) + timedelta(hours=41 * row)


def drafted(**columns: Callable[[int], object]) -> Draft:
    """A draft of some columns, a number `x` and the target `y`."""
    cells = [[*(str(cell(row)) for cell in columns.values()), row % 7, row * row % 11 / 3] for row in range(ROWS)]
    draft = draft_of(written([*columns, "x", "y"], cells), "y")
    assert list(contradictions(draft.pipeline)) == []
    return draft


def remark_of(draft: Draft, what: str) -> str:
    return next(remark for remark in draft.remarks if remark.startswith(f"{what}: "))


def decided(*texts: str, name: str = "x") -> Decision:
    return decide_type(column_texts(name, pa.chunked_array([list(texts)])))


# ---- times of several columns

Cell = Callable[[int], object]


def part(name: str) -> Cell:
    return lambda row: getattr(moment(row), name)


YEAR, MONTH, DAY, HOUR = map(part, ("year", "month", "day", "hour"))


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"year": YEAR, "month": MONTH}, "'year' and 'month': to split by it, write it as one column .* 2013-05$"),
        ({"Yr": YEAR, "Mo": lambda row: f"{moment(row):%b}"}, "'Yr' and 'Mo'"),
        ({"obsYear": lambda _: 2011, "obsMonth": MONTH, "obsDay": DAY}, "'obsYear', 'obsMonth' and 'obsDay': .*-31$"),
        ({"month": MONTH, "day": DAY}, "'month' and 'day'"),
        ({"year": YEAR, "month": MONTH, "day": DAY, "hour": HOUR}, "'hour': .* 2013-05-31 17:00$"),
    ],
)
def test_time_of_several_columns_is_told_with_what_to_write(columns: dict[str, Cell], told: str) -> None:
    draft = drafted(**columns)
    assert (draft.pipeline.time.column, re.search(told, remark_of(draft, "time")) is not None) == (None, True)


@pytest.mark.parametrize(
    "columns",
    [{"year": YEAR, "month": lambda row: row}, {"month": MONTH}, {"year": YEAR, "day": lambda row: f"d{row % 5}"}],
)
def test_other_columns_make_no_time(columns: dict[str, Cell]) -> None:
    assert remark_of(drafted(**columns), "time") == "time: no date or timestamp that nearly all rows have"


def test_years_that_are_the_time_could_be_finer() -> None:
    draft = drafted(year=lambda row: 1950 + row // 4, month=lambda row: 1 + row % 4 * 3)
    assert (draft.pipeline.time.column, "'year' and 'month'" in remark_of(draft, "time")) == ("year", True)


def test_parts_beside_a_whole_time_are_not_told() -> None:
    draft = drafted(year=YEAR, month=MONTH, at=lambda row: moment(row).isoformat())
    assert (draft.pipeline.time.column, "one column" in remark_of(draft, "time")) == ("at", False)


@pytest.mark.parametrize("form", ["%H:%M:%S", "%H:%M", "%I:%M %p"])
def test_time_of_the_day_beside_a_date_is_told(form: str) -> None:
    draft = drafted(sold=lambda row: moment(row).date(), at=lambda row: f"{moment(row):{form}}")
    assert "the time of the day stands in 'at'" in remark_of(draft, "time")
    assert (draft.pipeline.time.column, types_of(draft)["at"]) == ("sold", "category")


# ---- members and ids that are floats


def panel(name: str, *, by_member: bool) -> Draft:
    """Ten members in twenty years, numbered by whole floats."""
    places = [(row // 20, row % 20) if by_member else (row % 10, row // 10) for row in range(200)]
    rows = [
        [f"{member}.0", 1990 + year, row * 7 % 13, row * row % 101 / 3] for row, (member, year) in enumerate(places)
    ]
    return draft_of(written([name, "year", "x", "y"], rows), "y")


@pytest.mark.parametrize("name", ["firm", "country_id"])
@pytest.mark.parametrize("by_member", [True, False])
def test_members_that_are_whole_floats_are_names(name: str, by_member: bool) -> None:
    draft = panel(name, by_member=by_member)
    assert (types_of(draft)[name], draft.pipeline.time.column) == ("category", "year")
    assert "1 and 1.0 are two levels" in remark_of(draft, name)


def test_ids_that_are_whole_floats_are_names_and_other_whole_floats_are_numbers() -> None:
    assert decided("1.0", "2.0", name="user_id").declared == {"type": "category"}
    assert decided("1.0", "2.0", name="rooms").declared == {"type": "float"}
    assert decided("1.0", "2.5", name="user_id").declared == {"type": "float"}


# ---- years of two digits


@pytest.mark.parametrize("form", ["%d/%m/%y", "%m-%d-%y", "%d-%b-%y"])
def test_years_of_two_digits_are_told_as_they_are_read(form: str) -> None:
    draft = drafted(sold=lambda row: f"{moment(row):{form}}")
    assert "69 to 99 are read as 1969 to 1999, 00 to 68 as 2000 to 2068" in remark_of(draft, "sold")


@pytest.mark.parametrize(("year", "read"), [("68", 2068), ("69", 1969), ("99", 1999), ("00", 2000)])
def test_years_of_two_digits_are_read_as_is_told(year: str, read: int) -> None:
    from tasks.drafting.fitting import typed_levels

    (value,) = typed_levels(pa.array([f"01/02/{year}"]), {"type": "date", "format": "%d/%m/%y"}).to_pylist()
    assert value.year == read


def test_short_years_are_no_time_and_told() -> None:
    draft = drafted(year=lambda row: 60 + row // 4)
    assert draft.pipeline.time.column is None
    assert "written with four, rows could be split by them" in remark_of(draft, "year")


# ---- quantities that no type reads


@pytest.mark.parametrize(
    "texts",
    [
        lambda row: f"{row % 3} days {row % 24:02}:{row % 60:02}:00",
        lambda row: f"{row // 60:02}:{row % 60:02}:{row % 7:02}",
        lambda row: f"{row}:{row % 60:02}.{row}",
        lambda row: f"PT{row}M5S",
        lambda row: f"{row}h {row % 60}min",
        lambda row: f"({row}.5)" if row % 2 else f"{row}.5",
        lambda row: f"{row}.5k",
        lambda row: f"{'$' if row % 2 else '€'}{row}.5",
        lambda row: f"{row}.5 {'kg' if row % 2 else 'lb'}",
        lambda row: f"<{row}.5",
    ],
)
def test_quantity_that_no_type_reads_is_no_identifier_and_told(texts: Cell) -> None:
    draft = drafted(q=texts)
    assert types_of(draft)["q"] in ("text", "category")
    assert re.search("; write .* as (a number|plain numbers)", remark_of(draft, "q")) is not None


@pytest.mark.parametrize(
    "texts", [("N101", "N102"), ("A-12", "B-13"), ("red", "blue"), ("1.2.3", "4.5.6"), ("10a", "7b")]
)
def test_other_texts_are_no_quantities(texts: tuple[str, ...]) -> None:
    assert "write" not in "".join(decided(*texts).remarks)


@pytest.mark.parametrize(
    ("texts", "declared"),
    [
        (("5 kg", "7.5 kg"), {"type": "float", "marks": ["kg"]}),
        (("5kg", "7"), {"type": "integer", "marks": ["kg"]}),
        (("5 USD", "1,234.50 USD"), {"type": "float", "thousands": ",", "marks": ["USD"]}),
        (("21,5°C", "7°C"), {"type": "float", "decimal": ",", "marks": ["°C"]}),
        (("5k", "7k"), {"type": "category"}),
        (("5 M", "7 M"), {"type": "category"}),
        (("12A", "13A"), {"type": "category"}),
    ],
)
def test_one_unit_is_a_mark_and_what_multiplies_is_none(texts: tuple[str, ...], declared: dict[str, object]) -> None:
    assert decided(*texts).declared == declared


def test_file_of_quantities_alone_is_refused_with_what_was_seen() -> None:
    rows = [[f"{row}.5k", row * row % 11 / 3] for row in range(60)]
    with pytest.raises(UndraftableError, match="'q' is text: numbers in several units or with other signs, such as"):
        draft_of(written(["q", "y"], rows), "y")
