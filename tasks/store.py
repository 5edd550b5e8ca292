"""The per-batch store: what a stage made of one batch is kept, so that a new batch costs a batch, not the history.

An entry is a folder `.holdfast/store/<stage>/<pipeline>/<key>/`. Its key is a hash of everything that the result
may depend on: the batch's name and input bytes, the code that the stage reaches, the values of the sections that it
declares in dvc.yaml, the installed versions of the libraries that it declares, and the Python minor. So an entry is
never wrong, only unused. It holds the stage's files and `entry.json`: a line with the hash of the next one, which has
the hashes of the files and the batch's summary. Bytes that do not match are never handed out: the entry is dropped and
made again. Files are handed out as hard links, after they were hashed: a batch lies on the disk once, and who edits it
in place has it made again; copied, where the file system has no links. Where the folder that is about to be replaced
has a file of these very bytes, that file stays as it is, with its inode and times, and DVC need not hash it again.

The store is a cache. Deleting `.holdfast/` costs time and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from tasks.atomic import atomic_folder, read_json, standing, write_text
from tasks.closure import code_hash
from tasks.stage import LIBRARIES, declared_params, declared_sections, installed_version

if TYPE_CHECKING:
    from configs.schema import Pipeline

STORE = Path(".holdfast/store")
ENTRY = "entry.json"
SUMMARY = "summary.json"
PIECE = 1 << 18  # bytes that are hashed at a time
KEPT_GENERATIONS = 3
OF_ALL_BATCHES = (("source", "stop_above"),)  # sections' keys that no batch's own result depends on


def file_hash(path: Path) -> str:
    """Hash of a file's bytes as the store names it: BLAKE3, at three times the speed of SHA-256."""
    found = blake3()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()


def content_hash(content: bytes) -> str:
    """Hash of bytes in memory, the one that `file_hash` gives a file of them."""
    return blake3(content).hexdigest()


def combined_hash(files: Iterable[Path]) -> str:
    """Hash of several files, for a result that depends on all of them."""
    return content_hash("".join(file_hash(file) for file in files).encode())


def delivered(source: Path, target: Path, expected: str, *, is_hashed: bool) -> bool:
    """Put a file of the expected bytes where it is wanted: the standing one if it has them, else the store's.

    `is_hashed` says that the store's file has them, since it was hashed a moment ago.
    """
    if kept_standing(source, target, expected):
        return True
    return (is_hashed or file_hash(source) == expected) and linked(source, target)


