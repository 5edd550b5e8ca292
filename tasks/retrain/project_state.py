"""How far one pipeline is: its data pin, its part of `dvc.lock`, its metrics; in a worktree and in a ledger's commit.

A ledger knows one pipeline: the others' pins, entries and metrics are left out of its commits.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.registry import git

if TYPE_CHECKING:
    from tasks.retrain.worktree import Worktree


def take_state(tree: Worktree) -> None:
    """Put the pipeline's pin, `dvc.lock` and metrics in place, from the ledger or else as the user has them now.

    Everything else of that kind is taken out: a ledger knows one pipeline.
    """
    clear_state(tree.folder)
    (tree.folder / "params.yaml").write_text(params_of(tree.pipeline), encoding="utf-8")
    if tree.tip is None:
        copy_state(tree)
    else:
        restore_state(tree, tree.tip)


def state_paths(pipeline: str) -> tuple[str, str, str]:
    """The files that say how far a pipeline is."""
    return "dvc.lock", f"data/raw/{pipeline}.dvc", f"metrics/{pipeline}"


def params_of(pipeline: str) -> str:
    """`params.yaml` of a ledger's commits."""
    return f"# The pipeline that this ledger is of.\npipelines:\n  - {pipeline}\n"


def clear_state(folder: Path) -> None:
    """Remove pins of raw data, `dvc.lock`, metrics and a ledger's own files, of all pipelines."""
    for path in (folder / "data/raw").glob("*.dvc"):
        path.unlink()
    (folder / "dvc.lock").unlink(missing_ok=True)
    for name in ("metrics", "ledger"):
        shutil.rmtree(folder / name, ignore_errors=True)


def ledger_changes(tree: Worktree) -> dict[str, bytes | None]:
    """What a ledger's commit has instead of the user's: one pipeline's state, from the worktree, and its model card."""
    lock, pin, metrics = state_paths(tree.pipeline)
    paths = [Path("params.yaml"), Path(lock), Path(pin)]
    paths += [path.relative_to(tree.folder) for path in sorted((tree.folder / metrics).glob("*.json"))]
    pins = git.git("ls-tree", "-z", "--name-only", tree.head, "data/raw/").decode().split("\0")
    removed: dict[str, bytes | None] = {name: None for name in pins if name.endswith(".dvc")}
    removed |= {"dvc.lock": None, "metrics/": None, "ledger/": None}
    card = tree.folder / "reports" / tree.pipeline / "model_card.md"
    written = {path.as_posix(): (tree.folder / path).read_bytes() for path in paths if (tree.folder / path).is_file()}
    return removed | written | ({"ledger/model_card.md": card.read_bytes()} if card.is_file() else {})


def ledger_tree(tree: Worktree) -> str:
    """The git tree of a ledger's commit: the user's project as of `head`, with the worktree's state of one pipeline."""
    return git.tree_with(tree.head, ledger_changes(tree))


def restore_state(tree: Worktree, revision: str) -> None:
    """Take the state from a commit of the ledger."""
    there = git.git("ls-tree", "-r", "-z", "--name-only", revision, "--", *state_paths(tree.pipeline))
    if there:
        arguments = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git.git("restore", "--source", revision, "--worktree", *arguments, stdin=there, folder=tree.folder)


def copy_state(tree: Worktree) -> None:
    """Take the state from the user's working tree, committed or not."""
    lock, pin, metrics = (tree.home / path for path in state_paths(tree.pipeline))
    if pin.is_file():
        target = tree.folder / "data/raw" / pin.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pin, target)
    if metrics.is_dir():
        shutil.copytree(metrics, tree.folder / "metrics" / tree.pipeline)
    entries = lock_entries(tree.pipeline, lock.read_text(encoding="utf-8")) if lock.is_file() else ""
    if entries:
        (tree.folder / "dvc.lock").write_text(entries, encoding="utf-8")


def lock_entries(pipeline: str, text: str) -> str:
    r"""`dvc.lock` with the entries of one pipeline alone, byte for byte; empty where it has none.

    >>> print(lock_entries("b", "schema: '2.0'\nstages:\n  train@a:\n    cmd: x\n  train@b:\n    cmd: y\n"), end="")
    schema: '2.0'
    stages:
      train@b:
        cmd: y
    """
    kept, is_ours, any_of_ours = [], True, False
    for line in text.splitlines(keepends=True):
        if line[:2] == "  " and line[2] != " ":
            is_ours = line.rstrip().endswith(f"@{pipeline}:")
            any_of_ours |= is_ours
        if is_ours or line[0] != " ":
            kept.append(line)
    return "".join(kept) if any_of_ours else ""
