"""The version record: what exactly a version is made of, in one canonical JSON file of the ledger's commit.

It stands outside the DAG, so it may say what would differ between two machines: libraries, CPU, who approved. What it
holds is written down in docs/version-record.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from configs.errors import CorruptionError, DataError
from tasks.model.bundle import canonical, sha256
from tasks.version.code import code_hashes
from tasks.version.pins import LOCK, NotReproducedError, Pinned, StageEntry, pinned_here, stage_entries
from tasks.version.storage import digits, md5_of, read_listing

if TYPE_CHECKING:
    from tasks.registry import Version

FORMAT = 1
RECORD = "ledger/record.json"


class NewerRecordError(DataError):
    """A version record was written by a newer Holdfast."""


# ---- writing


def gather(pipeline: str) -> dict[str, Any]:
    """What the current directory's model is made of, read from a project whose stages have just been reproduced.

    Parameters
    ----------
    pipeline : str

    Returns
    -------
    dict
        The record but for what the ledger adds (`completed`).

    Raises
    ------
    NotReproducedError
        If a stage is not in dvc.lock, or a file is not the one that dvc.lock pins.
    """
    from tasks.version.environment import environment

    entries = stage_entries(LOCK.read_bytes(), pipeline) if LOCK.is_file() else {}
    objects = pinned_here(pipeline)  # says what is missing, dvc.lock included
    manifest = json.loads(Path(f"models/{pipeline}/manifest.json").read_bytes())
    raw = objects[f"data/raw/{pipeline}"]
    return {
        "format": FORMAT,
        "pipeline": pipeline,
        "identity": identity_of(raw, entries),
        "model": {name: manifest[name] for name in ("task", "target", "metric", "inputs", "features", "libraries")},
        "data": {path: pinned.as_json() for path, pinned in objects.items()},
        "batches": read_listing(raw.md5, f"data/raw/{pipeline}"),
        "code": code_hashes(entries, pipeline),
        "params": params_of(entries),
        "environment": environment(),
        "artifacts": artifact_hashes(pipeline, objects),
        "metrics": metrics_of(pipeline, entries),
    }


def identity_of(raw: Pinned, entries: Mapping[str, StageEntry]) -> str:
    """Hash over the raw data, and over each stage's command, code, params and outputs."""
    return sha256(canonical({"raw": raw.md5, "stages": {stage: entry.as_json() for stage, entry in entries.items()}}))


def identity(gathered: Mapping[str, Any]) -> str:
    """What is equal for two versions of equal data, code, params and libraries: 64 hexadecimal digits."""
    found: str = gathered["identity"]
    return found


def params_of(entries: Mapping[str, StageEntry]) -> dict[str, dict[str, Any]]:
    """The params of each stage, by stage, file and key, as DVC pinned them."""
    return {stage: entry.params for stage, entry in entries.items()}


def artifact_hashes(pipeline: str, objects: Mapping[str, Pinned]) -> dict[str, str]:
    """SHA-256 of each file of the bundle and of the drift profile, and of each other output that is one file, by path.

    Raises
    ------
    NotReproducedError
        If a file is not the one that dvc.lock pins.
    """
    expected = {path: pinned.md5 for path, pinned in objects.items() if not pinned.is_folder}
    for folder in (f"models/{pipeline}", f"profiles/{pipeline}"):
        listing = read_listing(objects[folder].md5, folder) if folder in objects else {}
        expected |= {f"{folder}/{name}": md5 for name, md5 in listing.items()}
    return {path: sha256(read_pinned(path, md5)) for path, md5 in sorted(expected.items())}


def read_pinned(path: str, md5: str) -> bytes:
    """Read a file of the workspace, and refuse it if it is not the pinned one."""
    file = Path(path)
    data = file.read_bytes() if file.is_file() else None
    if data is None or md5_of(data) != digits(md5):
        found = "missing" if data is None else f"MD5 {md5_of(data)}"
        raise NotReproducedError(
            f"{path}: {found}, expected MD5 {digits(md5)} as dvc.lock pins it. Restore it with `dvc checkout {path}`."
        )
    return data


def metrics_of(pipeline: str, entries: Mapping[str, StageEntry]) -> dict[str, Any]:
    """What each stage measured, intervals included, by stage."""
    folder = f"metrics/{pipeline}/"
    return {
        Path(path).stem: json.loads(read_pinned(path, pinned.md5))
        for entry in entries.values()
        for path, pinned in entry.outs.items()
        if path.startswith(folder)
    }


