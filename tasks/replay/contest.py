"""Whether a model would have been let in on a date: the very gate, on the rows that were held out then."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.closure import code_hash
from tasks.gate.contest import contest_between, read_side
from tasks.gate.paired import CHALLENGER, CHAMPION
from tasks.gate.verdict import verdict_of
from tasks.gate.windows import judged_rows
from tasks.replay.known import project_of
from tasks.replay.making import SPLIT
from tasks.store import content_hash
from tasks.table import read_table, to_frame

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.replay.known import Known
    from tasks.replay.making import Kept, Made


def contest_on(kept: Kept, known: Known, champion: Made, challenger: Made) -> dict[str, Any]:
    """Hold a model against the one in force, on what was known on a date.

    Returns
    -------
    dict
        `outcome` and `reason` of the gate's verdict, and `cpu_seconds`.
    """
    rules = kept.pipeline.gate.model_dump_json()
    parts = [code_hash(Path("tasks/gate/contest.py")), rules, known.hash]
    parts += [champion.manifest_sha256, challenger.manifest_sha256]
    key = content_hash("\n".join(parts).encode())
    return kept.summary("contest", key, lambda: held(kept.pipeline, known, champion, challenger))


def held(pipeline: Pipeline, known: Known, champion: Made, challenger: Made) -> dict[str, Any]:
    """Let both predict the held-out rows."""
    made = {CHALLENGER: challenger, CHAMPION: champion}
    sides = {side: read_side(each.bundle.resolve(), each.manifest_sha256) for side, each in made.items()}
    record = {"version": f"of {champion.manifest_sha256[:8]}", "model": sides[CHAMPION].manifest}
    champion_split = to_frame(read_table(champion.folder / SPLIT))
    with project_of(known, pipeline) as project:
        challenger.link_into(project, pipeline.name)
        with contextlib.chdir(project):
            contest = contest_between(pipeline, sides, record, judged_rows(pipeline, champion_split))
            verdict = verdict_of(pipeline, contest)
    return {"outcome": verdict["outcome"], "reason": verdict["reason"]}
