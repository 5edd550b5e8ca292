"""Throw-away projects: real git, real DVC, an isolated home. The slow parts are made once for all workers."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tasks.registry import Version

ROOT = Path(__file__).resolve().parents[1]
# tests share the cores, so none is judged by how long it takes
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


LONG = (
    "monitor_flow",
    "drift_cause",
    "work_pool",
    "batches_whole",
    "monitor_alone",
    "whole_job",
    "flow_runs",
    "retrain",
    "registry_cli",
    "killed_flows",
    "registry_races",
    "drift_classifier",
    "scoring_files",
    "verify",
    "replay",
    "rebuild",
    "validation",
    "remotes",
    "kill",
    "init",
    "estimator",
    "audit",
    "scoring",
    "drift_cli",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left alone with one of them at the end."""
    first = [f"test_{name}.py" for name in LONG]
    items.sort(key=lambda item: first.index(item.path.name) if item.path.name in first else len(first))


@pytest.fixture(scope="session", autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the user's home, git configuration, Prefect database or DVC's shared cache."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("DVC_SITE_CACHE_DIR", str(home / "dvc"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("OMP_NUM_THREADS", "1")  # several tests share the cores; the results are the same
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        patch.delenv("PREFECT_API_URL", raising=False)
        yield home


def copy_project(target: Path) -> Path:
    """The files of this working tree that git knows or would know, in a git repository of their own."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    commit_all(target)
    return target


def commit_all(folder: Path) -> None:
    """Commit everything, in a new repository if there is none."""
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "test"]):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)


def small_project(target: Path) -> Path:
    """A project that knows the pipeline `diabetes` alone, without a trace of earlier runs; its demo data are made."""
    copy_project(target)
    (target / "params.yaml").write_text("pipelines:\n  - diabetes\n")
    for trace in ("dvc.lock", "metrics"):
        path = target / trace
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for pin in (target / "data/raw").glob("*.dvc"):
        pin.unlink()
    (target / "configs/flights.yaml").unlink()
    run_python(target, "-c", "from tasks.demo import write_diabetes; write_diabetes()")
    run_python(target, "-m", "flows.cli", "land", "diabetes")
    commit_all(target)
    subprocess.run(["git", "gc", "-q"], cwd=target, check=True)  # every test that changes the project copies its files
    return target


def run_python(
    folder: Path, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with that folder's code; returns what it printed."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        check=check,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, **environment},
    )


def holdfast(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `holdfast` in a folder; the exit code is the caller's to check."""
    return run_python(folder, "-m", "flows.cli", *arguments, check=False, **environment)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder that the first of all workers to ask for it makes, while the others wait; it is nobody's to change."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, is_made = shared / f"shared-{name}", shared / f"shared-{name}-is-made"
    with (shared / f"shared-{name}-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # half of it, where making it has failed
            folder.mkdir()
            make(folder)
            is_made.touch()
    return folder


def holdfast_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `holdfast` in the current directory and in this process, with this clone's code; no library is read again."""
    from flows import cli
    from tasks.stage import declaration

    declaration.cache_clear()
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["holdfast", *arguments])
        patch.setattr(cli, "enter_project", lambda: None)  # it would start the code of the copy in another process
        code = cli.status_of_command()
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def landed_project(tmp_path_factory: pytest.TempPathFactory, isolated_home: Path) -> Path:
    """A small project whose data have landed and where nothing has run. Copy it before you change it."""
    return made_once(tmp_path_factory, "landed", lambda folder: small_project(folder / "project")) / "project"


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory: pytest.TempPathFactory, landed_project: Path) -> Path:
    """The small project after one run of all stages, in this process. Copy it before you change it."""

    def make(folder: Path) -> None:
        from tasks.ledger import reproduce

        with pytest.MonkeyPatch.context() as patch:
            enter_copy(landed_project, folder, patch)
            reproduce("diabetes", around=lambda _stage, work: work())
        commit_all(folder / "project")

    return made_once(tmp_path_factory, "trained", make) / "project"


@pytest.fixture(scope="session")
def versioned_project(tmp_path_factory: pytest.TempPathFactory, trained_project: Path) -> Path:
    """The trained project, its model registered and champion, in a local DVC remote. Copy it before you change it."""

    def make(folder: Path) -> None:
        from tests.versions import promote_here, register_here

        with pytest.MonkeyPatch.context() as patch:
            enter_copy(trained_project, folder, patch)
            local = "[core]\n    remote = here\n['remote \"here\"']\n    url = remote\n"
            Path(".dvc/config.local").write_text(local)
            promote_here(register_here())

    return made_once(tmp_path_factory, "versioned", make) / "project"


@pytest.fixture
def version(versioned_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """Version v1.0.0 of a project to change, which is the current directory; it is champion."""
    from tasks.registry import find_version

    enter_copy(versioned_project, tmp_path, monkeypatch)
    return find_version("diabetes", "v1.0.0")


@pytest.fixture
def project(trained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trained small project to change, as the current directory."""
    return enter_copy(trained_project, tmp_path, monkeypatch)


@pytest.fixture
def fresh_project(landed_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A landed small project to change, as the current directory."""
    return enter_copy(landed_project, tmp_path, monkeypatch)


def enter_copy(source: Path, parent: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy a project and work in the copy, forgetting what was read of another one."""
    from tasks.stage import declaration

    folder = parent / "project"
    shutil.copytree(source, folder, symlinks=True)
    monkeypatch.chdir(folder)
    declaration.cache_clear()
    return folder


@pytest.fixture
def edit() -> Callable[[str, str, str], None]:
    """Replace one text in one file; the text must be there."""

    def replace(path: str, old: str, new: str) -> None:
        text = Path(path).read_text()
        assert old in text, f"{path} has no {old!r}"
        Path(path).write_text(text.replace(old, new))

    return replace


@pytest.fixture(scope="session")
def registered_site(tmp_path_factory: pytest.TempPathFactory, trained_project: Path) -> Path:
    """A folder with `project`, its git remote `origin.git` and its DVC remote `store`, and three versions.

    v1.0.0 was champion, v1.1.0 is, v1.2.0 was refused. Copy it before you change it.
    """

    def make(site: Path) -> None:
        from tests.registered import declare, retrain_here, run

        with pytest.MonkeyPatch.context() as patch:
            enter_copy(trained_project, site, patch)
            run("git", "init", "-q", "--bare", "-b", "main", "../origin.git")
            run("git", "remote", "add", "origin", "../origin.git")
            run("dvc", "remote", "add", "-q", "-d", "store", "../store")
            commit_all(Path.cwd())
            run("git", "push", "-q", "origin", "main")
            retrain_here("the first")
            declare("gate: {}", "gate: {margin: 100}")
            declare("learning_rate: 0.05}}", "learning_rate: 0.05}, seed: 8}")
            retrain_here("another seed")
            declare("gate: {margin: 100}", "gate: {promote: better}")
            declare("slice_rows: 20", "slice_rows: 21")  # the same model: no better
            retrain_here("finer slices")
            run("git", "push", "-q", "origin", "main")

    return made_once(tmp_path_factory, "registered", make)


@pytest.fixture
def registered(registered_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three versions and remotes beside it to change, as the current directory."""
    from tasks.stage import declaration

    shutil.copytree(registered_site, tmp_path / "site", symlinks=True)
    monkeypatch.chdir(tmp_path / "site" / "project")
    declaration.cache_clear()
    return tmp_path / "site" / "project"
