"""The stages' process: its errors reach the parent, its death is a failed stage, and it never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.errors import ConfigError, DataError, StageFailedError
from configs.load import pipeline_names
from tasks.stage import STAGES, run_stage
from tasks.worker import GROUPS, WORKERS, StageWorkers, outcome_of, stage_workers

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def worker() -> Iterator[StageWorkers]:
    with stage_workers(()) as running:
        yield running


def test_error_of_a_stage_keeps_class_and_text(fresh_project: Path, worker: StageWorkers) -> None:
    with pytest.raises(DataError, match=r"data/valid/diabetes: no batch"):
        worker.run("split", "diabetes")


def test_worker_goes_on_after_an_error(fresh_project: Path, worker: StageWorkers) -> None:
    for _ in range(2):
        with pytest.raises(ConfigError, match="absent"):
            worker.run("split", "absent")


def test_worker_runs_in_the_current_directory(fresh_project: Path, worker: StageWorkers) -> None:
    worker.run("ingest", "diabetes")
    assert (fresh_project / "metrics/diabetes/ingest.json").is_file()


def test_killed_worker_is_a_failed_stage(fresh_project: Path, worker: StageWorkers) -> None:
    worker.run("ingest", "diabetes")
    ((_, process),) = worker.workers.items()
    os.kill(process.process.pid or 0, signal.SIGKILL)
    with pytest.raises(StageFailedError, match=r"run_stage ingest diabetes.*SIGKILL.*memory"):
        worker.run("ingest", "diabetes")


def test_inner_block_uses_the_worker_of_the_outer() -> None:
    with stage_workers(()) as outer, stage_workers(("train",)) as inner:
        assert inner is outer


def test_worker_ends_with_the_block() -> None:
    with stage_workers(("report",)) as running:
        (worker,) = running.workers.values()
        running.call(pipeline_names)
    assert worker.process.exitcode == 0


def test_worker_that_is_still_importing_is_not_waited_for() -> None:
    with stage_workers(("validate",)) as running:
        (worker,) = running.workers.values()
    assert worker.process.exitcode == -signal.SIGTERM


def test_first_worker_is_gone_when_training_begins(fresh_project: Path, worker: StageWorkers) -> None:
    worker.run("ingest", "diabetes")
    first = worker.workers[GROUPS[0]].process
    with pytest.raises(DataError):
        worker.run("train", "diabetes")
    assert not first.is_alive()


def test_next_worker_imports_while_one_works() -> None:
    with stage_workers(STAGES) as running:
        assert tuple(running.workers) == GROUPS[:WORKERS]


def test_each_stage_has_one_group() -> None:
    assert tuple(stage for group in GROUPS for stage in group) == STAGES


def test_worker_does_not_outlive_a_killed_parent() -> None:
    code = (
        "import time; from tasks.worker import stage_workers\n"
        "if __name__ == '__main__':\n"
        "    with stage_workers(('report',)) as running:\n"
        "        print(*(worker.process.pid for worker in running.workers.values()), flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process lives; one that ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda _pipeline: sys.exit(3), "exit code 3"),
        (lambda _pipeline: os.chdir("/"), "must not change directory"),
        (lambda _pipeline: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_no_stage_may_do_is_told(
    fresh_project: Path, monkeypatch: pytest.MonkeyPatch, act: object, text: str
) -> None:
    import tasks.split

    monkeypatch.setattr(tasks.split, "main", act)
    outcome = outcome_of(run_stage, ("split", "diabetes"), fresh_project)
    assert outcome is not None
    assert outcome[0] == "StageFailedError"
    assert text in outcome[1]
    assert Path.cwd().samefile(fresh_project)
