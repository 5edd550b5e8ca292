"""Where a run's seconds go: `overhead.py` puts this file into a run as `sitecustomize`, unknown to the product.

Each Python process writes `<folder of HOLDFAST_TIMERS>/<name>-<pid>.json`: seconds of its main thread by part. A part's
seconds are its own: what it calls that is a part too is counted there and not here. Imports are parts by the package at
whose import they happen.
"""

from __future__ import annotations

import atexit
import builtins
import functools
import importlib
import importlib.abc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = (
    "dvc",
    "prefect",
    "great_expectations",
    "sklearn",
    "xgboost",
    "pandas",
    "pyarrow",
    "scipy",
    "duckdb",
    "jinja2",
)
STAGE = "load the declaration and the stage"
PARTS = {  # module: {function or method: part}
    "configs.load": {"check_pipeline": "read the declaration", "load_pipeline": "read the declaration"},
    "tasks.ledger": {
        "stale_stages": "DVC: what is stale",
        "reproduce": "DVC: walk, hash, commit",
    },
    "flows.train": {"run": "Prefect: flow, tasks, artifact"},
    "tasks.worker": {
        "StageWorker.run": "wait for the stage",
        "StageWorker.__init__": "start the worker",
        "StageWorker.end": "end the worker",
    },
    "tasks.stage": {"run_stage": STAGE, "require_locked_libraries": "versions of libraries"},
    "tasks.ingest": {"main": "stage ingest"},
    "tasks.validate": {"main": "stage validate"},
    "tasks.split": {"main": "stage split"},
    "tasks.train": {"main": "stage train", "cross_validate": "cross-validation", "fit_final": "final fit"},
    "tasks.evaluate": {"main": "stage evaluate", "baseline_predictions": "baselines"},
    "tasks.evaluation.judge": {"judge": "intervals", "judge_slices": "intervals"},
    "tasks.evaluation.explain": {"explain": "TreeSHAP"},
    "tasks.evaluation.baselines": {"baseline_predictions": "baselines"},
    "tasks.report": {"main": "stage report"},
    "tasks.validation.expectations": {"Suite.check": "GX checks", "Suite.__init__": "GX suite"},
    "tasks.validation.data_docs": {"batch_page": "Data Docs", "index_page": "Data Docs"},
    "tasks.table": {"write_table": "write Parquet", "read_table": "read Parquet", "to_frame": "Parquet to pandas"},
    "tasks.quarantine.rows": {"write_quarantine": "write quarantine"},
    "tasks.model.bundle": {"save_bundle": "write the bundle", "load_bundle": "read the bundle"},
    "tasks.store": {
        "BatchStore.get_or_make": "per-batch store",
        "stage_basis": "code hash",
        "file_hash": "per-batch store",
    },
    "tasks.features": {"DerivedFeatures.transform": "features"},
}


class Clock:
    """Seconds of the main thread by part, each second counted once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.stack = ["other, or waiting"]
        self.since = time.perf_counter()

    def turn(self) -> None:
        """Count the time since the last turn for the part that is on."""
        now = time.perf_counter()
        self.seconds[self.stack[-1]] = self.seconds.get(self.stack[-1], 0.0) + now - self.since
        self.since = now

    def call(self, part: str, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call a function as a part."""
        if threading.current_thread() is not threading.main_thread() or self.stack[-1] == part:
            return function(*arguments, **options)
        self.turn()
        self.stack.append(part)
        try:
            return function(*arguments, **options)
        finally:
            self.turn()
            self.stack.pop()
            if part == STAGE:
                self.seconds[f"MB at most after {arguments[0]}"] = high_water()
                write()


def high_water() -> float:
    """The most memory that this process had so far, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:"))


CLOCK = Clock()


def write() -> None:
    """Write what was counted so far; a worker is ended without a chance to."""
    CLOCK.turn()
    parts = sorted(CLOCK.seconds.items(), key=lambda item: -item[1])
    name = "worker" if "spawn_main" in " ".join(sys.orig_argv) else "main"
    found = {part: round(seconds, 3) for part, seconds in parts if seconds >= 0.005}
    Path(os.environ["HOLDFAST_TIMERS"], f"{name}-{os.getpid()}.json").write_text(json.dumps(found))


def as_part(function: Callable[..., Any], part: str) -> Callable[..., Any]:
    """The function, counted."""

    @functools.wraps(function)
    def counted(*arguments: Any, **options: Any) -> Any:
        return CLOCK.call(part, function, arguments, options)

    return counted


def import_part(name: str) -> str | None:
    """The part that an import is counted under, None when it is no part or there already."""
    root = name.partition(".")[0]
    return f"import {root}" if root in PACKAGES and name not in sys.modules else None


def time_imports() -> None:
    """Count imports, by whichever way they are asked for."""
    plain_import, plain_module = builtins.__import__, importlib.import_module

    def counted_import(name: str, *arguments: Any, **options: Any) -> Any:
        part = import_part(name)
        if part is None:
            return plain_import(name, *arguments, **options)
        return CLOCK.call(part, plain_import, (name, *arguments), options)

    def counted_module(name: str, package: str | None = None) -> ModuleType:
        part = import_part(name)
        if part is None:
            return plain_module(name, package)
        module: ModuleType = CLOCK.call(part, plain_module, (name, package), {})
        return module

    builtins.__import__, importlib.import_module = counted_import, counted_module


class Counted(importlib.abc.MetaPathFinder):
    """Finds the modules that have parts as usual, and puts counted functions in place once they have run."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """Let the other finders find it; wrap how it is executed."""
        if name not in PARTS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                execute = spec.loader.exec_module
                spec.loader.exec_module = functools.partial(run_and_count, execute)  # type: ignore[method-assign]
                return spec
        return None


def run_and_count(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    """Run a module's code, then put counted functions in place of its parts."""
    execute(module)
    for path, part in PARTS[module.__name__].items():
        *owners, name = path.split(".")
        owner = functools.reduce(getattr, owners, module)
        if hasattr(owner, name):
            setattr(owner, name, as_part(getattr(owner, name), part))


if os.environ.get("HOLDFAST_TIMERS"):
    sys.meta_path.insert(0, Counted())
    time_imports()
    atexit.register(write)
