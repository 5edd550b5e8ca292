"""Checking tags, ledger and git remote against each other, and every git object of the ledger against its hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import pairwise

from configs.errors import CorruptionError, HoldfastError
from tasks.registry import event as ledger
from tasks.registry.event import EVENT, Written
from tasks.registry.git import GitError, git, read_files, read_objects, resolve
from tasks.registry.refs import Refs, Tag, branch, read_refs
from tasks.registry.remote import fetch, is_ancestor, remote_name, remote_refs
from tasks.verify.broken import Finding

AT_ONCE = 500  # objects held in memory
SUBMODULE, FOLDER = b"160000", b"40000"


def ledger_findings(pipeline: str, only: str | None = None) -> list[Finding]:
    """Check the ledger of a pipeline, its tags and its remote.

    Parameters
    ----------
    pipeline : str
    only : str, optional
        A commit of the ledger: of all others, files are not hashed again; their events and tags are.

    Returns
    -------
    list of Finding
    """
    refs = read_refs(pipeline)
    if refs.ledger is None:
        return [orphan(tag) for tag in refs.tags.values()]
    try:
        commits = git("rev-list", "--first-parent", "--reverse", refs.ledger, "--").decode().split()
    except GitError as error:
        return [damaged(branch(pipeline), error), *remote_findings(refs, {})]
    found = object_findings([commit for commit in commits if only in {None, commit}])
    events, broken = read_all_events(commits)
    found += broken
    found += order_findings(events)
    expected = {tag[0]: (event, tag[1]) for event in events if (tag := ledger.tag_of(event))}
    for name, (event, commit) in expected.items():
        found += tag_findings(name, refs.tags.get(name), event, commit)
    if not broken:
        found += [orphan(tag) for name, tag in refs.tags.items() if name not in expected]
    return found + remote_findings(refs, {name: event.commit for name, (event, _) in expected.items()})


MEND = "Clone the repository anew, or `git fetch --refetch`; `git fsck` tells all that is damaged."


def damaged(where: str, error: HoldfastError) -> Finding:
    """A git object that cannot be read, or is not the one that its hash stands for."""
    return Finding("ledger", where, str(error), "every object as its hash says", MEND)


def orphan(tag: Tag) -> Finding:
    """A tag that no event of the ledger has."""
    remedy = f"If nobody made it with gto on purpose: `git tag -d '{tag.name}'`, also in the remote."
    found = f"points at {tag.commit[:12]}, and no event of the ledger made it"
    return Finding("tag", f"tag {tag.name}", found, "an event of the ledger for each tag", remedy)


# ---- git objects


def object_findings(commits: list[str]) -> list[Finding]:
    """Hash every object again that these commits are made of; each is read once."""
    found: list[Finding] = []
    seen: set[str] = set()
    level = {commit: commit[:12] for commit in commits}
    while level:
        seen |= level.keys()
        below: dict[str, str] = {}
        for digest, kind, content in readable(level, found):
            below = {inner: f"{level[digest]}{name}" for inner, name in inner_objects(digest, kind, content)} | below
        level = {digest: name for digest, name in below.items() if digest not in seen}
    return found


def readable(level: dict[str, str], found: list[Finding]) -> Iterator[tuple[str, str, bytes]]:
    """The objects that can be read; of the others, a finding is added."""
    digests = list(level)
    for start in range(0, len(digests), AT_ONCE):
        yield from readable_part(digests[start : start + AT_ONCE], level, found)


def readable_part(part: list[str], level: dict[str, str], found: list[Finding]) -> Iterator[tuple[str, str, bytes]]:
    """As `readable`, by one command; git stops at a damaged object, so then by halves."""
    try:
        objects = read_objects(part)
    except CorruptionError as error:
        if len(part) == 1:
            found.append(damaged(f"git object {part[0]}: {level[part[0]]}", error))
            return
        for half in (part[: len(part) // 2], part[len(part) // 2 :]):
            yield from readable_part(half, level, found)
    else:
        yield from present(part, objects, level, found)


def present(
    digests: list[str], objects: list[tuple[str, str, bytes] | None], level: dict[str, str], found: list[Finding]
) -> Iterator[tuple[str, str, bytes]]:
    """The objects that are there; of the others, a finding is added."""
    for digest, each in zip(digests, objects, strict=True):
        if each is None:
            where, remedy = f"git object {digest}", "`git fetch --refetch` brings it if the remote has it."
            found.append(Finding("ledger", where, "missing", f"{level[digest]}", remedy))
        else:
            yield each


def inner_objects(digest: str, kind: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Hash of what a commit or a folder holds, and what is added to the name of the one to name the other."""
    if kind == "commit":
        yield content.split(b"\n", 1)[0].removeprefix(b"tree ").decode(), ":"
    start, width = 0, len(digest) // 2
    while kind == "tree" and start < len(content):
        end = content.index(b"\0", start)
        mode, name = content[start:end].split(b" ", 1)
        start = end + 1 + width
        if mode != SUBMODULE:
            yield content[end + 1 : start].hex(), os.fsdecode(name) + ("/" if mode == FOLDER else "")


# ---- events and tags


def read_all_events(commits: list[str]) -> tuple[list[Written], list[Finding]]:
    """The events of all commits, and a finding for each that is none."""
    events: list[Written] = []
    found: list[Finding] = []
    for commit, content, event in in_batches(commits):
        try:
            events.append(ledger.written_of(commit, content, event))
        except HoldfastError as error:
            found.append(Finding("ledger", f"{commit[:12]}:{EVENT}", str(error), "an event", MEND))
    return events, found


