"""Drift: what it takes to judge one batch against a profile, beside Evidently's preset and NannyML's calculate.

    python benchmarks/drift_speed.py [--quick] [--rounds N] [--systems NAME ...]

A batch of 500,000 rows and 20 columns (16 numbers, 4 categories) against a reference of 20 such batches (`--quick`: 4)
for us, and of one for the others, to whom the reference is rows. Ours is `observe` and `judge`, with the profile read
from disk, whose time is told too. The others run in environments of their own that are made here, with the versions
that they can run with; a system that cannot be installed is left out, with the reason. Seconds are the median of
rounds, in CPU time of the process and its threads (`cpu_s`) and by the clock (`wall_s`); ratios are of CPU time.
`memory_mb` is how much the peak (VmHWM) grows while 5,000,000 rows are made, streamed through `observe` and judged, in
a process of its own with a profile read from disk; `memory_mb_tenth` is the same with the profile of a tenth of the
reference.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tasks.drift.profile import Declared, make_profile, observe, read_profile, write_profile  # noqa: E402
from tasks.drift.thresholds import Budget, judge  # noqa: E402

ROWS, NUMBERS, CATEGORIES = 500_000, 16, 4
REQUIREMENTS = {"evidently": ["evidently", "pandas<3", "pyarrow"], "nannyml": ["nannyml", "pyarrow", "statsmodels"]}
SILENT = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}  # both would tell their makers that they run
EVIDENTLY = """
from evidently import Report
from evidently.presets import DataDriftPreset
def judge():
    Report([DataDriftPreset()]).run(batch, reference)
"""
NANNYML = """
import nannyml
calculator = nannyml.UnivariateDriftCalculator(column_names=list(reference.columns), chunk_size=len(batch))
calculator.fit(reference)
def judge():
    calculator.calculate(batch)
"""
THEIRS = """
import json, statistics, sys, time, warnings
warnings.simplefilter("ignore")
import pandas
reference, batch = (pandas.read_parquet(f"{sys.argv[1]}/{name}.parquet") for name in ("reference", "batch"))
SYSTEM
found = []
for _ in range(int(sys.argv[2])):
    wall, cpu = time.perf_counter(), time.process_time()
    judge()
    found.append((time.perf_counter() - wall, time.process_time() - cpu))
wall, cpu = (statistics.median(each) for each in zip(*found))
print(json.dumps({"wall_s": wall, "cpu_s": cpu}))
"""


def batch_of(seed: int, rows: int = ROWS) -> pa.Table:
    """Rows of both kinds of columns."""
    random = np.random.default_rng(seed)
    numbers = {f"number_{place:02}": random.normal(size=rows) for place in range(NUMBERS)}
    levels = np.array([f"level {place}" for place in range(8)])
    texts = {f"category_{place}": levels[random.integers(0, 8, rows)] for place in range(CATEGORIES)}
    return pa.table({**numbers, **texts})


def seconds_of(act: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Median seconds of some rounds, by the clock and of the processor."""
    found = []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        act()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall_s, cpu_s = (statistics.median(each) for each in zip(*found, strict=True))
    return {"wall_s": wall_s, "cpu_s": cpu_s}


def peak_mb(act: Callable[[], Any]) -> float:
    """How far the peak of resident memory rises above what is held at the start."""
    Path("/proc/self/clear_refs").write_text("5")
    before = high_water()
    act()
    return (high_water() - before) / 1024


