"""Small repositories with a registry: real git, no DVC, no model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tasks import registry
from tasks.registry import Event, Promotion, SemVer, Version
from tasks.registry.git import git, tree_with
from tests.conftest import ROOT

P = "flights"


def new_repository(folder: Path) -> Path:
    """A repository with one commit on `main`."""
    folder.mkdir(parents=True)
    git("init", "-q", "-b", "main", folder=folder)
    (folder / "params.yaml").write_text("pipelines: [flights, diabetes]\n")
    (folder / "metrics").mkdir()
    (folder / "metrics" / "old.json").write_text("{}\n")
    git("add", "-A", folder=folder)
    git("commit", "-q", "-m", "first", folder=folder)
    return folder


def new_remote(folder: Path, *clones: Path) -> Path:
    """A bare repository that is the `origin` of these clones."""
    folder.mkdir(parents=True)
    git("init", "-q", "--bare", "-b", "main", folder=folder)
    for clone in clones:
        git("remote", "add", "origin", str(folder), folder=clone)
    return folder


def clone_of(remote: Path, folder: Path) -> Path:
    """A fresh clone, as a colleague makes it."""
    git("clone", "-q", str(remote), str(folder), folder=remote)
    return folder


def record_of(number: SemVer, parent: Version | None) -> dict[str, Any]:
    return {"format": 1, "version": str(number), "parent": str(parent.number) if parent else None}


def register(identity: str, pipeline: str = P, **facts: Any) -> Version:
    """Register a version whose tree says its identity."""
    tree = tree_with("HEAD", {"dvc.lock": f"{identity}\n".encode()})
    return registry.register(pipeline, tree, identity, record_of, lambda _old: "minor", {"reason": "new data", **facts})


def promote(version: Version, reason: str = "better") -> Promotion:
    return registry.promote(P, version, reason, "Ann")


def land(batch: str) -> str:
    """Append a landing."""
    return registry.append(P, Event("landing", {"batches": [batch]}), tree_with("HEAD", {"batch": batch.encode()}))


def start(folder: Path, code: str, **environment: str) -> subprocess.Popen[str]:
    """Start Python on these helpers in a repository, in a process group of its own."""
    script = f"from tasks.registry import *\nfrom tests.ledgers import *\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a process that must succeed; returns what it printed."""
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    return printed


def refs_of(folder: Path) -> str:
    """All refs of a repository but the remote-tracking ones."""
    return git("for-each-ref", "refs/heads", "refs/tags", folder=folder).decode()


def require_sound(folder: Path, pipeline: str = P) -> None:
    """Each event has its tag and each tag its event, in order; records are the versions'; `git fsck` has no word."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        told = registry.events(pipeline)
        named = registry.versions(pipeline)
        assert [each["sequence"] for each in told] == list(range(1, len(told) + 1))
        made = {each["version"]: each["commit"] for each in told if each["kind"] == "version"}
        assert {str(version.number): version.commit for version in named} == made
        moves = [(each["number"], each["version_commit"]) for each in told if each["kind"] == "promotion"]
        assert [(each.number, each.version.commit) for each in registry.promotions(pipeline)] == moves
        assert [number for number, _ in moves] == list(range(1, len(moves) + 1))
        records = [json.loads(git("show", f"{version.name}:ledger/record.json")) for version in named]
        assert [record["version"] for record in records] == [str(version.number) for version in named]
        reigning = registry.champion(pipeline)
        assert (reigning.commit if reigning else None) == (moves[-1][1] if moves else None)
        assert git("fsck", "--strict", "--no-dangling", "--no-progress") == b""
    finally:
        os.chdir(here)