def linked(source: Path, target: Path) -> bool:
    """Give a file a second name; a copy, where the file system lets it have none, or lies elsewhere."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
    return True


def kept_standing(source: Path, target: Path, expected: str) -> bool:
    """Whether the file that `target` would replace has the expected bytes; it is then `target` too.

    Never a link, nor a file with other names: those may belong to DVC's cache, and the workspace's file is then none.
    """
    there = standing(target)
    try:
        found = there.lstat()
    except FileNotFoundError:
        return False
    plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    if not plain or found.st_size != source.stat().st_size or file_hash(there) != expected:
        return False
    if there != target:
        os.link(there, target)
    return True


class BatchStore:
    """The store of one stage of one pipeline.

    Parameters
    ----------
    stage : str
        A stage of dvc.yaml, whose module is `tasks/<stage>.py`.
    pipeline : Pipeline
        May be limited to what the stage declares; only those sections are read.
    params : dataclass or mapping, optional
        What of those sections the result for one batch depends on, where that is not all of them. Give what the batch
        is made from, and nothing else to what makes it, so that the two cannot differ.

    Examples
    --------
    ::

        store = BatchStore("ingest", pipeline)
        for batch, file in batches.items():
            summary = store.get_or_make(
                batch, file_hash(file), make=lambda folder: ..., into={"typed.parquet": typed / f"{batch}.parquet"}
            )
        store.forget_unused()
    """

    def __init__(self, stage: str, pipeline: Pipeline, params: Any = None) -> None:
        self.folder = STORE / stage / pipeline.name
        self._made_by = stage, pipeline, params
        self.used: set[str] = set()
        self._hashed: set[str] = set()
        self.made: list[str] = []
        """Batches that were not in the store, in the order in which they were made."""

    @cached_property
    def basis(self) -> str:
        """Hash of what results depend on beside their batch; found once a batch is asked for, beside its hashing."""
        return basis_hash(stage_basis(*self._made_by))

    def get_or_make(
        self, batch: str, input_hash: str | Future[str], make: Callable[[Path], None], into: Mapping[str, Path]
    ) -> dict[str, Any]:
        """Deliver the stage's files of one batch, from the store where it has them.

        Parameters
        ----------
        batch : str
            The batch's name; part of the key, since results carry it.
        input_hash : str or Future of str
            `file_hash` or `combined_hash` of the bytes that the result is made from. One to come is waited for, except
            where no hash could find an entry: then that is made meanwhile.
        make : callable
            Is given an empty folder and writes the batch's files into it, with a `summary.json`, an object of what the
            stage counts. Called only where the store has no sound entry.
        into : mapping of str to Path
            Where to put which file of the entry. A file that `make` did not write is not delivered.

        Returns
        -------
        dict
            What `make` wrote to `summary.json`.
        """
        if isinstance(input_hash, Future):
            self._make_meanwhile(batch, input_hash, make)
            input_hash = input_hash.result()
        key = entry_key(self.basis, batch, input_hash)
        self.used.add(key)
        entry = self.folder / key
        summary = self._deliver(entry, into)
        if summary is None:
            self._make(entry, make)
            self.made.append(batch)
            summary = self._deliver(entry, into)
        if summary is None:
            raise OSError(f"{entry}: what was just written there is gone, or reads back as other bytes. Run it again.")
        return summary

    def folder_of(self, batch: str, input_hash: str, make: Callable[[Path], None]) -> Path:
        """Folder of an entry, made (again) where its bytes are not those that were put in; to read, not to change.

        For results that are parts of others: where the parts of many entries are read, none is copied. See
        `get_or_make`.
        """
        key = entry_key(self.basis, batch, input_hash)
        self.used.add(key)
        entry = self.folder / key
        held = self._held(entry)
        if held is None or any(not is_sound(entry / name, expected) for name, expected in held[0].items()):
            self._make(entry, make)
        return entry

    def _make_meanwhile(self, batch: str, input_hash: Future[str], make: Callable[[Path], None]) -> None:
        """Fill an entry while its input is hashed, where nothing was made of the batch as it would be now."""
        prefix = entry_prefix(self.basis, batch)
        if any(self.folder.glob(f"{prefix}*")):
            return
        ahead = self.folder / f"ahead-{prefix}"  # of a killed process it is an entry that nobody uses
        self._make(ahead, make)
        try:
            entry = self.folder / entry_key(self.basis, batch, input_hash.result())
        except BaseException:
            shutil.rmtree(ahead)
            raise
        if entry.exists():  # another process was faster
            shutil.rmtree(ahead)
            return
        ahead.rename(entry)
        self._hashed.add(entry.name)
        self.made.append(batch)

    def _make(self, entry: Path, make: Callable[[Path], None]) -> None:
        """Fill an entry; it is seen whole or not at all."""
        with atomic_folder(entry) as temporary:
            make(temporary)
            summary = read_json(temporary / SUMMARY)
            (temporary / SUMMARY).unlink()  # it goes with the hashes: opening files is what a stored batch costs
            hashes = {file.name: file_hash(file) for file in sorted(temporary.iterdir())}
            held = json.dumps([hashes, summary], sort_keys=True)
            write_text(temporary / ENTRY, f"{content_hash(held.encode())}\n{held}\n")
        self._hashed.add(entry.name)

    def _deliver(self, entry: Path, into: Mapping[str, Path]) -> dict[str, Any] | None:
        """Hand the files out and return the summary; None where there is no entry or a part of it is not as written."""
        held = self._held(entry)
        if held is None:
            return None
        hashes, summary = held
        is_hashed = entry.name in self._hashed
        try:
            whole = all(
                delivered(entry / name, into[name], hashes[name], is_hashed=is_hashed)
                for name in sorted(into.keys() & hashes)
            )
            os.utime(entry)
        except FileNotFoundError:
            return None
        return summary if whole else None

    @staticmethod
    def _held(entry: Path) -> tuple[dict[str, str], dict[str, Any]] | None:
        """Hashes of an entry's files, and its summary; None where there is none or it is not as it was written."""
        try:
            expected, held = (entry / ENTRY).read_bytes().splitlines()
        except (FileNotFoundError, ValueError):
            return None
        if content_hash(held).encode() != expected:
            return None
        hashes, summary = json.loads(held)
        return hashes, summary

    def forget_unused(self) -> None:
        """Remove the longest unused entries, so that at most three times as many as there are batches remain.

        The two generations beside the current one make going back to other params or code cheap.
        """
        if not self.folder.is_dir():
            return
        entries = [entry for entry in self.folder.iterdir() if entry.name not in self.used]
        entries.sort(key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
        for entry in entries[(KEPT_GENERATIONS - 1) * len(self.used) :]:
            shutil.rmtree(entry, ignore_errors=True)


def is_sound(path: Path, expected: str) -> bool:
    """Whether a file is there with the bytes that were written."""
    return path.is_file() and file_hash(path) == expected


def entry_key(basis: str, batch: str, input_hash: str) -> str:
    """Name of an entry; `basis` is the hash of what the stage's result depends on beside the batch."""
    whole = content_hash(json.dumps([basis, batch, input_hash]).encode())
    return entry_prefix(basis, batch) + whole[:48]


def entry_prefix(basis: str, batch: str) -> str:
    """How the names of all entries begin that were made of a batch in one way, whatever its bytes were."""
    return content_hash(json.dumps([basis, batch]).encode())[:16]


def basis_hash(basis: Mapping[str, Any]) -> str:
    """Hash of `stage_basis`; the order of columns counts, so keys are not sorted."""
    return content_hash(json.dumps(basis).encode())


def stage_basis(stage: str, pipeline: Pipeline, params: Any = None) -> dict[str, Any]:
    """Collect what a stage's result depends on besides its input: code, declared sections and libraries, Python minor.

    `params` takes the place of the sections where it is given. The order of keys is kept, since the order of columns
    is part of a declaration.
    """
    from pydantic_core import to_jsonable_python

    if params is None:
        params = {name: getattr(pipeline, name) for name in declared_sections(stage)}
    keyed = to_jsonable_python(params, by_alias=True)
    for section, key in OF_ALL_BATCHES:
        keyed.get(section, {}).pop(key, None)
    return {
        "stage": stage,
        "pipeline": pipeline.name,
        "code": code_hash(Path("tasks", f"{stage}.py")),
        "params": keyed,
        "libraries": {name: installed_version(name) for name in declared_params(stage, str(LIBRARIES))},
        "python": list(sys.version_info[:2]),
    }
