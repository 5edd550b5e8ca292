"""A git worktree of its own for what changes a pipeline: the user's branch, index and files are not touched.

Code, configuration and `dvc.yaml` come from the user's last commit; data pins, `dvc.lock` and metrics from the tip of
the pipeline's ledger. DVC's cache, its remotes and the per-batch store are the user's own. A worktree lies under
`.git/holdfast/worktrees/`, beside a lock file that its process holds: the kernel frees it when the process dies, and
the next one that comes along clears what is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from configs.errors import ConfigError
from tasks import registry
from tasks.registry import git
from tasks.retrain.project_state import take_state

# all that decides what a stage computes and how a challenger is judged
CODE = ("tasks", "flows", ":(glob)configs/*.py", "configs/expectations.json", "configs/libraries.yaml")
PROJECT = ("dvc.yaml", "params.yaml", "requirements.lock", ".dvcignore", ".dvc/config")
SHARED_STORE = Path(".holdfast/store")


class UncommittedCodeError(ConfigError):
    """A stage's code or configuration is not committed, so no commit could say what a model was made of."""


class UnnamedModelError(ConfigError):
    """dvc.yaml does not name the pipeline's model under `artifacts`."""


class NoCodeFolderError(ConfigError):
    """The folder for the pipeline's own code, which its stages depend on, is missing."""


@dataclass(frozen=True)
class Worktree:
    """Where a pipeline is worked on.

    `folder` is the worktree; `home` the user's own working tree, where git's refs are written from; `head` the commit
    that the code is from; `tip` the ledger's last commit when the worktree was made, None if there was none.
    """

    pipeline: str
    folder: Path
    home: Path
    head: str
    tip: str | None


CURRENT: ContextVar[Worktree | None] = ContextVar("CURRENT", default=None)


@contextlib.contextmanager
def worktree(pipeline: str) -> Iterator[Worktree]:
    """Yield the worktree that this context has for the pipeline, else a new one that lives as long as the block.

    Parameters
    ----------
    pipeline : str
        A pipeline of params.yaml. The current directory is the user's working tree; it is not changed.

    Raises
    ------
    UncommittedCodeError, UnnamedModelError, NoCodeFolderError, tasks.registry.git's ConfigErrors
        Before anything is made.
    """
    current = CURRENT.get()
    if current is not None and current.pipeline == pipeline:
        yield current
        return
    git.require_repository()
    refuse_uncommitted(pipeline)
    require_named_model(pipeline)
    require_code_folder(pipeline)
    home, head = Path.cwd(), git.resolve("HEAD")
    assert head is not None  # noqa: S101  (require_repository refuses a repository without commits)
    with checked_out(head, pipeline) as folder, private_site_cache(folder):
        tree = Worktree(pipeline, folder, home, head, registry.tip(pipeline))
        take_state(tree)
        share_storage(tree)
        token = CURRENT.set(tree)
        try:
            yield tree
        finally:
            CURRENT.reset(token)


# ---- what is refused


def refuse_uncommitted(pipeline: str) -> None:
    """Refuse code and configuration of a pipeline's stages that the user's last commit does not have.

    Raises
    ------
    UncommittedCodeError
        Names the files.
    """
    found = git.uncommitted([*CODE, *PROJECT, f"configs/{pipeline}.yaml", f"configs/{pipeline}"])
    if found:
        some = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        raise UncommittedCodeError(
            f"{some}: changed since the last commit or not known to git; a version is made of committed code. "
            "Commit them, or put them aside with `git stash --include-untracked`."
        )


def require_named_model(pipeline: str) -> None:
    """Refuse a pipeline whose model DVC and GTO could not find by name."""
    from configs.load import read_yaml

    entry = (read_yaml(Path("dvc.yaml")).get("artifacts") or {}).get(pipeline)
    expected = f"models/{pipeline}"
    if not isinstance(entry, dict) or entry.get("path") != expected:
        raise UnnamedModelError(
            f"dvc.yaml: found {entry!r} under artifacts.{pipeline}, expected path {expected} and type model. Add under "
            f"`artifacts:` the line `{pipeline}: {{path: {expected}, type: model}}` and commit it."
        )


def require_code_folder(pipeline: str) -> None:
    """Refuse a pipeline without `configs/<pipeline>/`: DVC would not find what its stages depend on."""
    package = Path("configs", pipeline, "__init__.py")
    if not package.exists():
        raise NoCodeFolderError(
            f"{package}: missing; the stages train and evaluate depend on {package.parent}/, which is for code of your "
            f"own. Run `holdfast land {pipeline}`, which makes it empty, and commit it."
        )


# ---- making and clearing


