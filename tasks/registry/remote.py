"""The git remote of a ledger: where there is one, it is the truth.

Commits and tags are pushed together, all or nothing, before any local ref moves. A push is refused when another clone
was faster; then what it wrote is fetched, and the event is written again after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from configs.errors import ConfigError, CorruptionError, HoldfastError
from tasks.registry import tags
from tasks.registry.git import attempt, git, said
from tasks.registry.refs import Lock, Refs, RefsMovedError, Tag, branch, clear_stale_locks, move_refs

NETWORK_SECONDS = 300.0
FOR_GOOD = ("Permission denied", "No space left", "Read-only file system", "quota", "exists; cannot create")
MOVED = (  # what git says when another writer was faster, or holds a ref at this moment
    "fetch first",
    "non-fast-forward",
    "already exists",
    "stale info",
    "cannot lock ref",
    "failed to lock",
    "failed to update ref",
    "incorrect old value",
    "reference already exists",
    "Unable to create",
)
OTHER_REMOTE = (
    "`git config holdfast.remote NAME` names another remote for the registry, `git config holdfast.remote none` keeps "
    "it in this clone."
)


class NoSuchRemoteError(ConfigError):
    """`holdfast.remote` names a remote that git does not know."""


class RemoteError(HoldfastError):
    """The remote cannot be reached or read."""


class PushRefusedError(HoldfastError):
    """The remote refused the push, and not because it moved."""


class DivergedLedgerError(CorruptionError):
    """Both this clone and its remote have events that the other has not."""


class TagMovedError(CorruptionError):
    """A tag is not the one that the ledger or the remote knows by that name."""


def remote_name() -> str | None:
    """The remote that holds the registry: `git config holdfast.remote`, else `origin`; None without one.

    Raises
    ------
    NoSuchRemoteError
        If the configured one does not exist.
    """
    found = attempt("config", "--get-regexp", r"^(holdfast\.remote|remote\..*\.url)$").stdout.decode(errors="replace")
    settings = dict(line.partition(" ")[::2] for line in found.splitlines())
    known = [name[len("remote.") : -len(".url")] for name in settings if name.startswith("remote.")]
    chosen = settings.get("holdfast.remote")
    if chosen is None:
        return "origin" if "origin" in known else None
    if chosen != "none" and chosen not in known:
        raise NoSuchRemoteError(
            f"git config holdfast.remote is {chosen!r}, and git knows the remotes: {', '.join(known) or 'none'}. "
            f"`git remote add {chosen} URL`. {OTHER_REMOTE}"
        )
    return None if chosen == "none" else chosen


def remote_refs(remote: str, pipeline: str) -> Refs:
    """What the refs of a pipeline point at in the remote, now.

    Raises
    ------
    RemoteError
        If it cannot be asked.
    """
    patterns = [branch(pipeline), f"refs/tags/{pipeline}@*", f"refs/tags/{pipeline}#*"]
    result = attempt("ls-remote", "--", remote, *patterns, timeout=NETWORK_SECONDS)
    if result.returncode:
        raise RemoteError(f"remote {remote!r} cannot be read: {said(result)}. Nothing was written. {OTHER_REMOTE}")
    found = dict(line.split("\t")[::-1] for line in result.stdout.decode(errors="replace").splitlines())
    listed = {}
    for ref, target in found.items():
        name = ref.removeprefix("refs/tags/")
        if ref.startswith("refs/tags/") and (read := tags.parse(name)):
            peeled = found.get(f"{ref}^{{}}")
            listed[name] = Tag(name, target, peeled or target, read, peeled is not None)
    return Refs(pipeline, found.get(branch(pipeline)), tags=listed)


def take_over(lock: Lock, remote: str, here: Refs, there: Refs) -> bool:
    """Bring what the remote has and this clone lacks; whether anything moved. Tags of versions come before stages'.

    Raises
    ------
    TagMovedError, DivergedLedgerError
        If they contradict each other; nothing moved.
    """
    clear_stale_locks(lock.folder, [f"refs/remotes/{remote}/holdfast/{here.pipeline}"])  # a push moves it, too
    require_same_tags(remote, here, there)
    missing = {name: tag.object for name, tag in there.tags.items() if name not in here.tags}
    if not missing and there.ledger in {None, here.ledger}:
        return False
    fetch(remote, [*([branch(here.pipeline)] if there.ledger else []), *(f"refs/tags/{name}" for name in missing)])
    moves = there.ledger is not None and there.ledger != here.ledger and not is_ancestor(there.ledger, here.ledger)
    if moves and here.ledger and not is_ancestor(here.ledger, there.ledger):
        raise diverged(remote, here, there)
    versions = {name: target for name, target in missing.items() if there.tags[name].said.version}
    move_refs(lock, here.pipeline, versions, here.ledger, there.ledger if moves else None)
    move_refs(lock, here.pipeline, {name: target for name, target in missing.items() if name not in versions})
    return moves or bool(missing)


def hand_over(remote: str, here: Refs, there: Refs) -> None:
    """Push what was written while there was no remote: only where this clone's ledger is ahead of it."""
    if here.ledger is None or here.ledger == there.ledger:
        return
    missing = {tag.name: tag.object for tag in here.annotated if tag.name not in there.tags}
    push(remote, here.pipeline, here.ledger, missing)


