"""The verdict on one batch: whether it has drifted, whether that matters, and whether feed or world is to blame.

The batch's rows come from `batch`, what they are held against from `champion`; `tested` makes the tests, `told` says in
words and in drift.json what they found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.drift.batch import given_batch
from tasks.drift.champion import champion_of
from tasks.drift.comparison import compared
from tasks.drift.tested import schedule_for, seen_by, tested_by
from tasks.drift.told import verdict_of, verdict_without_rows

if TYPE_CHECKING:
    from datetime import datetime

    from configs.schema import Pipeline
    from tasks.drift.batch import GivenBatch
    from tasks.drift.champion import Champion
    from tasks.drift.document import Verdict
    from tasks.drift.plots import Cell


@dataclass(frozen=True)
class JudgedBatch:
    """A verdict, and the shares of each column's values that its plots show."""

    verdict: Verdict
    cells: Mapping[str, Sequence[Cell]]


def judge_batch(pipeline: Pipeline, batch: str, *, as_of: datetime | None = None) -> JudgedBatch:
    """Hold a landed batch against the champion.

    Parameters
    ----------
    pipeline : Pipeline
    batch : str
        It need not have been through the DAG.
    as_of : datetime with a time zone, optional
        Labels that are not due by then are not used; all that are there when absent.

    Raises
    ------
    DataError
        If no such batch has landed, or there is no profile.
    CorruptionError
        If a byte of the champion is not the one that was recorded.
    """
    champion = champion_of(pipeline)  # before the batch is typed: it may not be there
    return verdict_on(given_batch(pipeline, batch), champion, pipeline, as_of)


def verdict_on(given: GivenBatch, champion: Champion, pipeline: Pipeline, as_of: datetime | None = None) -> JudgedBatch:
    """Judge rows by a champion; reads no file but the code that judges."""
    schedule = schedule_for(pipeline.drift, champion.profile)
    if not given.rows.num_rows:
        return JudgedBatch(verdict_without_rows(given, champion, pipeline, schedule), {})
    seen = seen_by(given, champion, pipeline, as_of)
    tested = tested_by(seen, given, champion, pipeline, schedule)
    verdict = verdict_of(given, champion, pipeline, schedule, seen.summary, tested)
    return JudgedBatch(verdict, compared(champion.profile, seen.summary))
