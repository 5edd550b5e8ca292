"""The one way to a registered model: tag, ledger, record, objects by hash; the workspace is never looked at.

Every byte is hashed before anything reads it, and no pickle is ever opened: the model comes from UBJ and JSON.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from configs.errors import ConfigError, CorruptionError, EnvironmentMismatchError
from tasks.atomic import atomic_folder
from tasks.model.bundle import (
    MANIFEST,
    canonical,
    model_of,
    require_hash,
    require_known_format,
    require_recorded,
    sha256,
)
from tasks.version.record import bundle_hashes, profile_hashes, record_of
from tasks.version.storage import read_listing, read_object

if TYPE_CHECKING:
    from tasks.model.estimator import TabularModel
    from tasks.registry import Version

CARD = "ledger/model_card.md"


class EnvironmentWarning(UserWarning):
    """A model runs with other libraries than it was made with; the text says how its golden batch differs."""


class OccupiedFolderError(ConfigError):
    """A version was to be written to a folder that holds something."""


class Loaded(NamedTuple):
    """A version's model, and its manifest: what the model was made of."""

    model: TabularModel
    manifest: dict[str, Any]


def load_version(version: Version, environment: Literal["stop", "warn"] = "stop") -> TabularModel:
    """Bring a version's model back, from the store by hash; see `load_with_manifest`."""
    return load_with_manifest(version, environment).model


def load_with_manifest(version: Version, environment: Literal["stop", "warn"] = "stop") -> Loaded:
    """Bring a version's model and its manifest back, from the store by hash.

    Parameters
    ----------
    version : Version
        Of `tasks.registry`: the champion, or any other.
    environment : {"stop", "warn"}
        What to do where a library that shapes results is not the recorded one: refuse, or try the golden batch and
        warn of the difference.

    Returns
    -------
    Loaded
        The model is fitted and takes raw typed rows.

    Raises
    ------
    CorruptionError
        If the record or a file of the bundle is not what was registered, here and in the remote.
    EnvironmentMismatchError
        Names each library with both versions, and the command that installs the recorded ones.
    NewerRecordError, NewerFormatError
        If a newer Holdfast made it.
    """
    record = record_of(version)
    changed = changed_libraries(record)
    if changed and environment == "stop":
        raise EnvironmentMismatchError(
            f"{version.name}: made with other versions of libraries that shape results: {', '.join(changed)}. "
            f"{how_to_repair(version)} Or load it with environment='warn': that tries the golden batch instead."
        )
    files = bundle_files(version, record)
    model = model_of(files, bundle_hashes(record), f"models/{version.pipeline} of {version.name}")
    if changed:
        from tasks.model.bundle import golden_ulps

        warnings.warn(golden_sentence(version, changed, golden_ulps(model, files["golden.parquet"])), stacklevel=3)
    return Loaded(model, json.loads(files[MANIFEST]))


def changed_libraries(record: Mapping[str, Any]) -> list[str]:
    """Libraries that the bundle depends on and that are not installed as recorded, in words."""
    from tasks.version.environment import changed_libraries as changed

    return changed(record["model"]["libraries"])


def how_to_repair(version: Version) -> str:
    """The command that brings the recorded libraries."""
    return f"Install them: `git show {version.name}:requirements.lock > requirements.lock && make env`."


def golden_sentence(version: Version, changed: list[str], ulps: int) -> EnvironmentWarning:
    """What another environment makes of the golden batch."""
    outcome = "gives the same predictions bit for bit" if not ulps else f"differs by up to {ulps} ULPs (32-bit floats)"
    return EnvironmentWarning(
        f"{version.name} was made with other libraries: {', '.join(changed)}. Its golden batch {outcome} here. "
        f"{how_to_repair(version)}"
    )


# ---- bytes of a version


def bundle_files(version: Version, record: Mapping[str, Any]) -> dict[str, bytes]:
    """The bytes of all files of a version's bundle, each found in the record.

    Raises
    ------
    CorruptionError
        Names the file, what was found and what was expected.
    """
    folder = f"models/{version.pipeline}"
    files = folder_files(folder, record, version)
    require_recorded(files, bundle_hashes(record), f"{folder} of {version.name}")
    return files


