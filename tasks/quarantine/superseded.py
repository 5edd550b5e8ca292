"""Files of the source that shall not land (again): a repair took their place, or their rows were erased.

They are kept by hash in `data/raw/<pipeline>.superseded.json`, beside the pin: commit it with the pin. No value of the
data stands in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from tasks.atomic import read_json, write_json
from tasks.batch import RAW
from tasks.version.storage import file_md5


class Superseded(NamedTuple):
    """A file's landed path and MD5, why it shall not land; MD5s of the file in its place and of the repair, if any."""

    name: str
    md5: str
    why: Literal["repaired", "erased"]
    by: str | None = None
    repair: str | None = None


def notes_path(pipeline: str) -> Path:
    """Where they are kept."""
    return RAW / f"{pipeline}.superseded.json"


def superseded(pipeline: str) -> list[Superseded]:
    """What is kept, in order of name."""
    path = notes_path(pipeline)
    return [Superseded(**entry) for entry in read_json(path)] if path.exists() else []


def note(pipeline: str, entries: Iterable[Superseded]) -> None:
    """Keep some more; once each."""
    every = sorted({*superseded(pipeline), *entries}, key=str)
    write_json(notes_path(pipeline), [entry._asdict() for entry in every])


def erased_names(pipeline: str) -> set[tuple[str, str]]:
    """Name and MD5 of what was erased."""
    return {(entry.name, entry.md5) for entry in superseded(pipeline) if entry.why == "erased"}


def current_sources(sources: Mapping[str, Path], pipeline: str, standing: Collection[str]) -> dict[str, Path]:
    """Files of the source that may land; says of each other one why not.

    Parameters
    ----------
    sources : mapping of str to Path
        By landed path.
    pipeline : str
    standing : collection of str
        Landed paths: a repaired file gives way only to the one that took its place.
    """
    noted = {(entry.name, entry.md5): entry.why for entry in superseded(pipeline)}
    names = {name for name, _ in noted}
    kept = {}
    for path, source in sources.items():
        why = noted.get((path, file_md5(source) or "")) if path in names else None
        if why is None or (why == "repaired" and path not in standing):
            kept[path] = source
        else:
            print(f"land: {source} not taken: its rows were {why}", flush=True)
    return kept
