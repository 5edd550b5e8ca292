"""The ledger on real DVC: what is stale, in which order stages run, and what a failing stage leaves behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.errors import DataError, StageFailedError
from tasks import ledger
from tasks.ledger import LedgerBusyError, changed_values, plan_stages, reproduce
from tasks.stage import STAGES
from tests.conftest import ROOT, commit_all

Edit = Callable[[str, str, str], None]


def call(_stage: str, work: Callable[[], None]) -> None:
    work()


def ran(pipeline: str = "diabetes") -> list[str]:
    """Names of the stages that ran."""
    return [outcome.stage for outcome in reproduce(pipeline, around=call) if outcome.outcome != "unchanged"]


def dvc(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def reasons(stage: str) -> list[tuple[str, str]]:
    (plan,) = [plan for plan in plan_stages("diabetes") if plan.stage == stage]
    return [(reason.kind, reason.what) for reason in plan.reasons]


def test_rerun_without_change_runs_no_stage(project: Path) -> None:
    assert ran() == []


def test_dvc_finds_nothing_stale_after_the_walk(project: Path) -> None:
    assert dvc("status") == "Data and pipelines are up to date."


def test_stages_run_in_the_order_of_the_dag(project: Path, edit: Edit) -> None:
    edit("configs/diabetes.yaml", "sex: {type: category}", "sex: {type: category, description: as recorded}")
    order: list[str] = []

    def note(stage: str, work: Callable[[], None]) -> None:
        order.append(stage)
        work()

    reproduce("diabetes", around=note)
    assert order == [stage for stage in STAGES if stage in order]
    assert order[0] == "ingest"


def test_code_of_evaluate_alone_reruns_evaluate_and_report_alone(project: Path) -> None:
    only_evaluate = Path("tasks/evaluate.py")
    only_evaluate.write_text(only_evaluate.read_text() + "\nEDITED = True\n")
    commit_all(project)
    assert ran()[0] == "evaluate"
    assert {plan.stage for plan in plan_stages("diabetes") if plan.verdict != "unchanged"} == set()


def test_run_cache_gives_back_what_was_made_before(project: Path, edit: Edit) -> None:
    edit("configs/diabetes.yaml", "slice_rows: 20", "slice_rows: 30")
    ran()
    edit("configs/diabetes.yaml", "slice_rows: 30", "slice_rows: 20")
    outcomes = {outcome.stage: outcome.outcome for outcome in reproduce("diabetes", around=call)}
    assert outcomes["evaluate"] == "from the run cache"
    assert outcomes["train"] == "unchanged"


def test_deleted_output_is_made_or_restored_again(project: Path) -> None:
    before = Path("dvc.lock").read_bytes()
    shutil.rmtree("models/diabetes")
    assert ran()[0] == "train"
    assert Path("models/diabetes/manifest.json").exists()
    assert Path("dvc.lock").read_bytes() == before


# ---- why


def test_plan_names_a_changed_parameter_with_both_values(project: Path, edit: Edit) -> None:
    edit("configs/diabetes.yaml", "max_depth: 2", "max_depth: 3")
    assert ("parameter", "configs/diabetes.yaml: train.params.max_depth: 2 -> 3") in reasons("train")


def test_plan_names_a_changed_library(project: Path, edit: Edit) -> None:
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    edit("configs/libraries.yaml", "xgboost: {", 'xgboost: {"9.9": "1.0", ')
    assert ("library", "configs/libraries.yaml: xgboost.9.9: None -> '1.0'") in reasons("train")
    assert reasons("ingest") == []
    assert minor in Path("configs/libraries.yaml").read_text()


def test_plan_names_a_changed_code_file(project: Path) -> None:
    Path("tasks/split.py").write_text(Path("tasks/split.py").read_text() + "\n")
    assert ("code", "tasks/split.py (modified)") in reasons("split")


def test_plan_names_new_data(project: Path) -> None:
    typed = next(Path("data/typed/diabetes").glob("*.parquet"))
    shutil.copy(typed, typed.with_name("extra.parquet"))
    assert ("data", f"{Path('data/typed/diabetes')} (modified)") in reasons("validate")


def test_plan_of_a_fresh_clone_is_a_first_run(fresh_project: Path) -> None:
    assert all(reasons(stage) == [("first run", "dvc.lock has no entry for it")] for stage in STAGES)


def test_plan_says_what_may_follow(project: Path, edit: Edit) -> None:
    edit("configs/diabetes.yaml", "slice_rows: 20", "slice_rows: 30")
    verdicts = [plan.verdict for plan in plan_stages("diabetes")]
    assert verdicts == ["unchanged"] * 4 + ["runs", "may run"]


def test_plan_writes_nothing(project: Path, edit: Edit) -> None:
    edit("configs/diabetes.yaml", "max_depth: 2", "max_depth: 3")
    before = {
        path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file() and ".dvc/tmp" not in str(path)
    }
    plan_stages("diabetes")
    after = {
        path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file() and ".dvc/tmp" not in str(path)
    }
    assert before == after


def test_changed_values_finds_the_innermost_keys() -> None:
    assert changed_values({"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"b": 2, "c": [1]}}) == [
        "a.b: 1 -> 2",
        "d: 1 -> None",
    ]


# ---- raw data


def test_edited_raw_data_is_refused(project: Path) -> None:
    raw = next(Path("data/raw/diabetes").glob("*.csv"))
    raw.chmod(0o644)
    raw.write_text(raw.read_text() + "1,2,3\n")
    with pytest.raises(DataError, match=r"modified since it was landed.*holdfast land diabetes"):
        reproduce("diabetes", around=call)


def test_missing_pin_is_told(project: Path) -> None:
    Path("data/raw/diabetes.dvc").unlink()
    with pytest.raises(DataError, match="nothing has landed yet"):
        reproduce("diabetes", around=call)


def test_raw_data_come_back_from_the_cache(project: Path) -> None:
    shutil.rmtree("data/raw/diabetes")
    assert ledger.raw_data_is_missing("diabetes")
    ledger.fetch_raw_data("diabetes")
    assert ran() == []
    assert list(Path("data/raw/diabetes").glob("*.csv"))


def test_raw_data_are_fetched_from_the_remote(project: Path, tmp_path: Path) -> None:
    dvc("remote", "add", "-d", "store", str(tmp_path / "remote"))
    dvc("push", "-q", "data/raw/diabetes.dvc")
    shutil.rmtree("data/raw/diabetes")
    shutil.rmtree(".dvc/cache")
    assert ledger.raw_data_is_missing("diabetes")
    ledger.fetch_raw_data("diabetes")
    assert list(Path("data/raw/diabetes").glob("*.csv"))


def test_raw_data_that_no_remote_has_are_told(project: Path) -> None:
    shutil.rmtree("data/raw/diabetes")
    shutil.rmtree(".dvc/cache")
    with pytest.raises(DataError, match=r"neither here nor in a DVC remote.*holdfast land diabetes"):
        ledger.fetch_raw_data("diabetes")


# ---- a stage that fails


def failing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let the split stage do something that it must not; split.py is edited so that it is stale."""
    import tasks.split

    monkeypatch.setattr(tasks.split, "main", lambda _pipeline: act())
    Path("tasks/split.py").write_text(Path("tasks/split.py").read_text() + "\n# edited\n")


