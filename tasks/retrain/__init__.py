"""The chapters of a retrain after landing: reproduce, judge, register, decide. Each can be run again after a kill.

All work is done in a worktree (`tasks.retrain.worktree`); refs are moved by `tasks.registry` alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import registry
from tasks.monitoring.cost import cpu_seconds
from tasks.registry import Version
from tasks.retrain import decisions
from tasks.retrain.decisions import Decision
from tasks.retrain.landings import has_new_batches
from tasks.retrain.project_state import ledger_tree
from tasks.retrain.worktree import Worktree
from tasks.version import storage

if TYPE_CHECKING:
    from tasks.ledger import StageOutcome
    from tasks.query_source import Secrets

CHAMPION = Path(".holdfast/champion")
VERDICT = Path(".holdfast/verdict.json")

Call = Callable[..., None]


def stale_stages(tree: Worktree) -> list[str]:
    """The stages that run or may run."""
    from tasks import ledger

    with contextlib.chdir(tree.folder):
        return ledger.stale_stages(tree.pipeline)


def reproduce(tree: Worktree, around: Callable[[str, Callable[[], None]], None], call: Call) -> list[StageOutcome]:
    """Reproduce the stale stages in the worktree; see `tasks.ledger.reproduce`."""
    from tasks import ledger

    with contextlib.chdir(tree.folder):
        return ledger.reproduce(tree.pipeline, around=around, call=call)


def settled(tree: Worktree, replace: Sequence[str] = (), secrets: Secrets | None = None) -> Decision | None:
    """The decision that stands if nothing is new or stale: the question before anything dear is imported."""
    if has_new_batches(tree, replace, secrets) or stale_stages(tree):
        return None
    return decided_before(tree)


def decided_before(tree: Worktree) -> Decision | None:
    """The decision on a version of the worktree's very content; see `tasks.retrain.decisions.standing_decision`."""
    from configs.load import load_pipeline
    from tasks.version import record

    with contextlib.chdir(tree.folder):
        identity = record.identity(record.gather(tree.pipeline))
        rules = load_pipeline(tree.pipeline).gate.model_dump(mode="json")
    return decisions.standing_decision(tree.pipeline, identity, rules)


def hold_contest(pipeline: str, champion_folder: str, output: str) -> None:
    """Import what a contest needs only where it is held, in a stage's worker."""
    from tasks.gate.contest import hold_contest as hold

    hold(pipeline, champion_folder, output)


def judge_challenger(tree: Worktree, call: Call) -> dict[str, Any]:
    """Hold the worktree's model against the champion on the same rows.

    Parameters
    ----------
    tree : Worktree
        Whose stages have just been reproduced.
    call : callable
        Calls a function with arguments in a stage's worker.

    Returns
    -------
    dict
        The gate's verdict; `champion` is the number of the version that it was judged against, or None.
    """
    from tasks.atomic import read_json
    from tasks.version import champion

    reigning = registry.champion(tree.pipeline)
    with contextlib.chdir(tree.folder):
        if reigning is not None:
            champion.export(reigning, CHAMPION)
        call(hold_contest, tree.pipeline, str(CHAMPION) if reigning else "", str(VERDICT))
        verdict: dict[str, Any] = read_json(VERDICT)
    return verdict


def register_version(tree: Worktree, verdict: Mapping[str, Any], reason: str, trigger: str) -> Version:
    """Give the worktree's model a number, after the DVC remote has got all of it.

    Registering the same content again gives the same version.
    """
    from tasks.version import record

    with contextlib.chdir(tree.folder):
        gathered = record.gather(tree.pipeline)
        storage.push_version(tree.pipeline)
        changes = ledger_tree(tree)

    def complete(number: Any, parent: Version | None) -> dict[str, Any]:
        return record.completed(
            gathered,
            version=str(number),
            parent=str(parent.number) if parent else None,
            verdict=verdict,
            reason=reason,
            trigger=trigger,
            approved_by=None,
            code_commit=tree.head,
        )

    return registry.register(
        tree.pipeline,
        changes,
        record.identity(gathered),
        record=complete,
        bump=lambda before: record.bump_of(gathered, before),
        facts={"reason": reason, "trigger": trigger, "cpu_seconds": round(cpu_seconds(), 1)},
    )


def decide(tree: Worktree, version: Version, verdict: Mapping[str, Any], reason: str, call: Call) -> Decision:
    """Write the decision on the worktree's version down and carry it out; see `tasks.retrain.decisions.decide`."""
    return decisions.decide(version, verdict, reason, judge=lambda: judge_challenger(tree, call))
