"""What a worker would clone: told or refused before anything is written to the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.errors import ConfigError
from flows.deploy_cli import clonable
from tests.registered import run


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pushed repository as the current directory, its remote beside it."""
    run("git", "init", "-q", "-b", "main", "project", folder=tmp_path)
    run("git", "init", "-q", "--bare", "-b", "main", "origin.git", folder=tmp_path)
    monkeypatch.chdir(tmp_path / "project")
    commit()
    run("git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    run("git", "push", "-q", "origin", "main")
    return tmp_path


def commit() -> None:
    run("git", "commit", "-q", "--allow-empty", "-m", "x")


def test_worker_clones_what_is_checked_out(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (clonable(), capsys.readouterr().err) == ((str(repository / "origin.git"), "main"), "")


def test_commits_that_are_not_pushed_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    commit()
    clonable()
    assert "lacks commits of yours: `git push origin main`" in capsys.readouterr().err


def test_branch_that_the_remote_lacks_is_refused() -> None:
    run("git", "switch", "-q", "-c", "next")
    with pytest.raises(
        ConfigError, match=r"no branch 'next' that a worker could clone\. Push it: `git push origin next`"
    ):
        clonable()


def test_detached_head_is_refused() -> None:
    run("git", "switch", "-q", "--detach")
    with pytest.raises(ConfigError, match="HEAD is detached"):
        clonable()


def test_repository_without_a_remote_is_refused() -> None:
    run("git", "remote", "remove", "origin")
    with pytest.raises(ConfigError, match="no git remote that a worker could clone"):
        clonable()


def test_remote_that_is_gone_is_told(repository: Path) -> None:
    (repository / "origin.git").rename(repository / "away.git")
    with pytest.raises(
        ConfigError, match=r"the remote origin cannot be read: .*does not appear to be a git repository"
    ):
        clonable()


def test_password_of_the_remote_is_refused_and_not_shown() -> None:
    run("git", "remote", "set-url", "origin", "https://ann:hunter2@example.org/x.git")
    with pytest.raises(ConfigError, match="holds a user or password, which would stand in the deployment") as told:
        clonable()
    assert "hunter2" not in str(told.value)
