"""The code that the stages were run with: the project's modules and templates, and the folder of the user's own code.

DVC pins a file by its MD5, and a folder by the MD5 of a list of its files. Of a folder of code no such list is among
DVC's objects, since nobody but git keeps it; so it is made here, from the files themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from tasks.model.bundle import sha256
from tasks.version.pins import NotReproducedError, StageEntry, code_paths
from tasks.version.storage import md5_of


def is_code(path: str) -> bool:
    """Whether DVC counts a file in a folder of code: `.dvcignore` leaves out what Python compiles."""
    return not path.endswith(".pyc") and "__pycache__" not in PurePosixPath(path).parts


def code_here(path: str, root: Path = Path()) -> dict[str, bytes]:
    """The bytes of a file, or of each file in a folder, by path; empty where neither is there."""
    start = root / path
    files = sorted(start.rglob("*")) if start.is_dir() else [start]
    named = {file.relative_to(root).as_posix(): file for file in files if file.is_file()}
    return {name: file.read_bytes() for name, file in named.items() if is_code(name)}


def code_at(commit: str, paths: Iterable[str]) -> dict[str, dict[str, bytes]]:
    """For each path the bytes of that file, or of each file in that folder, as a commit has them."""
    from tasks.registry.git import git, read_files

    wanted = sorted(set(paths))
    listed = git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", *wanted).decode().split("\0")
    names = [name for name in listed if name and is_code(name)]
    contents = dict(zip(names, read_files([f"{commit}:{name}" for name in names]), strict=True))
    return {
        path: {
            name: data
            for name, data in contents.items()
            if data is not None and (name == path or name.startswith(f"{path}/"))
        }
        for path in wanted
    }


def md5_of_code(path: str, files: Mapping[str, bytes]) -> str | None:
    """DVC's hash of a file or of a folder's files; None where there is none.

    >>> md5_of_code("configs/a", {"configs/a/__init__.py": b""})
    'd191c9711e29472df28d32b0096a8b7c.dir'
    """
    if not files:
        return None
    if path in files:
        return md5_of(files[path])
    listing = [{"md5": md5_of(data), "relpath": name.removeprefix(f"{path}/")} for name, data in files.items()]
    listing.sort(key=lambda entry: entry["relpath"])
    return f"{md5_of(json.dumps(listing, sort_keys=True).encode())}.dir"


def code_hashes(entries: Mapping[str, StageEntry], pipeline: str) -> dict[str, str]:
    """One hash per stage over the files of its code in the current directory.

    Raises
    ------
    NotReproducedError
        If a file is not the one that dvc.lock pins: the stage ran with other code.
    """
    return {
        stage: code_hash({name: data for path in paths for name, data in pinned_code(path, entries[stage]).items()})
        for stage, paths in code_paths(entries, pipeline).items()
    }


def pinned_code(path: str, entry: StageEntry) -> dict[str, bytes]:
    """Read a file or folder of a stage's code, and refuse what is not pinned."""
    files, expected = code_here(path), entry.deps[path].md5
    found = md5_of_code(path, files)
    if found != expected:
        raise NotReproducedError(
            f"{path}: {'missing' if found is None else f'MD5 {found}'}, expected MD5 {expected} as dvc.lock pins it. "
            f"Restore it with `git checkout {path}`, or run the pipeline with it."
        )
    return files


def code_hash(files: Mapping[str, bytes]) -> str:
    """Hash over the names and contents of files, as `tasks.closure` hashes them."""
    return sha256("".join(f"{path} {sha256(data)}\n" for path, data in sorted(files.items())).encode())
