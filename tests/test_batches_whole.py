"""A pipeline whose batches are months of several files, from landing to a report, repaired and erased."""

from __future__ import annotations

import csv
import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from configs.load import load_pipeline
from tasks import registry
from tasks.erasure import ErasureError, erase, plan_erasure
from tasks.land import land
from tasks.ledger import reproduce
from tasks.model.bundle import read_manifest
from tasks.quarantine.repair import export_rows, repair
from tasks.quarantine.summary import refused_rows
from tasks.retrain.landings import land_new
from tasks.retrain.worktree import bring_pinned, worktree
from tasks.table import BATCH, FILE, LINE, read_table
from tests.conftest import commit_all, copy_project, enter_copy, holdfast
from tests.registered import monitor_here
from tests.test_erasure import left_over
from tests.versions import promote_here, register_here

RAW, INCOMING = Path("data/raw/shop"), Path("data/incoming/shop")
MARK = "77.123456789"  # a value of one row of February
YAML = """\
owner: {}
source: {path: "data/incoming/shop/*.csv", batch: month}
time: {column: at, timezone: America/New_York}
target: {name: y}
columns:
  at: {type: timestamp}
  x: {type: float}
  z: {type: float}
  y: {type: float}
drop: {}
expectations:
  - {expect_column_values_to_be_between: {column: z, min_value: 0}, otherwise: quarantine}
features: {}
encode: {}
split: {folds: 2, holdout: 1 batch}
train: {rounds: 5, audit: warn}
evaluate: {}
drift: {}
retrain: {}
gate: {}
"""


