"""What a ledger says has landed, and landing what it does not have yet.

What has landed so far is the sum of the ledger's `landing` events, not the tip's pin: two machines that land at once
each add to it, whichever commit comes last.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import registry
from tasks.registry.event import Event
from tasks.retrain.project_state import ledger_tree
from tasks.retrain.worktree import Worktree
from tasks.version import storage
from tasks.version.storage import file_md5

if TYPE_CHECKING:
    from tasks.query_source import Secrets

EXTRAS = Path(".holdfast/landed-elsewhere")


def land_new(tree: Worktree, replace: Sequence[str] = (), secrets: Secrets | None = None) -> list[str]:
    """Take new batches in: from the declared source, and those that the user's working tree has landed.

    Parameters
    ----------
    tree : Worktree
    replace : sequence of str
        File names of landed batches that shall take the bytes that the source has now.
    secrets : callable (name) -> str, optional
        Reads a Prefect Secret block.

    Returns
    -------
    list of str
        File names that the ledger did not have with these bytes; a `landing` event tells them.

    Raises
    ------
    tasks.land's errors, tasks.version.storage's errors
    """
    from tasks.land import take_in

    found = find_batches(tree, replace)
    with contextlib.chdir(tree.folder):
        if found.elsewhere:
            known = [name for name in found.elsewhere if name in found.pinned]
            take_in(tree.pipeline, copies(found.elsewhere), known, "retrain")
        rows = {file.name: file for file in rows_of_query(tree, secrets)}
        take_in(tree.pipeline, {**found.sources, **rows}, replace, "retrain")
        return record_landing(tree, found.landed, [*replace, *found.repaired])


def rows_of_query(tree: Worktree, secrets: Secrets | None) -> list[Path]:
    """The new rows of a source that is a query, as a file in the worktree, where all that landed before is."""
    from configs.load import load_pipeline
    from tasks.batch import RAW, landed_files
    from tasks.query_source import new_rows, no_secrets
    from tasks.query_source.landing import names_gone

    with contextlib.chdir(tree.home):
        pipeline = load_pipeline(tree.pipeline)
        gone = names_gone(tree.pipeline, registry.events(tree.pipeline))
    if not pipeline.source.sql:
        return []
    with contextlib.chdir(tree.folder):
        return new_rows(pipeline, [*landed_files(RAW / tree.pipeline).values()], gone, secrets or no_secrets)


@dataclass(frozen=True)
class Batches:
    """Where landed files are found before a landing; MD5 by landed path.

    `pinned` is in the worktree, `landed` in the ledger; `elsewhere` landed in the ledger or the user's working tree,
    but not here; `sources` are the files of the declared source, by landed path; `repaired` names those whose bytes in
    the ledger a repair in the user's working tree has replaced.
    """

    pinned: Mapping[str, str]
    landed: Mapping[str, str]
    elsewhere: Mapping[str, str]
    sources: Mapping[str, Path]
    repaired: Sequence[str]


def find_batches(tree: Worktree, replace: Sequence[str]) -> Batches:
    """Look for batches in the ledger, in the user's working tree and in the declared source."""
    from configs.load import load_pipeline
    from tasks.batch import by_landed_path
    from tasks.land import find_sources, require_any_batch
    from tasks.quarantine.superseded import current_sources, superseded
    from tasks.query_source.landing import refuse_replacing, require_one_history

    events = registry.events(tree.pipeline)
    landed = landings(events)
    known = latest(landed)
    with contextlib.chdir(tree.home):
        pipeline = load_pipeline(tree.pipeline)
        is_query = bool(pipeline.source.sql)
        found = [] if is_query else find_sources(pipeline.source.path)
        if tree.tip is None and not is_query:
            require_any_batch(pipeline, found)
        erased = erased_batches(events)
        user_has = {name: md5 for name, md5 in pinned_batches(tree.pipeline).items() if (name, md5) not in erased}
        named = by_landed_path(found, pipeline.source.batch)
        kept = {path: source for path, source in named.items() if not erased or (path, file_md5(source)) not in erased}
        current = current_sources(kept, tree.pipeline, {*known, *user_has})
        sources = {path: tree.home / source for path, source in current.items()}
        noted = {(entry.name, entry.md5) for entry in superseded(tree.pipeline) if entry.why == "repaired"}
        if is_query:
            refuse_replacing(replace)
            require_one_history(tree.pipeline, known, user_has)
    repaired = [name for name, md5 in known.items() if (name, md5) in noted and user_has.get(name) not in {None, md5}]
    with contextlib.chdir(tree.folder):
        pinned = pinned_batches(tree.pipeline)
    elsewhere = missing_batches(pinned, landed, user_has, [*replace, *repaired])
    return Batches(pinned, known, elsewhere, sources, repaired)


def has_new_batches(tree: Worktree, replace: Sequence[str] = (), secrets: Secrets | None = None) -> bool:
    """Whether `land_new` would take anything in; nothing is written."""
    from tasks.batch import RAW, landed_files
    from tasks.land import plan_landing

    found = find_batches(tree, replace)
    with contextlib.chdir(tree.folder):
        plan = plan_landing(found.sources, landed_files(RAW / tree.pipeline), replace, "retrain")
    if found.elsewhere or None in plan.values() or dict(found.landed) != dict(found.pinned):
        return True
    return bool(rows_of_query(tree, secrets))


