"""What there is to judge where batches are files, folders or periods, and when each is."""

from __future__ import annotations

import csv
import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from configs.errors import DataError
from configs.schema import Pipeline
from tasks.drift.batch import given_batch
from tasks.monitoring.batches import LandedBatch, landed_batches, rows_by_file
from tests.conftest import ROOT
from tests.pipelines import make_pipeline

RAW = Path("data/raw/demo")
COLUMNS = {"at": {"type": "timestamp"}, "x": {"type": "integer"}}
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def pipeline(kind: str, **time: Any) -> Pipeline:
    """A pipeline whose batches are of a kind; two rows of three may be refused."""
    source = {"path": "data/incoming/demo/*.csv", "batch": kind, "stop_above": "60%"}
    return make_pipeline(COLUMNS, source=source, time={"column": "at"} | time)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dvc.yaml", "configs/libraries.yaml", "configs/expectations.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)


def put(landed: str, *moments: str) -> None:
    """Land a file with a row for each moment."""
    path = RAW / landed
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        csv.writer(file, lineterminator="\n").writerows([["at", "x"], *([moment, "1"] for moment in moments)])


def landed() -> dict[str, str]:
    """MD5 by landed path, as the ledger has it."""
    files = [path for path in sorted(RAW.rglob("*")) if path.is_file()]
    return {path.relative_to(RAW).as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def found(kind: str, now: datetime = LATER, **time: Any) -> list[LandedBatch]:
    return landed_batches(pipeline(kind, **time), landed(), now)


def members(batches: list[LandedBatch]) -> dict[str, list[str]]:
    """Files of each batch."""
    return {batch.shown: sorted(batch.files) for batch in batches}


def test_each_file_is_a_batch_with_its_own_content() -> None:
    put("b.csv", "2024-01-01")
    put("a.csv", "2024-01-02")
    batches = found("file")
    assert [(batch.name, batch.shown, batch.md5) for batch in batches] == [
        (name, f"{name}.csv", landed()[f"{name}.csv"]) for name in "ab"
    ]


def test_folder_is_one_batch_of_its_files() -> None:
    put("2024-01/north.csv", "2024-01-01")
    put("2024-01/south.csv", "2024-01-01")
    put("2024-02/north.csv", "2024-02-01")
    assert members(found("folder")) == {
        "2024-01": ["2024-01/north.csv", "2024-01/south.csv"],
        "2024-02": ["2024-02/north.csv"],
    }


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("month", ["2024-01", "2024-02"]),
        ("week", ["2024-W05", "2024-W06"]),
        ("day", ["2024-01-31", "2024-02-01", "2024-02-05"]),
    ],
)
def test_period_has_the_files_that_have_rows_of_it(kind: str, names: list[str]) -> None:
    put("a.csv", "2024-01-31", "2024-02-01")
    put("b.csv", "2024-02-05")
    batches = members(found(kind))
    assert list(batches) == names
    assert batches[names[-1]] == (["a.csv", "b.csv"] if kind == "month" else ["b.csv"])


@pytest.mark.parametrize("kind", ["folder", "month"])
def test_further_file_changes_the_content_of_its_batch_alone(kind: str) -> None:
    put("2024-01/a.csv", "2024-01-01")
    put("2024-02/a.csv", "2024-02-01")
    before = {batch.shown: batch.md5 for batch in found(kind)}
    put("2024-02/b.csv", "2024-02-02")
    after = {batch.shown: batch.md5 for batch in found(kind)}
    assert {name for name in after if after[name] != before[name]} == {"2024-02"}


@pytest.mark.parametrize("kind", ["folder", "month"])
def test_batch_is_new_where_one_of_its_files_is(kind: str) -> None:
    put("2024-01/a.csv", "2024-01-01")
    put("2024-02/a.csv", "2024-02-01")
    used = landed()
    put("2024-02/b.csv", "2024-02-02")
    assert [batch.shown for batch in found(kind) if batch.is_new_to(used)] == ["2024-02"]


@pytest.mark.parametrize(
    ("now", "zone", "is_over"),
    [
        ("2024-01-31T22:59:59+00:00", "Europe/Berlin", [True, False, False]),
        ("2024-01-31T23:00:00+00:00", "Europe/Berlin", [True, True, False]),
        ("2024-02-01T04:59:59+00:00", "America/New_York", [True, False, False]),
        ("2024-02-01T05:00:00+00:00", "America/New_York", [True, True, False]),
        ("2023-01-01T00:00:00+00:00", "UTC", [False, False, False]),
    ],
)
def test_period_is_over_by_its_zones_clock(now: str, zone: str, is_over: list[bool]) -> None:
    put("a.csv", "2023-12-05", "2024-01-15", "2024-02-15")
    assert [batch.is_over for batch in found("month", datetime.fromisoformat(now), timezone=zone)] == is_over


def test_rows_are_counted_by_the_file_that_they_came_in() -> None:
    put("a.csv", "2024-01-31", "2024-02-01", "2024-02-02")
    put("b.csv", "2024-02-05")
    january, february = found("month")
    assert [rows_by_file(pipeline("month"), each) for each in (january, february)] == [
        {"a.csv": 1},
        {"a.csv": 2, "b.csv": 1},
    ]


def test_file_that_cannot_be_read_is_told_and_holds_the_periods_back() -> None:
    put("2024-01.csv", "2024-01-31")
    (RAW / "2024-02.csv").write_text("<!doctype html><html>login</html>\n")
    assert members(found("month")) == {"2024-02.csv": ["2024-02.csv"]}
    given = given_batch(pipeline("month"), "2024-02.csv")
    assert (given.is_readable, given.rows.num_rows, "2024-02.csv" in given.problems[0]) == (False, 0, True)


def test_file_whose_rows_have_no_time_is_told_beside_the_periods() -> None:
    put("2024-01.csv", "2024-01-31", "")
    put("2024-02.csv", "2024-02-31", "", "")
    assert members(found("month")) == {"2024-02.csv": ["2024-02.csv"], "2024-01": ["2024-01.csv"]}
    given = given_batch(pipeline("month"), "2024-02.csv")
    assert (given.is_readable, given.raw_rows, sum(given.untyped.values())) == (True, 3, 3)


def test_sound_file_is_no_batch_of_a_source_of_periods() -> None:
    put("a.csv", "2024-01-31", "2024-02-01")
    with pytest.raises(DataError, match=r"its rows are in the batches '2024-01', '2024-02'\. Name one of them"):
        given_batch(pipeline("month"), "a.csv")
