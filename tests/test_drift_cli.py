"""`holdfast drift`: what it prints, where it writes, and what it ends with."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from flows.drift_cli import code_of, row_of, table, tell
from tests.conftest import copy_project, holdfast, holdfast_here
from tests.drift_shop import WEEKS, make_shop, sales, write
from tests.drift_verdicts import finding, verdict

NEW = WEEKS + 1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository with a quiet, a drifted and a broken batch that no run has taken in."""
    root = make_shop(copy_project(tmp_path_factory.mktemp("shop")))
    frame = sales(NEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write(frame, "quiet")
        write(frame.assign(price=frame["price"] + 10), "drifted")
        write(frame.assign(price=frame["price"] * 100), "broken")
    return root


@pytest.fixture
def shop(made, monkeypatch):
    """That repository, as the current directory."""
    monkeypatch.chdir(made)
    return made


def printed(found) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(table(found))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"drifted": False, "material": False, "cause": "none"}, 0),
        ({"material": False}, 0),
        ({}, 1),
        ({"cause": "broken_feed"}, 5),
        ({"material": False, "cause": "broken_feed"}, 5),
    ],
)
def test_exit_code_is_the_verdict(facts, code):
    assert code_of(verdict(**facts)) == code


def test_table_fits_a_terminal():
    names = ["minutes_since_the_last_maintenance_of_any_kind", "x", "(prediction)"]
    numbers = {"statistic": 123456.789, "threshold": 0.000123, "effect": -98.7654, "moved": 1e-7}
    findings = tuple(finding(name, test="distribution", **numbers) for name in names)
    lines = printed(verdict(findings=findings)).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_table_has_a_line_per_column_the_most_material_first():
    findings = (finding("a"), finding("b"), finding("a", test="missing"))
    words = [line.split()[0] for line in printed(verdict(findings=findings)).splitlines() if line.strip()]
    assert words[-2:] == ["a", "b"]


def test_column_that_alarmed_is_marked():
    assert row_of(finding())[-1] == "alarm"
    assert row_of(finding(alarmed=False))[-1] == ""


def test_distance_that_none_is_expected_of_is_told_in_words(capsys):
    assert row_of(finding(statistic=None, alarmed=False))[2] == "beyond"
    tell(verdict(findings=(finding(statistic=None, alarmed=False),)))
    assert "so it has no scale" in capsys.readouterr().out


def test_quiet_batch_ends_with_nought(shop):
    done = holdfast_here("drift", "shop", "--batch", "quiet", "--exit-code")
    assert done.returncode == 0, done.stderr
    assert "shop quiet against workspace: no drift" in done.stdout
    assert (shop / "reports/shop/drift/quiet/index.html").is_file()


def test_material_drift_ends_with_one_and_a_broken_feed_with_five(shop):
    codes = [
        holdfast(shop, "drift", "shop", "--batch", name, "--exit-code").returncode for name in ("drifted", "broken")
    ]
    assert codes == [1, 5]


def test_without_exit_code_a_verdict_ends_with_nought(shop, tmp_path):
    done = holdfast_here("drift", "shop", "--batch", "drifted", "--json", "--out", str(tmp_path / "there"))
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads((tmp_path / "there/drift.json").read_text())


def test_unknown_batch_names_the_nearest(shop):
    done = holdfast_here("drift", "shop", "--batch", "quite")
    assert done.returncode == 1
    assert "did you mean 'quiet'" in done.stderr


def test_error_is_not_taken_for_a_verdict(shop):
    assert holdfast_here("drift", "shop", "--batch", "quite", "--exit-code").returncode == 2


def test_batch_cannot_lead_out_of_the_reports(shop):
    done = holdfast_here("drift", "shop", "--batch", "../../quiet")
    assert done.returncode == 1
    assert "no batch" in done.stderr


def test_champion_of_the_registry_is_what_a_batch_is_held_against(version):
    done = holdfast(Path.cwd(), "drift", "diabetes", "--batch", "diabetes-2", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["champion"], told["budget"]["known_by"]) == ("diabetes@v1.0.0", "assumed")
    for folder in ("models", "profiles", "metrics"):
        shutil.rmtree(folder)
    again = holdfast_here("drift", "diabetes", "--batch", "diabetes-2", "--json")
    assert json.loads(again.stdout) == told