def profile_files(version: Version, record: Mapping[str, Any]) -> dict[str, bytes]:
    """The bytes of all files of a version's drift profile, each found in the record; none of one from before profiles.

    Raises
    ------
    CorruptionError
        Names the file, what was found and what was expected.
    """
    expected, folder = profile_hashes(record), f"profiles/{version.pipeline}"
    if not expected:
        return {}
    files = folder_files(folder, record, version)
    if sorted(files) != sorted(expected):
        raise CorruptionError(
            f"{folder} of {version.name}: holds {', '.join(sorted(files))}, and the version record names "
            f"{', '.join(sorted(expected))}. `holdfast verify {version.name}` says what else is not as it was."
        )
    for name, data in files.items():
        require_hash(Path(f"{folder} of {version.name}", name), data, expected[name])
    return files


def folder_files(folder: str, record: Mapping[str, Any], version: Version) -> dict[str, bytes]:
    """The bytes of a folder that the record pins, by name in it."""
    what = f"{folder} of {version.name}"
    listing = read_listing(pinned(record, folder, version), what)
    return {name: read_object(md5, f"{folder}/{name} of {version.name}") for name, md5 in listing.items()}


def file_of(path: str, record: Mapping[str, Any], version: Version) -> bytes:
    """The bytes of one file that the record pins, its SHA-256 checked."""
    data = read_object(pinned(record, path, version), f"{path} of {version.name}")
    if (found := sha256(data)) != (expected := record["artifacts"].get(path)):
        raise CorruptionError(
            f"{path} of {version.name}: sha256 is {found}, expected {expected} as in the version record. "
            f"`holdfast verify {version.name}` says what else is not as it was."
        )
    return data


def pinned(record: Mapping[str, Any], path: str, version: Version) -> str:
    """DVC's hash of a path, from the record."""
    if path not in record["data"]:
        raise CorruptionError(
            f"{version.name}: its record does not pin {path}; pinned are {', '.join(record['data'])}."
        )
    md5: str = record["data"][path]["md5"]
    return md5


def require_whole(version: Version) -> None:
    """Refuse a version that could not be served: the check before a pointer moves. Nothing is loaded.

    Raises
    ------
    CorruptionError
        If the record or a file of bundle or profile is missing or wrong, in the cache and in the remote.
    NewerRecordError, NewerFormatError
        If a newer Holdfast made it.
    """
    record = record_of(version)
    manifest = json.loads(bundle_files(version, record)[MANIFEST])
    profile_files(version, record)
    require_known_format(Path(f"models/{version.pipeline}", MANIFEST), manifest)


# ---- handing a version out


def export(version: Version, folder: Path) -> None:
    """Write what the gate's contest needs of a version, verified: `bundle/`, `split.parquet`, `record.json`.

    Parameters
    ----------
    version : Version
    folder : Path
        Its old content is replaced whole.

    Raises
    ------
    CorruptionError
        See `require_whole`; the folder is as before.
    """
    record = record_of(version)
    contents = {f"bundle/{name}": data for name, data in bundle_files(version, record).items()}
    contents["split.parquet"] = file_of(f"data/split/{version.pipeline}.parquet", record, version)
    write_folder(folder, {**contents, "record.json": canonical(record)})


def checkout(version: Version, folder: Path) -> None:
    """Write a version to a folder of its own, verified: bundle, profile, reports, model card, configuration, record.

    Parameters
    ----------
    version : Version
    folder : Path
        New, or empty.

    Raises
    ------
    OccupiedFolderError
        If the folder holds something: nothing of the user's is replaced.
    CorruptionError
        See `require_whole`; nothing was written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OccupiedFolderError(f"{folder}: exists and is not an empty folder. Name a new one: `--into DIR`.")
    record = record_of(version)
    model = f"models/{version.pipeline}"
    contents = {f"{model}/{name}": data for name, data in bundle_files(version, record).items()}
    contents |= {f"profiles/{version.pipeline}/{name}": data for name, data in profile_files(version, record).items()}
    reports = [path for path in record["artifacts"] if path.startswith(("reports/", "plots/"))]
    contents |= {path: file_of(path, record, version) for path in reports}
    contents |= files_in_git(version)
    write_folder(folder, {**contents, "record.json": canonical(record)})


def files_in_git(version: Version) -> dict[str, bytes]:
    """The model card and the declaration of a version, where its commit has them."""
    from tasks.registry.git import read_files

    paths = {"model_card.md": CARD, f"configs/{version.pipeline}.yaml": f"configs/{version.pipeline}.yaml"}
    found = read_files([f"{version.commit}:{path}" for path in paths.values()])
    return {name: data for name, data in zip(paths, found, strict=True) if data is not None}


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files under a folder, so that it is seen whole or not at all."""
    with atomic_folder(folder.absolute()) as temporary:
        for name, data in contents.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(data)
