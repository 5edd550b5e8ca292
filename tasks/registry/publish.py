"""Writing an event: see what the remote has, write commit and tag without a ref, then move all refs together.

A kill at any moment leaves either nothing that a ref names, or an event whose tag is made again from it by the next
writer. Whoever was slower than another clone or process looks again, and writes after what that one wrote.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tasks.registry import event as ledger
from tasks.registry.event import Event, Written
from tasks.registry.git import identity, require_whole_clone
from tasks.registry.refs import (
    Lock,
    Refs,
    RefsMovedError,
    RegistryBusyError,
    move_refs,
    read_refs,
    require_not_checked_out,
    writing,
)
from tasks.registry.remote import TagMovedError, hand_over, is_ancestor, push, remote_name, remote_refs, take_over

ATTEMPTS = 40
LONGEST_PAUSE = 1.0  # seconds


@dataclass(frozen=True)
class Seen:
    """What a writer sees after looking at the remote: the refs and the last event, under the lock."""

    refs: Refs
    last: Written | None
    remote: str | None


@dataclass(frozen=True)
class Draft:
    """An event to be written: its tree, and the version record beside it where it is a version."""

    event: Event
    tree: str
    record: bytes | None = None


def sync(pipeline: str) -> None:
    """Bring this clone and its remote to one state, and finish what a killed writer began.

    Raises
    ------
    HoldfastError
        If the remote cannot be reached, or they contradict each other.
    """
    require_whole_clone()
    with writing(pipeline) as lock:
        for attempt in range(ATTEMPTS):
            try:
                look(pipeline, lock)
            except RefsMovedError as error:
                pause(attempt, error)
            else:
                return


def look(pipeline: str, lock: Lock) -> Seen:
    """See the state that the next event follows: the remote's, taken over, with the tag of its last event."""
    remote = remote_name()
    here = read_refs(pipeline)
    require_not_checked_out(here)
    there = remote_refs(remote, pipeline) if remote else None
    if remote and there:
        if take_over(lock, remote, here, there):
            here = read_refs(pipeline)
        hand_over(remote, here, there)
    last = ledger.read_event(here.ledger) if here.ledger else None
    if last and mended(lock, remote, there, here, last):
        here = read_refs(pipeline)
    return Seen(here, last, remote)


def mended(lock: Lock, remote: str | None, there: Refs | None, here: Refs, last: Written) -> bool:
    """Whether the tag of the last event was missing, here or in the remote, and was made again.

    Raises
    ------
    TagMovedError
        If a tag of that name points elsewhere.
    """
    belongs = ledger.tag_of(last)
    if belongs is None:
        return False
    name, commit = belongs
    found = here.tags.get(name)
    if found and found.commit != commit:
        raise TagMovedError(
            f"tag {name} points at {found.commit}; the ledger's event {last.commit} says {commit}. Tags of a registry "
            f"never move: `git tag -d '{name}'`, and run again; it is made anew from the ledger."
        )
    again = {name: found.object} if found else ledger.write_tag(last)
    if remote and there and name not in there.tags and there.ledger == last.commit:
        push(remote, here.pipeline, last.commit, again)
    if found is None:
        move_refs(lock, here.pipeline, again)
    return found is None


def write(pipeline: str, draft: Callable[[Seen], Draft | None]) -> Written | None:
    """Write one event after the last one, here and in the remote; None where `draft` says that there is none to write.

    `draft` is asked again whenever somebody else was faster. An attempt that did arrive, though the answer was lost, is
    found in the ledger and not made twice.
    """
    require_whole_clone()
    identity()
    tried: Written | None = None
    with writing(pipeline) as lock:
        for attempt in range(ATTEMPTS):
            try:
                seen = look(pipeline, lock)
                if tried and is_ancestor(tried.commit, seen.refs.ledger):
                    return tried
                wanted = draft(seen)
                if wanted is None:
                    return None
                tried = ledger.commit_event(pipeline, wanted.event, wanted.tree, seen.last, wanted.record)
                publish(lock, seen, tried)
            except RefsMovedError as error:
                pause(attempt, error)
            else:
                return tried
    return None


def publish(lock: Lock, seen: Seen, written: Written) -> None:
    """Move all refs to an event: the remote's first, which is the truth, then this clone's."""
    tag = ledger.write_tag(written)
    if seen.remote:
        push(seen.remote, seen.refs.pipeline, written.commit, tag)
    move_refs(lock, seen.refs.pipeline, tag, seen.refs.ledger, written.commit)


def pause(attempt: int, error: RefsMovedError) -> None:
    """Wait a random while before looking again; give up after many times."""
    if attempt == ATTEMPTS - 1:
        raise RegistryBusyError(f"{error} That was so {ATTEMPTS} times; nothing was written. Run again.") from error
    time.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.02 * 2**attempt)))  # noqa: S311 - spreads competing clones
