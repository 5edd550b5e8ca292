"""The events of a ledger: one commit each, in a chain whose first parents lead back to the first event.

A commit's tree is the whole project as that event left it, with `ledger/event.json`. Dates are told, never used for
order; each is at least one second after the one before, since GTO orders tags by their dates and clocks go back.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from configs.errors import CorruptionError, DataError
from configs.wording import short
from tasks.model.bundle import canonical
from tasks.registry import tags
from tasks.registry.git import DAMAGED, git, identity, read_files, tree_with

FORMAT = 1
EVENT = "ledger/event.json"
RECORD = "ledger/record.json"
SUBJECT = 150


class NewerEventError(DataError):
    """An event was written by a newer Holdfast."""


@dataclass(frozen=True)
class Event:
    """What happened: `kind` is landing, decision, version, promotion or verdict; `facts` can be written as JSON."""

    kind: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Written:
    """The event of one commit of the ledger: its facts, when in seconds since 1970, and who, as git writes it."""

    commit: str
    facts: dict[str, Any]
    seconds: int
    committer: str
    tree: str


def read_event(commit: str) -> Written:
    """The event of one commit.

    Raises
    ------
    CorruptionError
        If the commit is not an event of a ledger, or is damaged.
    NewerEventError
        If a newer Holdfast wrote it.
    """
    return written_of(commit, *read_files([commit, f"{commit}:{EVENT}"]))


def written_of(commit: str, content: bytes | None, event: bytes | None) -> Written:
    """The event of a commit, from the bytes of the commit and of its `ledger/event.json`; see `read_event`."""
    if content is None:
        raise CorruptionError(f"git object {commit}: missing, though the ledger names it. {DAMAGED}")
    headers = dict(line.split(" ", 1) for line in content.decode(errors="replace").split("\n\n")[0].split("\n"))
    committer, seconds, _zone = headers["committer"].rsplit(" ", 2)
    return Written(commit, parsed_event(commit, event), int(seconds), committer, headers["tree"])


def parsed_event(commit: str, content: bytes | None) -> dict[str, Any]:
    """The facts in `ledger/event.json` of a commit."""
    try:
        facts: dict[str, Any] = json.loads(content or b"")
        newest = int(facts["format"])
        if not {"kind", "sequence", "at", "by"} <= facts.keys():
            raise KeyError(*sorted({"kind", "sequence", "at", "by"} - facts.keys()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptionError(
            f"{commit}:{EVENT}: not an event that Holdfast wrote ({error!r}). Only Holdfast may commit to the ledger; "
            "the events before it are `git log --first-parent`, and the remote may have it whole."
        ) from error
    if newest > FORMAT:
        raise NewerEventError(
            f"{commit}:{EVENT}: format {newest}; this Holdfast reads up to {FORMAT}. Merge a newer one."
        )
    return facts


def chain(tip: str | None, newest: int | None = None) -> list[dict[str, Any]]:
    """The events up to a commit, newest last, each with its `commit`; read by two commands."""
    if tip is None:
        return []
    limit = [f"--max-count={newest}"] if newest is not None else []
    found = read_events(git("rev-list", "--first-parent", *limit, tip, "--").decode().split()[::-1])
    require_consecutive(found)
    return found


def chain_of(kind: str, tip: str | None) -> list[dict[str, Any]]:
    """The events of one kind up to a commit, newest last; chosen by the commits' first lines, so no other is read."""
    if tip is None:
        return []
    lines = git("rev-list", "--first-parent", "--format=%s", tip, "--").decode(errors="replace").split("\n")[:-1]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    commits = [line.removeprefix("commit ") for line, subject in pairs if subject.startswith(f"{kind} ")]
    return read_events(commits[::-1])


def read_events(commits: Sequence[str]) -> list[dict[str, Any]]:
    """The facts of many events by one command, each with its `commit`."""
    contents = read_files([f"{commit}:{EVENT}" for commit in commits])
    pairs = zip(commits, contents, strict=True)
    return [{**parsed_event(commit, content), "commit": commit} for commit, content in pairs]


def require_consecutive(events: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a ledger in which somebody else committed, or from which an event was taken."""
    for before, event in itertools.pairwise(events):
        if event["sequence"] != before["sequence"] + 1:
            raise CorruptionError(
                f"{event['commit']}:{EVENT}: event {event['sequence']} follows event {before['sequence']}. Only "
                "Holdfast may commit to the ledger; the remote, or another clone, may have it whole."
            )


def commit_event(pipeline: str, event: Event, tree: str, last: Written | None, record: bytes | None = None) -> Written:
    """Write the commit of an event after the last one; no ref moves. `sequence`, `at` and `by` are added here."""
    author = identity()
    seconds = max(int(time.time()), last.seconds + 1 if last else 0)
    facts = {"by": author} | event.facts
    facts |= {"format": FORMAT, "kind": event.kind, "pipeline": pipeline, "at": iso(seconds)}
    facts["sequence"] = last.facts["sequence"] + 1 if last else 1
    files = {EVENT: json_bytes(facts)} | ({} if record is None else {RECORD: record})
    whole = tree_with(tree, files)
    dated = {"GIT_AUTHOR_DATE": f"@{seconds} +0000", "GIT_COMMITTER_DATE": f"@{seconds} +0000"}
    parents = ["-p", last.commit] if last else []
    message = f"{subject_of(facts)}\n".encode()
    commit = git("commit-tree", whole, *parents, "-F", "-", stdin=message, environment=dated).decode().strip()
    return Written(commit, json.loads(files[EVENT]), seconds, author, whole)


def json_bytes(value: Any) -> bytes:
    """Canonical JSON; what is no Unicode in a text from the command line is replaced."""
    return canonical(json.loads(json.dumps(value, allow_nan=False, ensure_ascii=False).encode(errors="replace")))


def iso(seconds: int) -> str:
    """A moment as text, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def subject_of(facts: Mapping[str, Any]) -> str:
    """The first line of the commit of an event, and the message of its tag.

    >>> subject_of({"kind": "promotion", "pipeline": "flights", "version": "v1.2.0", "reason": "better in July"})
    'promotion flights@v1.2.0: better in July'
    """
    what = f"{facts['kind']} {facts['pipeline']}" + (f"@{facts['version']}" if facts.get("version") else "")
    return short(f"{what}: {facts['reason']}" if facts.get("reason") else what, SUBJECT)


# ---- the tag that an event has


def tag_of(written: Written) -> tuple[str, str] | None:
    """Name of the tag that belongs to an event, and the commit that it points at; None for an event without."""
    facts = written.facts
    if facts["kind"] == "version":
        return tags.version_tag(facts["pipeline"], tags.SemVer.parse(facts["version"])), written.commit
    if facts["kind"] == "promotion":
        return tags.stage_tag(facts["pipeline"], facts["stage"], facts["number"]), facts["version_commit"]
    return None


def write_tag(written: Written) -> dict[str, str]:
    """Write the tag object of an event, always the same for the same event; name and hash, empty for one without."""
    tag = tag_of(written)
    return {tag[0]: git("mktag", stdin=tag_content(written, *tag)).decode().strip()} if tag else {}


def tag_content(written: Written, name: str, commit: str) -> bytes:
    """The bytes of the tag object of an event."""
    header = f"object {commit}\ntype commit\ntag {name}\ntagger {written.committer} {written.seconds} +0000\n"
    return f"{header}\n{subject_of(written.facts)}\n".encode()
