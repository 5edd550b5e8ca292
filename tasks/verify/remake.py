"""Making a version again, from its commit and its raw data alone, and comparing bytes.

Everything happens in a throw-away worktree with a cache of its own that holds the raw data and nothing else: neither
DVC's run cache nor the per-batch store can hand out what was made before. Where bytes differ, `causes.py` says why.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from configs.errors import CorruptionError
from tasks.atomic import write_text
from tasks.version.pins import LOCK, StageEntry, raw_pin, read_raw_pin, stage_entries
from tasks.version.record import record_of
from tasks.version.storage import place, read_listing, read_object

if TYPE_CHECKING:
    from tasks.registry import Version

Cause = Literal["data", "code", "parameter", "library", "platform"]
Runner = Literal["holdfast", "dvc"]
CACHE = ".dvc/cache"
REPRODUCE = """
import os, sys, threading
def leave_with_parent():
    sys.stdin.read()  # ends when the parent is gone
    os._exit(1)
threading.Thread(target=leave_with_parent, daemon=True).start()
from tasks.ledger import reproduce
reproduce(sys.argv[1], around=lambda _stage, work: work())
sys.stdout.flush()
os._exit(0)  # without taking apart, for a second, all that was imported
"""


@dataclass(frozen=True)
class Divergence:
    """One cause for which a stage makes other bytes than were registered; `what` is the evidence for it."""

    stage: str
    cause: Cause
    what: str
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.stage}: {self.cause}: {self.what}; differs: {', '.join(self.outputs)}"


@dataclass(frozen=True)
class Remade:
    """What came of making a version again: the stages that finished, and what the run said if it failed."""

    stages: dict[str, StageEntry]
    failure: str | None


@dataclass(frozen=True)
class Comparison:
    """A version's commit checked out in `folder`, what was recorded of it, and what was made of it there."""

    version: Version
    folder: Path
    record: dict[str, Any]
    recorded: dict[str, StageEntry]
    remade: Remade

    @property
    def first_difference(self) -> tuple[str, tuple[str, ...]] | None:
        """The first stage in the order of the DAG that made other bytes or none, and its outputs that differ."""
        for stage, entry in self.recorded.items():
            made = self.remade.stages[stage].outs if stage in self.remade.stages else {}
            differing = tuple(path for path, pinned in entry.outs.items() if made.get(path) != pinned)
            if differing:
                return stage, differing
        return None


def rebuild(version: Version, runner: Runner = "holdfast") -> list[Divergence]:
    """Make a version again and compare the bytes of all outputs of the DAG.

    Parameters
    ----------
    version : Version
        Its raw data must be in DVC's cache or remote; nothing else of it is needed.
    runner : {"holdfast", "dvc"}
        Whether Holdfast or `dvc repro` runs the stages.

    Returns
    -------
    list of Divergence
        Empty if every byte is as registered. Else the causes found for the first stage that diverges, the ones with
        evidence in what is pinned before those of the machine.

    Raises
    ------
    CorruptionError
        If the record cannot be read.
    """
    from tasks.registry.git import read_file
    from tasks.verify.causes import causes_of

    record = record_of(version)
    recorded = stage_entries(read_file(version.commit, str(LOCK)), version.pipeline, f"{version.name}:{LOCK}")
    with checked_out_alone(version) as folder:
        try:
            place_raw_data(version, folder)
        except CorruptionError as error:
            return [Divergence("ingest", "data", str(error), tuple(recorded["ingest"].outs))]
        remade = reproduce(version.pipeline, folder, runner)
        return causes_of(Comparison(version, folder, record, recorded, remade), runner)


@contextmanager
def checked_out_alone(version: Version) -> Iterator[Path]:
    """Yield a throw-away worktree of a version's commit that shares nothing with the user's project."""
    from tasks.retrain.worktree import checked_out, private_site_cache

    with checked_out(version.commit, f"rebuild-{version.pipeline}") as folder, private_site_cache(folder):
        write_text(folder / ".dvc/config.local", f"[core]\n    no_scm = true\n[cache]\n    dir = {folder / CACHE}\n")
        (folder / LOCK).unlink()
        yield folder


def place_raw_data(version: Version, folder: Path) -> None:
    """Put the batches that the version's commit pins into a worktree, and into its cache.

    Raises
    ------
    CorruptionError
        If a batch cannot be had as it was landed.
    """
    raw = f"data/raw/{version.pipeline}"
    what = f"{raw} of {version.name}"
    path = folder / raw_pin(version.pipeline)
    if not path.is_file():
        raise CorruptionError(
            f"{version.name}: its commit has no {raw_pin(version.pipeline)}, so it names no raw data."
        )
    pin = read_raw_pin(path.read_bytes(), version.pipeline)
    objects = folder / CACHE / "files/md5"
    place(pin.md5, objects / pin.md5[:2] / pin.md5[2:], what)
    (folder / raw).mkdir(parents=True, exist_ok=True)
    for name, md5 in read_listing(pin.md5, what).items():
        place(md5, objects / md5[:2] / md5[2:], f"{raw}/{name} of {version.name}")
        (folder / raw / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / raw / name).write_bytes(read_object(md5))


def reproduce(pipeline: str, folder: Path, runner: Runner) -> Remade:
    """Run all stages in a process of its own, with the worktree's code; what was made stays in the worktree."""
    lock = folder / LOCK
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command(pipeline, runner),
            cwd=folder,
            env=environment_of(folder),
            stdin=subprocess.PIPE,  # open as long as this process lives
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdin is not None:
                process.stdin.close()
        said.seek(0)
        failure = last_lines(said.read()) or f"exit code {code}" if code else None
    made = stage_entries(lock.read_bytes(), pipeline, partial=True) if lock.exists() else {}
    return Remade(made, failure)


def command(pipeline: str, runner: Runner) -> list[str]:
    """The words that run all stages."""
    if runner == "dvc":
        return [sys.executable, "-m", "dvc", "repro", f"report@{pipeline}"]
    return [sys.executable, "-c", REPRODUCE, pipeline]


def environment_of(folder: Path) -> dict[str, str]:
    """The variables that the stages see: those of this process; modules come from the worktree."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "PWD": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def last_lines(text: str, limit: int = 3) -> str:
    """The end of what a process said, on one line."""
    return " / ".join(line.strip() for line in text.strip().splitlines()[-limit:])