def high_water() -> int:
    """Peak of resident memory since it was reset, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def streamed_mb(folder: Path) -> float:
    """Peak of memory that judging 5,000,000 rows takes, with a profile on disk."""

    def act() -> None:
        profile = read_profile(folder)
        judge(observe((batch_of(seed) for seed in range(10)), profile.grid), profile, Budget(1, "quarter", 13))

    return peak_mb(act)


def apart_mb(folder: Path) -> float:
    """The same in a process of its own, so that no memory is there to be used again."""
    with ProcessPoolExecutor(1, get_context("spawn")) as crew:
        return crew.submit(streamed_mb, folder).result()


def written_profile(folder: Path, batches: int) -> Path:
    """Make the profile of a reference, and write it."""
    declared = Declared("speed", dict.fromkeys(batch_of(0, 10).column_names, "feature"))
    write_profile(make_profile(Chunks(batches), declared, rows=0), folder)
    return folder


def ours(folder: Path, batches: int, rounds: int) -> dict[str, float]:
    """Make the profile, write it, and judge a batch with what is read back."""
    start = time.perf_counter()
    written_profile(folder / "profile", batches)
    made = time.perf_counter() - start
    tenth = written_profile(folder / "tenth", max(1, batches // 10))
    read = seconds_of(lambda: read_profile(folder / "profile"), rounds)
    profile, batch, budget = read_profile(folder / "profile"), batch_of(1_000), Budget(1, "quarter", 13)
    judged = seconds_of(lambda: judge(observe(batch, profile.grid), profile, budget), rounds)
    seen = seconds_of(lambda: observe(batch, profile.grid), rounds)
    size = sum(path.stat().st_size for path in (folder / "profile").iterdir())
    return {
        **judged,
        "observe_cpu_s": seen["cpu_s"],
        "read_wall_s": read["wall_s"],
        "make_wall_s": made,
        "profile_mb": size / 1e6,
        "memory_mb": apart_mb(folder / "profile"),
        "memory_mb_tenth": apart_mb(tenth),
    }


class Chunks:
    """The reference's batches, made anew each time that they are gone through."""

    def __init__(self, batches: int) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[tuple[str, pa.Table]]:
        return ((f"{number:03}", batch_of(number)) for number in range(self.batches))


def theirs(system: str, folder: Path, rounds: int) -> dict[str, float] | str:
    """Time another system in an environment of its own, or say why that failed."""
    environment = folder / system
    script = THEIRS.replace("SYSTEM", EVIDENTLY if system == "evidently" else NANNYML)
    steps = [
        [sys.executable, "-m", "venv", str(environment)],
        [str(environment / "bin/pip"), "install", "-q", *REQUIREMENTS[system]],
        [str(environment / "bin/python"), "-c", script, str(folder), str(rounds)],
    ]
    for step in steps:
        ended = subprocess.run(step, check=False, capture_output=True, text=True, env={**os.environ, **SILENT})
        if ended.returncode:
            return (ended.stderr.strip().splitlines() or ["no word"])[-1][:300]
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="a smaller reference, the others left out; within a minute"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--systems", nargs="*", default=list(REQUIREMENTS), choices=list(REQUIREMENTS))
    options = parser.parse_args()
    ratios = {}
    with tempfile.TemporaryDirectory(prefix="holdfast-drift-") as name:
        folder = Path(name)
        mine = ours(folder, 4 if options.quick else 20, options.rounds)
        print(json.dumps({"system": "holdfast", **{key: round(value, 4) for key, value in mine.items()}}), flush=True)
        pq.write_table(batch_of(0), folder / "reference.parquet")
        pq.write_table(batch_of(1_000), folder / "batch.parquet")
        for system in [] if options.quick else options.systems:
            found = theirs(system, folder, 1)
            told = (
                {"reason": found} if isinstance(found, str) else {key: round(value, 4) for key, value in found.items()}
            )
            print(json.dumps({"system": system, **told}), flush=True)
            if not isinstance(found, str):
                ratios[f"vs_{system}"] = round(found["cpu_s"] / mine["cpu_s"], 1)
    sizes = {name: round(mine[name], 3) for name in ("profile_mb", "memory_mb", "memory_mb_tenth")}
    print(json.dumps({"bench": "drift_speed", "ratios": {**ratios, "judge_cpu_s": round(mine["cpu_s"], 4), **sizes}}))


if __name__ == "__main__":
    main()
