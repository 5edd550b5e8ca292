"""Stage `validate` on real Great Expectations: which rows pass, what stops, what is said, what is done again."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from configs.expectations import CATALOGUE
from configs.schema import Pipeline
from configs.sections.columns import Column
from configs.sections.expectations import Expectation
from configs.sections.source import Source
from tasks.atomic import read_json
from tasks.stage import declared_sections
from tasks.table import read_batches, read_table, write_table
from tasks.validate import ExpectationsNotMetError, main, raw_file
from tasks.validation.catalogue import catalogue
from tasks.validation.expectations import ExpectationError, ExpectationRaisedError, Suite, great_expectations, plain
from tasks.validation.findings import failing_rows

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = {
    "age": {"type": "integer"},
    "rooms": {"type": "integer"},
    "size": {"type": "float"},
    "city": {"type": "category"},
    "built": {"type": "date"},
    "sold": {"type": "timestamp"},
    "price": {"type": "float"},
}
ROWS: dict[str, list[Any]] = {
    "age": [10, 20, None, 40],
    "rooms": [1, 2, 3, 4],
    "size": [10.0, 20.5, 30.0, 40.0],
    "city": ["a", "b", None, "a"],
    "built": [date(2001, 1, 1), date(2002, 1, 1), None, date(2004, 1, 1)],
    "sold": [datetime(2013, 1, day, 5, tzinfo=UTC) for day in (1, 2, 3, 4)],
    "price": [1.0, 2.0, 3.0, 4.0],
}
TYPES = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "category": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
Run = Callable[..., None]


def table(**values: list[Any]) -> pa.Table:
    """The four rows above, or others; all columns as long as the longest given."""
    length = max((len(column) for column in values.values()), default=4)
    columns = {name: values.get(name, (ROWS[name] * length)[:length]) for name in COLUMNS}
    return pa.table({name: pa.array(columns[name], TYPES[COLUMNS[name]["type"]]) for name in COLUMNS})


def land(batch: str = "b1", rows: pa.Table | None = None) -> None:
    """Write a typed batch; its first row stands in line 2."""
    rows = table() if rows is None else rows
    lines = pa.array(range(2, rows.num_rows + 2), pa.int64())
    write_table(rows.append_column("_line", lines), Path(f"data/typed/homes/{batch}.parquet"))


def homes(*expectations: dict[str, Any]) -> Pipeline:
    sections = ("drop", "features", "encode", "split", "train", "evaluate", "drift", "retrain", "gate")
    return Pipeline.model_validate(
        {
            **{name: {} for name in sections},
            "name": "homes",
            "owner": "homes@example.org",
            "source": {"path": "data/incoming/homes/*.csv", "stop_above": "100%"},
            "time": {"column": "sold", "timezone": "America/New_York"},
            "target": {"name": "price"},
            "columns": COLUMNS,
            "expectations": list(expectations),
        }
    )


def run(*expectations: dict[str, Any]) -> None:
    """Run the stage as dvc.yaml has it."""
    main(homes(*expectations).limited_to("validate", declared_sections("validate")))


def between(column: str, low: Any, high: Any, otherwise: str = "quarantine", **more: Any) -> dict[str, Any]:
    arguments = {"column": column, "min_value": low, "max_value": high, **more}
    return {"expect_column_values_to_be_between": arguments, "otherwise": otherwise}


def kept_lines() -> list[int]:
    return [int(line) for line in read_batches(Path("data/valid/homes"))["_line"].to_pylist()]


def quarantine(batch: str = "b1") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(Path(f"data/quarantine/homes/validate/{batch}.parquet")).to_pylist()
    return rows


def result(batch: int = 0, expectation: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = read_json(Path("reports/homes/validation.json"))["batches"][batch]["results"][expectation]
    return found


def metrics() -> dict[str, Any]:
    found: dict[str, Any] = read_json(Path("metrics/homes/validate.json"))
    return found


def outputs() -> dict[str, bytes]:
    """Every file that the stage wrote, Data Docs included."""
    folders = ("data/valid", "data/quarantine", "reports", "metrics")
    files = [file for folder in folders for file in Path(folder).rglob("*") if file.is_file()]
    return {str(file): file.read_bytes() for file in sorted(files)}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the stage reads."""
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    shutil.copy(ROOT / "configs/libraries.yaml", "configs/libraries.yaml")
    return tmp_path