def exit_with_three() -> None:
    sys.exit(3)


def raise_data_error() -> None:
    raise DataError("two rows, expected three")


def raise_value_error() -> None:
    raise ValueError("not ours")


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (exit_with_three, StageFailedError, "split"),
        (raise_data_error, DataError, "two rows, expected three"),
        (raise_value_error, StageFailedError, "ValueError: not ours"),
        (lambda: os.chdir("configs"), StageFailedError, "must not change directory"),
    ],
)
def test_failing_stage_leaves_the_lock_as_it_was(
    project: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None], error: type[Exception], text: str
) -> None:
    failing(monkeypatch, act)
    before = Path("dvc.lock").read_bytes()
    with pytest.raises(error, match=text):
        reproduce("diabetes", around=call)
    assert Path("dvc.lock").read_bytes() == before
    assert Path.cwd().samefile(project)


def test_run_after_a_failure_completes_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        failing(broken, raise_data_error)
        with pytest.raises(DataError):
            reproduce("diabetes", around=call)
    assert "split" in ran()
    assert dvc("status") == "Data and pipelines are up to date."


def test_dvc_still_starts_commands_where_we_replace_it() -> None:
    import inspect

    import dvc.stage.run

    assert list(inspect.signature(dvc.stage.run.cmd_run).parameters) == ["stage", "dry", "run_env"]
    assert "cmd_run" in inspect.getsource(dvc.stage.run.run_stage)


