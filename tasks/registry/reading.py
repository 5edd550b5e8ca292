"""Reading the registry: versions, who is champion, and who was. GTO's tags say what, the ledger says why.

Readers go by tags alone, so that one command answers, a promotion is one tag that is there or not, and whatever `gto`
itself would say of the same repository is what Holdfast says.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from configs.errors import ConfigError, CorruptionError
from configs.wording import hint
from tasks.registry import event as ledger
from tasks.registry import tags
from tasks.registry.git import git
from tasks.registry.refs import Refs, Tag, read_refs
from tasks.registry.remote import is_ancestor, remote_name
from tasks.registry.tags import SemVer

CHAMPION = "champion"
TORN_PAUSE = 0.05  # seconds
TORN_READS = 20  # a `git fetch` of the user's makes a promotion's tag a moment before the version's


class UnknownVersionError(ConfigError):
    """There is no such version."""


@dataclass(frozen=True)
class Version:
    """A registered version and the commit that its tag points at."""

    pipeline: str
    number: SemVer
    commit: str

    @property
    def name(self) -> str:
        """The name of its tag, such as `flights@v1.2.0`."""
        return tags.version_tag(self.pipeline, self.number)


@dataclass(frozen=True)
class Promotion:
    """One move of a stage's pointer: GTO's counter, when (told, never used for order), by whom and why."""

    pipeline: str
    stage: str
    number: int
    version: Version
    at: str
    by: str
    reason: str
    kind: Literal["promotion", "rollback"]


def tip(pipeline: str) -> str | None:
    """The newest commit of the ledger that this clone knows of; None while there is none."""
    return tip_of(read_refs(pipeline))


def tip_of(refs: Refs) -> str | None:
    """The newest commit among the ledger here and what was last seen of the remote's."""
    remote = remote_name() if refs.tracked else None
    seen = refs.tracked.get(remote) if remote else None
    if seen is None or (refs.ledger and not is_ancestor(refs.ledger, seen)):
        return refs.ledger
    return seen


def events(pipeline: str, newest: int | None = None) -> list[dict[str, Any]]:
    """The events of the ledger, or the newest of them; the newest last, each with its `commit`."""
    return ledger.chain(tip(pipeline), newest)


def versions(pipeline: str) -> list[Version]:
    """All versions by number, without those that GTO deregistered."""
    return versions_of(read_refs(pipeline))


def versions_of(refs: Refs) -> list[Version]:
    """The versions that the tags name."""
    named = [tag for tag in refs.annotated if tag.said.version]
    newest_word = {tag.said.version: tag for tag in sorted(named, key=lambda tag: tag.said.counter)}
    standing = [tag for tag in newest_word.values() if not tag.said.undone]
    return sorted((version_of(tag) for tag in standing), key=place_of)


def place_of(version: Version) -> tuple[int, int, int]:
    """Its place in the order of versions; a tuple compares ten times as fast as a dataclass."""
    return version.number.major, version.number.minor, version.number.patch


def version_of(tag: Tag) -> Version:
    """The version that a tag names."""
    if tag.said.version is None:
        raise ValueError(tag)
    return Version(tag.said.pipeline, tag.said.version, tag.commit)


def find_version(pipeline: str, text: str) -> Version:
    """The version that a user means by `v1.2.0`, `1.2.0` or `flights@v1.2.0`.

    Raises
    ------
    UnknownVersionError
        If there is none; names the nearest and the newest.
    """
    known = versions(pipeline)
    wanted = text.removeprefix(f"{pipeline}@").removeprefix("v")
    for version in known:
        if str(version.number) == f"v{wanted}":
            return version
    if not known:
        raise UnknownVersionError(
            f"{pipeline}@v{wanted[:60]}: no version of {pipeline} is registered yet. `holdfast retrain {pipeline} "
            "--reason ...` makes the first; in a new clone, `git fetch --tags` brings those of the remote."
        )
    near = hint(f"v{wanted}", [str(version.number) for version in known])
    raise UnknownVersionError(
        f"{pipeline}@v{wanted[:60]}: no such version{near}; the newest is {known[-1].number}. "
        f"`holdfast history {pipeline}` lists them; `git fetch --tags` brings those of the remote."
    )


def champion(pipeline: str, stage: str = CHAMPION) -> Version | None:
    """The version that a stage points at, None while it points at none; one command, by tags alone.

    Raises
    ------
    CorruptionError
        If no version's tag names the commit that the stage points at.
    """
    left = TORN_READS
    while True:
        refs = read_refs(pipeline)
        tag = standing(refs, stage)
        version = version_at(refs, tag.commit) if tag else None
        if tag is None or version or not left:
            break
        left -= 1
        time.sleep(TORN_PAUSE)
    if tag is None or version:
        return version
    raise CorruptionError(
        f"tag {tag.name} points at commit {tag.commit}, and no version's tag does: it was deleted or moved. "
        f"`holdfast verify {pipeline}` says more; `git fetch --tags` brings it back if the remote has it."
    )


def standing(refs: Refs, stage: str) -> Tag | None:
    """The tag that a stage stands on, as GTO has it: the greatest assignment that was not taken back."""
    newest_word: dict[str, Tag] = {}
    for tag in sorted(refs.annotated, key=lambda tag: tag.said.counter):
        if tag.said.stage == stage:
            newest_word[tag.commit] = tag
    assigned = [tag for tag in newest_word.values() if not tag.said.undone]
    return max(assigned, key=lambda tag: tag.said.counter, default=None)


def version_at(refs: Refs, commit: str) -> Version | None:
    """The version whose tag points at a commit."""
    return next((version for version in versions_of(refs) if version.commit == commit), None)


def promotions(pipeline: str, stage: str = CHAMPION) -> list[Promotion]:
    """All promotions to a stage that tags name, by number, with what the ledger or the tag says of each."""
    return promotions_of(read_refs(pipeline), stage)


def promotions_of(refs: Refs, stage: str) -> list[Promotion]:
    """The promotions that the tags name."""
    known = {(each["stage"], each["number"]): each for each in ledger.chain_of("promotion", tip_of(refs))}
    numbered = {version.commit: version for version in versions_of(refs)}
    found = []
    for tag in sorted(refs.annotated, key=lambda tag: tag.said.counter):
        if tag.said.stage == stage and not tag.said.undone:
            facts = known.get((stage, tag.said.counter)) or facts_of_tag(tag)
            version = numbered.get(tag.commit) or left_version(tag, facts)
            found.append(promotion_of(version, facts | {"stage": stage, "number": tag.said.counter}))
    return found


def promotion_of(version: Version, facts: dict[str, Any]) -> Promotion:
    """A promotion from the facts of its event."""
    said = {name: facts[name] for name in ("stage", "number", "at", "by", "reason")}
    return Promotion(version.pipeline, version=version, kind=facts["act"], **said)


def facts_of_tag(tag: Tag) -> dict[str, Any]:
    """What a tag says of a promotion that was made with `gto assign`, without an event."""
    shape = "%(taggername) %(taggeremail)%00%(taggerdate:unix)%00%(contents:subject)"
    by, seconds, reason = git("for-each-ref", f"--format={shape}", f"refs/tags/{tag.name}").decode().strip().split("\0")
    return {"by": by, "at": ledger.iso(int(seconds)), "reason": reason, "act": "promotion"}


def left_version(tag: Tag, facts: dict[str, Any]) -> Version:
    """The version of a promotion whose own tag is gone; history tells it by the event."""
    return Version(tag.said.pipeline, SemVer.parse(facts.get("version", "v0.0.0")), tag.commit)