def in_batches(commits: list[str]) -> Iterator[tuple[str, bytes | None, bytes | None]]:
    """Each commit with its own bytes and those of its event, none where they cannot be read."""
    for start in range(0, len(commits), AT_ONCE):
        part = commits[start : start + AT_ONCE]
        try:
            contents = read_files([name for commit in part for name in (commit, f"{commit}:{EVENT}")])
        except CorruptionError:
            contents = [data for commit in part for data in read_if_whole([commit, f"{commit}:{EVENT}"])]
        yield from zip(part, contents[::2], contents[1::2], strict=True)


def read_if_whole(names: list[str]) -> list[bytes | None]:
    """Objects one by one, where git stops at a damaged one."""
    found: list[bytes | None] = []
    for name in names:
        try:
            found += read_files([name])
        except CorruptionError:
            found.append(None)
    return found


def order_findings(events: list[Written]) -> list[Finding]:
    """Events whose number is not one more than that of the event before."""
    return [
        Finding(
            "ledger",
            f"{after.commit[:12]}:{EVENT}",
            f"sequence {after.facts['sequence']} after {before.facts['sequence']}",
            "each event to follow the one before",
            "Only Holdfast may commit to the ledger; compare it with the remote's.",
        )
        for before, after in pairwise(events)
        if after.facts["sequence"] != before.facts["sequence"] + 1
    ]


def tag_findings(name: str, tag: Tag | None, event: Written, commit: str) -> Iterator[Finding]:
    """Whether a tag is byte for byte the one that its event made."""
    content = ledger.tag_content(event, name, commit)
    if tag is not None and tag.object == object_hash("tag", content, len(commit)):
        return
    (object_again,) = ledger.write_tag(event).values()  # no ref moves: only so that the remedy works
    remedy = f"Put it back: `git update-ref 'refs/tags/{name}' {object_again}`."
    expected = f"a tag of commit {commit[:12]}, as event {event.facts['sequence']} of the ledger says"
    if tag is None:
        yield Finding("tag", f"tag {name}", "deleted", expected, remedy)
    elif tag.commit != commit:
        yield Finding("tag", f"tag {name}", f"moved: it points at {tag.commit[:12]}", expected, remedy)
    else:
        found = "edited: its message, author or date is another one" if tag.annotated else "replaced by a plain one"
        yield Finding("tag", f"tag {name}", found, expected, remedy)


def object_hash(kind: str, content: bytes, digits: int) -> str:
    """The hash that git gives an object: SHA-1, or SHA-256 in a repository that names objects by 64 digits."""
    new = hashlib.sha1 if digits == 40 else hashlib.sha256
    return new(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


# ---- the remote


def remote_findings(refs: Refs, expected: dict[str, str]) -> list[Finding]:
    """Compare ledger and tags with the git remote's.

    Parameters
    ----------
    refs : Refs
        Of this clone.
    expected : dict
        The commit of the event of each tag that the ledger here knows.
    """
    try:
        name = remote_name()
        there = remote_refs(name, refs.pipeline) if name else None
        if name is None or there is None:
            return []
        return [*moved_ledger(name, refs, there), *differing_tags(name, refs, there, expected)]
    except HoldfastError as error:
        return [Finding("remote", "git remote", f"not checked: {error}", "an answer", "Run again when it answers.")]


def moved_ledger(name: str, here: Refs, there: Refs) -> Iterator[Finding]:
    """Whether the ledger here and the one in the remote are one chain, with nothing here that the remote lacks."""
    where = f"remote {name!r}: {branch(here.pipeline)}"
    if here.ledger == there.ledger or here.ledger is None:
        return
    if there.ledger is None:
        yield Finding(
            "remote", where, "missing", f"commit {here.ledger[:12]}", "The next event that is written pushes it."
        )
        return
    if resolve(there.ledger) is None:
        fetch(name, [branch(here.pipeline)])
    if is_ancestor(there.ledger, here.ledger):
        remedy = "The next event that is written pushes them."
        yield Finding("remote", where, f"at {there.ledger[:12]}", f"the events up to {here.ledger[:12]}", remedy)
    elif not is_ancestor(here.ledger, there.ledger):
        remedy = "One of them was rewritten: compare both with another clone before anything is promoted."
        yield Finding("remote", where, f"at {there.ledger[:12]}", f"a continuation of {here.ledger[:12]}", remedy)


def differing_tags(name: str, here: Refs, there: Refs, expected: dict[str, str]) -> Iterable[Finding]:
    """Tags that are not the same object here and there, though the ledger of both has their event."""
    for tag in here.tags.values():
        other = there.tags.get(tag.name)
        where, wanted = f"remote {name!r}: tag {tag.name}", f"{tag.object[:12]} of {tag.commit[:12]}, as here"
        if other is not None and other.object != tag.object:
            found = f"{other.object[:12]} of {other.commit[:12]}"
            remedy = "The ledger says which is right: see above whether the tag here is found to be another one."
            yield Finding("remote", where, found, wanted, remedy)
        if other is None and is_in(expected.get(tag.name), there.ledger):
            remedy = f"`git push {name} 'refs/tags/{tag.name}'` puts it back."
            yield Finding("remote", where, "deleted", wanted, remedy)
    for tag in there.tags.values():
        if tag.name in expected and tag.name not in here.tags:
            continue  # deleted here, which is told already
        if tag.name not in here.tags and here.ledger == there.ledger:
            remedy = f"If nobody made it with gto on purpose: `git push {name} ':refs/tags/{tag.name}'`."
            yield Finding("remote", f"remote {name!r}: tag {tag.name}", "no event made it", "one for each tag", remedy)


def is_in(commit: str | None, tip: str | None) -> bool:
    """Whether the remote's ledger has an event."""
    return commit is not None and is_ancestor(commit, tip)