@contextlib.contextmanager
def checked_out(revision: str, name: str) -> Iterator[Path]:
    """Yield a folder with the files of a commit, a detached worktree; it is gone after the block.

    Parameters
    ----------
    revision : str
        A commit.
    name : str
        How the folder's name begins, to tell people whose it is.
    """
    parent = git.common_folder() / "holdfast" / "worktrees"
    parent.mkdir(parents=True, exist_ok=True)
    clear_abandoned(parent)
    folder = parent / f"{name}-{os.getpid()}-{secrets.token_hex(4)}"
    with held_lock(lock_of(folder)):
        try:
            git.git(
                *("-c", "core.hooksPath=/dev/null"),  # what the user's hooks do at a checkout is not for this one
                *("worktree", "add", "--quiet", "--detach", str(folder), revision),
            )
            yield folder
        finally:
            remove_worktree(folder)


def lock_of(folder: Path) -> Path:
    """The file whose lock says that a worktree's process lives."""
    return folder.with_name(f"{folder.name}.lock")


@contextlib.contextmanager
def held_lock(path: Path) -> Iterator[None]:
    """Hold the lock on a file of our own during the block, and remove the file with it."""
    file = opened_locked(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def opened_locked(path: Path) -> IO[str]:
    """Make a file and lock it; once more if `clear_abandoned` took it away in between."""
    while True:
        file = path.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists() and path.samefile(f"/dev/fd/{file.fileno()}"):
            return file
        file.close()


def clear_abandoned(parent: Path) -> None:
    """Remove worktrees whose process is gone, judged by the lock that it would hold."""
    for path in parent.glob("*.lock"):
        with contextlib.suppress(FileNotFoundError), path.open("r+") as file:
            if is_free(file):
                remove_worktree(path.with_suffix(""))
                path.unlink(missing_ok=True)


def is_free(file: IO[str]) -> bool:
    """Take the lock of a file if nobody holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove_worktree(folder: Path) -> None:
    """Remove a worktree, whole or half made, and what git noted of it; no other worktree's note is looked at."""
    shutil.rmtree(folder, ignore_errors=True)
    note = folder.parents[2] / "worktrees" / folder.name
    shutil.rmtree(note, ignore_errors=True)
    with contextlib.suppress(OSError):  # not empty: the user has worktrees too
        note.parent.rmdir()


# ---- filling


def share_storage(tree: Worktree) -> None:
    """Let the worktree use the user's DVC cache and remotes, with their credentials, and the per-batch store."""
    from dvc.config import Config, merge

    from tasks.version.dvc_config import cache_folder

    with contextlib.chdir(tree.home):
        cache = cache_folder()  # of the user's own configuration, too
    theirs = Config(str(tree.home / ".dvc"))
    with Config(str(tree.folder / ".dvc")).edit("local") as ours:
        for level in theirs.REPO_LEVELS:
            merge(ours, theirs.load_one(level))
        ours["core"]["no_scm"] = True  # the ledger's commits are not DVC's business
        ours["cache"].setdefault("dir", str(cache))
    (tree.folder / ".dvc/config.local").chmod(0o600)
    store = tree.home / SHARED_STORE
    store.mkdir(parents=True, exist_ok=True)
    (tree.folder / SHARED_STORE.parent).mkdir(exist_ok=True)
    (tree.folder / SHARED_STORE).symlink_to(store)


def bring_pinned(tree: Worktree) -> None:
    """Bring landed batches and pinned outputs into the worktree, from DVC's cache or its remote.

    Outputs that neither has are left out: their stages make them again.

    Raises
    ------
    DataError
        If landed batches are nowhere to be had.
    """
    from tasks import ledger
    from tasks.stage import STAGES

    pin = f"data/raw/{tree.pipeline}.dvc"
    with contextlib.chdir(tree.folder), ledger.open_repository() as repository, ledger.explained():
        nodes = ledger.nodes_of(repository)
        names = (pin, *(f"{stage}@{tree.pipeline}" for stage in STAGES))
        outs = [out for name in names if name in nodes for out in nodes[name].outs if out.hash_info and out.use_cache]
        targets = sorted({str(out.stage.addressing) for out in outs})
        if targets:
            repository.checkout(targets, allow_missing=True)
        if not all(out.exists for out in outs):
            repository.pull(targets, allow_missing=True)
    if Path(tree.folder, pin).is_file() and not Path(tree.folder, pin).with_suffix("").is_dir():
        with contextlib.chdir(tree.folder):
            ledger.fetch_raw_data(tree.pipeline)  # says what is missing


@contextlib.contextmanager
def private_site_cache(folder: Path) -> Iterator[None]:
    """Let DVC keep what it notes per repository inside the worktree, so that it goes with it."""
    name = "DVC_SITE_CACHE_DIR"
    before = os.environ.get(name)
    os.environ[name] = str(folder / ".dvc" / "tmp" / "site")
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})


@contextlib.contextmanager
def code_of(folder: Path) -> Iterator[None]:
    """Let processes that are spawned in the block import the project's modules from a worktree."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
