"""What orchestration adds: a flow on a running Prefect server beside the same stages called bare, and `dvc repro`.

    python benchmarks/flow.py [--quick] [--rounds N]

Whole processes, each in a fresh copy of the project with nothing made yet: the stages called one after the other in one
process, `holdfast run`, and `dvc repro`. All of them must give the same metrics, byte by byte, or the benchmark fails.
Prints one JSON object per system and the ratios of medians last: `over_bare` and `over_dvc` on the wall,
`over_bare_cpu` and `over_dvc_cpu` of the processors. `--quick` takes the small demo, whose stages take seconds in all:
there the imports of Prefect and DVC are what is measured.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from overhead import (
    Cost,
    copy_project,
    entry,
    fresh_copy,
    holdfast,
    isolated_environment,
    measure,
    python,
    running_server,
)

BARE = """
import sys
from tasks.allocation import allocate_large_arrays_apart
from tasks.stage import STAGES, run_stage
allocate_large_arrays_apart()
for stage in STAGES:
    run_stage(stage, sys.argv[1])
"""


def commands(pipeline: str) -> dict[str, list[str]]:
    """How each system is called."""
    return {
        "bare functions": python("-c", BARE, pipeline),
        "holdfast run": holdfast("run", pipeline),
        "dvc repro": python("-m", "dvc", "repro", "-q"),
    }


def metrics_of(project: Path) -> dict[str, str]:
    """What the stages measured."""
    return {file.name: file.read_text() for file in sorted((project / "metrics").rglob("*.json"))}


def rounds_of(project: Path, pipeline: str, environment: dict[str, str], rounds: int) -> dict[str, list[Cost]]:
    """Run all systems in turns; end where their metrics differ."""
    costs: dict[str, list[Cost]] = {system: [] for system in commands(pipeline)}
    for number in range(rounds):
        found = []
        for system, command in commands(pipeline).items():
            copy = fresh_copy(project, f"{system.replace(' ', '-')}-{number}")
            costs[system].append(measure(command, copy, environment)[0])
            found.append(metrics_of(copy))
            shutil.rmtree(copy)
        if any(each != found[0] for each in found):
            sys.exit("the systems did not give the same metrics")
    return costs


def ratios_of(entries: list[dict[str, Any]]) -> dict[str, float]:
    """Medians of the flow over those of the others: on the wall, and in CPU seconds, which other work moves less."""
    found = {}
    for figure, end in (("wall_s", ""), ("cpu_s", "_cpu")):
        bare, ours, theirs = (each[figure] for each in entries)
        found |= {f"over_bare{end}": round(ours / bare, 3), f"over_dvc{end}": round(ours / theirs, 3)}
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the small demo; within a minute")
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    pipeline = "diabetes" if chosen.quick else "flights"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = isolated_environment(folder)
        project = copy_project(folder / "project", pipeline, environment)
        with running_server(folder, environment) as url:
            costs = rounds_of(project, pipeline, environment | {"PREFECT_API_URL": url}, chosen.rounds)
    entries = [entry(system, pipeline, found) | {"bench": "flow"} for system, found in costs.items()]
    for each in entries:
        print(json.dumps(each), flush=True)
    print(json.dumps({"bench": "flow", "ratios": ratios_of(entries)}))


if __name__ == "__main__":
    main()