def completed(  # noqa: PLR0913 - one per fact that the ledger adds, by name
    gathered: Mapping[str, Any],
    *,
    version: str,
    parent: str | None,
    verdict: Mapping[str, Any],
    reason: str,
    trigger: str,
    approved_by: str | None,
    code_commit: str,
) -> dict[str, Any]:
    """Add what is known when the version gets its number, and a checksum over all of it.

    Parameters
    ----------
    gathered : mapping
        Of `gather`.
    version, parent : str
        Such as `v1.2.0`; the parent is the version before this one, None for the first.
    verdict : mapping
        Of the gate.
    reason, trigger : str
        Why there is a new version, and what asked for it: `manual`, `schedule`, `drift`.
    approved_by : str or None
        Who let it become champion; None while nobody has, or where no approval is asked for.
    code_commit : str
        The commit of the user's branch that the code was taken from.

    Returns
    -------
    dict
        What `ledger/record.json` holds, as canonical JSON.
    """
    record = {
        **gathered,
        "version": version,
        "parent": parent,
        "verdict": dict(verdict),
        "reason": reason.encode(errors="replace").decode(),  # a command line may hold what is no Unicode
        "trigger": trigger,
        "approved_by": approved_by,
        "code_commit": code_commit,
    }
    return {**record, "checksum": sha256(canonical(record))}


# ---- reading


def read_record(commit: str) -> dict[str, Any]:
    """The record of the version that a commit of the ledger holds.

    Raises
    ------
    CorruptionError
        If it is missing, or not byte for byte as Holdfast wrote it.
    NewerRecordError
        If a newer Holdfast wrote it.
    """
    from tasks.registry.git import MissingFileError, read_file

    try:
        data = read_file(commit, RECORD)
    except MissingFileError as error:
        raise CorruptionError(f"{commit[:12]}:{RECORD}: {error} {REMEDY}") from error
    return parsed(data, f"{commit[:12]}:{RECORD}")


REMEDY = "Fetch the ledger anew from its remote (`git fetch`), or from another clone; nothing was loaded."


def parsed(data: bytes, where: str) -> dict[str, Any]:
    """Check the bytes of a record, and read them.

    Parameters
    ----------
    data : bytes
    where : str
        For the error's text.

    Raises
    ------
    CorruptionError, NewerRecordError
        See `read_record`.
    """
    try:
        record: dict[str, Any] = json.loads(data)
        checksum = record.pop("checksum")
        content, whole = canonical(record), canonical({**record, "checksum": checksum})
        newest = int(record["format"])
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CorruptionError(f"{where}: not a version record with a checksum ({error!r}). {REMEDY}") from error
    if (found := sha256(content)) != checksum or whole != data:
        raise CorruptionError(f"{where}: sha256 of its content is {found}, expected {checksum}. {REMEDY}")
    if newest > FORMAT:
        raise NewerRecordError(
            f"{where}: record format {newest}; this Holdfast reads up to {FORMAT}. Merge the version of Holdfast that "
            "wrote it; the champion stays as it is."
        )
    return {**record, "checksum": checksum}


def record_of(version: Version) -> dict[str, Any]:
    """The record of a registered version, which must say that it is this version's.

    Raises
    ------
    CorruptionError
        If the tag was moved to another version's commit, and see `read_record`.
    """
    record = read_record(version.commit)
    found = f"{record['pipeline']}@{record['version']}"
    if found != version.name:
        raise CorruptionError(
            f"tag {version.name}: points at {version.commit[:12]}, whose record is of {found}. The tag was moved: "
            f"`holdfast verify {version.pipeline}` says where it belongs."
        )
    return record


def bundle_hashes(record: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of each file of the bundle, by its name in it."""
    return hashes_in(f"models/{record['pipeline']}/", record)


def profile_hashes(record: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of each file of the drift profile, by its name in it; of a version from before profiles there is none."""
    return hashes_in(f"profiles/{record['pipeline']}/", record)


def hashes_in(folder: str, record: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of each recorded file of a folder, whose path ends in `/`."""
    return {path.removeprefix(folder): found for path, found in record["artifacts"].items() if path.startswith(folder)}


def bump_of(new: Mapping[str, Any], old: Mapping[str, Any] | None) -> Literal["major", "minor", "patch"]:
    """Which part of the version number grows, judged by what is not as in the version before.

    Parameters
    ----------
    new, old : mappings
        Gathered or whole records; `old` is None for the first version.

    Returns
    -------
    str
        `major` if the model is given or predicts something else (columns, target, task); `minor` if code, params,
        Python or a library that shapes results changed; `patch` if only data did.
    """
    if old is None:
        return "patch"
    if any(new["model"][fact] != old["model"][fact] for fact in ("task", "target", "inputs")):
        return "major"
    if new["params"] != old["params"] or new["code"] != old["code"] or made_with(new) != made_with(old):
        return "minor"
    return "patch"


def made_with(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Python's minor and the libraries of the model."""
    return record["environment"]["python"].rpartition(".")[0], record["model"]["libraries"]
