"""Landing: new files of a pipeline's source become batches in `data/raw/<pipeline>/`, for good, pinned by DVC.

A landed batch never changes, unless its replacement is asked for by name. Landing can be killed anywhere and run again:
files arrive whole, and a marker under `.holdfast/` stays until the pin covers what was copied. The pin depends on the
files' names and bytes only, so two machines write the same `data/raw/<pipeline>.dvc`.
"""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import stat
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from tasks.atomic import atomic_file, write_text
from tasks.batch import RAW, by_landed_path, checked_names, folder_batch, landed_files, name_of
from tasks.raw_files import UnreadableFileError, refuse_unreadable

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.query_source import Secrets

CHUNK = 1 << 20  # bytes
MARKERS = Path(".holdfast/landing")


class SourceError(DataError):
    """The source has no file, or one that is no regular file of the repository."""


class ImmutableBatchError(DataError):
    """A file of the source has the name of a landed batch and other bytes."""


class IncompleteRawError(DataError):
    """Landed batches that the pin covers are missing or edited, so pinning anew would lose them."""


class SourceChangedError(DataError):
    """A file was written to while it was copied."""


@dataclass(frozen=True)
class Pin:
    """What `data/raw/<pipeline>.dvc` says of the folder: DVC's hash of it, how many files, how many bytes."""

    md5: str
    files: int
    size: int


def find_sources(pattern: str) -> list[Path]:
    """Files that a glob names, relative to the current directory, hidden ones left out as a shell does.

    Raises
    ------
    SourceError
        If there is none, or one of them is no regular file or lies outside the repository.
    """
    root = Path.cwd().resolve()
    found = sorted(path for path in Path().glob(pattern) if not path.name.startswith("."))
    for path in found:
        try:
            mode = path.stat().st_mode
            inside = path.resolve(strict=True).is_relative_to(root)
        except (OSError, RuntimeError) as error:  # a link to nothing, or in a circle
            raise SourceError(f"{path}: cannot be read ({error}). Remove it from the source.") from error
        if not stat.S_ISREG(mode):
            raise SourceError(f"{path}: is {kind_of(mode)}; a batch is a regular file. Narrow source.path {pattern!r}.")
        if not inside:
            raise SourceError(f"{path}: a link out of the repository, to {path.resolve()}. Put the file itself there.")
    return found


