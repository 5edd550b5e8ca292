"""Every state of a pipeline that a pin still names: the working tree's, each commit's of any ref, the run cache's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tasks.registry import git
from tasks.table import BATCH, FILE
from tasks.version.dvc_config import cache_folder, remote_url
from tasks.version.pins import LOCK, parsed_yaml, raw_pin
from tasks.version.storage import path_in


@dataclass(frozen=True)
class State:
    """What one state of a pipeline pins.

    Attributes
    ----------
    outs : mapping of path to MD5
        Of the stages.
    raws : set of str
        MD5s of the raw data: what has landed, and what `ingest` read.
    whole : bool
        Whether each stage read what the stage before wrote. If not, an output may be of older raw data.
    """

    outs: Mapping[str, str]
    raws: frozenset[str]
    whole: bool


def states(pipeline: str) -> list[State]:
    """The working tree's state, and that of each commit of any branch, tag or stash; each once."""
    pairs = {(read_here(LOCK), read_here(raw_pin(pipeline))), *committed(pipeline)}
    found = [pinned_by(lock, pin, pipeline) for lock, pin in sorted(pairs, key=str)]
    return [state for state in found if state.outs or state.raws]


def read_here(path: Path) -> bytes | None:
    """A file's bytes, None where there is none."""
    return path.read_bytes() if path.is_file() else None


def committed(pipeline: str) -> Iterator[tuple[bytes | None, bytes | None]]:
    """`dvc.lock` and the raw data's pin of each commit that changed one of them."""
    if git.resolve("HEAD") is None:
        return
    paths = [str(LOCK), str(raw_pin(pipeline))]
    commits = git.git("rev-list", "--all", "HEAD", "--", *paths).decode().split()
    contents = git.read_files([f"{commit}:{path}" for commit in commits for path in paths])
    yield from zip(contents[::2], contents[1::2], strict=True)


def pinned_by(lock: bytes | None, pin: bytes | None, pipeline: str) -> State:
    """One state, from the bytes of its `dvc.lock` and of its raw data's pin."""
    outs: dict[str, str] = {}
    deps: list[tuple[str, str]] = []
    stages = parsed_yaml(lock, str(LOCK)).get("stages") or {} if lock else {}
    for name, entry in stages.items():
        if str(name).endswith(f"@{pipeline}"):
            outs |= md5s(entry.get("outs", []))
            deps += md5s(entry.get("deps", [])).items()
    raw = f"data/raw/{pipeline}"
    raws = {md5 for path, md5 in deps if path == raw}
    raws |= set(md5s(parsed_yaml(pin, str(raw_pin(pipeline)))["outs"]).values()) if pin else set()
    return State(outs, frozenset(raws), all(outs.get(path, md5) == md5 for path, md5 in deps))


def md5s(entries: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """MD5 by path, of entries of `dvc.lock` or of a pin."""
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}


def run_cache(pipeline: str) -> dict[Path, dict[str, str]]:
    """Entries of DVC's run cache that are of the pipeline, with what each gives: MD5 by path."""
    found = {}
    for file in sorted((cache_folder() / "runs").glob("*/*/*")):
        entry = parsed_yaml(file.read_bytes(), str(file)) if file.is_file() else {}
        if str(entry.get("cmd", "")).endswith(f" {pipeline}"):
            found[file] = md5s(entry.get("outs", []))
    return found


def places() -> list[Path]:
    """Where objects lie that can be removed here: the cache, and the remote where it is a folder of this machine."""
    url = remote_url()
    return [cache_folder(), *([Path(url)] if url and "://" not in url else [])]


def listing(md5: str) -> dict[str, str]:
    """Hashes of a folder's files by their paths in it; empty where no list of it is here."""
    if not md5.endswith(".dir"):
        return {}
    for place in places():
        file = path_in(place, md5)
        if file.is_file() and (content := file.read_bytes()):
            return {entry["relpath"]: entry["md5"] for entry in json.loads(content)}
    return {}


def files_told(md5: str) -> frozenset[str]:
    """Raw files that the rows of a batch's object name as theirs; empty where they name none, or it is not here."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in (path_in(place, md5) for place in places()):
        with suppress(OSError, pa.ArrowException), pq.ParquetFile(file) as parquet:  # what cannot be read tells nothing
            names = parquet.schema_arrow.names
            told = FILE if FILE in names else "file" if BATCH in names else None
            return frozenset(parquet.read([told])[told].unique().to_pylist()) if told else frozenset()
    return frozenset()
