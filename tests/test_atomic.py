"""Writes are seen whole or not at all, and clean up after those that were killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.atomic import atomic_file, atomic_folder, read_json, write_json, write_text


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with atomic_folder(folder) as temporary:
        (temporary / "old").touch()
    with pytest.raises(RuntimeError), atomic_folder(folder) as temporary:
        (temporary / "new").touch()
        raise RuntimeError
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]


def test_leftovers_of_a_process_that_nobody_waited_for_are_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        left = tmp_path / f".a.txt.{ended.pid}-x.tmp"
        left.write_text("half")
        write_text(tmp_path / "a.txt", "whole")
        assert not left.exists()


def test_leftovers_of_a_dead_process_are_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".a.json.{gone.pid}-x.tmp").write_text("half")
    (tmp_path / f".a.json.{os.getpid()}-x.tmp").write_text("of a living one")
    (tmp_path / f".b.json.{gone.pid}-x.tmp").write_text("of another file")
    write_json(tmp_path / "a.json", {})
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([f".a.json.{os.getpid()}-x.tmp", f".b.json.{gone.pid}-x.tmp", "a.json"])


def test_json_has_one_form(tmp_path: Path) -> None:
    for value in ({"b": 1, "a": [1.5, None]}, {"a": [1.5, None], "b": 1}):
        write_json(tmp_path / "x.json", value)
        assert (tmp_path / "x.json").read_bytes() == b'{\n  "a": [\n    1.5,\n    null\n  ],\n  "b": 1\n}\n'


def test_nan_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", float("nan"))
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "x.json", 1)
    assert read_json(tmp_path / "x.json") == 1