def kind_of(mode: int) -> str:
    """What a path is that is no regular file."""
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def what_is_there(pattern: str) -> str:
    """The nearest folder above a glob that exists, and the first names in it."""
    folder = Path(pattern)
    while not folder.is_dir():
        folder = folder.parent
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{folder}/ has {', '.join(map(repr, names[:5])) or 'nothing'}{more}"


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two files have equal bytes; sizes first."""
    return one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False)


def copy_unchanged(source: Path, target: Path) -> None:
    """Copy a file whole.

    Raises
    ------
    SourceChangedError
        If it was written to meanwhile, judged by size and modification time before and after.
    """
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO put there since the check must not block
    with open(descriptor, "rb") as reader, atomic_file(target) as temporary:  # noqa: PTH123 - of a descriptor
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise SourceChangedError(f"{source}: no regular file any more. Land again.")
        copied = 0
        with temporary.open("wb") as writer:
            while chunk := reader.read(CHUNK):
                copied += writer.write(chunk)
        after = os.fstat(descriptor)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or copied != after.st_size:
            raise SourceChangedError(
                f"{source}: changed while it was copied, from {before.st_size} to {after.st_size} bytes. Land again "
                "when it is complete; write it under another name and rename it."
            )


def plan_landing(
    sources: Mapping[str, Path], landed: Mapping[str, Path], replace: Iterable[str], command: str = "land"
) -> dict[str, Path | None]:
    """Decide what to do with each file of the source that is not landed with the same bytes already.

    Parameters
    ----------
    sources, landed : mappings of str to Path
        Files of the source, and of `data/raw/<pipeline>/`, by landed path.
    replace : iterable of str
        Landed paths that may take other bytes.
    command : str
        Of `holdfast`, that takes `--replace`.

    Returns
    -------
    dict of str to Path or None
        Landed paths of files of the source; with each None, or the landed file of another name that has the same bytes
        already.

    Raises
    ------
    ImmutableBatchError, BatchNameError
        If a landed file would change, or two names would be one batch.
    """
    by_size: dict[int, dict[str, Path]] = {}
    for path, file in landed.items():
        by_size.setdefault(file.stat().st_size, {})[path] = file
    plan: dict[str, Path | None] = {}
    for path, source in sources.items():
        standing = landed.get(path)
        if standing is not None and same_bytes(source, standing):
            continue
        if standing is not None and path not in set(replace):
            raise ImmutableBatchError(told_immutable(source, standing, path, command))
        alike = by_size.setdefault(source.stat().st_size, {})
        twin = next((file for other, file in alike.items() if other != path and same_bytes(source, file)), None)
        plan[path] = twin
        if twin is None:
            alike[path] = source
    checked_names({**landed, **{path: sources[path] for path, twin in plan.items() if twin is None}})
    return plan


def told_immutable(source: Path, standing: Path, path: str, command: str) -> str:
    """What is wrong with other bytes under a landed path, and the ways out."""
    pipeline = standing.parts[len(RAW.parts)]
    return (
        f"{source}: landed before with other bytes, as {standing}, and a landed batch does not change. Give "
        "new data a new name, or replace the batch on purpose: "
        f"`holdfast {command} {pipeline} --replace {path}`. If the landed file was edited "
        f"by mistake: `dvc checkout --force {RAW / pipeline}.dvc`."
    )


def read_pin(path: Path) -> Pin | None:
    """Read a `.dvc` file; None where there is none."""
    from configs.load import read_yaml

    if not path.is_file():
        return None
    out: dict[str, Any] = read_yaml(path)["outs"][0]
    return Pin(out["md5"], out["nfiles"], out["size"])


def pin_of(files: Mapping[str, Path]) -> Pin:
    """The pin that DVC gives a folder of files, by path in it: the MD5 of a list of paths and MD5s."""
    entries = []
    for path in sorted(files):
        with files[path].open("rb") as reader:
            digest = hashlib.file_digest(reader, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        entries.append({"md5": digest, "relpath": path})
    content = json.dumps(entries, sort_keys=True).encode()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Pin(f"{digest}.dir", len(files), sum(file.stat().st_size for file in files.values()))


def refuse_lost_batches(
    folder: Path, pin: Pin | None, landed: Mapping[str, Path], complete: Mapping[str, Path]
) -> None:
    """Refuse to pin a folder anew that has not got what the pin covers, as in a fresh clone.

    What is there before may be less than the pin covers only if, with the source's files, it is just what the pin
    covers. While a killed landing waits to be finished, the pin is behind, and only the number of files can tell.

    Raises
    ------
    IncompleteRawError
        Says how many batches are pinned and found, and how to bring them back.
    """
    size = sum(file.stat().st_size for file in landed.values())
    interrupted = (MARKERS / folder.name).exists()
    if pin is None or ((pin.files, pin.size) == (len(landed), size) and (interrupted or is_as_pinned(folder))):
        return
    if len(complete) >= pin.files if interrupted else pin_of(complete) == pin:
        return
    raise IncompleteRawError(
        f"{folder}: {folder}.dvc pins {pin.files} batches ({pin.size} bytes); found are {len(landed)} ({size} bytes), "
        "missing or edited, and the source does not make up for it exactly. Bring the pinned ones back before landing "
        f"more: `dvc pull --force {folder}.dvc`."
    )


def cleaned_files(folder: Path) -> dict[str, Path]:
    """Landed files by landed path; what a killed landing left half-copied is removed."""
    for leftover in folder.rglob(".*.tmp"):
        leftover.unlink()
    return landed_files(folder)


def is_as_pinned(folder: Path) -> bool:
    """Whether DVC finds the folder's bytes to be the pinned ones; it hashes only files that were touched since."""
    from tasks.ledger import explained, open_repository

    with open_repository() as repository, explained():
        status: dict[str, list[dict[str, dict[str, str]]]] = repository.status([f"{folder}.dvc"])
    found = [state for changes in status.values() for change in changes for state in change["changed outs"].values()]
    return set(found) <= {"not in cache"}


def pin_folder(folder: Path) -> None:
    """Let DVC pin a folder: its files go to DVC's cache, their hash into `<folder>.dvc`."""
    from tasks.ledger import explained, open_repository

    with open_repository() as repository, explained(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="_NoneStep", category=DeprecationWarning)  # DVC 3.67 with pygtrie 2.6
        repository.add(str(folder))


