"""All tests of one batch, which share one budget of false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from tasks.drift.cause import BatchContext, triage
from tasks.drift.habits import without_model
from tasks.drift.model import (
    concept_drift,
    counted_means,
    domain_classifier,
    estimated_performance,
    material,
    observed_model,
)
from tasks.drift.profile import observe
from tasks.drift.profiled import columns_to_read, profiled
from tasks.drift.pseudo_columns import LOSS, loss_of
from tasks.drift.schedule import schedule_of
from tasks.drift.thresholds import Budget, EffectFloor, judge
from tasks.table import to_frame

if TYPE_CHECKING:
    import pyarrow as pa

    from configs.schema import Pipeline
    from configs.sections.drift import Drift
    from configs.sections.drift import EffectFloor as DeclaredFloor
    from tasks.drift.batch import GivenBatch
    from tasks.drift.cause import Cause
    from tasks.drift.champion import Champion
    from tasks.drift.model import ConceptDrift, Estimate, Material, Multivariate, ObservedModel
    from tasks.drift.profile import Profile, Summary
    from tasks.drift.schedule import Schedule, Span
    from tasks.drift.thresholds import Judged

ROWS_SHARE, LOSS_SHARE = 0.1, 0.3
"""Of the false alarms that are put up with: for all columns together, and for the loss; the rest is for the columns."""


@dataclass(frozen=True)
class Seen:
    """A batch's rows as the tests see them.

    Attributes
    ----------
    table : pa.Table
        What is counted: the columns that the model reads, and what it says of them.
    summary : Summary
    observed : ObservedModel
    """

    table: pa.Table
    summary: Summary
    observed: ObservedModel


@dataclass(frozen=True)
class Tested:
    """What the tests found."""

    judged: Judged
    rows: Multivariate
    loss: ConceptDrift
    material: Material
    estimate: Estimate
    causes: tuple[Cause, ...]
    unreadable: Mapping[str, str]

    @property
    def drifted(self) -> bool:
        """Whether any test of the family alarmed."""
        return bool(self.judged.alarmed or self.rows.alarmed or self.loss.alarmed)


def schedule_for(drift: Drift, profile: Profile) -> Schedule:
    """How many batches share the budget, as declared or as the reference's times say."""
    return schedule_of(drift, spans_of(profile))


def seen_by(given: GivenBatch, champion: Champion, pipeline: Pipeline, as_of: datetime | None) -> Seen:
    """Count a batch's rows, with what the model says of them beside."""
    observed = observed_model(to_frame(given.rows), champion.model, pipeline, as_of=as_of)
    table = profiled(given.rows.select(columns_to_read(pipeline)), observed.columns, pipeline)
    return Seen(table, observe(table, champion.profile.grid), observed)


def tested_by(seen: Seen, given: GivenBatch, champion: Champion, pipeline: Pipeline, schedule: Schedule) -> Tested:
    """Make all tests, which share one budget of false alarms."""
    profile, model, observed = champion.profile, champion.model, seen.observed
    alpha = schedule.alpha
    rows = domain_classifier(seen.table, profile, alpha=ROWS_SHARE * alpha, seed=pipeline.train.seed)
    loss = concept_drift(
        seen.table.column(LOSS).to_numpy(),
        observed.labels,
        counted_means(profile, LOSS),
        loss_of(pipeline.metric),
        LOSS_SHARE * alpha,
    )
    left = 1 - ROWS_SHARE * (rows.off is None) - LOSS_SHARE * (loss.off is None)
    judged = judge(seen.summary, profile, budget_of(schedule, left), floor_of(pipeline.drift.effect_floor))
    moved = material(judged, profile, to_frame(given.rows), model, observed, concept=loss, seed=pipeline.train.seed)
    estimate = estimated_performance(
        observed.scores, model, pipeline, sample=profile.sample, reference=champion.score, seed=pipeline.train.seed
    )
    context = context_of(given, champion, pipeline)
    causes = triage(seen.summary, without_model(seen.table), profile, judged, context)
    return Tested(judged, rows, loss, moved, estimate, causes, observed.unreadable)


def budget_of(schedule: Schedule, share: float = 1.0) -> Budget:
    """The budget of tests that are given a share of all false alarms."""
    return Budget(schedule.false_alarms * share, schedule.period, schedule.batches_judged)


def floor_of(declared: DeclaredFloor) -> EffectFloor:
    """The declared effect floor as the tests take it."""
    return EffectFloor(declared.shift, declared.mix, declared.missing, declared.outside)


def spans_of(profile: Profile) -> dict[str, Span]:
    """When each batch of the reference began and ended."""
    spans: dict[str, Span] = {}
    for name, blocks in groupby(profile.blocks, key=lambda block: block.name):
        summaries = [block.summary for block in blocks]
        starts = [each.start for each in summaries if each.start is not None]
        ends = [each.end for each in summaries if each.end is not None]
        spans[name] = (at(min(starts)), at(max(ends))) if starts and ends else (None, None)
    return spans


def context_of(given: GivenBatch, champion: Champion, pipeline: Pipeline) -> BatchContext:
    """What is known of a batch beside its rows."""
    units = {name: column.unit for name, column in pipeline.columns.items() if column.unit is not None}
    return BatchContext(
        time=pipeline.time.column,
        owner=owner_of(pipeline),
        units=units,
        quarantined=given.untyped,
        raw_rows=given.raw_rows,
        habits=tuple(habits for habits in champion.habits if habits.name != given.name),
    )


def owner_of(pipeline: Pipeline) -> str | None:
    """Who is to be told."""
    return pipeline.drift.owner or pipeline.owner


def at(seconds: float) -> datetime:
    """Seconds since 1970 as a time."""
    return datetime.fromtimestamp(seconds, UTC)
