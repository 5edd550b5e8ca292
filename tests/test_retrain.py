"""Retrains from landing to decision; killed, at once, and with nothing new."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks import registry
from tasks.land import ImmutableBatchError
from tasks.retrain import decide, decisions, judge_challenger
from tasks.retrain.landings import missing_batches
from tasks.retrain.worktree import bring_pinned, worktree
from tasks.verify import verify
from tasks.version.champion import require_whole
from tasks.version.record import record_of
from tests.conftest import ROOT, holdfast
from tests.registered import declare, here, retrain_here, run, state_of_user

NEW_GATE = "gate: {margin: 100}"
RETRAIN = (
    "from tests.registered import retrain_here\nif __name__ == '__main__': print(retrain_here('after a kill').outcome)"
)
LONGEST_SECONDS = {"retrain": 9.0, "promote": 0.8, "rollback": 0.8}


def champion() -> str:
    found = registry.champion("diabetes")
    assert found is not None
    return str(found.number)


def kinds(since: int) -> list[str]:
    """The kinds of the ledger's events but for the first ones."""
    return [event["kind"] for event in registry.events("diabetes")[since:]]


# ---- what a retrain leaves


def test_versions_are_numbered_by_what_changed(registered: Path) -> None:
    assert [str(version.number) for version in registry.versions("diabetes")] == ["v1.0.0", "v1.1.0", "v1.2.0"]
    record = record_of(registry.find_version("diabetes", "v1.2.0"))
    assert (record["parent"], record["verdict"]["champion"], record["verdict"]["outcome"]) == (
        *("v1.1.0", "v1.1.0"),
        "refused",
    )


def test_refused_challenger_stays_a_version_without_a_stage(registered: Path) -> None:
    refused = registry.find_version("diabetes", "v1.2.0")
    assert champion() == "v1.1.0"
    assert run("git", "tag", "--points-at", refused.commit).split() == ["diabetes@v1.2.0"]


def test_each_event_is_in_the_ledger_in_order(registered: Path) -> None:
    assert kinds(0) == ["landing", *["version", "decision", "promotion"] * 2, "version", "decision"]


def test_retrain_with_nothing_new_writes_nothing(registered: Path) -> None:
    before, tip = state_of_user(), registry.tip("diabetes")
    result = holdfast(registered, "retrain", "diabetes", "--reason", "once more")
    assert result.returncode == 0, result.stderr
    assert "diabetes@v1.2.0: nothing is new" in result.stdout
    assert (registry.tip("diabetes"), state_of_user()) == (tip, before)


def other_patients(lines: list[str]) -> list[str]:
    """Rows that are no copies of these, which the leak audit would find on both sides of a split; the header stays."""
    last = [(line.rpartition(",")[0], float(line.rpartition(",")[2])) for line in lines[1:]]
    return [lines[0], *(f"{rest},{value + 1 + number % 7}\n" for number, (rest, value) in enumerate(last))]


def test_new_batches_from_source_and_workspace_make_a_patch(registered: Path) -> None:
    lines = other_patients(Path("data/incoming/diabetes/diabetes-2.csv").read_text().splitlines(keepends=True))
    Path("data/incoming/diabetes/landed-by-the-user.csv").write_text("".join([lines[0], *lines[1:40]]))
    assert holdfast(registered, "land", "diabetes").returncode == 0
    Path("data/incoming/diabetes/landed-by-the-user.csv").unlink()
    Path("data/incoming/diabetes/new.csv").write_text("".join([lines[0], *lines[40:80]]))
    before = state_of_user()
    decision = retrain_here("new data")
    assert str(decision.version.number) == "v1.2.1"
    landing = next(event for event in reversed(registry.events("diabetes")) if event["kind"] == "landing")
    assert sorted(landing["batches"]) == ["landed-by-the-user.csv", "new.csv"]
    assert len(record_of(decision.version)["batches"]) == 4
    assert state_of_user() == before


def test_changed_rules_of_the_gate_judge_the_same_version_again(registered: Path) -> None:
    declare("gate: {promote: better}", "gate: {margin: 100, approval: manual}")
    decision = retrain_here("other rules")
    assert (str(decision.version.number), decision.outcome, champion()) == ("v1.2.0", "awaits approval", "v1.1.0")
    assert run("git", "tag", "--points-at", decision.version.commit).split() == [
        "diabetes#staging#3",
        "diabetes@v1.2.0",
    ]
    assert retrain_here("once more").outcome == "unchanged"
    assert holdfast(registered, "promote", "diabetes", "v1.2.0", "--reason", "looked at it").returncode == 0
    assert champion() == "v1.2.0"