def write_files() -> None:
    """Three files whose rows are of January to April, in no order; the first has rows that are refused."""
    draw = random.Random(7)
    INCOMING.mkdir(parents=True)
    for name in "abc":
        lines = ["at,x,z,y"]
        for _ in range(120):
            x = draw.uniform(0, 9)
            moment = f"2013-0{draw.randrange(1, 5)}-{draw.randrange(1, 28):02} {draw.randrange(24):02}:00"
            lines.append(f"{moment},{x:.4f},{draw.uniform(1, 9):.4f},{2 * x + draw.gauss(0, 0.3):.4f}")
        if name == "a":
            lines[5] = ",1,1,2"
            lines[6] = "2013-02-03 12:00,1,-4,2"
            lines[7] = f"2013-02-03 13:00,1,{MARK},2"
        (INCOMING / f"{name}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, isolated_home: Path) -> Path:
    """The project after one run of all stages. Copy it before you change it."""
    folder = copy_project(tmp_path_factory.mktemp("months") / "project")
    (folder / "params.yaml").write_text("pipelines:\n  - shop\n")
    (folder / "configs/shop.yaml").write_text(YAML)
    with (folder / "dvc.yaml").open("a") as file:
        file.write("  shop: {path: models/shop, type: model}\n")
    (folder / "dvc.lock").unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_files()
        land(declared())
        run()
    commit_all(folder)
    return folder


@pytest.fixture
def shop(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That project to change, as the current directory."""
    return enter_copy(made, tmp_path, monkeypatch)


def declared() -> Any:
    return load_pipeline("shop")


def run() -> list[str]:
    """Run what is stale; the names of the stages that ran."""
    stages: list[str] = []

    def around(stage: str, work: Any) -> Any:
        stages.append(stage)
        return work()

    reproduce("shop", around=around)
    return stages


def test_last_month_is_held_out(shop: Path) -> None:
    rows = read_table(Path("data/split/shop.parquet")).to_pylist()
    assert {row[BATCH] for row in rows if row["part"] == "holdout"} == {"2013-04"}
    assert {row[BATCH] for row in rows if row["part"] == "train"} == {"2013-01", "2013-02", "2013-03"}


def test_every_row_has_a_name_of_its_own(shop: Path) -> None:
    rows = read_table(Path("data/split/shop.parquet")).to_pylist()
    assert len({(row[BATCH], row[LINE]) for row in rows}) == len(rows) == 358


def test_manifest_names_months_and_dialects(shop: Path) -> None:
    data = read_manifest(Path("models/shop"))["data"]
    assert (list(data["batches"]), data["dialects"]) == (["2013-01", "2013-02", "2013-03"], {"csv utf-8 ','": 3})


def test_nothing_is_stale_after_a_run(shop: Path) -> None:
    assert run() == []


def test_row_that_validation_refuses_is_told_with_its_file_and_line(shop: Path) -> None:
    (row,) = read_table(Path("data/quarantine/shop/validate/2013-02.parquet")).to_pylist()
    assert (row["file"], row[LINE], FILE in json.loads(row["raw"])) == ("data/raw/shop/a.csv", 7, False)
    (february,) = [
        batch for batch in json.loads(Path("reports/shop/validation.json").read_text())["batches"] if batch["reasons"]
    ]
    (example,) = february["results"][0]["examples"]
    assert (example["file"], example["line"]) == ("data/raw/shop/a.csv", 7)


def test_quarantine_tells_rows_without_a_month(shop: Path) -> None:
    printed = holdfast(shop, "quarantine", "shop", "--batch", "undated")
    assert "missing_time" in printed.stdout, printed.stderr
    assert "data/raw/shop/a.csv:6" in printed.stdout


def corrected() -> Path:
    """The exported rows, the one without a time put into March, the one out of range into range."""
    export_rows(declared(), refused_rows(declared()), Path("export.csv"))
    with Path("export.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update({"at": "2013-03-05 10:00"} if row["_reason"] == "missing_time" else {"z": "4"})
    with Path("corrected.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return Path("corrected.csv")


def test_repaired_row_goes_to_its_month(shop: Path) -> None:
    assert repair(declared(), corrected()) == {"a": 2}
    run()
    march = read_table(Path("data/valid/shop/2013-03.parquet")).to_pylist()
    assert ("data/raw/shop/a.csv", 6) in {(row[FILE], row[LINE]) for row in march}
    assert refused_rows(declared()) == []


def test_repair_needs_the_file_that_a_row_is_of(shop: Path) -> None:
    file = corrected()
    file.write_text(file.read_text().replace("_file", "file"))
    with pytest.raises(Exception, match="no column '_file'"):
        repair(declared(), file)


def test_erased_month_is_gone_from_all_files(shop: Path) -> None:
    erase(plan_erasure(declared(), "2013-02"), "a test")
    assert left_over(MARK) == []
    run()
    assert sorted(file.stem for file in Path("data/valid/shop").iterdir()) == ["2013-01", "2013-03", "2013-04"]


def test_erased_file_is_gone_from_all_months(shop: Path) -> None:
    erase(plan_erasure(declared(), "a"), "a test")
    assert left_over(MARK) == []
    run()
    files = {row[FILE] for file in Path("data/valid/shop").iterdir() for row in read_table(file).to_pylist()}
    assert files == {"data/raw/shop/b.csv", "data/raw/shop/c.csv"}


def test_lines_are_erased_from_one_file(shop: Path) -> None:
    erase(plan_erasure(declared(), "a", lines={8}), "a test")
    assert left_over(MARK) == []
    assert len((RAW / "a.csv").read_text().splitlines()) == 120


def test_lines_of_a_month_are_not_erased_since_files_count_them(shop: Path) -> None:
    with pytest.raises(ErasureError, match="rows of 3 files"):
        plan_erasure(declared(), "2013-01", lines={8})


def test_new_file_costs_its_months(shop: Path) -> None:
    before = {file.name: file.read_bytes() for file in Path("data/typed/shop").iterdir()}
    (INCOMING / "d.csv").write_text("at,x,z,y\n2013-03-09 10:00,1,1,2\n")
    assert land(declared()) == ["d"]
    run()
    after = {file.name: file.read_bytes() for file in Path("data/typed/shop").iterdir()}
    assert [name for name in after if after[name] != before[name]] == ["2013-03.parquet"]


# ---- watched


@pytest.fixture
def watched(shop: Path) -> Path:
    """The project with a champion, made of January to April; rows of April, May and of a far month come in a file."""
    promote_here(register_here("shop"))
    lines = [f"2013-0{4 + row % 2}-{1 + row % 27:02} 10:00,{row % 9},1,{2 * (row % 9)}" for row in range(100)]
    (INCOMING / "d.csv").write_text("\n".join(["at,x,z,y", *lines, "2099-01-01 10:00,1,1,2"]) + "\n")
    commit_all(shop)
    return shop


def judged_by(moment: str) -> tuple[list[str], list[str]]:
    """Land, and judge what is over at a moment; the batches that were judged, and those that are not over."""
    return monitor_here("shop", datetime.fromisoformat(moment))


def test_month_is_judged_once_when_it_is_over(watched: Path) -> None:
    assert judged_by("2013-05-20T00:00:00+00:00") == (["2013-04"], ["2013-05", "2099-01"])
    assert judged_by("2013-05-31T23:59:00-04:00") == ([], ["2013-05", "2099-01"])
    assert judged_by("2013-06-01T00:00:00-04:00") == (["2013-05"], ["2099-01"])
    tip = registry.tip("shop")
    assert judged_by("2013-07-01T00:00:00-04:00") == ([], ["2099-01"])
    assert registry.tip("shop") == tip


def test_rows_are_new_by_the_file_that_they_came_in(watched: Path) -> None:
    judged_by("2013-06-01T04:00:00+00:00")
    april, may = [event["signal"] for event in registry.events("shop") if event["kind"] == "verdict"]
    assert [part["file"] for part in april["members"]] == ["a.csv", "b.csv", "c.csv", "d.csv"]
    assert ([part["file"] for part in may["members"]], may["rows"]) == (["d.csv"], 50)
    (decided,) = [event["decision"] for event in registry.events("shop") if event["kind"] == "retrain"]
    assert decided["inputs"]["rows"] == 100


def test_late_rows_have_their_month_judged_again_and_counted_once(watched: Path) -> None:
    judged_by("2013-06-01T04:00:00+00:00")
    (INCOMING / "e.csv").write_text("at,x,z,y\n2013-05-09 10:00,1,1,2\n")
    assert judged_by("2013-06-02T04:00:00+00:00") == (["2013-05"], ["2099-01"])
    *_, decided = [event["decision"] for event in registry.events("shop") if event["kind"] == "retrain"]
    assert [seen["batch"] for seen in decided["inputs"]["seen"]][-1:] == ["2013-05"]
    assert decided["inputs"]["rows"] == 101


def test_file_that_cannot_be_read_is_a_broken_feed_until_it_is_replaced(watched: Path) -> None:
    (INCOMING / "e.csv").write_text("at,q,z,y\n2013-05-09 10:00,1,1,2\n")
    assert judged_by("2013-06-01T04:00:00+00:00") == (["e.csv"], [])
    (told,) = [event["signal"] for event in registry.events("shop") if event["kind"] == "verdict"]
    assert (told["cause"], told["faults"], told["members"][0]["rows"]) == ("broken_feed", ["unreadable"], 0)
    assert judged_by("2013-06-01T04:00:00+00:00") == ([], [])
    (INCOMING / "e.csv").write_text("at,x,z,y\n2013-05-09 10:00,1,1,2\n")
    with worktree("shop") as tree:
        bring_pinned(tree)
        land_new(tree, ["e.csv"])
    assert judged_by("2013-06-01T04:00:00+00:00") == (["2013-04", "2013-05"], ["2099-01"])


def test_months_of_a_repaired_file_are_judged_again_once(watched: Path) -> None:
    judged_by("2013-06-01T04:00:00+00:00")
    repair(declared(), corrected())
    assert judged_by("2013-06-02T04:00:00+00:00") == (["2013-01", "2013-02", "2013-03", "2013-04"], ["2099-01"])
    assert [event["replaced"] for event in registry.events("shop") if event.get("replaced")] == [["a.csv"]]
    assert judged_by("2013-06-03T04:00:00+00:00") == ([], ["2099-01"])


def test_erasing_rows_makes_no_month_new(watched: Path) -> None:
    judged_by("2013-06-01T04:00:00+00:00")
    with worktree("shop") as tree:
        bring_pinned(tree)
    erase(plan_erasure(declared(), "a", lines={8}), "a test")
    assert judged_by("2013-06-01T05:00:00+00:00") == ([], ["2099-01"])


def test_command_tells_months_that_are_not_over(watched: Path) -> None:
    done = holdfast(watched, "monitor", "shop", "--no-retrain")
    assert done.returncode == 0, done.stderr
    assert "shop: 2099-01 not over yet; judged when it is" in done.stdout + done.stderr
    assert "2013-05" in done.stdout
