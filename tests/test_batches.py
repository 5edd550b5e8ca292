"""Batches of folders and of periods: every row is dealt once, and one more file costs the batches that it touches."""

from __future__ import annotations

import csv
import datetime as dt
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from configs.checks import contradictions
from configs.sections.source import PERIODS, Period
from tasks import ingest
from tasks.atomic import read_json
from tasks.batch import BatchKindError, BatchNameError
from tasks.ingest import LostRowError
from tasks.ingestion import dealing, gathering
from tasks.quarantine.limit import TooManyRefusedError
from tasks.stage import declared_sections
from tasks.table import FILE, LINE, line_of_row, read_batches, read_table
from tests.pipelines import make_pipeline

ROOT = Path(__file__).resolve().parents[1]
RAW, TYPED, REFUSED = Path("data/raw/demo"), Path("data/typed/demo"), Path("data/quarantine/demo/ingest")
COLUMNS = {"at": {"type": "timestamp"}, "n": {"type": "integer"}}
ZONE = "America/New_York"
TIME = {"column": "at", "timezone": ZONE}

Places = dict[str, list[tuple[str, int]]]


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / RAW).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name: str, *rows: str) -> Path:
    file = RAW / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(["at,n", *rows]) + "\n")
    return file


def run(batch: str, columns: dict[str, Any] = COLUMNS, time: dict[str, str] = TIME, **source: Any) -> None:
    declared = {"path": "data/incoming/demo/*/*.csv", "batch": batch, "stop_above": "100%", **source}
    pipeline = make_pipeline(columns, time=time, source=declared)
    ingest.main(pipeline.limited_to("ingest", declared_sections("ingest")))


def read_anew(capsys: pytest.CaptureFixture[str], batch: str) -> int:
    """Run the stage; how many files it read anew."""
    capsys.readouterr()
    run(batch)
    return int(re.findall(r"(\d+) of them read anew", capsys.readouterr().out)[0])


def typed() -> Places:
    """File and line of each typed row, in order, by batch."""
    return {
        file.stem: [(Path(row[FILE]).name, row[LINE]) for row in read_table(file).to_pylist()]
        for file in sorted(TYPED.iterdir())
    }


def refused() -> dict[str, list[tuple[str, int, str]]]:
    return {
        file.stem: [(Path(row["file"]).name, row[LINE], row["reason"]) for row in read_table(file).to_pylist()]
        for file in sorted(REFUSED.iterdir())
    }


def outputs() -> dict[str, bytes]:
    folders = (TYPED, REFUSED, Path("metrics"))
    return {str(path): path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}


def from_nothing(batch: str) -> dict[str, bytes]:
    shutil.rmtree(".holdfast")
    run(batch)
    return outputs()


# ---- periods


def test_rows_are_dealt_by_the_day_on_the_local_clock() -> None:
    put("a.csv", "2013-02-01T04:59Z,1", "2013-02-01T05:00Z,2", "2013-01-31 23:59,3")
    put("b.csv", "2013-02-28T12:00Z,4")
    run("month")
    assert typed() == {"2013-01": [("a.csv", 2), ("a.csv", 4)], "2013-02": [("a.csv", 3), ("b.csv", 2)]}


def test_zone_of_the_column_goes_before_that_of_the_pipeline() -> None:
    put("a.csv", "2013-02-01T04:59Z,1")
    run("day", {"at": {"type": "timestamp", "timezone": "Asia/Kathmandu"}, "n": {"type": "integer"}})
    assert list(typed()) == ["2013-02-01"]


def test_hour_that_happened_twice_is_of_one_day() -> None:
    put("a.csv", "2013-11-03T05:30Z,1", "2013-11-03T06:30Z,2", "2013-11-04T04:59Z,3", "2013-11-04T05:00Z,4")
    run("day")
    assert typed() == {"2013-11-03": [("a.csv", 2), ("a.csv", 3), ("a.csv", 4)], "2013-11-04": [("a.csv", 5)]}


def test_dates_make_periods_too() -> None:
    put("a.csv", "2012-12-31,1", "2013-01-06,2", "2013-01-07,3")
    run("week", {"at": {"type": "date"}, "n": {"type": "integer"}})
    assert typed() == {"2013-W01": [("a.csv", 2), ("a.csv", 3)], "2013-W02": [("a.csv", 4)]}