def test_challenger_is_judged_again_where_the_champion_moved(registered: Path) -> None:
    version = registry.find_version("diabetes", "v1.2.0")
    with worktree("diabetes") as tree:
        bring_pinned(tree)
        stale = judge_challenger(tree, here) | {"outcome": "promoted"}
        decisions.rollback("diabetes", "meanwhile")
        decision = decide(tree, version, stale, "slow", here)
    assert decision.verdict["champion"] == "v1.0.0"
    assert kinds(-2) == ["decision", "decision"] if decision.outcome == "refused" else ["decision", "promotion"]


def test_edited_batch_of_the_source_is_refused(registered: Path) -> None:
    tip = registry.tip("diabetes")
    with Path("data/incoming/diabetes/diabetes-2.csv").open("a") as file:
        file.write("59,2,32.1,101,157,93.2,38,4,4.8598,87,151\n")
    with pytest.raises(ImmutableBatchError, match=r"holdfast retrain diabetes --replace diabetes-2\.csv"):
        retrain_here("edited")
    assert registry.tip("diabetes") == tip


def test_batch_that_the_ledger_replaced_is_not_brought_back() -> None:
    landed = [{"a.csv": "1"}, {"a.csv": "2"}]
    assert missing_batches({"a.csv": "2"}, landed, {"a.csv": "1"}, []) == {}


def test_batch_landed_here_and_there_with_other_bytes_is_refused() -> None:
    with pytest.raises(ImmutableBatchError, match=r"--replace a\.csv"):
        missing_batches({"a.csv": "1"}, [{"a.csv": "1"}], {"a.csv": "2"}, [])
    assert missing_batches({"a.csv": "1"}, [{"a.csv": "1"}], {"a.csv": "2"}, ["a.csv"]) == {"a.csv": "2"}


# ---- kill -9


def kill(command: str, folder: Path, seconds: float) -> None:
    """Start a command in a process group of its own and kill the group."""
    words = ["-c", RETRAIN] if command == "retrain" else ["-m", "flows.cli", command, "diabetes"]
    words += {"retrain": [], "promote": ["v1.0.0", "--reason", "x"], "rollback": ["--reason", "x"]}[command]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_and_go_on(folder: Path, seed: int) -> None:
    """Kill one command at a random moment: one whole champion is there, and the next retrain leaves all in order."""
    chance = random.Random(seed)
    command = chance.choice(list(LONGEST_SECONDS))
    before = {champion(), *(str(each.version.number) for each in registry.promotions("diabetes"))}
    kill(command, folder, chance.uniform(0.05, LONGEST_SECONDS[command]))
    reigning = registry.champion("diabetes")
    assert reigning is not None
    assert str(reigning.number) in before | {"v1.2.0"}
    require_whole(reigning)
    retrain_here("after a kill")
    assert verify("diabetes") == []
    assert list((folder / ".git/holdfast/worktrees").iterdir()) == []
    assert run("git", "status", "--porcelain") == ""


def test_killed_command_leaves_one_champion_and_the_next_goes_on(registered: Path) -> None:
    declare("gate: {promote: better}", NEW_GATE)
    for seed in (3, 9):  # a retrain while it judges, and a promotion
        kill_and_go_on(registered, seed)
    assert len(registry.versions("diabetes")) == 3


@pytest.mark.campaign
@pytest.mark.parametrize("start", range(0, 100, 5))
def test_commands_killed_at_many_moments(registered: Path, start: int) -> None:
    for seed in range(start, start + 5):
        declare(f"seed: {8 + seed - start}", f"seed: {9 + seed - start}")
        kill_and_go_on(registered, seed)


# ---- at once


@pytest.mark.campaign
def test_two_retrains_of_the_same_content_make_one_version(registered: Path) -> None:
    declare("slice_rows: 21", "slice_rows: 22")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen([sys.executable, "-c", RETRAIN], cwd=registered, env=environment) for _ in range(2)]
    assert [process.wait(300) for process in both] == [0, 0]
    assert [str(version.number) for version in registry.versions("diabetes")][3:] == ["v1.3.0"]
    assert verify("diabetes") == []


def test_project_without_remotes_gets_a_local_one(project: Path) -> None:
    assert retrain_here("the first").outcome == "promoted"
    assert champion() == "v1.0.0"
    shutil.rmtree(project / ".dvc/cache")
    assert verify("diabetes") == []
    reigning = registry.champion("diabetes")
    assert reigning is not None
    require_whole(reigning)
