"""Lives of a small project in processes that are killed at drawn moments, and what must hold afterwards.

A life is a row of `holdfast` commands. Each runs in a process of its own, which a server forks that has imported the
libraries already: so a kill meets work, not imports. Stages run in that process; for the rest it is what a user runs,
against a real Prefect server, git remote and DVC remote. What is checked is slow and obvious: git's own objects and
refs, the pin's list of files, hashes of files, living processes.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tasks import registry
from tests.ledgers import require_sound
from tests.registered import declare, run, state_of_user

P = "diabetes"
INCOMING = Path("data/incoming/diabetes")
SCORES = Path("data/scores.csv")
PATIENCE_SECONDS = 400.0
ORPHAN_SECONDS = 20.0  # within which what a killed process started is gone
WARM = (
    *("flows.cli", "flows.monitor", "flows.retrain", "flows.score", "flows.deployed", "flows.server", "dvc.repo"),
    *("tasks.drift.verdict", "tasks.gate.contest", "tasks.evaluate", "tasks.train", "tasks.report", "tasks.ingest"),
    *("tasks.validate", "tasks.split", "tasks.scoring.batch", "tasks.version.storage", "dvc_data.hashfile.transfer"),
)


def drop_batch(name: str, seed: int, heavier: bool) -> None:
    """Put a batch into the source's folder: patients as before, or from a world in which only heavier ones come."""
    with (INCOMING / "diabetes-2.csv").open() as file:
        header, *rows = csv.reader(file)
    bmi, target = header.index("bmi"), header.index("progression")
    dice = random.Random(seed)
    chosen = sorted(rows, key=lambda row: float(row[bmi]))[len(rows) // 2 :] if heavier else rows
    with (INCOMING / name).open("w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in chosen:
            others = {place: f"{float(row[place]) * dice.gauss(1, 0.05):.4g}" for place in range(3, len(row))}
            values = [others.get(place, value) for place, value in enumerate(row)]
            values[bmi] = f"{float(row[bmi]) * (0.6 if heavier else 1) + 18 * heavier + dice.gauss(0, 0.3):.1f}"
            values[target] = f"{float(row[target]) + 60 * heavier + dice.gauss(0, 3):.1f}"
            writer.writerow(values)


# ---- a life


@dataclass(frozen=True)
class Step:
    """One thing that is done in a life: what is put in place first, and the command."""

    words: tuple[str, ...]
    prepare: Callable[[], None] = lambda: None
    is_done: Callable[[], bool] = lambda: False  # where a command that was done is refused the second time

    @property
    def name(self) -> str:
        """The command's name."""
        return self.words[0]


LIFE = (
    Step(("monitor", P), lambda: drop_batch("diabetes-3.csv", 0, heavier=True)),
    Step(("score", P, f"{INCOMING}/diabetes-1.csv", "-o", str(SCORES))),
    Step(("retrain", P, "--reason", "more rows"), lambda: drop_batch("diabetes-4.csv", 3, heavier=False)),
    Step(("rollback", P, "--reason", "a look back"), is_done=lambda: registry.events(P)[-1].get("act") == "rollback"),
    Step(("monitor", P), lambda: drop_batch("diabetes-5.csv", 5, heavier=False)),
)


def begin_life(versioned: Path, site: Path) -> Path:
    """A project with a champion, a git remote and a DVC remote, that retrains on drift; the current directory's."""
    project = site / "project"
    shutil.copytree(versioned, project, symlinks=True)
    os.chdir(project)
    run("git", "init", "-q", "--bare", "-b", "main", "../origin.git")
    run("git", "remote", "add", "origin", "../origin.git")
    declare("retrain: {}", "retrain: {on: [drift]}")
    declare("gate: {}", "gate: {margin: 100}")
    declare("split: {holdout: 25%}", "split: {holdout: 25%, folds: 2}")
    declare("train: {params", "train: {rounds: 40, audit: warn, params")
    declare("slice_rows: 20", "slice_rows: 20, resamples: 100")
    return project


class InThisProcess:
    """In place of `tasks.worker.StageWorkers`: stages and other functions, called here."""

    @staticmethod
    def run(stage: str, pipeline: str) -> None:
        """Run one stage."""
        from tasks.stage import run_stage

        run_stage(stage, pipeline)

    @staticmethod
    def call(work: Callable[..., None], *arguments: str) -> None:
        """Call a function."""
        work(*arguments)


def live(words: tuple[str, ...], folder: str, log: str) -> None:
    """What a forked process does: become the leader of a session, and the command."""
    from flows.cli import app
    from tasks import worker

    os.setsid()
    os.chdir(folder)
    with Path(log).open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
    worker.RUNNING.set(InThisProcess())  # type: ignore[arg-type]
    app(words, obj=Path.cwd())


def begin(step: Step) -> BaseProcess:
    """Begin a step's command in a process of its own; what it prints goes to `../log`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*WARM])
    process = context.Process(target=live, args=(step.words, str(Path.cwd()), str(Path("../log").resolve())))
    process.start()
    return process


def finish(step: Step) -> float:
    """Do a step to its end, which must be a good one; seconds that it took."""
    begun = time.monotonic()
    process = begin(step)
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 0, f"{step.name} ended with {process.exitcode}: {Path('../log').read_text()[-3000:]}"
    return time.monotonic() - begun


def kill_after(step: Step, seconds: float, whole_group: bool) -> bool:
    """Begin a step and kill it after so many seconds, alone or with its group; whether it still lived then."""
    process = begin(step)
    process.join(seconds)
    if process.exitcode is not None:
        return False
    if whole_group and process.pid is not None:
        with contextlib.suppress(ProcessLookupError):  # it has no group of its own yet
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()
    require_no_orphans(process.pid)
    return True


def kill_at(step: Step, kind: str) -> None:
    """Begin a step and kill it once it has written an event of a kind."""
    before = len(registry.events(P))
    process = begin(step)
    while process.exitcode is None and kind not in {event["kind"] for event in registry.events(P)[before:]}:
        time.sleep(0.01)
    assert process.exitcode is None, f"{step.name} has ended without an event {kind}"
    process.kill()
    process.join()
    require_no_orphans(process.pid)


# ---- what must hold


def session_of(session: int | None) -> list[str]:
    """The command lines of living processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z" and int(fields[3]) == session:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def require_no_orphans(session: int | None) -> None:
    """Nothing that a killed process started goes on for long."""
    end = time.monotonic() + ORPHAN_SECONDS
    while (living := session_of(session)) and time.monotonic() < end:
        time.sleep(0.05)
    assert living == []


def require_readable() -> None:
    """Right after a kill a reader sees one champion, whole, and the user's own state as it was."""
    from tasks.version.champion import require_whole

    champion = registry.champion(P)
    assert champion is not None
    require_whole(champion)


def require_sound_life() -> None:
    """After a step has been done: all that must hold of ledger, batches, versions, remotes and folders."""
    from tasks.verify import verify

    require_sound(Path.cwd(), P)
    require_batches_once()
    require_same_remote()
    require_no_leftovers()
    assert verify(P) == []


def require_batches_once() -> None:
    """Each batch is in the ledger once, with its bytes and rows, and in the pin of the ledger's tip."""
    events = registry.events(P)
    pairs = Counter(pair for event in events if event["kind"] == "landing" for pair in event["batches"].items())
    assert {pair: count for pair, count in pairs.items() if count > 1} == {}
    signals = [event["signal"] for event in events if event["kind"] == "verdict"]
    judged = Counter((signal["batch"], signal["champion"]) for signal in signals)
    assert {each: count for each, count in judged.items() if count > 1} == {}
    assert {each["batch"]: each["rows"] for each in signals}.items() <= rows_of_source().items()
    assert pinned_at_tip() == hashes_of_source()


def hashes_of_source() -> dict[str, str]:
    """MD5 by file name of what the source's folder has."""
    return {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in INCOMING.glob("*.csv")}


def rows_of_source() -> dict[str, int]:
    """Rows by file name of what the source's folder has."""
    return {file.name: len(file.read_text().splitlines()) - 1 for file in INCOMING.glob("*.csv")}


def pinned_at_tip() -> dict[str, str]:
    """MD5 by file name of what the ledger's last commit pins, each found in the DVC remote with those bytes."""
    pin = run("git", "show", f"holdfast/{P}:data/raw/{P}.dvc")
    folder = next(line.split(": ")[1] for line in pin.splitlines() if line.endswith(".dir"))
    listed = {entry["relpath"]: entry["md5"] for entry in json.loads(stored(folder))}
    for md5 in listed.values():
        assert hashlib.md5(stored(md5)).hexdigest() == md5
    return listed


def stored(md5: str) -> bytes:
    """An object of the DVC remote."""
    return Path(".dvc/remote/files/md5", md5[:2], md5[2:]).read_bytes()


def require_same_remote() -> None:
    """The git remote has the ledger and the tags that are here, and no other ones."""
    here = run("git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/holdfast", "refs/tags")
    there = run(
        "git",
        "for-each-ref",
        "--format=%(objectname) %(refname)",
        "refs/heads",
        "refs/tags",
        folder=Path("../origin.git"),
    )
    assert there == here


def require_no_leftovers() -> None:
    """No worktree, lock or half file is left of killed processes."""
    assert [path.name for path in Path(".git/holdfast/worktrees").iterdir()] == []
    assert run("git", "worktree", "list").count("\n") == 1
    assert [str(path) for path in Path(".git").rglob("*.lock") if path.parent.name != "holdfast"] == []
    ours = [path for path in Path().rglob(".*.tmp") if path.parts[0] not in {".git", ".dvc"}]
    assert ours == []


def told() -> list[tuple[Any, ...]]:
    """What the ledger says happened, without times and costs; a decision made again on the same version counts once."""
    facts = []
    for event in registry.events(P):
        what = event.get("signal", event.get("decision", {}))
        essence = {name: event.get(name) for name in ("version", "identity", "stage", "act", "batches", "trigger")}
        facts.append((event["kind"], str(essence), what.get("batch"), what.get("outcome")))
    return [fact for place, fact in enumerate(facts) if fact[0] != "decision" or fact not in facts[:place]]


@dataclass
class Kills:
    """How often which step was met, and by which events the ledger had grown then."""

    met: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    after: Counter[str] = field(default_factory=Counter)


def live_killed(seconds: dict[int, float], dice: random.Random, kills_per_step: int, kills: Kills) -> None:
    """Live a life in which each step is killed so many times before it is done.

    Parameters
    ----------
    seconds : dict of int to float
        How long each step takes, by its place; the moment of a kill is drawn from it.
    """
    for place, step in enumerate(LIFE):
        step.prepare()
        user = state_of_user()
        for _ in range(kills_per_step):
            before = len(registry.events(P))
            if step.is_done():
                break
            if kill_after(step, dice.uniform(0, seconds[place]), dice.random() < 0.5):
                new = registry.events(P)[before:]
                kills.met[step.name] += 1
                kills.after[f"{step.name}: {new[-1]['kind'] if new else 'nothing yet'}"] += 1
            else:
                kills.missed += 1
            require_readable()
        finish(step) if not step.is_done() else None
        require_sound_life()
        now = state_of_user()
        assert {key: now[key] for key in ("head", "index")} == {key: user[key] for key in ("head", "index")}
