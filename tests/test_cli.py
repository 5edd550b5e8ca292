"""The command line: what it prints, what it imports, and the code that it ends with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, holdfast, run_python

HEAVY = ("pandas", "sklearn", "xgboost", "great_expectations", "prefect", "matplotlib", "duckdb", "scipy")
LIST_MODULES = """
import sys, atexit
from flows.cli import main
atexit.register(lambda: print("MODULES", *sorted(m for m in sys.modules if "." not in m)))
sys.argv = ["holdfast", *sys.argv[1:]]
main()
"""


def imported(folder: Path, *arguments: str) -> set[str]:
    """Top-level modules that a command has imported when it ends."""
    printed = run_python(folder, "-c", LIST_MODULES, *arguments).stdout
    (line,) = [line for line in printed.splitlines() if line.startswith("MODULES")]
    return set(line.split())


@pytest.mark.parametrize("arguments", [["--help"], ["check"], ["run", "diabetes"], ["plan", "diabetes"]], ids=" ".join)
def test_nothing_to_do_imports_nothing_heavy(project: Path, arguments: list[str]) -> None:
    assert imported(project, *arguments) & set(HEAVY) == set()


def test_run_with_nothing_stale_says_so(project: Path) -> None:
    result = holdfast(project, "run", "diabetes")
    assert "Nothing was stale." in result.stdout
    assert result.stdout.count("unchanged") == 6


def test_run_ends_with_scores_rows_and_report(project: Path) -> None:
    printed = holdfast(project, "run", "diabetes").stdout
    assert "the model" in printed
    assert "442 rows in = " in printed
    assert "Report: reports/diabetes/index.html" in printed
    assert (project / "reports/diabetes/index.html").is_file()


def test_plan_prints_json_for_scripts(project: Path) -> None:
    plans = json.loads(holdfast(project, "plan", "diabetes", "--json").stdout)
    assert [plan["verdict"] for plan in plans] == ["unchanged"] * 6


def test_unknown_pipeline_is_told_with_the_nearest(project: Path) -> None:
    result = holdfast(project, "run", "diabetis")
    assert result.returncode == 2
    assert "diabetis" in result.stderr
    assert "diabetes" in result.stderr
    assert "Traceback" not in result.stderr


def test_mistake_in_the_yaml_runs_nothing(project: Path) -> None:
    path = project / "configs/diabetes.yaml"
    path.write_text(path.read_text().replace("type: float", "type: flot", 1))
    result = holdfast(project, "run", "diabetes")
    assert result.returncode == 2
    assert "configs/diabetes.yaml:" in result.stderr
    assert "float" in result.stderr
    assert result.stdout == ""


def test_check_tells_what_great_expectations_refuses_with_file_and_line(project: Path) -> None:
    declared = project / "configs/diabetes.yaml"
    text = declared.read_text()
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "expect_column" in each)
    declared.write_text(text.replace("min_value: 10", 'min_value: "10"'))
    result = holdfast(project, "check", "diabetes")
    declared.write_text(text)
    assert (result.returncode, f"configs/diabetes.yaml:{line}: " in result.stderr) == (2, True), result.stderr
    assert "would read min_value: '10' as 10.0" in result.stderr


def test_check_accepts_what_is_valid(project: Path) -> None:
    result = holdfast(project, "check")
    assert (result.returncode, result.stdout) == (0, "configs/diabetes.yaml: valid\n")


def test_command_outside_a_project_is_refused(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['holdfast', 'check']; from flows.cli import main; main()"
    result = run_python(tmp_path, "-c", code, check=False, PYTHONPATH=str(Path(__file__).parents[1]))
    assert result.returncode == 2
    assert "no dvc.yaml and params.yaml here or above" in result.stderr


def test_folder_without_holdfasts_code_is_refused_once(tmp_path: Path) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # it would find this clone's code again and again
    command = [sys.executable, "-m", "flows.cli", "check"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)  # noqa: PLW1510
    assert result.returncode == 2
    assert "it is no clone of Holdfast" in result.stderr


def test_command_uses_the_code_of_the_clone_that_it_is_in(project: Path) -> None:
    (project / "flows/cli.py").write_text("print('code of this clone')\n")
    command = Path(sys.executable).with_name("holdfast")
    printed = subprocess.run([command, "check"], cwd=project / "configs", capture_output=True, text=True, check=True)
    assert printed.stdout == "code of this clone\n"


def test_damaged_raw_data_end_with_an_error_of_one_line(project: Path) -> None:
    shutil.rmtree(project / "data/raw/diabetes")
    shutil.rmtree(project / ".dvc/cache")
    result = holdfast(project, "plan", "diabetes")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "data/raw/diabetes" in result.stderr


def test_usage_error_ends_with_two(project: Path) -> None:
    assert holdfast(project, "run").returncode == 2


def test_landing_twice_takes_nothing_the_second_time(project: Path) -> None:
    before = (project / "data/raw/diabetes.dvc").read_bytes()
    assert "0 new batches" in holdfast(project, "land", "diabetes").stdout
    assert (project / "data/raw/diabetes.dvc").read_bytes() == before
