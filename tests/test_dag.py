"""dvc.yaml tells the truth: all code that a stage reaches, the libraries that it imports, one direction of imports."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from configs.load import read_yaml
from tasks.closure import import_closure, imported_names
from tasks.stage import IMPORT_NAMES, LIBRARIES, STAGES

ROOT = Path(__file__).resolve().parents[1]
LAYERS = {"configs": {"configs"}, "tasks": {"configs", "tasks"}, "flows": {"configs", "tasks", "flows"}}
# what the stage imports but what cannot change its result: formats, hashes and errors
SHAPELESS = {"blake3", "pydantic", "pydantic_core", "ruamel", "threadpoolctl"}


def stage_entry(stage: str) -> dict[str, Any]:
    entry: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"][stage]
    return entry


def declared_code(stage: str) -> set[str]:
    return {dep for dep in stage_entry(stage)["deps"] if dep.endswith(".py")}


def third_party(stage: str) -> set[str]:
    """Names of the installed libraries that the stage's code can import."""
    import sys

    names = set()
    for file in import_closure(Path(f"tasks/{stage}.py")):
        tree = ast.parse((ROOT / file).read_text())
        names |= {name.split(".")[0] for name in imported_names(tree, file.parent.name)}
    return names - set(sys.stdlib_module_names) - set(LAYERS) - SHAPELESS - {""}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_every_module_that_it_reaches(stage: str) -> None:
    reached = {path.as_posix() for path in import_closure(Path(f"tasks/{stage}.py"))}
    assert declared_code(stage) == reached


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_every_library_that_it_imports(stage: str) -> None:
    declared = [entry[str(LIBRARIES)] for entry in stage_entry(stage)["params"] if str(LIBRARIES) in entry]
    modules = {IMPORT_NAMES.get(name, name.replace("-", "_")).split(".")[0] for names in declared for name in names}
    assert third_party(stage) - modules == set()


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_every_template_beside_its_code(stage: str) -> None:
    deps = stage_entry(stage)["deps"]
    folders = {(ROOT / dep).parent for dep in deps if dep.startswith("tasks/")}
    templates = {path.relative_to(ROOT).as_posix() for folder in folders for path in folder.glob("*.j2")}
    assert (templates if stage == "report" else set()) == {dep for dep in deps if dep.endswith(".j2")}


@pytest.mark.parametrize("package", LAYERS)
def test_imports_point_one_way(package: str) -> None:
    wrong = []
    for file in (ROOT / package).rglob("*.py"):
        names = imported_names(ast.parse(file.read_text()), file.relative_to(ROOT).parent.as_posix().replace("/", "."))
        wrong += [f"{file.name}: {name}" for name in names if name.split(".")[0] in set(LAYERS) - LAYERS[package]]
    assert wrong == []


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("prefect", {f"flows/{file.name}" for file in (ROOT / "flows").glob("*.py")}),
        ("dvc", {"tasks/ledger.py", "tasks/land.py", "tasks/retrain/worktree.py"}),
        ("pandas", None),
    ],
)
def test_library_is_met_only_at_home(library: str, homes: set[str] | None) -> None:
    users = {
        file.relative_to(ROOT).as_posix()
        for package in LAYERS
        for file in (ROOT / package).rglob("*.py")
        if library in {name.split(".")[0] for name in imported_names(ast.parse(file.read_text()), "")}
    }
    outside = users - homes if homes is not None else {user for user in users if user.startswith("flows/")}
    assert outside == set()


@pytest.mark.parametrize("stage", STAGES)
def test_stage_module_and_section_share_a_name(stage: str) -> None:
    assert stage_entry(stage)["cmd"] == f"python -m tasks.{stage} ${{item.pipeline}}"


def test_libraries_are_those_of_the_lock() -> None:
    from configs.libraries import as_yaml, locked_versions

    lock = (ROOT / "requirements.lock").read_text()
    assert (ROOT / "configs/libraries.yaml").read_text() == as_yaml(locked_versions(lock))


def test_no_file_names_a_registry() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml", "Makefile"):
        text = (ROOT / name).read_text()
        assert "://" not in text, f"{name} names a host"
