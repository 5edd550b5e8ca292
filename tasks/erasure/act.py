"""Carrying an erasure out: the plan is written down first, each step can be done twice, and the plan goes last."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tasks.atomic import atomic_file, atomic_folder, read_json, write_json, write_text
from tasks.batch import RAW
from tasks.erasure.pinned import listing, places
from tasks.erasure.plan import Plan
from tasks.quarantine.superseded import Superseded, note
from tasks.version.pins import LOCK, raw_pin
from tasks.version.storage import file_md5, path_in

ERASING = Path(".holdfast/erasing")
PLAN = "plan.json"
MADE = (
    "data/typed/{0}",
    "data/valid/{0}",
    "data/quarantine/{0}",
    "data/split/{0}.parquet",
    "data/predictions/{0}.parquet",
    "models/{0}",
    "profiles/{0}",
    "plots/{0}",
    "reports/{0}",
    ".holdfast/store/ingest/{0}",
    ".holdfast/store/validate/{0}",
    ".holdfast/stopped/{0}",
    ".holdfast/repairs/{0}",
    ".holdfast/landed-elsewhere",
)
"""What stages make and keep of a pipeline's rows in the working tree; they make it again of what is left."""


def pending(pipeline: str) -> Plan | None:
    """An erasure that was begun and not finished."""
    path = ERASING / pipeline / PLAN
    return Plan(**read_json(path)["plan"]) if path.is_file() else None


def erase(plan: Plan, reason: str) -> None:
    """Carry a plan out.

    Parameters
    ----------
    plan : Plan
    reason : str
        For the ledger; no value of the data should stand in it.

    Raises
    ------
    HoldfastError
        What git, DVC or a remote answers; the next `finish` goes on.
    """
    with atomic_folder(ERASING / plan.pipeline) as folder:
        for file, content in plan.contents.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        write_json(folder / PLAN, {"plan": plan.as_json(), "reason": reason})
    finish(plan.pipeline)


def finish(pipeline: str) -> None:
    """Do what is left of the erasure that is written down."""
    folder = ERASING / pipeline
    written = read_json(folder / PLAN)
    plan = Plan(**written["plan"])
    note_erased(plan)
    change_raw(plan, folder)
    change_sources(plan, folder)
    remove_made(plan)
    remove_objects(plan)
    record_erasure(plan, written["reason"])
    shutil.rmtree(folder)


def note_erased(plan: Plan) -> None:
    """Note what shall not land again."""
    erased = [(file, md5) for file, md5s in plan.erased.items() if file in plan.left for md5 in md5s]
    note(plan.pipeline, [Superseded(file, md5, "erased", plan.left[file]) for file, md5 in erased])


def change_raw(plan: Plan, folder: Path) -> None:
    """Put what is left of each raw file in its place, and pin the folder anew."""
    from tasks.land import pin_folder

    raw = RAW / plan.pipeline
    for file, md5 in plan.left.items():
        put(raw / file, folder / file, md5)
    if not plan.left:
        return
    for parent in {(raw / file).parent for file in plan.left} - {raw}:
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
    if any(raw.iterdir()):
        pin_folder(raw)
    else:
        raw.rmdir()
        raw_pin(plan.pipeline).unlink(missing_ok=True)


def put(target: Path, left: Path, md5: str | None) -> None:
    """Replace a file by what is left of it, or remove it."""
    if md5 is None:
        target.unlink(missing_ok=True)
    elif file_md5(target) != md5:
        with atomic_file(target) as temporary:
            shutil.copyfile(left, temporary)


def change_sources(plan: Plan, folder: Path) -> None:
    """Do with the source's files of the same bytes as with the landed ones."""
    of = {md5: file for file, md5s in plan.erased.items() for md5 in md5s}
    for source in map(Path, plan.sources):
        file = of.get(file_md5(source) or "")
        if file is not None and file in plan.left:
            put(source, folder / file, plan.left[file])


def remove_made(plan: Plan) -> None:
    """Remove what stages made of the rows, and worktrees that a killed retrain left."""
    from tasks.registry import git
    from tasks.retrain.worktree import clear_abandoned

    for name in MADE:
        path = Path(name.format(plan.pipeline))
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    parent = git.common_folder() / "holdfast" / "worktrees"
    if parent.is_dir():
        clear_abandoned(parent)


def remove_objects(plan: Plan) -> None:
    """Remove objects from DVC's cache and from a remote that is a folder here, and entries of the run cache."""
    for place in places():
        for md5 in plan.objects:
            path_in(place, md5).unlink(missing_ok=True)
    for entry in plan.run_cache:
        Path(entry).unlink(missing_ok=True)


def record_erasure(plan: Plan, reason: str) -> None:
    """Write an event after which the ledger has no pin of the rows; nothing where there is no ledger."""
    from tasks import registry
    from tasks.registry import Event

    tip = registry.tip(plan.pipeline)
    if tip is None or is_recorded(plan):
        return
    facts: dict[str, Any] = {
        "batches": {file: md5 for file, md5 in plan.left.items() if md5 or file in plan.erased},
        "erased": plan.erased,
        "objects": plan.objects,
        "versions": [version.partition(" ")[0] for version in plan.versions],
        "reason": reason,
    }
    registry.append(plan.pipeline, Event("erasure", facts), ledger_tree(plan, tip))


def is_recorded(plan: Plan) -> bool:
    """Whether the ledger has this erasure: its writer was killed before it could forget the plan."""
    from tasks import registry

    last = [event for event in registry.events(plan.pipeline) if event["kind"] == "erasure"][-1:]
    return bool(last) and all(last[0][name] == getattr(plan, name) for name in ("erased", "objects"))


def ledger_tree(plan: Plan, tip: str) -> str:
    """The ledger's last tree, its raw data's pin without the rows; what is left of files is in the remote first.

    It has no `dvc.lock`: what that pins was made of the rows, and DVC would look for it.
    """
    from tasks.registry.git import read_files, tree_with
    from tasks.version import storage
    from tasks.version.pins import read_raw_pin

    path = str(raw_pin(plan.pipeline))
    (content,) = read_files([f"{tip}:{path}"])
    if content is None:
        return tree_with(tip, {str(LOCK): None})
    pinned = listing(read_raw_pin(content, plan.pipeline).md5)
    files = {name: plan.left.get(name, md5) for name, md5 in pinned.items()}
    kept = {name: md5 for name, md5 in files.items() if md5 is not None}
    if not kept:
        return tree_with(tip, {path: None, str(LOCK): None})
    md5, text = listed_folder(kept)
    size = sum(object_size(each) for each in kept.values())
    write_text(path_in(places()[0], md5), text)
    storage.ensure_remote()
    storage.push([md5, *(left for left in plan.left.values() if left)])
    pin = f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {len(kept)}\n  hash: md5\n  path: {plan.pipeline}\n"
    return tree_with(tip, {path: pin.encode(), str(LOCK): None})


def listed_folder(files: dict[str, str]) -> tuple[str, str]:
    """DVC's object of a flat folder: its MD5 and its text."""
    import json

    from tasks.version.storage import md5_of

    text = json.dumps([{"md5": md5, "relpath": name} for name, md5 in sorted(files.items())], sort_keys=True)
    return f"{md5_of(text.encode())}.dir", text


def object_size(md5: str) -> int:
    """Bytes of an object, brought from the remote if it is not here."""
    from tasks.version import storage

    storage.fetch([md5], "a landed batch")
    return storage.object_path(md5).stat().st_size
