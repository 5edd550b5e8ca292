"""Objects by their hash: DVC's cache and remote, read without importing DVC.

An object lies under `files/md5/<first two digits>/<the rest>`, in the cache as in a remote. DVC hands out a corrupt one
with exit code 0, so each is hashed whenever it is read here; one that is missing or wrong in the cache is brought from
the remote, where that has it right. Only a remote that is no local folder makes this module import DVC.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import CorruptionError, HoldfastError
from tasks.atomic import atomic_file
from tasks.version.dvc_config import NoDefaultRemoteError, cache_folder, remote_url
from tasks.version.dvc_config import ensure_remote as ensure_remote

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB

CHUNK = 1 << 20  # bytes


class MissingObjectError(CorruptionError):
    """An object that a version is made of is neither in the cache nor in the remote."""


class RemoteUnreachableError(HoldfastError):
    """The DVC remote does not answer, or refuses what is asked of it."""


# ---- where objects lie


def path_in(folder: Path, md5: str) -> Path:
    """Where an object lies in a cache or a remote."""
    return folder / "files" / "md5" / md5[:2] / md5[2:]


def object_path(md5: str) -> Path:
    """Where an object lies in the cache."""
    return path_in(cache_folder(), md5)


# ---- reading


def md5_of(data: bytes) -> str:
    """DVC's hash of bytes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def file_md5(path: Path) -> str | None:
    """DVC's hash of a file's bytes, however large; None where there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def digits(md5: str) -> str:
    """The hash without the ending that marks a folder's list of files."""
    return md5.removesuffix(".dir")


def is_right(path: Path, md5: str) -> bool:
    """Whether a file is there and has the bytes that its hash says."""
    return file_md5(path) == digits(md5)


def read_object(md5: str, what: str = "an object") -> bytes:
    """Read an object's bytes, and check them; a missing or wrong one is brought from the remote first.

    Parameters
    ----------
    md5 : str
        DVC's hash; ending in `.dir` for a folder's list of files.
    what : str
        What it is a part of, for the error's text.

    Raises
    ------
    CorruptionError
        If the cache has other bytes and the remote cannot help; MissingObjectError if neither has any.
    """
    path = object_path(md5)
    for attempt in ("cache", "remote"):
        if attempt == "remote":
            fetch([md5], what)
        with contextlib.suppress(FileNotFoundError):
            data = path.read_bytes()
            if md5_of(data) == digits(md5):
                return data
    raise CorruptionError(f"{path}: changed while it was read, as {what}. Run again.")


def read_listing(md5: str, what: str = "a folder") -> dict[str, str]:
    """Hashes of a folder's files by their paths in it, from the folder's own object.

    Raises
    ------
    CorruptionError
        See `read_object`.
    """
    entries = json.loads(read_object(md5, f"the list of files of {what}"))
    return {entry["relpath"]: entry["md5"] for entry in entries}


def objects_in(md5: str, what: str) -> dict[str, str]:
    """Hash of the object itself, under the name "", and of the files that it lists where it is a folder."""
    return {"": md5} | (read_listing(md5, what) if md5.endswith(".dir") else {})


def fetch(md5s: Iterable[str], what: str = "an object") -> None:
    """Bring objects into the cache that it does not have, or has wrong; right ones stay as they are.

    Raises
    ------
    CorruptionError
        Names the object, what was found here and there, and what to do; nothing wrong is brought in.
    """
    wanted = [md5 for md5 in md5s if not is_right(object_path(md5), md5)]
    if not wanted:
        return
    with remote_objects() as remote:
        for md5 in wanted:
            fetch_one(md5, remote, what)


def fetch_one(md5: str, remote: Objects | None, what: str) -> None:
    """Copy one object from the remote, hash the copy, and only then put it in its place."""
    path = object_path(md5)
    if remote is None or not remote.has(md5):
        raise not_there(
            path, md5, what, "no DVC remote is configured" if remote is None else f"{remote.name} has it not"
        )
    with atomic_file(path) as temporary:
        remote.copy(md5, temporary)
        if (found := file_md5(temporary)) != digits(md5):
            raise CorruptionError(
                f"{remote.name}: object {md5} of {what} has MD5 {found}, expected {digits(md5)}; the cache has it not "
                f"either, or wrong. {REMEDY}"
            )
    path.chmod(0o444)  # as DVC keeps its cache: a hard link of it cannot be edited by accident


def place(md5: str, target: Path, what: str) -> None:
    """Copy an object, however large, to a file, and check the copy.

    Raises
    ------
    CorruptionError
        See `read_object`.
    """
    fetch([md5], what)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(object_path(md5), target)
    if not is_right(target, md5):
        raise CorruptionError(f"{target}: changed while it was copied, as {what}. Run again.")


REMEDY = (
    "Nothing was loaded. Push it from a clone that has it (`dvc push`), or make the version again: "
    "`holdfast verify P@V --rebuild` says whether that gives the same bytes."
)