def landings(events: Iterable[Mapping[str, Any]]) -> list[dict[str, str | None]]:
    """What each landing brought in and each erasure left, oldest first: MD5 by file name, None for nothing."""
    return [dict(event["batches"]) for event in events if event["kind"] in {"landing", "erasure"}]


def erased_batches(events: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Name and MD5 of what the ledger says was erased."""
    return {
        (name, md5)
        for event in events
        if event["kind"] == "erasure"
        for name, md5s in event["erased"].items()
        for md5 in md5s
    }


def latest(landed: Iterable[Mapping[str, str | None]]) -> dict[str, str]:
    """All landed batches, each as it was landed last, without those that were erased since.

    >>> latest([{"a.csv": "1", "b.csv": "2"}, {"a.csv": "3"}, {"b.csv": None}])
    {'a.csv': '3'}
    """
    last = {name: md5 for landing in landed for name, md5 in landing.items()}
    return {name: md5 for name, md5 in last.items() if md5 is not None}


def pinned_batches(pipeline: str) -> dict[str, str]:
    """MD5 by file name of what the current directory's pin covers; nothing without a pin."""
    from tasks.version.pins import raw_pin, read_raw_pin

    pin = raw_pin(pipeline)
    if not pin.is_file():
        return {}
    return storage.read_listing(read_raw_pin(pin.read_bytes(), pipeline).md5, str(pin))


def missing_batches(
    have: Mapping[str, str],
    landed: Sequence[Mapping[str, str | None]],
    user_has: Mapping[str, str],
    replace: Sequence[str],
) -> dict[str, str]:
    """Batches that landed elsewhere: in the ledger, by another writer, or in the user's working tree.

    Parameters
    ----------
    have : mapping
        MD5 by file name, of the worktree; so too the others.
    landed : sequence of mappings
        What each landing of the ledger brought, oldest first.
    user_has : mapping
        Of the user's working tree.
    replace : sequence of str
        Names whose bytes in the user's working tree count, whatever the ledger has.

    Returns
    -------
    dict
        MD5 by file name.

    Raises
    ------
    ImmutableBatchError
        If the user landed other bytes under a name that the ledger has, bytes that it never had.

    Examples
    --------
    >>> missing_batches({"a.csv": "1"}, [{"a.csv": "1"}, {"b.csv": "2"}], {"a.csv": "1", "c.csv": "3"}, [])
    {'b.csv': '2', 'c.csv': '3'}
    """
    from tasks.land import ImmutableBatchError

    wanted = latest(landed)
    past = {pair for landing in landed for pair in landing.items()}
    for name, md5 in user_has.items():
        if name in wanted and name not in replace and (name, md5) not in past:
            raise ImmutableBatchError(
                f"{name}: landed in this working tree with MD5 {md5}, in the ledger with {wanted[name]}, and a landed "
                f"batch does not change. Give new data a new name, or replace it on purpose: `--replace {name}`."
            )
        if name not in wanted or name in replace:
            wanted[name] = md5
    return {name: md5 for name, md5 in wanted.items() if have.get(name) != md5}


def copies(batches: Mapping[str, str]) -> dict[str, Path]:
    """Files with the bytes of landed ones, by landed path, from DVC's cache or remote."""
    for name, md5 in batches.items():
        (EXTRAS / name).parent.mkdir(parents=True, exist_ok=True)
        (EXTRAS / name).write_bytes(storage.read_object(md5, f"the landed batch {name}"))
    return {name: EXTRAS / name for name in batches}


def record_landing(tree: Worktree, known: Mapping[str, str], replace: Sequence[str]) -> list[str]:
    """Write a landing event for what the ledger does not have yet, after the DVC remote has got it."""
    from tasks.query_source import watermark_of
    from tasks.query_source.landing import require_unmoved

    have = pinned_batches(tree.pipeline)

    def unmoved() -> None:
        require_unmoved(tree.pipeline, known)

    new = {name: md5 for name, md5 in have.items() if known.get(name) != md5}
    if not new:
        return []
    storage.ensure_remote()
    storage.push(raw_objects(tree.pipeline))
    is_query = any(watermark_of(name) is not None for name in new)
    facts = {"batches": new, "replaced": sorted(name for name in new if name in known and name in replace)}
    with contextlib.chdir(tree.home):
        changes = ledger_tree(tree)
        registry.append(tree.pipeline, Event("landing", facts), changes, still=unmoved if is_query else lambda: None)
    return sorted(new)


def raw_objects(pipeline: str) -> set[str]:
    """MD5s of the pinned raw data: the list of files, and each file."""
    from tasks.version.pins import raw_pin, read_raw_pin

    pin = raw_pin(pipeline)
    return set(storage.objects_in(read_raw_pin(pin.read_bytes(), pipeline).md5, str(pin)).values())
