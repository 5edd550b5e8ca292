"""Writes that a reader sees whole or not at all."""

from __future__ import annotations

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ENDED = ("Z", "X")  # states of a process in Linux's /proc


def flush_to_disk(path: Path) -> None:
    """Wait until a file's or folder's bytes would survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_leftovers(path: Path) -> None:
    """Make the folder that `path` goes into, and remove what killed processes left beside it while writing it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for sibling in path.parent.glob(f".{glob.escape(path.name)}.*-*.tmp"):
        writer = sibling.name.removeprefix(f".{path.name}.").partition("-")[0]
        if writer.isdigit() and not is_running(int(writer)):
            shutil.rmtree(sibling) if sibling.is_dir() else sibling.unlink(missing_ok=True)


def is_running(pid: int) -> bool:
    """Whether a process of this number exists and has not ended; another one may have it by now.

    One that has ended keeps its number until whoever started it asks how: Linux tells of it that it is a zombie.
    """
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's, or the system keeps no such files
        return True
    return state not in ENDED


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the operating system say which file it is about, where it does not: a write knows no name."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place on success, remove it on failure."""
    clear_leftovers(path)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}-", suffix=".tmp")
    os.close(descriptor)
    temporary = Path(name)
    try:
        with naming(path):
            yield temporary
        temporary.chmod(0o644)
        flush_to_disk(temporary)
        temporary.replace(path)
        flush_to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; on success it takes the place of `path`, old content and all.

    Between the removal of the old folder and the rename a reader sees no folder, never a mixed one.
    """
    clear_leftovers(path)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}-", suffix=".tmp"))
    try:
        with naming(path):
            yield temporary
        temporary.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
        flush_to_disk(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def standing(file: Path) -> Path:
    """The file, there or not, whose place a file directly in an `atomic_folder` will take; else the file itself."""
    name = file.parent.name.removeprefix(".").rpartition(f".{os.getpid()}-")[0]
    return file.parent.with_name(name) / file.name if name else file


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, in one canonical form: sorted keys, two spaces, no NaN, a newline at the end."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
