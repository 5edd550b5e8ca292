"""What a pipeline's refs point at, and moving them: the branch of its ledger and GTO's tags, all or nothing.

The branch moves by compare-and-swap and tags are only ever created, in one transaction of `git update-ref`. Writers of
one clone take turns by `flock`, which the kernel frees on death. The command that moves refs holds the lock too, so a
writer that was killed leaves no git behind that moves them later.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from configs.errors import ConfigError, HoldfastError
from tasks.registry import tags
from tasks.registry.git import GitError, attempt, common_folder, git, said

LOCK_SECONDS = 180.0
MOVED = ("but expected", "reference already exists", "File exists")  # what git says when somebody else was faster
STALE_SECONDS = 2.0  # a live git holds the lock of one ref for milliseconds


class RegistryBusyError(HoldfastError):
    """Another process wrote to the same ledger all the time."""


class LedgerCheckedOutError(ConfigError):
    """The branch of the ledger is checked out, where moving it would change somebody's working tree under them."""


class RefsMovedError(HoldfastError):
    """Somebody else moved a ref first; nothing was written. Look again and retry."""


@dataclass(frozen=True)
class Tag:
    """One tag: the object of its name, the commit that it points at, and what its name says."""

    name: str
    object: str
    commit: str
    said: tags.TagName
    annotated: bool = True


@dataclass(frozen=True)
class Refs:
    """The refs of one pipeline at one moment. GTO counts annotated tags only; any tag takes its name."""

    pipeline: str
    ledger: str | None = None
    checked_out: str = ""
    tracked: Mapping[str, str] = field(default_factory=dict)  # remote -> the tip that was last seen there
    tags: Mapping[str, Tag] = field(default_factory=dict)

    @property
    def annotated(self) -> list[Tag]:
        """The tags that GTO would read."""
        return [tag for tag in self.tags.values() if tag.annotated]

    @property
    def next_counter(self) -> int:
        """GTO's next number of a promotion: one above the greatest of all stages."""
        return 1 + max((tag.said.counter for tag in self.tags.values()), default=0)


def branch(pipeline: str) -> str:
    """The ref of a pipeline's ledger."""
    return f"refs/heads/holdfast/{tags.require_pipeline(pipeline)}"


def read_refs(pipeline: str) -> Refs:
    """Read all refs of a pipeline by one command."""
    ledger = branch(pipeline)
    shape = "%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(worktreepath)"
    patterns = [ledger, f"refs/remotes/*/holdfast/{pipeline}", f"refs/tags/{pipeline}@*", f"refs/tags/{pipeline}#*"]
    refs = Refs(pipeline)
    tracked, found = {}, {}
    for line in git("for-each-ref", f"--format={shape}", *patterns).decode(errors="surrogateescape").split("\n")[:-1]:
        name, target, kind, peeled, worktree = line.split("\0")
        if name == ledger:
            refs = Refs(pipeline, target, worktree)
        elif name.startswith("refs/remotes/"):
            tracked[name.split("/")[2]] = target
        elif read := tags.parse(name.removeprefix("refs/tags/")):
            short = name.removeprefix("refs/tags/")
            found[short] = Tag(short, target, peeled or target, read, kind == "tag")
    return Refs(pipeline, refs.ledger, refs.checked_out, tracked, found)


# ---- one writer at a time


@dataclass(frozen=True)
class Lock:
    """The lock of a pipeline's writers, held: its file descriptor, and the `.git` folder that it is about."""

    descriptor: int
    folder: Path


@contextmanager
def writing(pipeline: str, patience: float = LOCK_SECONDS) -> Iterator[Lock]:
    """Hold the lock of a pipeline's writers in this clone. It cannot be taken twice.

    Raises
    ------
    RegistryBusyError
        If another process holds it longer than `patience` seconds; says which.
    """
    folder = common_folder()
    path = folder / "holdfast" / f"{tags.require_pipeline(pipeline)}.lock"
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        wait_for_lock(descriptor, path, patience)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield Lock(descriptor, folder)
    finally:
        os.close(descriptor)


def wait_for_lock(descriptor: int, path: Path, patience: float) -> None:
    """Take the lock, or say who has it."""
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
                raise RegistryBusyError(
                    f"{path}: process {holder} has been writing to this registry for more than {patience:g} s. "
                    "Wait for it or end it, then run again; nothing was written."
                ) from None
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - spreads waiting processes
        else:
            return


# ---- moving refs


def move_refs(
    lock: Lock, pipeline: str, created: Mapping[str, str], old: str | None = None, new: str | None = None
) -> None:
    """Move the ledger from `old` to `new` (where given) and create tags, in one transaction.

    git renames the lock files of a transaction one by one, in the order of its lines; a kill between two of them leaves
    the ledger ahead of the tag of its last event, which `registry.sync` makes up for.

    Raises
    ------
    RefsMovedError
        If the ledger is not at `old` any more, or a tag of that name is there; nothing moved.
    GitError
        If git cannot write: no permission, no space, or a branch `holdfast` that stands in the way of `holdfast/...`.
    """
    lines = [f"update {branch(pipeline)}\0{new}\0{old or '0' * len(new)}"] if new else []
    lines += [f"create refs/tags/{name}\0{target}" for name, target in created.items()]
    if not lines:
        return
    refs = [*([branch(pipeline)] if new else []), *(f"refs/tags/{name}" for name in created)]
    clear_stale_locks(lock.folder, refs)
    stdin = "".join(f"{line}\0" for line in ["start", *lines, "prepare", "commit"]).encode()
    result = attempt("update-ref", "-z", "--stdin", stdin=stdin, keep=(lock.descriptor,))
    if result.returncode and any(sign in said(result) for sign in MOVED):
        raise RefsMovedError(f"the refs of {pipeline} could not be moved: {said(result)}.")
    if result.returncode:
        raise GitError(f"the refs of {pipeline} cannot be moved: {said(result)}. None was; mend that and run again.")


def clear_stale_locks(folder: Path, refs: Iterable[str]) -> None:
    """Remove `<ref>.lock` files that a killed git left; one that a live git holds is gone within milliseconds."""
    for path in [folder / f"{ref}.lock" for ref in refs]:
        first = stamp(path)
        end = time.monotonic() + STALE_SECONDS
        while first is not None and stamp(path) == first:
            if time.monotonic() > end:
                path.unlink(missing_ok=True)
            time.sleep(0.02)


def stamp(path: Path) -> tuple[int, int] | None:
    """What tells one lock file from the next of the same name; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def require_not_checked_out(refs: Refs) -> None:
    """Refuse to move a branch under somebody's working tree."""
    if refs.checked_out:
        raise LedgerCheckedOutError(
            f"{refs.checked_out}: the ledger's branch 'holdfast/{refs.pipeline}' is checked out there, and every event "
            "moves it. `git switch` to your own branch; to look at it, `git switch --detach` first."
        )
