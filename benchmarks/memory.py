"""How the memory of a training grows with its rows: 1, 4 and 16 times the flights.

    python benchmarks/memory.py [--quick] [--threads N]

The rows that the flights are trained on are put after each other, under new names, and trained with as the stage
`train` does: features, cells, cross-validation (few rounds: trees take no memory that grows with rows), final fit. Each
size runs in a process of its own. `peak_mb` is the process's high-water mark, and the slope is what one row more costs:
bytes, from each size to the next. Memory is linear when the slopes are alike. It reads data/valid/flights (`holdfast
run flights` makes it).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cv import ROOT, make_project
from overhead import measure

ROUNDS = 5
SIZES = (1, 4, 16)


def repeated(rows: Any, times: int) -> Any:
    """The same rows many times, as if more had come: other lines, the same folds."""
    from tasks.splitting.cross_fitting import cross_fitting_of
    from tasks.splitting.splitter import DeclaredSplit

    copies = {
        "raw": pd.concat([rows.raw] * times, ignore_index=True),
        "names": pd.concat([rows.names] * times, ignore_index=True),
        "target": np.tile(rows.target, times),
        "times": None if rows.times is None else pd.concat([rows.times] * times, ignore_index=True),
    }
    copies["names"]["_line"] += np.repeat(np.arange(times), len(rows.target)) * 10**6
    fold = np.tile(rows.splitter.fold, times)
    splitter = DeclaredSplit(fold, None, rows.splitter.embargo)
    drawn = {name: copies[name] for name in ("names", "target", "times")}
    plan = cross_fitting_of(rows.pipeline, groups=None, fold=fold, **drawn)
    return replace(rows, **copies, splitter=splitter, plan=plan)


def train(times: int, threads: int) -> int:
    """Train on the rows so many times over; return how many there were."""
    from configs.load import load_pipeline
    from tasks.train import declared_model, train_model
    from tasks.training.matrices import prepare
    from tasks.training.rows import load_rows

    pipeline = load_pipeline("flights")
    settings = pipeline.train.model_copy(update={"rounds": ROUNDS})
    rows = repeated(load_rows(pipeline.model_copy(update={"train": settings})), times)
    model = declared_model(rows.pipeline)
    train_model(prepare(model, rows), model, threads)
    return len(rows.target)


def main() -> None:
    """Measure each size, and print the slopes last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two months in place of eleven; within a minute")
    parser.add_argument("--threads", type=int, default=2, help="and so folds at a time")
    parser.add_argument("--times", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.times:
        return print(train(options.times, options.threads))
    found: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory(prefix="holdfast-memory-") as folder:
        make_project(Path(folder), "2 batches" if options.quick else "all")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])}
        for times in SIZES:
            command = [
                sys.executable,
                str(Path(__file__).resolve()),
                "--times",
                str(times),
                "--threads",
                str(options.threads),
            ]
            cost, printed = measure(command, Path(folder), environment)
            found.append((int(printed.split()[-1]), cost.peak * 1e6))
            entry = {
                "workload": f"flights x {times}",
                "rows": found[-1][0],
                "peak_mb": round(cost.peak),
                "wall_s": round(cost.seconds, 1),
            }
            print(json.dumps({"system": "holdfast", **entry}), flush=True)
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(found)]
    print(
        json.dumps(
            {
                "bench": "memory",
                "ratios": {
                    "slope_bytes_per_row": [round(slope) for slope in slopes],
                    "growth": round(slopes[-1] / slopes[0], 3),
                },
            }
        )
    )
    return None


if __name__ == "__main__":
    main()