# Which rows pass


def test_failing_rows_are_set_aside() -> None:
    land()
    run(between("age", 0, 25))
    assert kept_lines() == [2, 3, 4]


def test_quarantine_says_where_why_and_what() -> None:
    land(rows=table(size=[1.0, 2.0, float("inf"), 4.0]))
    run(between("size", 0, 100))
    (row,) = quarantine()
    expected = "expect_column_values_to_be_between(column: 'size', min_value: 0, max_value: 100)"
    assert row == {
        "_batch": "b1",
        "file": "data/raw/homes/b1.csv",
        "_line": 4,
        "column": "size",
        "reason": "expect_column_values_to_be_between",
        "detail": f"found size: 'Infinity'; expected {expected}",
        "raw": '{"age": null, "rooms": 3, "size": "Infinity", "city": null, "built": null, '
        '"sold": "2013-01-03 05:00:00.000000Z", "price": 3.0}',
        "expectation": expected,
    }


def test_all_failing_rows_are_found_beyond_the_200_that_gx_lists() -> None:
    land(rows=table(rooms=[*range(1000)]))
    run(between("rooms", 0, 499))
    assert [row["_line"] for row in quarantine()] == list(range(502, 1002))


def test_row_that_fails_twice_is_quarantined_once_with_both_details() -> None:
    land()
    run(between("rooms", 0, 3), between("size", 0, 25))
    assert [(row["_line"], row["reason"], row["detail"].count("found ")) for row in quarantine()] == [
        (4, "expect_column_values_to_be_between", 1),
        (5, "expect_column_values_to_be_between", 2),
    ]


def test_rows_in_are_rows_out_plus_quarantined() -> None:
    land("b1")
    land("b2", table(rooms=[9, 9, 1, 1, 9]))
    run(between("rooms", 0, 3), between("size", 0, 35))
    assert (metrics()["rows_in"], metrics()["rows_out"], metrics()["rows_quarantined"]) == (9, 4, 5)


def test_metrics_count_what_was_found() -> None:
    land()
    run(between("rooms", 0, 3), between("size", 0, 100))
    assert metrics() == {
        "batches": 1,
        "expectations": 2,
        "failed": 1,
        "reasons": {"expect_column_values_to_be_between": 1},
        "rows_in": 4,
        "rows_out": 3,
        "rows_quarantined": 1,
    }


def test_batch_without_failing_rows_keeps_its_bytes_and_has_no_quarantine() -> None:
    land()
    run(between("rooms", 0, 9))
    typed, valid = Path("data/typed/homes/b1.parquet"), Path("data/valid/homes/b1.parquet")
    assert (valid.read_bytes() == typed.read_bytes(), list(Path("data/quarantine/homes/validate").iterdir())) == (
        True,
        [],
    )


def test_mostly_that_holds_keeps_the_rows_that_fail() -> None:
    land()
    run(between("rooms", 0, 3, mostly=0.75))
    assert (kept_lines(), result()["success"], result()["unexpected_count"]) == ([2, 3, 4, 5], True, 1)


def test_mostly_that_does_not_hold_loses_all_rows_that_fail() -> None:
    land()
    run(between("rooms", 0, 2, mostly=0.75))
    assert kept_lines() == [2, 3]


def test_warning_keeps_the_rows_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    land()
    run(between("rooms", 0, 3, "warn"))
    assert (kept_lines(), "warning: batch 'b1': expect_column_values_to_be_between" in capsys.readouterr().out) == (
        [2, 3, 4, 5],
        True,
    )


