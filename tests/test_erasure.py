"""Erasing for good: no byte of the rows is left in the repository's folder, and the rest goes on as before."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from configs.load import load_pipeline
from flows.quarantine_cli import lines_of
from tasks import registry
from tasks.erasure import ErasureError, act, erase, finish, pending, plan_erasure
from tasks.land import land
from tasks.ledger import reproduce
from tasks.table import read_batches
from tests.conftest import commit_all, enter_copy, holdfast
from tests.registered import land_here, run

MARK = "77.123456789"  # a value of one row, in a column that no model reads
RAW = Path("data/raw/diabetes")


def declared() -> Any:
    return load_pipeline("diabetes")


def files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and not {".git", "__pycache__"} & {*path.relative_to(folder).parts}:
            yield path, path.read_bytes()


def holds(content: bytes, mark: str) -> bool:
    """Whether bytes have a text, or are a Parquet file that has it in a cell."""
    if mark.encode() in content:
        return True
    return content[:4] == b"PAR1" and mark in str(pq.read_table(io.BytesIO(content)).to_pylist())


def left_over(mark: str = MARK) -> list[str]:
    """Files of the project that hold a text, outside git's own."""
    return [str(path) for path, content in files(Path.cwd()) if holds(content, mark)]


@pytest.fixture(scope="module")
def marked_project(versioned_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a version, then run on two more batches; in one of them, row 3 and row 5 (refused) are marked."""
    folder = tmp_path_factory.mktemp("marked")
    with pytest.MonkeyPatch.context() as patch:
        project = enter_copy(versioned_project, folder, patch)
        path = Path("configs/diabetes.yaml")
        text = path.read_text().replace("  s6: {", "  note: {type: text}\n  s6: {", 1)
        path.write_text(text.replace("\ntrain: {", "\ntrain: {audit: warn, "))  # rows come twice
        for source in sorted(Path("data/incoming/diabetes").iterdir()):
            lines = source.read_text().splitlines()
            source.write_text("\n".join([f"{lines[0]},note", *(f"{line},n" for line in lines[1:])]) + "\n")
        land(declared(), [source.name for source in Path("data/incoming/diabetes").iterdir()])
        lines = min(RAW.iterdir()).read_text().splitlines()
        marked = [f"{line.removesuffix(',n')},x" for line in lines[1:40]]
        marked[1] = f"{marked[1].removesuffix('x')}{MARK}"
        marked[3] = f"bad,{marked[3].partition(',')[2].removesuffix('x')}{MARK}"
        Path("data/incoming/diabetes/extra.csv").write_text("\n".join([lines[0], *marked]) + "\n")
        land(declared())
        reproduce("diabetes", around=lambda _stage, work: work())
        commit_all(project)
    return folder / "project"


@pytest.fixture
def marked(marked_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That project to change, as the current directory."""
    return enter_copy(marked_project, tmp_path, monkeypatch)


def test_marked_rows_are_in_many_places_before(marked: Path) -> None:
    places = {path.split(str(marked))[1].split("/")[1] for path in left_over()}
    assert places == {"data", ".dvc", ".holdfast"}
    assert len(left_over()) >= 9


@pytest.mark.parametrize("asked", [{"batch": "extra"}, {"batch": "extra", "lines": {3, 5}}, {"where": ("note", MARK)}])
def test_no_byte_of_the_rows_is_left(marked: Path, asked: dict[str, Any]) -> None:
    erase(plan_erasure(declared(), asked.pop("batch", None), **asked), "a test")
    assert left_over() == []


def test_erasing_rows_leaves_all_others_valid(marked: Path) -> None:
    before = read_batches(Path("data/valid/diabetes")).num_rows
    plan = plan_erasure(declared(), None, where=("note", MARK))
    assert plan.rows == {"extra.csv": [3, 5]}
    erase(plan, "a test")
    reproduce("diabetes", around=lambda _stage, work: work())
    assert read_batches(Path("data/valid/diabetes")).num_rows == before - 1  # the other was in quarantine
    assert left_over() == []


def test_erased_batch_does_not_land_again(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = Path("data/incoming/diabetes/extra.csv").read_bytes()
    erase(plan_erasure(declared(), "extra"), "a test")
    assert not Path("data/incoming/diabetes/extra.csv").exists()
    Path("data/incoming/diabetes/extra.csv").write_bytes(again)
    assert land(declared()) == []
    assert "not taken: its rows were erased" in capsys.readouterr().out


def test_file_before_the_rows_were_erased_does_not_land_again(marked: Path) -> None:
    again = Path("data/incoming/diabetes/extra.csv").read_bytes()
    erase(plan_erasure(declared(), "extra", lines={3, 5}), "a test")
    assert MARK not in Path("data/incoming/diabetes/extra.csv").read_text()
    Path("data/incoming/diabetes/extra.csv").write_bytes(again)
    assert land(declared()) == []


def test_dry_run_tells_and_changes_nothing(marked: Path) -> None:
    before = dict(files(marked))
    printed = holdfast(marked, "erase", "diabetes", "--batch", "extra")
    assert printed.returncode == 0, printed.stderr
    assert "Nothing was done; add --yes." in printed.stdout
    assert "extra.csv: the whole file" in printed.stdout
    changed = {str(path.relative_to(marked)) for path, content in files(marked) if before.get(path) != content}
    assert {path for path in changed if not path.startswith(".dvc/tmp")} == set()


def test_command_erases_with_yes(marked: Path) -> None:
    done = holdfast(marked, "erase", "diabetes", "--batch", "extra", "--rows", "3,5", "--yes", "--reason", "asked")
    assert (done.returncode, left_over()) == (0, []), done.stderr
    assert "extra.csv: 2 rows" in done.stdout


@pytest.mark.parametrize("step", ["change_raw", "remove_objects", "record_erasure"])
def test_killed_erasure_is_finished_by_the_next(marked: Path, step: str) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(act, step, killed)
        erase(plan_erasure(declared(), "extra", lines={3, 5}), "a test")
    assert pending("diabetes") is not None
    assert holdfast(marked, "erase", "diabetes", "--yes").returncode == 0
    assert (pending("diabetes"), left_over()) == (None, [])
    assert [event["kind"] for event in registry.events("diabetes")].count("erasure") == 1
    assert run("dvc", "status", "data/raw/diabetes.dvc").strip() == "Data and pipelines are up to date."


def batch_of_the_version() -> str:
    from tasks.version.record import record_of

    return sorted(record_of(registry.find_version("diabetes", "v1.0.0"))["batches"])[0]


def test_version_made_of_the_rows_is_named_and_verify_says_erased(version: registry.Version) -> None:
    assert holdfast(Path.cwd(), "verify", "diabetes").returncode == 0
    plan = plan_erasure(declared(), Path(batch_of_the_version()).stem)
    assert plan.versions == [f"diabetes@v1.0.0 ({version.commit[:12]})"]
    erase(plan, "the right to be forgotten")
    checked = holdfast(Path.cwd(), "verify", "diabetes")
    assert checked.returncode == 0, checked.stdout
    assert "erased" in checked.stdout
    assert "the right to be forgotten" in checked.stdout


def test_other_damage_is_still_found_after_an_erasure(version: registry.Version) -> None:
    erase(plan_erasure(declared(), Path(batch_of_the_version()).stem), "a test")
    shutil.rmtree(".dvc/cache/files/md5")
    shutil.rmtree("remote/files", ignore_errors=True)
    shutil.rmtree(".dvc/remote", ignore_errors=True)
    assert holdfast(Path.cwd(), "verify", "diabetes").returncode == 3


def test_champions_bundle_is_not_taken(version: registry.Version) -> None:
    with pytest.raises(ErasureError, match=r"diabetes@v1\.0\.0 is the champion"):
        plan_erasure(declared(), Path(batch_of_the_version()).stem, bundles=True)


@pytest.mark.parametrize("path", ["models/diabetes/golden.parquet", "profiles/diabetes/sample.parquet"])
def test_rows_beside_former_champions_go_when_asked_for(version: registry.Version, path: str) -> None:
    from tasks.version.record import record_of
    from tasks.version.storage import object_path, read_listing

    folder, _, name = path.rpartition("/")
    kept = object_path(read_listing(record_of(version)["data"][folder]["md5"])[name])
    erase(plan_erasure(declared(), Path(batch_of_the_version()).stem), "a test")
    assert kept.exists()
    run("git", "tag", "-d", "diabetes#champion#1")
    plan = plan_erasure(declared(), None, bundles=True)
    erase(plan, "a test")
    assert (kept.exists(), plan.left, len(plan.versions)) == (False, {}, 1)


def test_ledger_lands_no_erased_batch_again(registered: Path) -> None:
    name = batch_of_the_version()
    erase(plan_erasure(declared(), Path(name).stem), "a test")
    tip = registry.tip("diabetes")
    assert land_here() == []
    assert registry.tip("diabetes") == tip
    pin = run("git", "show", "holdfast/diabetes:data/raw/diabetes.dvc")
    assert pin == Path("data/raw/diabetes.dvc").read_text()


def test_erasure_is_an_event_of_the_ledger(registered: Path) -> None:
    name = batch_of_the_version()
    erase(plan_erasure(declared(), Path(name).stem), "a test")
    event = registry.events("diabetes")[-1]
    assert (event["kind"], event["batches"], event["reason"]) == ("erasure", {name: None}, "a test")
    assert len(event["versions"]) == 3
    assert json.loads(Path("data/raw/diabetes.superseded.json").read_text())[0]["why"] == "erased"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"batch": "diabetes-9"}, "did you mean 'diabetes-"),
        ({"batch": None}, "say which batch"),
        ({"batch": None, "lines": {3}}, "say which batch"),
        ({"batch": "diabetes-1", "lines": {1, 9999}}, "no row begins on line 1, 9999"),
        ({"batch": None, "where": ("agee", "1")}, "did you mean 'age'"),
        ({"batch": None, "where": ("age", "1000")}, "no row has the value"),
    ],
)
def test_what_is_not_there_is_refused(project: Path, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ErasureError, match=says):
        plan_erasure(declared(), asked.pop("batch"), **asked)


def test_incomplete_raw_data_are_not_pinned_anew(project: Path) -> None:
    (RAW / "diabetes-2.csv").unlink()
    with pytest.raises(ErasureError, match="dvc pull"):
        plan_erasure(declared(), "diabetes-1")


def test_last_batch_leaves_no_pin(fresh_project: Path) -> None:
    for batch in ("diabetes-1", "diabetes-2"):
        erase(plan_erasure(declared(), batch), "a test")
    assert not RAW.exists()
    assert not Path("data/raw/diabetes.dvc").exists()


def test_lines_are_read_as_written() -> None:
    assert lines_of("3, 7-9") == {3, 7, 8, 9}


def test_finishing_without_a_plan_is_no_silent_success(fresh_project: Path) -> None:
    with pytest.raises(FileNotFoundError):
        finish("diabetes")
