"""Whether a model would have been let in on a date: the very gate, on the rows that were held out then."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tasks.gate.contest import contest_between, read_side
from tasks.gate.paired import CHALLENGER, CHAMPION
from tasks.gate.verdict import verdict_of
from tasks.gate.windows import judged_rows
from tasks.replay.known import project_of
from tasks.replay.making import SPLIT
from tasks.replay.reach import contested
from tasks.split import HOLDOUT, OUTSIDE, TRAIN, split_path
from tasks.splitting.folds import NOT_VALIDATED
from tasks.store import content_hash
from tasks.table import BATCH, LINE, read_named, read_table, to_frame, write_table

if TYPE_CHECKING:
    import pandas as pd

    from configs.schema import Pipeline
    from tasks.replay.known import Known
    from tasks.replay.making import Kept, Made

CODE = Path("tasks/gate/contest.py")


def contest_on(kept: Kept, known: Known, champion: Made, challenger: Made) -> dict[str, Any]:
    """Hold a model against the one in force, on what was known on a date.

    Returns
    -------
    dict
        `outcome` and `reason` of the gate's verdict, and `cpu_seconds`.
    """
    pipeline, split = kept.pipeline, to_frame(read_table(champion.folder / SPLIT))
    rows = contested(known, challenger.known, *asked_of(split, challenger))
    parts = [kept.code(CODE), pipeline.gate.model_dump_json(), rows.hash]
    parts += [champion.manifest_sha256, challenger.manifest_sha256]
    key = content_hash("\n".join(parts).encode())
    return kept.summary("contest", key, lambda: held(pipeline, rows, champion, challenger))


def asked_of(champion_split: pd.DataFrame, challenger: Made) -> tuple[int, dict[str, int]]:
    """Rows that the challenger holds out, and rows of each batch that the champion was trained on."""
    part = to_frame(read_table(challenger.folder / SPLIT, ["part"]))["part"]
    trained = champion_split.loc[champion_split["part"] == TRAIN, BATCH].value_counts()
    return int((part == HOLDOUT).sum()), {str(name): int(rows) for name, rows in trained.items()}


def held(pipeline: Pipeline, known: Known, champion: Made, challenger: Made) -> dict[str, Any]:
    """Let both predict the held-out rows."""
    made = {CHALLENGER: challenger, CHAMPION: champion}
    sides = {side: read_side(each.bundle.resolve(), each.manifest_sha256) for side, each in made.items()}
    record = {"version": f"of {champion.manifest_sha256[:8]}", "model": sides[CHAMPION].manifest}
    champion_split = to_frame(read_table(champion.folder / SPLIT))
    with project_of(known, pipeline) as project:
        challenger.link_into(project, pipeline.name)
        with contextlib.chdir(project):
            name_older_rows(pipeline, [each.batch for each in known.arrived], challenger)
            rows = judged_rows(pipeline, champion_split)
            contest = contest_between(pipeline, sides, record, rows, told_only=False)
            verdict = verdict_of(pipeline, contest)
    return {"outcome": verdict["outcome"], "reason": verdict["reason"]}


def name_older_rows(pipeline: Pipeline, batches: Sequence[str], challenger: Made) -> None:
    """Say in the current directory's split that rows which the challenger did not look at are outside."""
    looked_at = {each.batch for each in challenger.known.arrived}
    older = [batch for batch in batches if batch not in looked_at]
    if not older:
        return
    path = split_path(pipeline)
    split = read_table(path)
    path.unlink()  # a link
    write_table(pa.concat_tables([*(outside(pipeline, batch).cast(split.schema) for batch in older), split]), path)


def outside(pipeline: Pipeline, batch: str) -> pa.Table:
    """A batch's rows as a split names those that it leaves out."""
    lines = read_named(Path(f"data/valid/{pipeline.name}/{batch}.parquet"), [LINE])[LINE]
    same = {BATCH: batch, "part": OUTSIDE, "fold": pa.scalar(NOT_VALIDATED, pa.int16())}
    columns = {name: pa.repeat(value, len(lines)) for name, value in same.items()}
    return pa.table({BATCH: columns[BATCH], LINE: lines, "part": columns["part"], "fold": columns["fold"]})