def test_row_without_a_time_is_refused_with_its_text() -> None:
    put("a.csv", "2013-01-01,1", ",2", "soon,3", "2013-01-02,x", "2013-01-03,4,5")
    run("month")
    rows = read_table(REFUSED / "undated.parquet").to_pylist()
    assert [(row[LINE], row["column"], row["reason"], row["raw"]) for row in rows] == [
        (3, "at", "missing_time", ",2"),
        (4, "at", "not_a_timestamp", "soon,3"),
        (6, None, "too_many_columns", "2013-01-03,4,5"),
    ]


def test_refused_row_with_a_time_lies_in_the_quarantine_of_its_period() -> None:
    put("a.csv", "2013-01-01,1", "2013-01-02,x", "2013-02-01,x")
    run("month")
    assert refused() == {"2013-01": [("a.csv", 3, "not_an_integer")], "2013-02": [("a.csv", 4, "not_an_integer")]}


def test_period_of_which_all_rows_were_refused_is_no_batch() -> None:
    put("a.csv", "2013-01-01,1", "1913-01-02,x")
    run("month")
    assert (list(typed()), read_json(Path("metrics/demo/ingest.json"))["batches"]) == (["2013-01"], 1)


def test_a_batch_holds_no_level_of_another_batch() -> None:
    put("a.csv", "2013-01-01,mine", "2013-02-01,theirs", "2013-01-02,mine")
    run("month", {"at": {"type": "timestamp"}, "n": {"type": "category"}})
    stored = [*Path("data/typed/demo").glob("*.parquet"), *Path(".holdfast/store").rglob("typed.parquet")]
    for path in stored:
        with pq.ParquetFile(path, read_dictionary=["n"]) as file:
            groups = [file.read_row_group(number)["n"].chunk(0) for number in range(file.num_row_groups)]
        assert all(len(group.dictionary) == 1 for group in groups)


def random_files(seed: int) -> dict[str, list[str]]:
    """Files of rows about the changes of New York's clock, some without a time, some that cannot be typed."""
    draw = random.Random(seed)
    start = dt.datetime(2013, 3, 8, tzinfo=dt.UTC)

    def row() -> str:
        moment = start + dt.timedelta(minutes=draw.randrange(5 * 1440) + draw.choice([0, 0, 238 * 1440]))
        at = draw.choice([f"{moment:%Y-%m-%dT%H:%MZ}"] * 8 + ["", "never"])
        return f"{at},{draw.choice(['1', '2', 'x'])}"

    return {f"{name}.csv": [row() for _ in range(draw.randrange(1, 40))] for name in "abc"}


def slowly_dealt(files: dict[str, list[str]], period: Period) -> tuple[Places, Places]:
    """Typed and refused rows by batch, one row at a time."""
    out: tuple[Places, Places] = ({}, {})
    for name in sorted(files):
        for line, (at, n) in enumerate(csv.reader(files[name]), start=2):
            batch = "undated"
            if at not in {"", "never"}:
                local = dt.datetime.fromisoformat(at).astimezone(ZoneInfo(ZONE))
                batch = {"month": f"{local:%Y-%m}", "week": f"{local:%G-W%V}", "day": f"{local:%Y-%m-%d}"}[period]
            out[n == "x" or batch == "undated"].setdefault(batch, []).append((name, line))
    return out


@pytest.mark.parametrize("waiting", [1, 7, dealing.WAITING_ROWS])
@pytest.mark.parametrize("period", PERIODS)
def test_dealing_is_what_one_row_after_the_other_gives(
    period: Period, waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dealing, "WAITING_ROWS", waiting)
    monkeypatch.setattr(gathering, "GROUP_ROWS", waiting)
    files = random_files(seed=waiting)
    for name, rows in files.items():
        put(name, *rows)
    run(period)
    found = {batch: [row[:2] for row in rows] for batch, rows in refused().items()}
    assert (typed(), found) == slowly_dealt(files, period)