def require_same_tags(remote: str, here: Refs, there: Refs) -> None:
    """Refuse to go on where a tag means one thing here and another in the remote."""
    for name, tag in here.tags.items():
        other = there.tags.get(name)
        if other and other.object != tag.object:
            raise TagMovedError(
                f"tag {name}: {tag.object} here (commit {tag.commit}), {other.object} in remote {remote!r} (commit "
                f"{other.commit}). Tags of a registry never move. `holdfast verify {here.pipeline}` says which one the "
                f"ledger knows; if it is the remote's: `git tag -d '{name}'`, and run again. Nothing was written."
            )


def diverged(remote: str, here: Refs, there: Refs) -> DivergedLedgerError:
    """What to do when two histories were written."""
    name = f"holdfast/{here.pipeline}"
    return DivergedLedgerError(
        f"branch {name}: {here.ledger} here and {there.ledger} in remote {remote!r}, and neither leads to the other. "
        f"The remote's is the one that counts. Keep yours under another name, `git branch mine {name} && git branch -D "
        f"{name}`, remove its tags that the remote has not (`git tag -d`), and run again. Nothing was written."
    )


def is_ancestor(older: str, newer: str | None) -> bool:
    """Whether a commit is the other one or leads to it."""
    return newer is not None and attempt("merge-base", "--is-ancestor", older, newer).returncode == 0


def fetch(remote: str, refs: Sequence[str]) -> None:
    """Bring the objects of some refs of the remote; no tag is made."""
    options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap=", "--stdin"]
    stdin = "".join(f"{ref}\n" for ref in refs).encode()
    result = attempt("fetch", *options, "--", remote, stdin=stdin, timeout=NETWORK_SECONDS)
    if result.returncode:
        raise RemoteError(f"fetching from remote {remote!r} failed: {said(result)}. Nothing was written.")


def push(remote: str, pipeline: str, commit: str, created: Mapping[str, str]) -> None:
    """Move the remote's ledger to a commit and create tags, all or nothing.

    Raises
    ------
    RefsMovedError
        If another clone was faster.
    PushRefusedError
        If the remote does not want it: a hook, a permission, a protected branch.
    RemoteError
        If the connection fails.
    """
    refs = {branch(pipeline): commit, **{f"refs/tags/{name}": target for name, target in created.items()}}
    leases = [f"--force-with-lease={ref}:" for ref in refs if ref.startswith("refs/tags/")]  # only where there is none
    options = ["--porcelain", "--atomic", "--no-follow-tags", "--no-recurse-submodules", *leases]
    words = [f"{target}:{ref}" for ref, target in refs.items()]
    result = attempt("push", *options, "--", remote, *words, timeout=NETWORK_SECONDS)
    if not result.returncode:
        return
    rejected = [line for line in result.stdout.decode(errors="replace").splitlines() if line.startswith("!")]
    what = "; ".join(line.split("\t")[-1] for line in rejected)
    answer = f"{what or 'no answer'}; git said: {said(result)}"
    reason = answer if "atomic transaction failed" in what else what  # then only the error stream has the reason
    if any(sign in reason for sign in MOVED) and not any(sign in answer for sign in FOR_GOOD):
        clear_locks_of_folder(remote, list(refs))
        raise RefsMovedError(f"remote {remote!r} refused the push: {answer}.")
    if rejected:
        raise PushRefusedError(
            f"remote {remote!r} refused {', '.join(refs)}: {answer}. Nothing was written, here or there. "
            f"Ask who runs the remote to allow these branches and tags. {OTHER_REMOTE}"
        )
    if not has_arrived(remote, pipeline, commit):
        raise RemoteError(
            f"pushing to remote {remote!r} failed: {answer}. Run again: nothing is done twice. {OTHER_REMOTE}"
        )


def has_arrived(remote: str, pipeline: str, commit: str) -> bool:
    """Whether the remote's ledger is at a commit, after a push whose answer was lost."""
    try:
        return remote_refs(remote, pipeline).ledger == commit
    except RemoteError:
        return False


def clear_locks_of_folder(remote: str, refs: Sequence[str]) -> None:
    """Where the remote is a folder of this machine, remove what a killed push left there; it would refuse for ever."""
    found = attempt("rev-parse", "--absolute-git-dir", folder=folder_of(remote)) if folder_of(remote) else None
    if found and not found.returncode:
        clear_stale_locks(Path(found.stdout.decode().strip()), refs)


def folder_of(remote: str) -> Path | None:
    """The folder that a remote's address names, None where it is on another machine."""
    address = git("remote", "get-url", "--push", remote).decode().strip().removeprefix("file://")
    return Path(address) if Path(address).is_dir() else None
