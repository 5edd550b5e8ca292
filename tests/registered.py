"""Retrains of the small project without Prefect: the chapters of the flow, in this process."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from configs.load import load_pipeline
from tasks import monitoring, registry, retrain
from tasks.retrain import landings
from tasks.retrain.decisions import Decision
from tasks.retrain.worktree import bring_pinned, worktree

P = "diabetes"


def here(work: Any, *arguments: str) -> None:
    """Call a function as a stage's worker would."""
    work(*arguments)


def retrain_here(reason: str, replace: tuple[str, ...] = ()) -> Decision:
    """What the flow does, in the current directory."""
    from tasks.stage import run_stage

    registry.sync(P)
    with worktree(P) as tree:
        bring_pinned(tree)
        landings.land_new(tree, replace)
        retrain.reproduce(tree, around=lambda _stage, work: work(), call=run_stage)
        known = retrain.decided_before(tree)
        if known is not None:
            return known
        verdict = retrain.judge_challenger(tree, here)
        version = retrain.register_version(tree, verdict, reason, "manual")
        return retrain.decide(tree, version, verdict, reason, here)


def land_here() -> list[str]:
    """The flow's first chapter alone."""
    registry.sync(P)
    with worktree(P) as tree:
        bring_pinned(tree)
        return landings.land_new(tree)


def monitor_here(pipeline: str, now: datetime) -> tuple[list[str], list[str]]:
    """What the flow does, in the current directory, but for telling people; batches judged, and those not over yet."""
    registry.sync(pipeline)
    with worktree(pipeline) as tree:
        bring_pinned(tree)
        landings.land_new(tree)
        found = monitoring.batches_to_judge(tree, now)
        over = [batch for batch in found if batch.is_over]
        for batch in over:
            monitoring.judge(tree, batch, monitoring.judge_batch)
    monitoring.decide_on_retrain(load_pipeline(pipeline), now)
    return [batch.shown for batch in over], [batch.shown for batch in found if not batch.is_over]


def declare(old: str, new: str) -> None:
    """Change the pipeline's declaration and commit that."""
    path = Path(f"configs/{P}.yaml")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    run("git", "commit", "-qam", new)


def run(*command: str, folder: Path | None = None) -> str:
    """Run a command that must succeed; returns what it printed."""
    programs = {"dvc": ("-m", "dvc"), "gto": ("-c", "from gto.cli import app; app()")}
    words = [sys.executable, *programs[command[0]], *command[1:]] if command[0] in programs else command
    done = subprocess.run(words, cwd=folder, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def state_of_user() -> dict[str, Any]:
    """Everything of the user's that Holdfast must leave alone: branch, index, files, and git's view of them."""
    files = [path for path in Path().rglob("*") if path.is_file() and not is_ours(path)]
    return {
        "head": Path(".git/HEAD").read_text() + run("git", "rev-parse", "HEAD"),
        "index": Path(".git/index").read_bytes(),
        "files": {str(path): (path.read_bytes(), path.stat().st_mode) for path in files},
    }


def is_ours(path: Path) -> bool:
    """Whether a file lies where git, DVC, Holdfast or Python keep their own."""
    return path.parts[0] in {".git", ".dvc", ".holdfast"} or "__pycache__" in path.parts
