"""The code that a version was made with: a folder's hash is DVC's own, and what Python compiles is no code."""

from __future__ import annotations

from pathlib import Path

from tasks.version.code import code_here, md5_of_code
from tasks.version.storage import md5_of

FILES = {"own/__init__.py": b"", "own/b.py": b"B = 1\n", "own/a/c.py": b"C = 2\n", "own/\u00fc.py": b"U = 3\n"}


def test_hash_of_a_folder_of_code_is_dvcs_own() -> None:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree = Tree()
    for name, data in FILES.items():
        tree.add(tuple(name.split("/")[1:]), None, HashInfo("md5", md5_of(data)))
    tree.digest()
    assert md5_of_code("own", FILES) == tree.hash_info.value


def test_compiled_modules_are_no_code(tmp_path: Path) -> None:
    for name, data in {**FILES, "own/__pycache__/b.cpython-311.pyc": b"?", "own/b.pyc": b"?"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert code_here("own", tmp_path) == FILES


def test_missing_folder_has_no_hash(tmp_path: Path) -> None:
    assert md5_of_code("own", code_here("own", tmp_path)) is None
