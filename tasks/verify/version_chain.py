"""Checking one version: record against the dvc.lock of its commit, its objects against their hashes, its bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import CorruptionError, DataError, HoldfastError
from tasks.model.bundle import MANIFEST, sha256
from tasks.verify.broken import Finding
from tasks.version.code import code_at, code_hash, md5_of_code
from tasks.version.environment import REQUIREMENTS
from tasks.version.pins import LOCK, StageEntry, code_paths, pinned_objects, raw_pin, read_raw_pin, stage_entries
from tasks.version.record import bundle_hashes, identity_of, params_of, record_of
from tasks.version.storage import (
    Objects,
    digits,
    file_md5,
    md5_of,
    object_path,
    objects_in,
    read_object,
    remote_objects,
)

if TYPE_CHECKING:
    from tasks.registry import Version

EXACTLY = (
    "Compare the ledger with the remote's, `git fetch`; nothing of this version should be promoted until it is clear."
)


@dataclass
class Stock:
    """The objects of cache and remote; each is hashed once, however many versions have it."""

    remote: Objects | None
    unreachable: str | None = None
    erased: frozenset[str] = frozenset()  # hashes of what was erased on purpose: nothing to be found
    wanted: dict[str, str] = field(default_factory=dict)  # hash -> what it is
    cached: dict[str, str | None] = field(default_factory=dict)  # hash -> the one found in the cache at first

    @classmethod
    @contextmanager
    def opened(cls, erased: frozenset[str] = frozenset()) -> Iterator[Stock]:
        """The cache of the current directory's project, with its remote where that answers."""
        with ExitStack() as stack:
            try:
                stock = cls(stack.enter_context(remote_objects()), erased=erased)
            except HoldfastError as error:
                stock = cls(None, str(error), erased)
            yield stock

    def is_right(self, md5: str, what: str) -> bool:
        """Whether the cache has an object's bytes."""
        if md5 not in self.erased:
            self.wanted.setdefault(md5, what)
        if md5 not in self.cached:
            self.cached[md5] = file_md5(object_path(md5))
        return self.cached[md5] == digits(md5)

    def findings(self) -> list[Finding]:
        """What is wrong with the objects that were asked for: in the cache, in the remote, or in both."""
        try:
            lacking = self.remote.missing(self.wanted) if self.remote is not None else set(self.wanted)
        except HoldfastError as error:
            self.remote, self.unreachable, lacking = None, str(error), set(self.wanted)
        cached = [finding for md5, what in self.wanted.items() if (finding := self.in_cache(md5, what, lacking))]
        return cached + self.in_remote(lacking)

    def in_cache(self, md5: str, what: str, lacking: set[str]) -> Finding | None:
        """An object that the cache has wrong, or that neither it nor the remote has."""
        there = self.cached[md5]
        if there == digits(md5) or (there is None and md5 not in lacking):
            return None
        remedy = "`dvc pull` in a clone of this version's commit brings it, or `dvc push` in a clone that has it."
        found = "missing here and in the remote" if there is None else f"MD5 is {there}"
        return Finding("object", f"{object_path(md5)}: {what}", found, f"MD5 {digits(md5)}", remedy)

    def in_remote(self, lacking: set[str]) -> list[Finding]:
        """Objects that the remote lacks, or has wrong where it is a folder here."""
        if self.remote is None:
            why = self.unreachable or "none is configured"
            remedy = (
                "Versions that no other machine has are lost with this disk: `dvc remote add -d NAME URL`, `dvc push`."
            )
            return [Finding("object", "DVC remote", why, "a copy of every object", remedy)] if self.wanted else []
        wrong = [md5 for md5 in self.wanted if md5 not in lacking and self.remote.is_wrong(md5)]
        remedy = "Remove it there if it is wrong, then `dvc push` from a clone that has it right."
        return [
            Finding("object", f"{self.remote.name}: {self.wanted[md5]}", what, f"object {md5}", remedy)
            for what, md5s in (("missing", sorted(lacking)), ("other bytes", wrong))
            for md5 in md5s
        ]


def version_findings(version: Version, stock: Stock) -> list[Finding]:
    """Check one version, from its record down to the bytes of its bundle.

    Parameters
    ----------
    version : Version
    stock : Stock
        Told which objects the version has; says of its own what is wrong with them.
    """
    try:
        record = record_of(version)
    except (CorruptionError, DataError) as error:
        return [Finding("record", f"record of {version.name}", str(error), "a whole record", EXACTLY)]
    return [*commit_findings(version, record), *object_findings(version, record, stock)]


# ---- record against commit


def commit_findings(version: Version, record: Mapping[str, Any]) -> Iterator[Finding]:
    """What of the version's commit is not what its record says."""
    try:
        for what, found, expected in differences(version, record):
            if found != expected:
                yield Finding(
                    "record", f"{version.name}: {what}", short(found), f"{short(expected)} as recorded", EXACTLY
                )
    except HoldfastError as error:
        yield Finding("record", f"commit of {version.name}", str(error), "the files that its record tells of", EXACTLY)


