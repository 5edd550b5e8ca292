"""The main job as a user runs it: `holdfast run` and `dvc repro` make the same bytes and stay on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from configs.load import load_pipeline, read_yaml
from tasks.land import land
from tasks.ledger import reproduce
from tests.conftest import commit_all, holdfast, run_python

OFFLINE = Path(__file__).with_name("offline")
SMALLEST = """
owner: {}
source: {path: "data/incoming/smallest/*.csv"}
time: {}
target: {name: price}
columns:
  rooms: {type: integer}
  city: {type: category}
  price: {type: float}
drop: {}
expectations: {}
features: {}
encode: {}
split: {}
train: {}
evaluate: {}
drift: {}
retrain: {}
gate: {}
"""


def offline(connections: Path) -> dict[str, str]:
    """Environment in which no Python process can connect beyond loopback."""
    connections.touch()
    return {"PYTHONPATH": str(OFFLINE), "CONNECTIONS_FILE": str(connections)}


def dvc(folder: Path, *arguments: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, **environment},
    ).stdout


@pytest.fixture(scope="module")
def by_flow(landed_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`holdfast run` without a server, on one thread, where no socket leaves the machine."""
    folder = tmp_path_factory.mktemp("flow")
    shutil.copytree(landed_project, folder / "project", symlinks=True)
    result = holdfast(folder / "project", "run", "diabetes", OMP_NUM_THREADS="1", **offline(folder / "connections"))
    assert result.returncode == 0, result.stderr
    (folder / "printed").write_text(result.stdout)
    return folder


@pytest.fixture(scope="module")
def by_dvc(landed_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`dvc repro` on two threads, with another hash seed, where no socket leaves the machine."""
    folder = tmp_path_factory.mktemp("dvc")
    shutil.copytree(landed_project, folder / "project", symlinks=True)
    dvc(folder / "project", "repro", OMP_NUM_THREADS="2", PYTHONHASHSEED="1", **offline(folder / "connections"))
    commit_all(folder / "project")
    return folder


def test_flow_and_dvc_pin_the_same_bytes(by_flow: Path, by_dvc: Path) -> None:
    locks = [read_yaml(folder / "project/dvc.lock") for folder in (by_flow, by_dvc)]
    for stage in locks[0]["stages"]:
        assert locks[0]["stages"][stage] == locks[1]["stages"][stage], stage
    assert (by_flow / "project/dvc.lock").read_bytes() == (by_dvc / "project/dvc.lock").read_bytes()


def test_flow_leaves_the_machine_alone(by_flow: Path) -> None:
    assert (by_flow / "connections").read_text() == ""


def test_dvc_repro_leaves_the_machine_alone(by_dvc: Path) -> None:
    assert (by_dvc / "connections").read_text() == ""


def test_the_guard_sees_a_connection(tmp_path: Path) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    result = run_python(tmp_path, "-c", code, check=False, **offline(tmp_path / "connections"))
    assert "192.0.2.1" in (tmp_path / "connections").read_text()
    assert result.returncode != 0


def test_flow_run_prints_each_stage_as_ran(by_flow: Path) -> None:
    printed = (by_flow / "printed").read_text()
    assert all(f"{stage}" in printed for stage in ("ingest", "validate", "split", "train", "evaluate", "report"))
    assert printed.count(" ran ") == 6


def test_nothing_is_stale_for_dvc_after_the_flow(by_flow: Path) -> None:
    assert dvc(by_flow / "project", "status").strip() == "Data and pipelines are up to date."


def test_nothing_is_stale_for_the_flow_after_dvc(by_dvc: Path) -> None:
    assert "Nothing was stale." in holdfast(by_dvc / "project", "run", "diabetes").stdout


def test_dvc_shows_metrics(by_dvc: Path) -> None:
    shown = json.loads(dvc(by_dvc / "project", "metrics", "show", "--json"))
    files = shown[""]["data"]
    assert files["metrics/diabetes/evaluate.json"]["data"]["holdout"]["rmse"]["value"] > 0


def test_dvc_shows_plots(by_dvc: Path) -> None:
    dvc(by_dvc / "project", "plots", "show", "--out", "dvc_plots")
    page = (by_dvc / "project/dvc_plots/index.html").read_text()
    for plot in ("learning_curve.csv", "calibration.csv", "importance.csv"):
        assert f"#plots_diabetes_{plot.replace('.', '_')}" in page


def test_dvc_draws_the_dag(by_dvc: Path) -> None:
    drawn = dvc(by_dvc / "project", "dag", "--dot")
    assert '"train@diabetes" -> "evaluate@diabetes"' in drawn


def test_dvc_tells_changed_params(by_dvc: Path, tmp_path: Path) -> None:
    shutil.copytree(by_dvc / "project", tmp_path / "project", symlinks=True)
    path = tmp_path / "project/configs/diabetes.yaml"
    path.write_text(path.read_text().replace("max_depth: 2", "max_depth: 3"))
    changes = json.loads(dvc(tmp_path / "project", "params", "diff", "--json"))
    assert changes["configs/diabetes.yaml"]["train.params.max_depth"] == {"old": 2, "new": 3, "diff": 1}


def test_dvc_runs_an_experiment(by_dvc: Path, tmp_path: Path) -> None:
    shutil.copytree(by_dvc / "project", tmp_path / "project", symlinks=True)
    dvc(tmp_path / "project", "exp", "run", "-q", "-n", "other", "-S", "configs/diabetes.yaml:owner=other@example.org")
    assert "other" in dvc(tmp_path / "project", "exp", "list")
    assert "other@example.org" in (tmp_path / "project/reports/diabetes/index.html").read_text()


def test_smallest_yaml_runs(fresh_project: Path) -> None:
    Path("configs/smallest.yaml").write_text(SMALLEST)
    Path("params.yaml").write_text("pipelines:\n  - smallest\n")
    rows = [f"{rooms % 7 + 1},{'abc'[rooms % 3]},{100 + 20 * (rooms % 7) + rooms * 7919 % 97}" for rooms in range(300)]
    source = Path("data/incoming/smallest/only.csv")
    source.parent.mkdir(parents=True)
    source.write_text("\n".join(["rooms,city,price", *rows]) + "\n")
    land(load_pipeline("smallest"))
    reproduce("smallest", around=lambda _stage, work: work())
    scores = json.loads(Path("metrics/smallest/evaluate.json").read_text())
    assert scores["metric"] == "rmse"
