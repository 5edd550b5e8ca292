"""kill -9 at random moments of a run: the next run completes it, without repair, to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run_python

RUN = "from tasks.ledger import reproduce; from tasks.worker import stage_workers\n"
RUN += "if __name__ == '__main__':\n"
RUN += "    with stage_workers(()) as workers: reproduce('diabetes', lambda _stage, work: work(), workers.run)"
LONGEST_SECONDS = 12.0  # a whole run takes about as long


def kill_run_after(folder: Path, seconds: float) -> None:
    """Start a run in a process group of its own and kill the group."""
    run = subprocess.Popen([sys.executable, "-c", RUN], cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def kill_then_complete(folder: Path, trained: Path, seeds: range) -> None:
    for seed in seeds:
        kill_run_after(folder, random.Random(seed).uniform(0.5, LONGEST_SECONDS))
    run_python(folder, "-c", RUN)
    assert (folder / "dvc.lock").read_bytes() == (trained / "dvc.lock").read_bytes()
    left_over = [path for path in folder.rglob(".*.tmp") if ".git/" not in str(path)]
    assert left_over == []


def test_killed_run_is_completed_by_the_next(fresh_project: Path, trained_project: Path) -> None:
    kill_then_complete(fresh_project, trained_project, range(2))


@pytest.mark.campaign
@pytest.mark.parametrize("start", range(0, 100, 2))
def test_run_killed_at_many_moments_is_completed(
    fresh_project: Path, trained_project: Path, start: int, record_property: Callable[[str, object], None]
) -> None:
    record_property("kills", 2)
    kill_then_complete(fresh_project, trained_project, range(start, start + 2))
