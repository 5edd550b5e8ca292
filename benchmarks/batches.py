"""What one batch more costs when many are there: ingest and validate, as DVC walks them.

    python benchmarks/batches.py [--quick] [--batches N]

Batches of 1,000 rows. One alone is landed and made in an empty project; then, in another, as many as asked for (1,000;
100 with `--quick`), and one more. Each making is one process that imports the stages' libraries, lets DVC walk its
graph and runs what is stale: `stages_s` is what the two stages take, `dvc_s` what DVC takes beside them to hash and pin
the folders, both in seconds of the processor. Then once more, with nothing stale: DVC's own walk. Each prints one JSON
object; the last one has the ratios. `more_less_walk_over_alone` must be at most 1.5: all seconds for the one more, less
that walk, over those for the one alone. `stages_over_alone` and `dvc_over_alone` are its two parts by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from overhead import ROOT, Cost, measure

ROWS = 1000
MAKE = """
import time
from tasks.ledger import StageOutcome, open_repository, stages_called, lock_written_whole
from tasks.stage import STAGES, import_libraries, run_stage
import_libraries(["ingest", "validate"])
spent = []


def timed(*names):
    start = time.process_time()
    run_stage(*names)
    spent.append(time.process_time() - start)


began = time.process_time()
with open_repository() as repository, lock_written_whole():
    with stages_called(timed, {stage: StageOutcome(stage) for stage in STAGES}):
        repository.reproduce(["validate@many"])
print("SECONDS", sum(spent), time.process_time() - began)
"""
YAML = """
owner: {}
source: {path: "data/incoming/many/*.csv"}
time: {}
target: {name: y}
columns:
  at: {type: timestamp}
  city: {type: category}
  rooms: {type: integer, nulls: ["", NA]}
  size: {type: float}
  y: {type: float}
drop: {}
expectations:
  - {expect_column_values_to_not_be_null: {column: size}, otherwise: quarantine}
  - {expect_column_values_to_be_between: {column: size, min_value: 0}, otherwise: quarantine}
  - {expect_column_values_to_be_in_set: {column: city, value_set: [a, b, c]}, otherwise: stop}
  - {expect_table_row_count_to_be_between: {min_value: 1}, otherwise: stop}
features: {}
encode: {}
split: {}
train: {}
evaluate: {}
drift: {}
retrain: {}
gate: {}
"""


def make_project(folder: Path) -> None:
    """Copy this working tree's files, with one pipeline, `many`, without data."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if name.startswith(("configs/", "tasks/", "flows/", ".dvc", "dvc.yaml", ".gitignore")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "configs/many.yaml").write_text(YAML)
    (folder / "params.yaml").write_text("pipelines:\n  - many\n")
    (folder / "data/incoming/many").mkdir(parents=True)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def put_batches(folder: Path, numbers: range) -> None:
    """Write batches of the source."""
    for number in numbers:
        draw = random.Random(number)
        rows = [
            f"2013-01-01 {row % 24:02}:00,{draw.choice('abc')},{draw.randrange(9) or 'NA'},"
            f"{draw.uniform(-0.01, 9):.4f},{draw.random():.6f}"
            for row in range(ROWS)
        ]
        text = "\n".join(["at,city,rooms,size,y", *rows]) + "\n"
        (folder / f"data/incoming/many/{number:05}.csv").write_text(text)


def run(folder: Path, *arguments: str) -> tuple[Cost, str]:
    """Run Python in the project."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "DVC_SITE_CACHE_DIR": str(folder / ".dvc/tmp/site")}
    return measure([sys.executable, *arguments], folder, environment)


def made(folder: Path, numbers: range, workload: str) -> tuple[float, float]:
    """Land batches, if any, and make them; return the seconds that the stages took, and those that DVC took beside."""
    put_batches(folder, numbers)
    if numbers:
        run(folder, "-m", "flows.cli", "land", "many")
    cost, printed = run(folder, "-c", MAKE)
    stages, whole = map(float, printed.rpartition("SECONDS")[2].split())
    entry = {"workload": workload, "wall_s": round(cost.seconds, 2), "peak_mb": round(cost.peak)}
    spent = {"stages_s": round(stages, 2), "dvc_s": round(whole - stages, 2)}
    print(json.dumps({"system": "holdfast", **entry, **spent}), flush=True)
    return stages, whole - stages


def main() -> None:
    """Measure one alone, many, and one more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 batches in place of 1,000; within a minute")
    parser.add_argument("--batches", type=int, help="how many are there before the one more")
    options = parser.parse_args()
    count = options.batches or (100 if options.quick else 1000)
    with tempfile.TemporaryDirectory(prefix="holdfast-batches-") as folder:
        alone, many = Path(folder, "alone"), Path(folder, "many")
        for project in (alone, many):
            make_project(project)
        one, one_walk = made(alone, range(1), "one batch alone")
        all_of_them, _ = made(many, range(count), f"{count} batches")
        more, more_walk = made(many, range(count, count + 1), f"one more than {count}")
        idle = sum(made(many, range(0), "nothing stale"))
    ratios = {
        "more_less_walk_over_alone": round((more + more_walk - idle) / (one + one_walk), 3),
        "stages_over_alone": round(more / one, 3),
        "dvc_over_alone": round(more_walk / one_walk, 3),
        "each_of_many_over_alone": round(all_of_them / count / one, 4),
    }
    print(json.dumps({"bench": "batches", "ratios": ratios}))


if __name__ == "__main__":
    main()
