"""What the leak audit costs: its wall and CPU time over those of the training that it precedes.

    python benchmarks/audit.py [--quick] [--rounds N]

In a throw-away copy of the project's valid rows and split; each round is a process of its own that audits, and then
trains, with the same threads. Both start with their modules imported. Prints one JSON object per round, and the ratios
(medians) last. `--quick` measures the small demo, whose training takes less than a second: its ratio says nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("dvc.yaml", "params.yaml", "configs")
ROUND = """
import json, sys, time
from configs.load import load_pipeline
from tasks import audit, split
from tasks.model.device import thread_count
from tasks.training.matrices import prepare
from tasks.training.rows import load_rows
from tasks.train import declared_model, train_model
import tasks.audit.averages, tasks.audit.beside, tasks.audit.columns, tasks.audit.duplicates, tasks.audit.missing
import tasks.audit.neighbours, tasks.audit.noise, tasks.audit.order, tasks.audit.reconstruct, tasks.audit.sides
import xgboost

def measured(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}

pipeline = load_pipeline(sys.argv[1])
split.main(pipeline)
rows = load_rows(pipeline)
model = declared_model(pipeline, rows.classes)
prepared = prepare(model, rows)
audited = measured(lambda: audit.audit(prepared, model, thread_count()))
trained = measured(lambda: train_model(prepared, model, thread_count()))
print(json.dumps({"pipeline": pipeline.name, "rows": len(rows.target), "audit": audited, "train": trained}))
"""


def workspace(folder: Path, pipeline: str) -> None:
    """Copy what a training reads; `dvc repro validate` must have made it."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy2(source, folder / name)
    valid = ROOT / "data/valid" / pipeline
    if not valid.exists():
        sys.exit(f"{valid} is not there; run `holdfast run {pipeline}` first.")
    shutil.copytree(valid, folder / "data/valid" / pipeline)


def one_round(folder: Path, pipeline: str) -> dict[str, dict[str, float]]:
    """Measure one process."""
    printed = subprocess.run(
        [sys.executable, "-c", ROUND, pipeline],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found: dict[str, dict[str, float]] = json.loads(printed.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the small demo instead of flights")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    pipeline = "diabetes" if chosen.quick else "flights"
    with tempfile.TemporaryDirectory() as folder:
        workspace(Path(folder), pipeline)
        found = [one_round(Path(folder), pipeline) for _ in range(chosen.rounds)]
    for each in found:
        print(json.dumps(each), flush=True)
    ratios = {
        f"over_training_{unit}": round(
            statistics.median(each["audit"][unit] / each["train"][unit] for each in found), 4
        )
        for unit in ("wall_s", "cpu_s")
    }
    print(json.dumps({"bench": "audit", "ratios": ratios}))


if __name__ == "__main__":
    main()