REFERENCES: list[tuple[str, dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
    (
        "column_values_to_be_between",
        {"column": "age", "min_value": 0, "max_value": 25},
        lambda r: r["age"] in (None, 10, 20),
    ),
    ("column_values_to_be_between", {"column": "size", "min_value": 20, "strict_min": True}, lambda r: r["size"] > 20),
    ("column_values_to_be_between", {"column": "built", "max_value": "2002-01-01"}, lambda r: r["rooms"] != 4),
    ("column_values_to_be_between", {"column": "sold", "min_value": "2013-01-02"}, lambda r: r["rooms"] >= 2),
    ("column_values_to_be_between", {"column": "sold", "min_value": "2013-01-02T05:00:01Z"}, lambda r: r["rooms"] > 2),
    ("column_values_to_be_in_set", {"column": "city", "value_set": ["a"]}, lambda r: r["city"] != "b"),
    ("column_values_to_be_in_set", {"column": "age", "value_set": [10, 40]}, lambda r: r["age"] != 20),
    ("column_values_to_not_be_in_set", {"column": "built", "value_set": ["2004-01-01"]}, lambda r: r["rooms"] != 4),
    ("column_values_to_not_be_null", {"column": "age"}, lambda r: r["age"] is not None),
    ("column_values_to_be_null", {"column": "city"}, lambda r: r["city"] is None),
    ("column_values_to_be_unique", {"column": "city"}, lambda r: r["city"] in (None, "b")),
    ("column_values_to_match_regex", {"column": "city", "regex": "^a$"}, lambda r: r["city"] != "b"),
    ("column_values_to_match_regex", {"column": "age", "regex": "^[12]0$"}, lambda r: r["age"] != 40),
    ("column_value_lengths_to_equal", {"column": "city", "value": 1}, lambda r: True),
    (
        "column_pair_values_a_to_be_greater_than_b",
        {"column_A": "age", "column_B": "size", "ignore_row_if": "either_value_is_missing", "or_equal": True},
        lambda r: r["age"] is None or r["age"] >= r["size"],
    ),
    ("column_pair_values_to_be_equal", {"column_A": "age", "column_B": "size"}, lambda r: r["age"] == r["size"]),
    ("compound_columns_to_be_unique", {"column_list": ["city", "rooms"]}, lambda r: True),
    ("multicolumn_sum_to_equal", {"column_list": ["age", "rooms"], "sum_total": 22}, lambda r: r["rooms"] == 2),
    ("select_column_values_to_be_unique_within_record", {"column_list": ["rooms", "price"]}, lambda r: False),
]


@pytest.mark.parametrize(("name", "arguments", "passes"), REFERENCES)
def test_rows_are_those_that_a_slow_reference_finds(
    name: str, arguments: dict[str, Any], passes: Callable[[dict[str, Any]], bool]
) -> None:
    columns = {key: Column.model_validate(value) for key, value in COLUMNS.items()}
    suite = Suite([Expectation(name=f"expect_{name}", arguments=arguments, otherwise="quarantine")], columns, "UTC")
    expected = [place for place, row in enumerate(table().to_pylist()) if not passes(row)]
    assert list(failing_rows(suite.check(table()), 0, 4)) == expected


def test_large_integers_beside_nulls_are_compared_exactly() -> None:
    columns = {key: Column.model_validate(value) for key, value in COLUMNS.items()}
    equal = Expectation(
        name="expect_column_pair_values_to_be_equal",
        arguments={"column_A": "age", "column_B": "rooms", "ignore_row_if": "either_value_is_missing"},
        otherwise="quarantine",
    )
    rows = table(age=[2**53 + 1, None, 7], rooms=[2**53, 3, 7])
    assert list(failing_rows(Suite([equal], columns, "UTC").check(rows), 0, 3)) == [0]


# What stops


def test_stop_names_batch_expectation_count_and_lines() -> None:
    land("b1")
    land("b2", table(rooms=[9, 1, 9, 1]))
    with pytest.raises(
        ExpectationsNotMetError,
        match=r"batch 'b2': expect_column_values_to_be_between\(column: 'rooms'.* 2 of 4 rows: data/raw/homes/b2\.csv, "
        r"line 2, 4; found rooms: 9 in the first",
    ):
        run(between("rooms", 0, 4, "stop"))


def test_stop_replaces_no_output() -> None:
    land()
    run(between("rooms", 0, 9, "stop"))
    before = {name: content for name, content in outputs().items() if "data_docs" not in name}
    with pytest.raises(ExpectationsNotMetError):
        run(between("rooms", 0, 3, "stop"))
    assert {name: content for name, content in outputs().items() if "data_docs" not in name} == before


def test_stop_shows_why_in_the_data_docs() -> None:
    land()
    with pytest.raises(ExpectationsNotMetError, match=r"See reports/homes/data_docs/index\.html"):
        run(between("rooms", 0, 3, "stop"))
    assert "1 unexpected values found" in Path("reports/homes/data_docs/batch-b1.html").read_text()


def test_stop_is_remembered_with_the_batch() -> None:
    land()
    for _ in range(2):
        with pytest.raises(ExpectationsNotMetError, match="1 of 4 rows"):
            run(between("rooms", 0, 3, "stop"))


def test_table_expectation_stops_with_what_was_found() -> None:
    land()
    with pytest.raises(
        ExpectationsNotMetError, match=r"row_count_to_be_between\(min_value: 5\) does not hold: found 4"
    ):
        run({"expect_table_row_count_to_be_between": {"min_value": 5}, "otherwise": "stop"})


def test_table_has_the_declared_columns_alone() -> None:
    land()
    run({"expect_table_columns_to_match_ordered_list": {"column_list": list(COLUMNS)}, "otherwise": "stop"})
    assert result()["success"]


def test_expectation_that_raises_inside_gx_stops_with_its_text() -> None:
    land()
    with pytest.raises(
        ExpectationRaisedError, match=r"b1\.parquet: expect_column_mean_to_be_between.*reduction 'mean'"
    ):
        run({"expect_column_mean_to_be_between": {"column": "city", "min_value": 1}, "otherwise": "warn"})


def test_expectation_that_raises_leaves_the_others_in_their_places() -> None:
    columns = {key: Column.model_validate(value) for key, value in COLUMNS.items()}
    names = ["expect_column_median_to_be_between", "expect_column_max_to_be_between"]
    suite = Suite(
        [Expectation(name=name, arguments={"column": "rooms", "min_value": 1}) for name in names], columns, "UTC"
    )
    assert [check.observed for check in suite.check(table())] == [2.5, 4]


# Nothing passes on nothing


@pytest.mark.parametrize("declared", [(), (between("rooms", 0, 9),)])
def test_batch_without_a_row_stops(declared: tuple[dict[str, Any], ...]) -> None:
    land("b1")
    land("b2", table().slice(0, 0))
    with pytest.raises(ExpectationsNotMetError, match="batch 'b2': it has no row; at least one was expected"):
        run(*declared)


def test_batch_without_a_declared_column_stops() -> None:
    land(rows=table().drop_columns(["city"]))
    with pytest.raises(ExpectationsNotMetError, match="batch 'b1': its columns are"):
        run()


def test_target_without_a_value_stops() -> None:
    land(rows=table(price=[None, float("nan"), None]))
    with pytest.raises(ExpectationsNotMetError, match="the target's column 'price' has no value in any of the 3 rows"):
        run()


def test_all_rows_quarantined_stops() -> None:
    land()
    with pytest.raises(
        ExpectationsNotMetError, match=r"all 4 rows are quarantined \(expect_column_values_to_be_between 4\)"
    ):
        run(between("rooms", 90, 99))


def test_empty_column_stops_an_expectation_about_its_values() -> None:
    land(rows=table(age=[None] * 4))
    with pytest.raises(ExpectationsNotMetError, match="has nothing to look at: the column has no value in this batch"):
        run(between("age", 0, 9, "stop"))


@pytest.mark.parametrize("otherwise", ["quarantine", "warn"])
def test_empty_column_is_never_a_silent_success(otherwise: str, capsys: pytest.CaptureFixture[str]) -> None:
    land(rows=table(age=[None] * 4))
    run(between("age", 0, 9, otherwise))
    assert (result()["success"], result()["nothing_to_check"], "nothing to look at" in capsys.readouterr().out) == (
        False,
        True,
        True,
    )


def test_empty_column_fails_an_aggregate() -> None:
    land(rows=table(age=[None] * 4))
    run({"expect_column_unique_value_count_to_be_between": {"column": "age", "min_value": 0}, "otherwise": "warn"})
    assert not result()["success"]


def test_empty_column_may_be_expected() -> None:
    land(rows=table(age=[None] * 4))
    run({"expect_column_values_to_be_null": {"column": "age"}, "otherwise": "stop"})
    assert result()["success"]


def test_no_expectations_need_no_great_expectations() -> None:
    land()
    code = (
        "import sys; from tests.test_validate import run; run(); "
        "print([name for name in sys.modules if name.startswith('great_expectations')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.stdout.splitlines()[-1] == "[]"


# What is done again, and what comes out


def test_unchanged_batches_are_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    land()
    run(between("rooms", 0, 3))
    before = outputs()
    monkeypatch.setattr("tasks.validate.Suite", None)  # cannot be built
    run(between("rooms", 0, 3))
    assert outputs() == before


def test_new_batch_alone_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    land("b1")
    run(between("rooms", 0, 3))
    land("b2", table(rooms=[1, 2]))
    run(between("rooms", 0, 3))
    assert "2 batches, 1 of them checked anew; 6 rows in, 5 out, 1 in quarantine" in capsys.readouterr().out


def test_another_expectation_checks_all_again(capsys: pytest.CaptureFixture[str]) -> None:
    land()
    run(between("rooms", 0, 3))
    run(between("rooms", 0, 2))
    assert ("1 of them checked anew; 4 rows in, 2 out" in capsys.readouterr().out, kept_lines()) == (True, [2, 3])


def test_same_batches_give_the_same_bytes() -> None:
    land("b1")
    land("b2", table(rooms=[9, 1, 9, 1]))
    declared = (between("rooms", 0, 3), between("size", 0, 15, "warn"))
    run(*declared)
    before = outputs()
    shutil.rmtree(".holdfast")
    run(*declared)
    assert outputs() == before


def test_batch_that_left_leaves_no_file() -> None:
    land("b1")
    land("b2")
    run(between("rooms", 0, 3))
    Path("data/typed/homes/b2.parquet").unlink()
    run(between("rooms", 0, 3))
    assert [file for file in outputs() if "b2" in file] == []


def test_stage_writes_nothing_else(project: Path) -> None:
    land()
    run(between("rooms", 0, 3))
    assert sorted(entry.name for entry in project.iterdir()) == [
        ".holdfast", "configs", "data", "dvc.yaml", "metrics", "reports",
    ]  # fmt: skip


def test_report_is_plain_json_without_ids_and_times() -> None:
    land()
    run(between("rooms", 0, 3))
    text = Path("reports/homes/validation.json").read_text()
    assert json.loads(text)["batches"][0]["results"] == [
        {
            "name": "expect_column_values_to_be_between",
            "arguments": {"column": "rooms", "min_value": 0, "max_value": 3},
            "otherwise": "quarantine",
            "success": False,
            "element_count": 4,
            "missing_count": 0,
            "unexpected_count": 1,
            "unexpected_percent": 25.0,
            "observed_value": None,
            "nothing_to_check": False,
            "examples": [{"line": 5, "found": {"rooms": 4}}],
        }
    ]


def test_great_expectations_draws_no_progress_bar(capfd: pytest.CaptureFixture[str]) -> None:
    land()
    run(between("rooms", 0, 3))
    assert capfd.readouterr().err == ""


def test_great_expectations_leaves_warnings_to_python() -> None:
    great_expectations()
    assert logging._warnings_showwarning is None  # type: ignore[attr-defined]


# What can be declared


def test_catalogue_is_that_of_the_installed_great_expectations() -> None:
    assert read_json(CATALOGUE) == catalogue()


@pytest.mark.parametrize(
    ("expectation", "text"),
    [
        (between("city", "a", "b"), "value is not a valid float"),
        (between("rooms", "5", 9), r"would read min_value: '5' as 5\.0"),
        (between("rooms", 2**53 + 1, None), "would read min_value: 9007199254740993 as"),
        (between("rooms", None, None), "min_value and max_value cannot both be None"),
        (between("sold", "soon", None), "min_value: 'soon' is no timestamp such as '2013-01-31'"),
        (between("built", "2013-01-01T05:00", None), "is no date such as"),
        (
            {"expect_table_row_count_to_equal": {"value": 4}, "otherwise": "quarantine"},
            "there is nothing to quarantine",
        ),
        ({"expect_column_values_to_be_purple": {"column": "city"}}, "is none of those in configs/expectations.json"),
    ],
)
def test_expectation_that_gx_would_misread_is_refused(expectation: dict[str, Any], text: str) -> None:
    columns = {key: Column.model_validate(value) for key, value in COLUMNS.items()}
    with pytest.raises(ExpectationError, match=text):
        Suite([Expectation.model_validate(expectation)], columns, "UTC")


def test_local_times_are_read_in_the_declared_zone() -> None:
    land()  # sold at midnight of each day in New York
    run(between("sold", "2013-01-02", "2013-01-03"))
    assert kept_lines() == [3, 4]


@pytest.mark.parametrize(
    ("glob", "file"),
    [
        ("in/*.csv", "data/raw/homes/b1.csv"),
        ("in/**/2013-*.csv.gz", "data/raw/homes/b1.csv.gz"),
        ("in/homes.tsv", "data/raw/homes/b1.tsv"),
        ("in/*", "data/raw/homes/b1.*"),
    ],
)
def test_raw_file_has_the_extension_that_the_source_declares(glob: str, file: str) -> None:
    assert raw_file(Source(path=glob), "homes", "b1") == file


def test_plain_values_are_json() -> None:
    import numpy as np

    values = {1: np.float64("nan"), "b": (np.int64(2), {date(2013, 1, 2)}), "c": float("-inf"), "d": np.bool_(True)}
    assert plain(values) == {"1": None, "b": [2, ["2013-01-02"]], "c": "-Infinity", "d": True}


# Rules of the user's own

RULES = """
import pandas as pd

def few_rooms(frame):
    return frame["rooms"] < 4

def known_age(frame):
    return frame["age"] > 15

def sums_up(frame):
    return bool(frame["rooms"].sum() == 10)

def fails(frame):
    raise KeyError("no such thing")

def counts(frame):
    return frame["rooms"]

def shuffled(frame):
    return (frame["rooms"] < 4).sort_index(ascending=False)

def types(frame):
    found = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert list(found.values()) == [
        "Int64", "Int64", "float64", "str", "datetime64[s]", "datetime64[us, America/New_York]", "float64"
    ], found
    return True
"""


@pytest.fixture
def rules() -> Path:
    """A module of the pipeline's own code, and a YAML to point at."""
    folder = Path("configs/homes")
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "rules.py").write_text(RULES)
    return folder / "rules.py"


def custom(function: str, otherwise: str = "quarantine", **more: Any) -> dict[str, Any]:
    return {"custom": {"function": f"rules.{function}", **more}, "otherwise": otherwise}


def sql(expression: str, otherwise: str = "quarantine", **more: Any) -> dict[str, Any]:
    return {"sql": {"expression": expression, **more}, "otherwise": otherwise}


def test_sql_sets_aside_the_rows_that_it_is_false_for() -> None:
    land()
    run(sql("rooms < 3 OR city = 'a'"))
    assert kept_lines() == [2, 3, 4, 5]  # NULL for the third: not judged
    run(sql("rooms < 3 OR coalesce(city, '') = 'x'"))
    assert kept_lines() == [2, 3]


def test_sql_tells_what_it_read_and_expected() -> None:
    land()
    run(sql("rooms < 4", name="not_too_large"))
    (row,) = quarantine()
    assert (row["column"], row["reason"], row["detail"]) == (
        "rooms",
        "sql.not_too_large",
        "found rooms: 4; expected sql(rooms < 4, name: 'not_too_large')",
    )


def test_sql_reads_timestamps_as_the_clock_on_the_wall() -> None:
    land()  # five in the morning in London is midnight in New York
    run(sql("hour(sold) = 0", "stop"))
    assert result()["success"]


def test_sql_has_mostly() -> None:
    land()
    run(sql("rooms < 4", mostly=0.75))
    assert (kept_lines(), result()["success"], result()["unexpected_count"]) == ([2, 3, 4, 5], True, 1)


def test_sql_that_is_null_for_every_row_is_not_met() -> None:
    land(rows=table(age=[None] * 4))
    with pytest.raises(ExpectationsNotMetError, match="it can judge no row of this batch"):
        run(sql("age > 0", "stop"))


def test_sql_that_cannot_be_computed_names_itself_and_the_batch() -> None:
    land()
    with pytest.raises(ExpectationRaisedError, match=r"b1\.parquet: sql\(CAST.*Conversion Error.*TRY_CAST") as caught:
        run(sql("CAST(city AS INTEGER) > 0"))
    assert caught.value.key == ("expectations", 0)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("rooms + 1", "true or false was expected"),
        ("roms > 1", "did you mean 'rooms'"),
        ("sum(rooms) > 1", "not allowed"),
        ("random() > rooms", "not allowed"),
        ("rooms >", "is no SQL expression"),
    ],
)
def test_sql_that_is_no_truth_about_a_row_is_refused(expression: str, text: str) -> None:
    columns = {key: Column.model_validate(value) for key, value in COLUMNS.items()}
    with pytest.raises(ExpectationError, match=text):
        Suite([Expectation.model_validate(sql(expression))], columns, "UTC")


