"""The README shows what is so: its commands exist, its figures are those that are pinned, its DAG is DVC's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.scores import account_of_rows, score_table
from tests.conftest import copy_project

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", README)) <= targets | {"nothing"}


def test_every_command_exists() -> None:
    from flows.cli import app

    commands = {command.callback.__name__ for command in app.registered_commands if command.callback}
    shown = set(re.findall(r"holdfast ([a-z]+) ?(?:\[P\]|P|<name>|flights|`)", README))
    assert shown == commands


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the pinned scores are those of Python 3.11")
def test_scores_are_the_pinned_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for row in score_table("flights"):
        assert re.search(r" +".join(map(re.escape, filter(None, row.values()))), README), row
    assert account_of_rows("flights") in README


def test_dag_is_the_one_that_dvc_draws(tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    drawn = subprocess.run(
        [sys.executable, "-m", "dvc", "dag", "--md", "report@flights"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert drawn.strip() in README


def test_every_link_leads_somewhere() -> None:
    assert all((ROOT / link).exists() for link in re.findall(r"\]\(([^)]+)\)", README))
