"""The worktree that a pipeline is changed in: whose state it has, and that it leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.load import pipeline_names
from tasks import registry
from tasks.ledger import open_repository
from tasks.registry import git
from tasks.registry.git import DetachedHeadError
from tasks.retrain.project_state import lock_entries
from tasks.retrain.worktree import (
    NoCodeFolderError,
    UncommittedCodeError,
    UnnamedModelError,
    checked_out,
    code_of,
    worktree,
)
from tasks.version.storage import remote_url
from tests.registered import run, state_of_user

HOLD = "import sys, time\nfrom tasks.retrain.worktree import checked_out\n"
HOLD += "with checked_out('HEAD', 'diabetes') as folder:\n    print(folder, flush=True)\n    time.sleep(60)"


def worktrees() -> list[Path]:
    return sorted((git.common_folder() / "holdfast/worktrees").iterdir())


def holding() -> subprocess.Popen[str]:
    """A process that has a worktree, and says where."""
    return subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)


def test_worktree_leaves_the_user_alone_and_nothing_behind(project: Path) -> None:
    before = state_of_user()
    with worktree("diabetes") as tree:
        (tree.folder / "dvc.lock").write_text("")
        (tree.folder / "tasks/train.py").unlink()
    assert state_of_user() == before
    assert worktrees() == []
    assert run("git", "worktree", "list").count("\n") == 1


def test_worktree_has_committed_code_and_the_state_of_one_pipeline(project: Path) -> None:
    (project / "README.md").write_text("not committed\n")  # no stage reads it
    (project / "metrics/other").mkdir()
    (project / "metrics/other/train.json").write_text("{}\n")
    (project / "data/raw/other.dvc").write_text("outs: []\n")
    run("git", "add", "metrics", "data")
    run("git", "commit", "-qm", "another pipeline")
    with worktree("diabetes") as tree:
        assert (tree.folder / "README.md").read_text() != "not committed\n"
        assert [path.name for path in (tree.folder / "data/raw").glob("*.dvc")] == ["diabetes.dvc"]
        assert [path.name for path in (tree.folder / "metrics").iterdir()] == ["diabetes"]
        assert (tree.folder / "dvc.lock").read_bytes() == (project / "dvc.lock").read_bytes()


def test_state_comes_from_the_ledger_where_there_is_one(registered: Path) -> None:
    (registered / "dvc.lock").unlink()
    run("git", "rm", "-q", "-r", "--cached", "metrics", "dvc.lock", "data/raw/diabetes.dvc")
    run("git", "commit", "-qm", "no state")
    with worktree("diabetes") as tree:
        assert tree.tip == registry.tip("diabetes")
        assert run("git", "show", f"{tree.tip}:dvc.lock") == (tree.folder / "dvc.lock").read_text()
        assert (tree.folder / "data/raw/diabetes.dvc").is_file()
        assert (tree.folder / "metrics/diabetes/evaluate.json").is_file()
        assert not (tree.folder / "ledger").exists()


@pytest.mark.parametrize("level", ["project", "user"])
def test_worktree_shares_cache_remote_and_store(registered: Path, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    from tasks.version.dvc_config import cache_folder

    if level == "user":
        monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(registered.parent / "user"))
        run("dvc", "config", "--global", "cache.dir", str(registered.parent / "lasting"))
    here = (cache_folder(), remote_url())
    with worktree("diabetes") as tree:
        os.chdir(tree.folder)
        assert (cache_folder(), remote_url()) == here
        with open_repository() as repository:
            assert repository.cache.local.path == str(here[0] / "files/md5")
        assert Path(".holdfast/store").samefile(registered / ".holdfast/store")
        assert pipeline_names() == ("diabetes",)
        os.chdir(registered)


@pytest.mark.parametrize(
    "path", ["tasks/train.py", "configs/diabetes.yaml", "configs/libraries.yaml", "dvc.yaml", "requirements.lock"]
)
def test_edited_code_is_refused_by_name(project: Path, path: str) -> None:
    with (project / path).open("a") as file:
        file.write("# edited\n")
    with pytest.raises(UncommittedCodeError, match=path), worktree("diabetes"):
        pass


def test_another_pipelines_draft_is_nobodys_business(project: Path) -> None:
    (project / "configs/draft.yaml").write_text("owner: {}\n")
    with worktree("diabetes") as tree:
        assert not (tree.folder / "configs/draft.yaml").exists()


def test_model_without_a_name_in_dvc_yaml_is_refused(project: Path, edit: Callable[[str, str, str], None]) -> None:
    edit("dvc.yaml", "  diabetes: {path: models/diabetes, type: model}\n", "")
    run("git", "commit", "-qam", "no name")
    with pytest.raises(UnnamedModelError, match=r"artifacts\.diabetes"), worktree("diabetes"):
        pass


def test_pipeline_without_its_code_folder_is_refused(project: Path) -> None:
    run("git", "rm", "-qr", "configs/diabetes")
    run("git", "commit", "-qm", "no folder")
    with pytest.raises(NoCodeFolderError, match="holdfast land diabetes"), worktree("diabetes"):
        pass


def test_detached_head_is_refused(project: Path) -> None:
    run("git", "switch", "-q", "--detach")
    with pytest.raises(DetachedHeadError), worktree("diabetes"):
        pass


def test_worktree_in_a_worktree_is_the_same_one(project: Path) -> None:
    with worktree("diabetes") as outer, worktree("diabetes") as inner:
        assert inner is outer


def test_worktree_of_a_killed_process_is_cleared_and_no_other(project: Path) -> None:
    with holding() as living, holding() as killed:
        folders = [Path(process.stdout.readline().strip()) for process in (living, killed) if process.stdout]
        killed.kill()
        killed.wait()
        with checked_out("HEAD", "diabetes"):
            assert [folder.is_dir() for folder in folders] == [True, False]
        living.kill()
    with checked_out("HEAD", "diabetes"):
        pass
    assert worktrees() == []


def test_worktree_of_the_user_is_not_cleared(project: Path) -> None:
    run("git", "worktree", "add", "-q", "../theirs", "-b", "theirs")
    Path("../theirs").rename(Path("../moved"))  # as on a disk that is not plugged in
    with checked_out("HEAD", "diabetes"):
        pass
    assert "theirs" in run("git", "worktree", "list")


def test_half_made_worktree_is_cleared(project: Path) -> None:
    parent = git.common_folder() / "holdfast/worktrees"
    (parent / "diabetes-1-x").mkdir(parents=True)
    (parent / "diabetes-1-x.lock").touch()
    (git.common_folder() / "worktrees/diabetes-1-x").mkdir(parents=True)
    (git.common_folder() / "worktrees/diabetes-1-x/locked").write_text("initializing")
    with checked_out("HEAD", "diabetes"):
        pass
    assert (worktrees(), run("git", "worktree", "list").count("\n")) == ([], 1)


def test_hooks_of_the_user_do_not_run(project: Path) -> None:
    hook = project / ".git/hooks/post-checkout"
    hook.write_text("#!/bin/sh\ntouch ../../../../hook-ran\nexit 1\n")
    hook.chmod(0o755)
    with checked_out("HEAD", "diabetes") as folder:
        assert (folder / "dvc.yaml").is_file()


def test_spawned_process_imports_the_code_of_the_worktree(project: Path, tmp_path: Path) -> None:
    from tasks.stage import run_stage
    from tasks.worker import StageWorkers

    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/__init__.py").write_text("raise SystemExit(7)\n")
    with code_of(tmp_path):
        workers = StageWorkers(["train"])
    with pytest.raises(Exception, match="exit code"):
        workers.call(run_stage, "train", "diabetes")
    workers.end()
    assert str(tmp_path) not in sys.path


def test_lock_entries_keep_one_pipeline_byte_for_byte() -> None:
    text = "schema: '2.0'\nstages:\n  train@a:\n    cmd: x\n  train@b:\n    cmd: y\n    outs:\n    - path: z\n"
    assert lock_entries("a", text) == "schema: '2.0'\nstages:\n  train@a:\n    cmd: x\n"
    assert lock_entries("b", text).endswith("  train@b:\n    cmd: y\n    outs:\n    - path: z\n")
    assert lock_entries("c", text) == ""