def test_function_sets_aside_the_rows_that_it_is_false_for(rules: Path) -> None:
    land()
    run(custom("few_rooms", columns=["rooms", "size"]))
    (row,) = quarantine()
    assert (row["_line"], row["column"], row["reason"], row["detail"][:26]) == (
        5,
        "rooms, size",
        "custom.rules.few_rooms",
        "found rooms: 4, size: 40.0",
    )


def test_row_of_which_a_function_says_nothing_is_kept(rules: Path) -> None:
    land()
    run(custom("known_age"))
    assert (kept_lines(), result()["missing_count"]) == ([3, 4, 5], 1)


def test_function_has_mostly(rules: Path) -> None:
    land()
    run(custom("few_rooms", mostly=0.75))
    assert (kept_lines(), result()["unexpected_count"]) == ([2, 3, 4, 5], 1)


def test_function_may_judge_the_batch(rules: Path) -> None:
    land("b1")
    land("b2", table(rooms=[1, 1, 1, 1]))
    with pytest.raises(
        ExpectationsNotMetError, match=r"batch 'b2': custom\(rules\.sums_up\) does not hold: found False"
    ):
        run(custom("sums_up", "stop"))


def test_function_that_judges_the_batch_cannot_quarantine(rules: Path) -> None:
    land()
    with pytest.raises(ExpectationRaisedError, match="named no row to quarantine"):
        run(custom("sums_up"))