def test_dvc_gets_its_function_back(project: Path) -> None:
    import dvc.stage.run

    before = dvc.stage.run.cmd_run
    ran()
    assert dvc.stage.run.cmd_run is before


@pytest.mark.parametrize("content", ['{"data', ""])
def test_cut_off_record_of_running_stages_is_removed(project: Path, content: str) -> None:
    Path(".dvc/tmp/rwlock").write_text(content)
    assert ran() == []


def test_folders_that_a_killed_process_left_empty_in_the_run_cache_are_removed(project: Path) -> None:
    entries = list(Path(".dvc/cache/runs").glob("*/*/*"))
    for entry in entries:
        entry.unlink()
    Path("dvc.lock").unlink()
    assert entries
    assert ran() == [*STAGES]
    assert all(any(folder.iterdir()) for folder in Path(".dvc/cache/runs").glob("*/*"))


def test_lock_is_rewritten_whole(project: Path, edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Path("dvc.lock").read_bytes()
    edit("configs/diabetes.yaml", "slice_rows: 20", "slice_rows: 30")

    def disk_full(path: Path) -> None:
        if path.name.startswith(".dvc.lock"):
            raise OSError("no space left")

    monkeypatch.setattr("tasks.atomic.flush_to_disk", disk_full)
    with pytest.raises(StageFailedError, match="no space left"):
        reproduce("diabetes", around=call)
    assert Path("dvc.lock").read_bytes() == before


def test_lock_has_the_bytes_that_dvc_writes(project: Path) -> None:
    before = Path("dvc.lock").read_bytes()
    dvc("commit", "-f", "-q")
    assert Path("dvc.lock").read_bytes() == before


def test_running_stage_of_another_process_is_named(project: Path) -> None:
    import json

    entry = {"pid": os.getppid(), "cmd": "holdfast run diabetes"}
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(project / "data/split/diabetes.parquet"): entry}}))
    Path("tasks/split.py").write_text(Path("tasks/split.py").read_text() + "\n")
    with pytest.raises(LedgerBusyError, match="another process works"):
        reproduce("diabetes", around=call)


def test_pipeline_that_has_never_run_is_told_from_one_that_has(fresh_project: Path) -> None:
    assert ledger.has_never_run("diabetes")


def test_pipeline_that_has_run_is_told(project: Path) -> None:
    assert not ledger.has_never_run("diabetes")
    assert ledger.has_never_run("abetes")


def changed_entries(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """dvc.lock's content with an entry changed and one new, and its entries as they were read."""
    from dvc.utils.serialize import loads_yaml

    content: dict[str, Any] = loads_yaml(text) if text else {"schema": "2.0", "stages": {}}
    before = dict(content["stages"])
    wide: dict[str, Any] = {"cmd": "x " * 60, "params": {"a.yaml": {"sql": {"odd": "a: 'b' # c\n", "no": "NO"}}}}
    content["stages"].update({"train@diabetes": wide, "train@new-one": {"cmd": "python", "deps": [{"path": "ü"}]}})
    return content, before


@pytest.mark.parametrize("text", ["", (ROOT / "dvc.lock").read_text(), "# mine\nstages: {a: {cmd: x}}\n"])
def test_lock_dumped_in_part_is_the_lock_dumped_whole(text: str) -> None:
    from dvc.utils.serialize import dumps_yaml

    content, before = changed_entries(text)
    assert ledger.dumped(content, before, text) == dumps_yaml(content)