def land(pipeline: Pipeline, replace: Sequence[str] = (), secrets: Secrets | None = None) -> list[str]:
    """Take the source's new files, or its query's new rows, in and pin them.

    Parameters
    ----------
    pipeline : Pipeline
    replace : sequence of str
        Landed paths of files that shall take the bytes that the source has now.
    secrets : callable (name) -> str, optional
        Reads a Prefect Secret block, where the source is a query whose URL is in one.

    Returns
    -------
    list of str
        Names of the files that are new or replaced, in order: where each file is a batch, the batches'.

    Raises
    ------
    SourceError, ImmutableBatchError, BatchNameError, IncompleteRawError, SourceChangedError
        Nothing was pinned; what was copied before the error is pinned by the next landing.
    """
    from tasks.quarantine.superseded import current_sources
    from tasks.query_source.landing import land_query

    if pipeline.source.sql:
        make_code_folder(pipeline.name)
        return land_query(pipeline, replace, secrets)
    found = find_sources(pipeline.source.path)
    require_any_batch(pipeline, found)
    make_code_folder(pipeline.name)
    named = by_landed_path(found, pipeline.source.batch)
    return take_in(pipeline.name, current_sources(named, pipeline.name, {*landed_files(RAW / pipeline.name)}), replace)


def make_code_folder(name: str) -> None:
    """Make `configs/<pipeline>/`, for code of the user's own: stages depend on it, and DVC wants it to be there."""
    package = Path("configs", name, "__init__.py")
    if not package.exists():
        package.parent.mkdir(parents=True, exist_ok=True)
        write_text(package, f'"""Code of the user\'s own for the pipeline `{name}`."""\n')


def require_any_batch(pipeline: Pipeline, sources: Sequence[Path]) -> None:
    """Refuse a source without files as long as nothing has landed."""
    folder = RAW / pipeline.name
    if not sources and not landed_files(folder) and read_pin(Path(f"{folder}.dvc")) is None:
        raise SourceError(
            f"configs/{pipeline.name}.yaml: source.path {pipeline.source.path!r} matches no file; "
            f"{what_is_there(pipeline.source.path)}. Put the files there, or correct the path."
        )


def take_in(name: str, sources: Mapping[str, Path], replace: Sequence[str] = (), command: str = "land") -> list[str]:
    """Copy files to a pipeline's landed ones in the current directory, and pin them; see `land`.

    Parameters
    ----------
    name : str
        The pipeline's.
    sources : mapping of str to Path
        By landed path; where each lies does not matter.
    replace : sequence of str
        Landed paths of files that shall take other bytes.
    command : str
        Of `holdfast`, that takes `--replace`.
    """
    folder, marker = RAW / name, MARKERS / name
    landed = cleaned_files(folder)
    pin = read_pin(Path(f"{folder}.dvc"))
    refuse_unknown_names(replace, landed, sources)
    new = new_files(plan_landing(sources, landed, replace, command), sources)
    if not new and not marker.exists() and (pin is not None or not landed):
        return []
    kept = {path: file for path, file in landed.items() if path not in new}
    refuse_lost_batches(folder, pin, landed, {**kept, **new})
    tell_growing(landed, new)
    write_text(marker, "files were copied that the pin may not cover yet\n")
    for path, source in new.items():
        copy_unchanged(source, folder / path)
    pin_folder(folder)
    marker.unlink()
    return sorted(map(name_of, new))


def new_files(plan: Mapping[str, Path | None], sources: Mapping[str, Path]) -> dict[str, Path]:
    """Files of the source to take in; says which ones are not, and refuses what is no table before it lands."""
    for path, twin in plan.items():
        if twin is None:
            refuse_other_formats(sources[path])
        else:
            print(f"land: {sources[path]} not taken: {twin} has the same bytes", flush=True)
    return {path: sources[path] for path, twin in plan.items() if twin is None}


def tell_growing(landed: Mapping[str, Path], new: Mapping[str, Path]) -> None:
    """Say of each further file of a folder that has landed before that its batch is made again."""
    standing = {folder_batch(path) for path in landed if "/" in path}
    for path, source in new.items():
        if path not in landed and folder_batch(path) in standing:
            print(f"land: {source}: a further file of batch {folder_batch(path)!r}, which is made again", flush=True)


def refuse_unknown_names(replace: Sequence[str], landed: Mapping[str, Path], sources: Mapping[str, Path]) -> None:
    """Refuse to replace what is not landed, or by what the source does not have."""
    for name in replace:
        for place, files in (("among the landed files", landed), ("in the source", sources)):
            if name not in files:
                raise SourceError(
                    f"--replace {name!r}: no file of that name {place}. Name the file with its extension"
                    + (", and with its folder." if any("/" in path for path in files) else ".")
                )


def refuse_other_formats(source: Path) -> None:
    """Refuse a file that no declaration can make a table of, before it lands for good."""
    try:
        refuse_unreadable(source)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{error}. Put the right file in its place.") from error
