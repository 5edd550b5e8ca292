"""Other clones: they go on where the last one stopped, race each other, and meet remotes that refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from configs.errors import HoldfastError
from tasks import registry
from tasks.retrain.landings import land_new, landings, latest
from tasks.retrain.worktree import bring_pinned, worktree
from tasks.stage import declaration
from tasks.verify import verify
from tests.conftest import ROOT, holdfast, run_python
from tests.registered import declare, retrain_here, run

RETRAIN = "from tests.registered import retrain_here\nif __name__ == '__main__': print(retrain_here('race').outcome)"
LAND = "from tests.registered import land_here; land_here()"


def clone(registered: Path, name: str) -> Path:
    """A fresh clone beside the project, which shares its remotes and nothing else."""
    run("git", "clone", "-q", "../origin.git", f"../{name}", folder=registered)
    return registered.parent / name


def test_fresh_clone_goes_on_where_the_last_one_stopped(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = clone(registered, "other")
    monkeypatch.chdir(other)
    declaration.cache_clear()
    decision = retrain_here("from the clone")  # it has no cache, no source and no landed data
    assert (str(decision.version.number), decision.outcome) == ("v1.2.0", "unchanged")
    assert holdfast(other, "rollback", "diabetes", "--reason", "from the clone").returncode == 0
    monkeypatch.chdir(registered)
    registry.sync("diabetes")
    reigning = registry.champion("diabetes")
    assert reigning is not None
    assert (str(reigning.number), verify("diabetes")) == ("v1.0.0", [])


@pytest.mark.campaign
def test_two_clones_that_retrain_at_once_lose_no_version(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = clone(registered, "other")
    declare("slice_rows: 21", "slice_rows: 22")
    monkeypatch.chdir(other)
    declare("slice_rows: 21", "slice_rows: 23")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen([sys.executable, "-c", RETRAIN], cwd=folder, env=environment) for folder in (registered, other)
    ]
    assert [process.wait(300) for process in both] == [0, 0]
    for folder in (registered, other):
        monkeypatch.chdir(folder)
        registry.sync("diabetes")
        assert [str(version.number) for version in registry.versions("diabetes")][3:] == ["v1.3.0", "v1.4.0"]
        assert verify("diabetes") == []


def test_batches_landed_by_two_clones_are_all_kept(registered: Path) -> None:
    lines = Path("data/incoming/diabetes/diabetes-2.csv").read_text().splitlines(keepends=True)
    theirs = clone(registered, "other") / "data/incoming/diabetes/theirs.csv"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("".join([lines[0], *lines[1:20]]))
    Path("data/incoming/diabetes/ours.csv").write_text("".join([lines[0], *lines[20:40]]))
    with worktree("diabetes") as tree:  # made before the other clone lands
        bring_pinned(tree)
        run_python(registered.parent / "other", "-c", LAND, PYTHONPATH=str(ROOT))
        assert land_new(tree) == ["ours.csv"]
    everything = ["diabetes-1.csv", "diabetes-2.csv", "ours.csv", "theirs.csv"]
    assert sorted(latest(landings(registry.events("diabetes")))) == everything
    with worktree("diabetes") as tree:
        bring_pinned(tree)
        assert land_new(tree) == []  # theirs is landed, so it is brought here
        assert sorted(path.name for path in (tree.folder / "data/raw/diabetes").iterdir()) == everything


def test_remote_that_refuses_the_push_changes_nothing(registered: Path) -> None:
    hook = registered.parent / "origin.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'closed on Sundays' >&2\nexit 1\n")
    hook.chmod(0o755)
    before = run("git", "for-each-ref")
    result = holdfast(registered, "rollback", "diabetes", "--reason", "x")
    assert result.returncode == 1
    assert "closed on Sundays" in result.stderr
    assert run("git", "for-each-ref") == before


def test_dvc_remote_that_cannot_be_written_lands_nothing(registered: Path) -> None:
    tip = registry.tip("diabetes")
    (registered.parent / "store").rename(registered.parent / "away")
    (registered.parent / "store").write_text("no folder\n")
    lines = Path("data/incoming/diabetes/diabetes-2.csv").read_text().splitlines(keepends=True)
    Path("data/incoming/diabetes/new.csv").write_text("".join([lines[0], *lines[40:80]]))
    with pytest.raises(HoldfastError, match="store"):
        retrain_here("new data")
    assert registry.tip("diabetes") == tip
