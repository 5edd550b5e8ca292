"""The registry of a pipeline: its versions, who is champion, and the events that made it so.

Versions and promotions are GTO's tags, and readers go by them alone; the ledger, a branch of its own, says why. Nothing
else holds state. This module is what the rest of Holdfast calls; docs/ledger.md tells the whole story.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from configs.errors import ConfigError, CorruptionError, HoldfastError
from tasks.registry import tags
from tasks.registry.event import EVENT, RECORD, Event, json_bytes
from tasks.registry.git import DAMAGED, read_files
from tasks.registry.publish import Draft, Seen, sync, write
from tasks.registry.reading import (
    CHAMPION,
    Promotion,
    UnknownVersionError,
    Version,
    champion,
    events,
    find_version,
    promotion_of,
    promotions,
    promotions_of,
    standing,
    tip,
    version_at,
    versions,
    versions_of,
)
from tasks.registry.refs import Refs, RegistryBusyError, read_refs
from tasks.registry.tags import Bump, SemVer

__all__ = [
    "CHAMPION",
    "AlreadyChampionError",
    "EmptyLedgerError",
    "Event",
    "NoPredecessorError",
    "NoReasonError",
    "Promotion",
    "RegistryBusyError",
    "RollbackTwiceError",
    "SemVer",
    "UnknownVersionError",
    "Version",
    "append",
    "champion",
    "events",
    "find_version",
    "promote",
    "promotions",
    "register",
    "rollback",
    "sync",
    "tip",
    "versions",
]


class NoReasonError(ConfigError):
    """A pointer moves for a reason, and none was given."""


class EmptyLedgerError(HoldfastError):
    """There is no event yet that this one could follow."""


class AlreadyChampionError(HoldfastError):
    """The version is what the stage points at already."""


class NoPredecessorError(HoldfastError):
    """No other version was champion before."""


class RollbackTwiceError(HoldfastError):
    """The last promotion was a rollback, so "the one before" is the version that was just left."""


def append(pipeline: str, event: Event, tree: str | None = None, still: Callable[[], None] = lambda: None) -> str:
    """Write an event that has no tag, such as a landing or a decision.

    Parameters
    ----------
    pipeline : str
        A pipeline of params.yaml.
    event : Event
        Its facts must be JSON.
    tree : str, optional
        The project as the event leaves it; `ledger/event.json` is added. Without one, the event before it left it so.
    still : callable () -> None
        Raises where the ledger, with what the remote had, is no longer one that the event may follow.

    Returns
    -------
    str
        The commit.

    Raises
    ------
    EmptyLedgerError
        If no tree is given and there is no event before.
    """

    def draft(seen: Seen) -> Draft:
        if tree is None and seen.last is None:
            raise EmptyLedgerError(f"{pipeline}: the first event of a ledger needs the project's tree.")
        still()
        return Draft(event, tree or (seen.last.tree if seen.last else ""))

    written = write(pipeline, draft)
    if written is None:
        raise RegistryBusyError(f"{pipeline}: the {event.kind} was not written. Run again.")
    return written.commit


def register(  # noqa: PLR0913, PLR0917 - one word each of what the caller decides
    pipeline: str,
    tree: str,
    identity: str,
    record: Callable[[SemVer, Version | None], dict[str, Any]],
    bump: Callable[[dict[str, Any] | None], Bump],
    facts: dict[str, Any],
) -> Version:
    """Register a version, or find the one that has the same identity already.

    Parameters
    ----------
    pipeline : str
        A pipeline of params.yaml.
    tree : str
        The project as the version is made of it; `ledger/record.json` and `ledger/event.json` are added.
    identity : str
        What makes two versions the same: the hash over data, code, parameters and libraries.
    record : callable (number, parent) -> dict
        The version record under that number; asked again with another number when the first was taken.
    bump : callable (record of the greatest version, or None where it has none) -> "major", "minor" or "patch"
        Which part of the number goes up; the first version is v1.0.0.
    facts : dict
        More facts for the event, such as `reason` and `trigger`.

    Returns
    -------
    Version
    """
    found: list[Version] = []

    def draft(seen: Seen) -> Draft | None:
        known = versions_of(seen.refs)
        found[:] = [known[place] for place in same_identity(known, identity)]
        if found:
            return None
        parent = known[-1] if known else None
        number = next_number(seen.refs, parent, bump)
        said = {"version": str(number), "identity": identity, "parent": str(parent.number) if parent else None}
        return Draft(Event("version", facts | said), tree, json_bytes(record(number, parent)))

    written = write(pipeline, draft)
    if written is None:
        return found[0]
    return Version(pipeline, SemVer.parse(written.facts["version"]), written.commit)


def same_identity(known: list[Version], identity: str) -> list[int]:
    """The places of the versions whose event has an identity, the newest first."""
    contents = read_files([f"{version.commit}:{EVENT}" for version in known])
    wanted = json.dumps(identity).encode()
    near = [place for place, content in enumerate(contents) if content and wanted in content]
    return [place for place in reversed(near) if json.loads(contents[place] or b"{}").get("identity") == identity]


def next_number(refs: Refs, parent: Version | None, bump: Callable[[dict[str, Any] | None], Bump]) -> SemVer:
    """The number above all that were ever given, also to versions that GTO deregistered."""
    given = [tag.said.version for tag in refs.annotated if tag.said.version]
    part: Bump = bump(record_of(parent)) if given else "patch"
    number = max(given).bumped(part) if given else tags.FIRST
    while tags.version_tag(refs.pipeline, number) in refs.tags:  # by a tag that is not annotated: GTO does not see it
        number = number.bumped(part)
    return number


def record_of(version: Version | None) -> dict[str, Any] | None:
    """The record of a version; None of one that was registered with `gto register`, without Holdfast."""
    (content,) = read_files([f"{version.commit}:{RECORD}"]) if version else [None]
    try:
        return dict(json.loads(content)) if content else None
    except ValueError as error:
        raise CorruptionError(f"{version and version.commit}:{RECORD}: not JSON ({error}). {DAMAGED}") from error


def promote(  # noqa: PLR0913, PLR0917 - what, why, who
    pipeline: str,
    version: Version,
    reason: str,
    by: str,
    stage: str = CHAMPION,
    check: Callable[[Version], None] = lambda version: None,
    still: Callable[[Version | None], None] = lambda reigning: None,
) -> Promotion:
    """Point a stage at a version.

    Parameters
    ----------
    pipeline : str
        A pipeline of params.yaml.
    version : Version
        One of its versions.
    reason, by : str
        Why, and who wants it; kept in the ledger.
    stage : str
        `champion`, or `staging` where a person is to look first.
    check : callable (version) -> None
        Raises where the version is not whole; called before anything is written.
    still : callable (version or None) -> None
        Raises where the promotion is not meant against what the stage points at; called when nothing can move it.

    Raises
    ------
    AlreadyChampionError
        If the stage points there already.
    UnknownVersionError
        If the version's tag is gone or points elsewhere.
    """
    check(version)

    def target(now: Seen) -> tuple[Version, str, str]:
        reigning = standing(now.refs, stage)
        still(version_at(now.refs, reigning.commit) if reigning else None)
        return version, stage, "promotion"

    return point(pipeline, target, reason, by)


def rollback(pipeline: str, reason: str, by: str, check: Callable[[Version], None] = lambda version: None) -> Promotion:
    """Point the champion at the version that was champion before.

    Raises
    ------
    NoPredecessorError
        If there was none.
    RollbackTwiceError
        If the last promotion was a rollback.
    """
    sync(pipeline)
    refs = read_refs(pipeline)
    checked = predecessor(refs)
    check(checked)

    def target(seen: Seen) -> tuple[Version, str, str]:
        before = checked if seen.refs == refs else predecessor(seen.refs)
        if before != checked:
            check(before)
        return before, CHAMPION, "rollback"

    return point(pipeline, target, reason, by)


def predecessor(refs: Refs) -> Version:
    """The version that a rollback leads to."""
    pipeline, tag = refs.pipeline, standing(refs, CHAMPION)
    now = version_at(refs, tag.commit) if tag else None
    history = promotions_of(refs, CHAMPION)
    before = [each for each in history if now and each.version.commit != now.commit]
    if now is None or not before:
        is_now = f"{now.number} is champion and no other version was" if now else "no version is champion"
        raise NoPredecessorError(
            f"{pipeline}: {is_now}, so there is nothing to go back to. `holdfast history {pipeline}` lists the "
            f"versions; `holdfast promote {pipeline} VERSION --reason ...` makes one of them champion."
        )
    if history[-1].kind == "rollback":
        raise RollbackTwiceError(
            f"{pipeline}: the last promotion was a rollback, from {before[-1].version.number} to {now.number}; a "
            f"second one would lead back to {before[-1].version.number}. To go further back, or there: "
            f"`holdfast promote {pipeline} VERSION --reason ...`."
        )
    return before[-1].version


def point(pipeline: str, target: Callable[[Seen], tuple[Version, str, str]], reason: str, by: str) -> Promotion:
    """Write a promotion to what `target` says under the lock."""
    if not reason.strip():
        raise NoReasonError(f"{pipeline}: no reason given. The history tells it to whoever asks later: --reason TEXT.")
    chosen: list[Version] = []

    def draft(seen: Seen) -> Draft:
        version, stage, act = target(seen)
        chosen[:] = [version]
        refs, last = seen.refs, seen.last
        if last is None or version not in versions_of(refs):
            raise UnknownVersionError(f"{version.name}: no tag of that name points at {version.commit} any more.")
        previous = standing(refs, stage)
        if previous and previous.commit == version.commit:
            raise AlreadyChampionError(f"{version.name} is the {stage} of {pipeline} already, by tag {previous.name}.")
        before = version_at(refs, previous.commit) if previous else None
        facts = {
            "version": str(version.number),
            "version_commit": version.commit,
            "stage": stage,
            "number": refs.next_counter,
            "act": act,
            "previous": str(before.number) if before else None,
            "reason": reason,
            "by": by,
        }
        return Draft(Event("promotion", facts), last.tree)

    written = write(pipeline, draft)
    if written is None:
        raise RegistryBusyError(f"{pipeline}: the promotion was not written. Run again.")
    return promotion_of(chosen[0], written.facts)