def not_there(path: Path, md5: str, what: str, why: str) -> CorruptionError:
    """The error about an object that cannot be had."""
    found = file_md5(path)
    if found is None:
        return MissingObjectError(f"{path}: missing, a part of {what}; {why}. {REMEDY}")
    return CorruptionError(f"{path}: MD5 is {found}, expected {digits(md5)}, a part of {what}; {why}. {REMEDY}")


# ---- remotes


class Objects:
    """The objects of a remote that is a folder here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)

    def has(self, md5: str) -> bool:
        """Whether there is such an object; its bytes are not read."""
        return path_in(self.folder, md5).is_file()

    def missing(self, md5s: Iterable[str]) -> set[str]:
        """The hashes of which there is no object."""
        return {md5 for md5 in md5s if not self.has(md5)}

    def is_wrong(self, md5: str) -> bool:
        """Whether an object's bytes are other ones than its hash says."""
        return not is_right(path_in(self.folder, md5), md5)

    def copy(self, md5: str, target: Path) -> None:
        """Copy an object's bytes to a file."""
        shutil.copyfile(path_in(self.folder, md5), target)


class DistantObjects(Objects):
    """The objects of a remote that DVC knows how to reach."""

    def __init__(self, odb: HashFileDB) -> None:
        self.odb = odb
        self.name = odb.fs.unstrip_protocol(odb.path)

    def has(self, md5: str) -> bool:
        """Whether there is such an object; its bytes are not read."""
        return not self.missing([md5])

    def missing(self, md5s: Iterable[str]) -> set[str]:
        """The hashes of which there is no object."""
        asked = set(md5s)
        with answered(self.name):
            return asked - set(self.odb.oids_exist(sorted(asked)))  # type: ignore[no-untyped-call]

    def is_wrong(self, md5: str) -> bool:
        """Not known without bringing it here; `fetch` looks when it does."""
        return False

    def copy(self, md5: str, target: Path) -> None:
        """Copy an object's bytes to a file."""
        with answered(self.name):
            self.odb.fs.get_file(self.odb.oid_to_path(md5), str(target))


@contextlib.contextmanager
def remote_objects() -> Iterator[Objects | None]:
    """The default remote's objects; None where no remote is configured.

    Raises
    ------
    RemoteUnreachableError
        What the remote answered.
    """
    url = remote_url()
    if url is None:
        yield None
    elif "://" not in url:
        yield Objects(Path(url))
    else:
        with answered(url), opened_repository() as repository:
            yield DistantObjects(repository.cloud.get_remote_odb())


@contextlib.contextmanager
def opened_repository() -> Iterator[Repo]:
    """DVC's repository of the current directory, closed again."""
    from tasks.ledger import open_repository

    with open_repository() as repository:
        yield repository


@contextlib.contextmanager
def answered(url: str) -> Iterator[None]:
    """Turn whatever a remote's library raises - each has its own - into one error that names the remote."""
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:
        raise RemoteUnreachableError(
            f"DVC remote {without_secrets(url)}: {type(error).__name__}: {error}. Nothing was changed; see that it can "
            "be reached and written (`dvc push`, `dvc remote list`), then run again."
        ) from error


def without_secrets(url: str) -> str:
    """A URL without user and password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url


# ---- writing


def push_version(pipeline: str) -> None:
    """Have all objects of the current directory's version in the DVC remote; without one, make a local one first.

    Called before a version gets its tag: what a tag names can be had.

    Raises
    ------
    RemoteUnreachableError, MissingObjectError
        Names the remote and what it has not got; running again goes on.
    """
    from tasks.version.pins import pinned_here

    md5s = {md5 for path, pinned in pinned_here(pipeline).items() for md5 in objects_in(pinned.md5, path).values()}
    ensure_remote()
    push(md5s)


def push(md5s: Iterable[str]) -> None:
    """Bring objects of the cache to the default remote, folders' lists of files last.

    Raises
    ------
    RemoteUnreachableError, MissingObjectError
        See `push_version`.
    """
    url = remote_url()
    if url is None:
        raise NoDefaultRemoteError(".dvc/config: no remote. Add one with `dvc remote add -d NAME URL`.")
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.transfer import transfer

    wanted = sorted(set(md5s))
    with answered(url), opened_repository() as repository:
        remote, cache = repository.cloud.get_remote_odb(), repository.cache.local
        transfer(cache, remote, {HashInfo("md5", md5) for md5 in wanted}, cache_odb=cache)
        lacking = set(wanted) - set(remote.oids_exist(wanted))
    if lacking:
        raise MissingObjectError(
            f"DVC remote {without_secrets(url)}: has not got {len(lacking)} of {len(wanted)} objects after the push, "
            f"such as {min(lacking)}; nothing was registered. Look at what `dvc push` says, then run again."
        )