def differences(version: Version, record: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Pairs that must be equal: what the commit holds, and what the record says."""
    lock, pin, declarations, requirements = read_from(
        version, [str(LOCK), str(raw_pin(version.pipeline)), "dvc.yaml", str(REQUIREMENTS)]
    )
    entries = stage_entries(lock, version.pipeline, f"{version.name}:{LOCK}")
    objects = pinned_objects(version.pipeline, lock, pin, declarations)
    yield "data hashes in dvc.lock", {path: pinned.as_json() for path, pinned in objects.items()}, record["data"]
    yield "identity", identity_of(read_raw_pin(pin, version.pipeline), entries), record["identity"]
    yield "params in dvc.lock", params_of(entries), record["params"]
    yield str(REQUIREMENTS), sha256(requirements), record["environment"]["requirements_lock"]
    yield from code_differences(version, record, entries)
    yield from metric_differences(version, record, entries)


def code_differences(
    version: Version, record: Mapping[str, Any], entries: Mapping[str, StageEntry]
) -> Iterator[tuple[str, Any, Any]]:
    """Each stage's code in the commit, and the hash of it in the record."""
    code = code_paths(entries, version.pipeline)
    found = code_at(version.commit, {path for paths in code.values() for path in paths})
    for path, files in found.items():
        if not files:
            raise CorruptionError(f"{version.name}: its commit {version.commit[:12]} has no {path}.")
    for stage, paths in code.items():
        for path in paths:
            yield f"{path} in dvc.lock", entries[stage].deps[path].md5, md5_of_code(path, found[path])
        together = {name: data for path in paths for name, data in found[path].items()}
        yield f"code of stage {stage}", code_hash(together), record["code"][stage]


def metric_differences(
    version: Version, record: Mapping[str, Any], entries: Mapping[str, StageEntry]
) -> Iterator[tuple[str, Any, Any]]:
    """Each stage's metrics in the commit, in dvc.lock and in the record."""
    folder = f"metrics/{version.pipeline}/"
    pins = {path: pin.md5 for entry in entries.values() for path, pin in entry.outs.items() if path.startswith(folder)}
    for (path, md5), data in zip(pins.items(), read_from(version, list(pins)), strict=True):
        yield f"{path} in dvc.lock", md5, md5_of(data)
        if md5_of(data) == md5:
            yield path, json.loads(data), record["metrics"].get(Path(path).stem)


def read_from(version: Version, paths: list[str]) -> list[bytes]:
    """The bytes of files of the version's commit."""
    from tasks.registry.git import read_files

    found = read_files([f"{version.commit}:{path}" for path in paths])
    missing = [path for path, data in zip(paths, found, strict=True) if data is None]
    if missing:
        raise CorruptionError(f"{version.name}: its commit {version.commit[:12]} has no {', '.join(missing)}.")
    return [data for data in found if data is not None]


def short(value: Any) -> str:
    """A value as it is shown, cut where it is long."""
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


# ---- objects and bundle


def object_findings(version: Version, record: Mapping[str, Any], stock: Stock) -> list[Finding]:
    """Ask the stock for every object of a version, and hold those that are right against the record's SHA-256."""
    hashes: dict[str, str] = {}
    found: list[Finding] = []
    for path, pin in record["data"].items():
        stock.is_right(pin["md5"], f"{path} of {version.name}")
        try:
            inner = objects_in(pin["md5"], f"{path} of {version.name}")
        except HoldfastError:
            continue  # missing or wrong: the stock tells of it
        for name, md5 in inner.items():
            hashes[f"{path}/{name}".rstrip("/")] = md5
            stock.is_right(md5, f"{path}/{name}".rstrip("/") + f" of {version.name}")
    for path, expected in record["artifacts"].items():
        found += artifact_finding(version, path, hashes.get(path), expected, stock)
    return found + manifest_findings(version, record, hashes, stock)


def artifact_finding(version: Version, path: str, md5: str | None, expected: str, stock: Stock) -> list[Finding]:
    """Whether an artifact's bytes have the SHA-256 in the record; where DVC's hash is wrong, the stock tells of it."""
    if md5 is not None and not stock.is_right(md5, f"{path} of {version.name}"):
        return []
    found = sha256(read_object(md5)) if md5 else "not pinned"
    if found == expected:
        return []
    return [Finding("bundle", f"{path} of {version.name}", f"sha256 is {found}", f"{expected} as recorded", EXACTLY)]


def manifest_findings(
    version: Version, record: Mapping[str, Any], hashes: Mapping[str, str], stock: Stock
) -> list[Finding]:
    """Whether the bundle's manifest names the files that the record names."""
    path = f"models/{version.pipeline}/{MANIFEST}"
    md5, recorded = hashes.get(path), bundle_hashes(record)
    if md5 is None or not stock.is_right(md5, path) or sha256(data := read_object(md5)) != recorded.get(MANIFEST):
        return []
    named: dict[str, str] = json.loads(data)["files"]
    if named == {name: found for name, found in recorded.items() if name != MANIFEST}:
        return []
    return [Finding("bundle", f"{path} of {version.name}", f"names {short(named)}", f"{short(recorded)}", EXACTLY)]
