"""The benchmark of the overhead: its plain script does what Holdfast does, and its ratios are what they say."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def overhead() -> ModuleType:
    spec = importlib.util.spec_from_file_location("overhead", BENCHMARKS / "overhead.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["overhead"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bare(trained_project: Path) -> dict[str, Any]:
    """What the plain script finds on the data that Holdfast was run on."""
    command = [sys.executable, str(BENCHMARKS / "bare.py"), "diabetes"]
    result = subprocess.run(command, cwd=trained_project, check=True, capture_output=True, text=True, timeout=300)
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def written(project: Path, path: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project / path).read_text())
    return content


def test_bare_script_holds_out_the_same_rows(bare: dict[str, Any], trained_project: Path) -> None:
    rows = written(trained_project, "metrics/diabetes/split.json")["rows"]
    assert bare["rows"] == {part: rows[part] for part in ("train", "holdout")}


def test_bare_script_scores_each_fold_alike(bare: dict[str, Any], trained_project: Path) -> None:
    ours = written(trained_project, "metrics/diabetes/train.json")["cv"]["folds"]
    assert bare["cv"]["folds"] == pytest.approx(ours, rel=1e-3)


def test_bare_script_scores_the_holdout_alike(bare: dict[str, Any], trained_project: Path) -> None:
    ours = written(trained_project, "metrics/diabetes/evaluate.json")["holdout"]
    found = {metric: each["value"] for metric, each in bare["holdout"].items()}
    assert found == pytest.approx({metric: each["value"] for metric, each in ours.items()}, rel=1e-3)


def test_bare_script_finds_the_same_intervals(bare: dict[str, Any], trained_project: Path) -> None:
    ours = written(trained_project, "metrics/diabetes/evaluate.json")["holdout"]["rmse"]
    assert bare["holdout"]["rmse"] == pytest.approx(ours, rel=1e-3)


def test_bare_script_has_baselines_as_good(bare: dict[str, Any], trained_project: Path) -> None:
    ours = written(trained_project, "metrics/diabetes/evaluate.json")["baselines"]
    assert {name: each["value"] for name, each in bare["baselines"].items()} == pytest.approx(ours, rel=1e-2)


def test_bare_script_judges_the_same_slices(bare: dict[str, Any], trained_project: Path) -> None:
    ours = written(trained_project, "reports/diabetes/evaluation.json")["slices"]
    expected = {f"{each['column']}={each['level']}": each["value"] for each in ours}
    assert {name: each["value"] for name, each in bare["slices"].items()} == pytest.approx(expected, rel=1e-3)


def test_bare_script_imports_nothing_of_holdfast() -> None:
    lines = (BENCHMARKS / "bare.py").read_text().splitlines()
    imported = [line.split()[1].partition(".")[0] for line in lines if line.startswith(("import ", "from "))]
    assert not {"configs", "tasks", "flows"} & set(imported)


def test_ratios_divide_medians(overhead: ModuleType) -> None:
    costs = {
        ("cold", "bare"): [(60.0, 500.0), (62.0, 500.0), (90.0, 500.0)],
        ("cold", "holdfast run"): [(68.2, 600.0)],
        ("cold", "dvc repro"): [(93.0, 700.0)],
        ("nothing stale", "holdfast run"): [(2.0, 90.0)],
        ("nothing stale", "dvc repro"): [(4.0, 90.0)],
        ("report stale", "holdfast run"): [(6.0, 90.0)],
        ("report stale", "dvc repro"): [(5.0, 90.0)],
        ("report stale", "stage report alone"): [(3.0, 90.0)],
    }
    entries = [
        overhead.entry(system, workload, [overhead.Cost(seconds, 1.0, peak) for seconds, peak in runs])
        for (workload, system), runs in costs.items()
    ]
    expected = {"cold": 1.1, "memory": 1.2, "noop": 0.5, "report_only": 2.0, "report_only_over_dvc": 1.2}
    assert overhead.ratios(entries) == {**expected, "dvc_repro_cold": 1.5}


def test_cost_counts_the_memory_of_all_processes(overhead: ModuleType, tmp_path: Path) -> None:
    child = "import time; block = bytearray(60_000_000); time.sleep(1)"
    parent = f"import subprocess, sys; block = bytearray(60_000_000); subprocess.run([sys.executable, '-c', {child!r}])"
    cost, _ = overhead.measure([sys.executable, "-c", parent], tmp_path, os.environ)
    assert 120 < cost.peak < 200


def test_failing_command_ends_the_benchmark(overhead: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="exit code 3"):
        overhead.measure([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, os.environ)