def test_order_in_which_files_came_changes_nothing() -> None:
    files = random_files(3)
    for name in files:
        put(name, *files[name])
    run("day")
    expected = outputs()
    shutil.rmtree(RAW)
    RAW.mkdir()
    for name in reversed(files):
        os.utime(put(name, *files[name]), (1, 1))
    assert from_nothing("day") == expected


def later(name: str) -> Callable[[], object]:
    return lambda: put(name, "2013-02-03,7", "2013-03-03,8")


def correct() -> None:
    put("b.csv", "2013-02-01,5")


CHANGES: dict[str, tuple[Callable[[], object], int]] = {  # what changes, and how many files are read anew for it
    "a new file": (later("c.csv"), 1),
    "a new file before the others": (later("0.csv"), 1),
    "a corrected file": (correct, 1),
    "a file less": ((RAW / "b.csv").unlink, 0),
    "nothing": (lambda: None, 0),
}


@pytest.mark.parametrize("what", CHANGES)
def test_after_a_change_the_store_gives_what_a_build_from_nothing_gives(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put("a.csv", "2013-01-01,1", "2013-02-01,2", ",3")
    put("b.csv", "2013-02-02,3", "2013-03-02,x")
    run("month")
    change, expected = CHANGES[what]
    change()
    anew, incremental = read_anew(capsys, "month"), outputs()
    assert (anew, incremental == from_nothing("month")) == (expected, True)


def test_only_periods_of_a_new_file_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for month in range(1, 10):
        put(f"{month}.csv", f"2013-0{month}-01,1", f"2013-0{month}-02,2")
    run("month")
    made: list[str] = []
    make = ingest.make_gathered

    def told(folder: Path, each: gathering.Gathered, *rest: Any, **more: Any) -> None:
        made.append(each.batch)
        make(folder, each, *rest, **more)

    monkeypatch.setattr(ingest, "make_gathered", told)
    put("late.csv", "2013-04-30,3", "2013-10-01,4")
    run("month")
    assert made == ["2013-04", "2013-10"]


def test_entry_of_the_store_with_other_bytes_is_read_again(capsys: pytest.CaptureFixture[str]) -> None:
    put("a.csv", "2013-01-01,1")
    run("month")
    expected = outputs()
    for file in Path(".holdfast").rglob("*.parquet"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    shutil.rmtree("data/typed")  # what stands there as it should would not be asked of the store
    assert (read_anew(capsys, "month"), outputs() == expected) == (1, True)


def test_rows_that_are_lost_between_files_and_batches_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "gathered", lambda files: gathering.gathered(files)[:-1])
    put("a.csv", "2013-01-01,1", "2013-02-01,2")
    with pytest.raises(LostRowError, match="2 rows of 1 files, 1 in batches"):
        run("month")


def test_metrics_count_files_and_batches() -> None:
    put("a.csv", "2013-01-01,1", "2013-02-01,2", ",3")
    put("b.csv", "2013-02-01,2")
    run("month")
    metrics = read_json(Path("metrics/demo/ingest.json"))
    counts = [metrics[name] for name in ("files", "batches", "rows_in", "rows_out", "rows_quarantined")]
    assert (counts, metrics["reasons"]) == ([2, 2, 4, 3, 1], {"missing_time": 1})


def test_share_of_refused_rows_is_that_of_a_file() -> None:
    put("a.csv", *["2013-01-01,1"] * 50)
    put("b.csv", "2013-01-02,x", "2013-01-02,1")
    with pytest.raises(TooManyRefusedError, match=r"40% of a file .*\n  file 'b': 1 of 2 rows \(50%\)"):
        run("month", stop_above="40%")
    assert len(read_table(Path(".holdfast/stopped/demo/ingest/b.parquet"))) == 1


def test_all_periods_hold_the_same_rows() -> None:
    for name, rows in random_files(11).items():
        put(name, *rows)
    found = []
    for period in PERIODS:
        run(period)
        found.append(sorted(row for rows in typed().values() for row in rows))
    assert found[0] == found[1] == found[2]


# ---- folders


def test_folder_is_a_batch_of_its_files_in_order_of_name() -> None:
    put("2013-01/b.csv", "2013-01-01,1")
    put("2013-01/a.csv", "2013-01-02,2", "2013-01-03,x")
    put("2013-02/a.csv", "2013-01-04,3")
    run("folder", time={})
    assert typed() == {"2013-01": [("a.csv", 2), ("b.csv", 2)], "2013-02": [("a.csv", 2)]}
    assert refused() == {"2013-01": [("a.csv", 3, "not_an_integer")]}


def test_file_that_comes_later_makes_its_folder_alone_again(capsys: pytest.CaptureFixture[str]) -> None:
    put("2013-01/b.csv", "2013-01-01,1")
    put("2013-02/a.csv", "2013-01-04,3")
    run("folder")
    before = (TYPED / "2013-02.parquet").read_bytes()
    put("2013-01/a.csv", "2013-01-02,2")
    assert (read_anew(capsys, "folder"), typed()["2013-01"]) == (1, [("a.csv", 2), ("b.csv", 2)])
    assert (outputs() == from_nothing("folder"), (TYPED / "2013-02.parquet").read_bytes() == before) == (True, True)


def test_file_that_landed_before_there_were_folders_is_a_batch_of_its_own() -> None:
    put("2012.csv", "2013-01-01,1")
    put("2013/a.csv", "2013-01-01,1")
    run("folder")
    assert list(typed()) == ["2012", "2013"]


def test_files_in_folders_are_no_batches_of_files() -> None:
    put("2013/a.csv", "2013-01-01,1")
    with pytest.raises(BatchKindError, match=r"2013/a\.csv: landed in a folder, but source.batch is 'file'"):
        run("file")


@pytest.mark.parametrize("other", ["A/x.csv", "a.csv"])
def test_two_that_would_be_one_batch_are_refused(other: str) -> None:
    put("a/b.csv", "2013-01-01,1")
    put(other, "2013-01-01,1")
    with pytest.raises(BatchNameError, match="would both be batch"):
        run("folder")


# ---- the names of rows


def test_number_of_a_row_is_its_own_and_tells_its_line() -> None:
    put("a/x.csv", "2013-01-01,1", "2013-01-02,2")
    put("a/y.csv", "2013-01-01,1", "2013-01-02,2")
    run("folder")
    numbers = read_batches(TYPED, [LINE])[LINE].to_pylist()
    assert (len({*numbers}), [line_of_row(number) for number in numbers]) == (4, [2, 3, 2, 3])


def test_further_file_leaves_the_numbers_of_rows_as_they_are() -> None:
    put("a/x.csv", "2013-01-01,1")
    run("folder")
    before = read_batches(TYPED)[LINE].to_pylist()
    put("a/0.csv", "2013-01-01,2")
    run("folder")
    assert read_batches(TYPED)[LINE].to_pylist()[1:] == before


def test_files_of_one_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "file_number", lambda file: 7)
    put("a/x.csv", "2013-01-01,1")
    put("a/y.csv", "2013-01-01,1")
    with pytest.raises(BatchNameError, match="given the same number"):
        run("folder")


# ---- what cannot be declared


@pytest.mark.parametrize(
    ("source", "time", "columns", "says"),
    [
        ({"batch": "month"}, {}, COLUMNS, "found 'month', which needs time.column"),
        ({"batch": "day"}, TIME, {"at": {"type": "timestamp", "private": True}}, "private column 'at'"),
        ({"batch": "folder", "path": "data/incoming/demo/*.csv"}, {}, COLUMNS, "no wildcard for the folder"),
        ({"batch": "folder", "path": "data/incoming/**/*.csv"}, {}, COLUMNS, "no wildcard for the folder"),
        ({"batch": "folder", "path": "data/incoming/20??/*.csv"}, {}, COLUMNS, None),
        ({"batch": "week"}, TIME, COLUMNS, None),
    ],
)
def test_batches_need_what_makes_them(
    source: dict[str, str], time: dict[str, str], columns: dict[str, Any], says: str | None
) -> None:
    declared = {"path": "data/incoming/demo/*.csv", **source}
    pipeline = make_pipeline({**COLUMNS, **columns}, source=declared, time=time)
    found = [text for path, text in contradictions(pipeline) if path == ("source", "batch")]
    assert [bool(re.search(says or "", text)) for text in found] == ([True] if says else [])