def test_function_is_given_the_declared_types(rules: Path) -> None:
    land()
    run(custom("types", "stop"))
    assert result()["success"]


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("fails", r"rules\.fails failed: KeyError: 'no such thing', raised at configs/homes/rules\.py:14"),
        ("counts", "gave a Series of Int64; a boolean Series"),
        ("shuffled", "under another index"),
        ("absent", "has no such function"),
    ],
)
def test_function_that_fails_is_told_with_its_name_batch_and_place(rules: Path, function: str, text: str) -> None:
    land()
    with pytest.raises(ExpectationRaisedError, match=rf"b1\.parquet: custom\(rules\.{function}\).*{text}") as caught:
        run(between("rooms", 0, 9), custom(function))
    assert caught.value.key == ("expectations", 1)


def test_changed_function_checks_all_again(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    land()
    run(custom("few_rooms"))
    rules.write_text(RULES.replace('frame["rooms"] < 4', 'frame["rooms"] < 3'))
    run(custom("few_rooms"))
    assert ("1 of them checked anew; 4 rows in, 2 out" in capsys.readouterr().out, kept_lines()) == (True, [2, 3])


def test_own_rules_stand_in_the_data_docs(rules: Path) -> None:
    land()
    run(custom("few_rooms", "warn"), sql("rooms < 3", "warn"), custom("sums_up", "warn"))
    page = Path("reports/homes/data_docs/batch-b1.html").read_text()
    assert [text in page for text in ("rules.few_rooms", "rooms &lt; 3", "rules.sums_up")] == [True] * 3


def test_rows_are_set_aside_alike_in_one_chunk_and_in_many(monkeypatch: pytest.MonkeyPatch) -> None:
    unique = {"expect_column_values_to_be_unique": {"column": "age"}, "otherwise": "quarantine"}
    declared = (between("rooms", 10, 80), sql("size < 30"), unique)
    land(rows=table(rooms=[*range(100)], age=[*range(99), 3]))
    run(*declared)
    before = (kept_lines(), quarantine(), read_json(Path("reports/homes/validation.json")))
    shutil.rmtree(".holdfast")
    monkeypatch.setattr("tasks.table_chunks.CHUNK_ROWS", 7)
    run(*declared)
    assert (kept_lines(), quarantine(), read_json(Path("reports/homes/validation.json"))) == before
