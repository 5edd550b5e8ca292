"""A project whose model is registered without a retrain: what tests of records and of verification start from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tasks import registry
from tasks.registry import git
from tasks.version import champion, record, storage

PIPELINE = "diabetes"


def register_here(pipeline: str = PIPELINE, identity: str | None = None, **facts: Any) -> registry.Version:
    """Register the current directory's model, its objects in the DVC remote first.

    `facts` replace parts of what was gathered, so that other versions can be had without training.
    """
    gathered = record.gather(pipeline) | facts
    storage.push_version(pipeline)
    card = Path(f"reports/{pipeline}/model_card.md").read_bytes()
    head = git.resolve("HEAD")
    assert head is not None
    return registry.register(
        pipeline,
        git.tree_with(head, {"ledger/model_card.md": card}),
        identity or record.identity(gathered),
        lambda number, parent: record.completed(
            gathered,
            version=str(number),
            parent=str(parent.number) if parent else None,
            verdict={"outcome": "promoted"},
            reason="a test",
            trigger="manual",
            approved_by=None,
            code_commit=head,
        ),
        lambda before: record.bump_of(gathered, before),
        {"reason": "a test", "trigger": "manual"},
    )


def promote_here(version: registry.Version) -> registry.Promotion:
    """Make a version champion, with the check that the command makes."""
    return registry.promote(
        version.pipeline, version, "a test", "Test <test@example.org>", check=champion.require_whole
    )


def commit_with(version: registry.Version, changes: dict[str, bytes | None]) -> registry.Version:
    """The same version with other files in its commit, as a careless or malicious hand would make it; no ref moves."""
    tree = git.tree_with(version.commit, changes)
    commit = git.git("commit-tree", tree, "-p", version.commit, "-m", "other files").decode().strip()
    return registry.Version(version.pipeline, version.number, commit)


def flip_bit(path: Path, bit: int) -> bytes:
    """Flip one bit of a file, however it is protected; returns the bytes that it had."""
    data = path.read_bytes()
    changed = bytearray(data)
    bit %= 8 * len(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    write_over(path, bytes(changed))
    return data


def write_over(path: Path, data: bytes) -> None:
    """Write a file in place, however it is protected."""
    path.chmod(0o644)
    path.write_bytes(data)


def lose_remote() -> None:
    """Take all objects out of the DVC remote, so that nothing can be brought again."""
    shutil.rmtree(".dvc/remote/files")


def object_file(version: registry.Version, path: str) -> Path:
    """Where DVC's cache has a file of a version, of the bundle or another output."""
    folder, _, name = path.rpartition("/")
    data = record.record_of(version)["data"]
    if path in data:
        return storage.object_path(data[path]["md5"])
    return storage.object_path(storage.read_listing(data[folder]["md5"])[name])
