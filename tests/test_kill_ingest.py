"""kill -9 while a large file is written: nobody sees a half file, and the next run makes the whole one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.test_ingest import REFUSED, ROOT, TYPED, outputs, put, repository, run

RUN = "import tests.test_ingest as t; t.run()"
HALF = ".holdfast/store/ingest/*/.*.tmp/.typed.parquet.*.tmp"
ROWS = 1_200_000  # three blocks, each a row group; 2.8 MB when typed

__all__ = ["repository"]


def kill_when_written(folder: Path, size: int) -> int:
    """Start the stage and kill it once so many bytes of a typed file are written; its exit code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN]
    stage = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    while stage.poll() is None and not any(file.stat().st_size >= size for file in folder.glob(HALF)):
        time.sleep(0.001)
    if stage.poll() is None:
        os.killpg(stage.pid, signal.SIGKILL)
    return stage.wait()


def kill_and_go_on(folder: Path, size: int) -> None:
    put("id,n,x\na,1,1\nb,x,1\n")
    run()
    before = outputs()
    mixed = (number * 7_368_787 % ROWS for number in range(ROWS))  # in order they would take no room
    put("id,n,x\n" + "".join(f"{number},{number if number % 9999 else 'x'},1.5\n" for number in mixed))
    assert kill_when_written(folder, size) == -signal.SIGKILL
    assert outputs() == before
    run()
    completed = outputs()
    assert not list(folder.rglob(".*.tmp"))
    shutil.rmtree(".holdfast")
    run()
    assert outputs() == completed
    rows = [pq.read_metadata(path / "2013-01.parquet").num_rows for path in (TYPED, REFUSED)]
    assert (sum(rows), min(rows)) == (ROWS, len(range(0, ROWS, 9999)))


def test_stage_killed_while_it_writes_shows_no_half_file_and_is_completed(tmp_path: Path) -> None:
    kill_and_go_on(tmp_path, 1_000_000)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(20))
def test_stage_killed_at_many_sizes_is_completed(tmp_path: Path, seed: int) -> None:
    kill_and_go_on(tmp_path, random.Random(seed).randrange(1, 2_400_000))
