"""What the tests found, in words and as drift.json has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.closure import code_hash
from tasks.drift import document
from tasks.drift.document import CausePart, FindingPart, HashesPart, Verdict
from tasks.drift.tested import at, owner_of
from tasks.model.bundle import canonical, sha256
from tasks.quarantine.limit import Counted, above

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.drift.batch import GivenBatch
    from tasks.drift.champion import Champion
    from tasks.drift.model import ConceptDrift, Estimate, Multivariate
    from tasks.drift.profile import Summary
    from tasks.drift.schedule import Schedule
    from tasks.drift.tested import Tested
    from tasks.drift.thresholds import Finding

SURE = 0.5  # confidence from which a fault of the feed is the verdict's cause
UNREADABLE, REFUSED = "unreadable", "refused_rows"
BEYOND = 1e12  # times the expected distance: such a multiple says only that next to none was expected


def verdict_of(  # noqa: PLR0913, PLR0917 - what was asked, and what was found
    given: GivenBatch, champion: Champion, pipeline: Pipeline, schedule: Schedule, summary: Summary, tested: Tested
) -> Verdict:
    """The verdict on a batch that was tested."""
    causes = causes_of(tested, given, pipeline)
    found = tested.material
    return Verdict(
        **facts_of(given, champion, pipeline, schedule),
        start=moment(summary.start),
        end=moment(summary.end),
        drifted=tested.drifted,
        material=found.material,
        cause=cause_of(causes, tested.drifted),
        sentence=sentence_of(causes, tested),
        widened=tested.judged.widened,
        notes=notes_of(given, tested),
        findings=ranked(tested),
        family=document.FamilyPart(
            surprise=tested.judged.statistic, threshold=tested.judged.threshold, history=tested.judged.history
        ),
        materiality=document.MaterialPart(material=found.material, moved=found.moved, sentence=found.sentence),
        causes=causes,
        multivariate=rows_part(tested.rows),
        loss=loss_part(tested.loss),
        estimate=estimate_part(tested.estimate),
    )


def facts_of(given: GivenBatch, champion: Champion, pipeline: Pipeline, schedule: Schedule) -> dict[str, Any]:
    """What every verdict says, whatever was found."""
    return {
        "pipeline": pipeline.name,
        "champion": champion.name,
        "batch": given.name,
        "rows": given.rows.num_rows,
        "refused": given.rows_refused,
        "owner": owner_of(pipeline),
        "budget": document.BudgetPart(
            false_alarms=pipeline.drift.false_alarms,
            batches=schedule.batches,
            known_by=schedule.known_by,
            alpha=schedule.alpha,
            sentence=schedule.sentence,
        ),
        "hashes": HashesPart(
            batch=given.sha256,
            declaration=sha256(canonical(pipeline.model_dump(mode="json", by_alias=True))),
            profile=champion.profile_sha256,
            code=code_hash(Path("tasks/drift/verdict.py")),
        ),
    }


def verdict_without_rows(given: GivenBatch, champion: Champion, pipeline: Pipeline, schedule: Schedule) -> Verdict:
    """The verdict on a batch of which no row is there to be judged: its feed is broken."""
    causes = refusal_causes(given, pipeline)
    return Verdict(
        **facts_of(given, champion, pipeline, schedule),
        start=None,
        end=None,
        drifted=False,
        material=False,
        cause="broken_feed",
        sentence=f"the feed is broken: {causes[0].evidence}",
        widened=None,
        notes=("no test was made: there is no row",),
        findings=(),
        family=None,
        materiality=None,
        causes=causes,
        multivariate=None,
        loss=None,
        estimate=None,
    )


def causes_of(tested: Tested, given: GivenBatch, pipeline: Pipeline) -> tuple[CausePart, ...]:
    """All causes, rows that were refused first: what is not there cannot be judged."""
    return (
        *refusal_causes(given, pipeline),
        *(
            CausePart(
                kind=cause.kind,
                feed=cause.feed,
                columns=cause.columns,
                time=cause.time,
                where=cause.where,
                evidence=cause.evidence,
                confidence=cause.confidence,
                owner=cause.owner,
            )
            for cause in tested.causes
        ),
    )


def refusal_causes(given: GivenBatch, pipeline: Pipeline) -> tuple[CausePart, ...]:
    """That a file cannot be read as declared, or that more of it is in quarantine than `source.stop_above` allows."""
    counted = Counted(given.name, given.raw_rows, given.refused)
    if not given.is_readable:
        kind, evidence = UNREADABLE, given.problems[0]
    elif not given.rows.num_rows or above(counted, pipeline.source.stop_above):
        reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in given.refused.items())
        kind, evidence = REFUSED, f"{given.rows_refused:,} of {given.raw_rows:,} rows are in quarantine ({reasons})"
    else:
        return ()
    owner = owner_of(pipeline)
    return (
        CausePart(
            kind=kind,
            feed=True,
            columns=(),
            time=None,
            where="all rows",
            evidence=evidence,
            confidence=1.0,
            owner=owner,
        ),
    )


def cause_of(causes: Sequence[CausePart], drifted: bool) -> document.Cause:
    """What is to blame: a feed that is surely broken goes first."""
    if any(cause.feed and (cause.confidence or 0.0) >= SURE for cause in causes):
        return "broken_feed"
    return "changed_world" if drifted else "none"


def sentence_of(causes: Sequence[CausePart], tested: Tested) -> str:
    """The verdict in words."""
    blamed = [cause for cause in causes if cause.feed and (cause.confidence or 0.0) >= SURE]
    if blamed:
        named = f" in {', '.join(blamed[0].columns)}" if blamed[0].columns else ""
        return f"the feed is broken ({blamed[0].kind.replace('_', ' ')}{named}); mend it, and do not retrain on this"
    if not tested.drifted:
        return "no drift"
    columns = dict.fromkeys(finding.column for finding in tested.judged.findings if finding.alarmed)
    where = f" in {len(columns)} column{'s' * (len(columns) != 1)}" if columns else " in all columns together"
    return f"drift{where}. {tested.material.sentence}"


def notes_of(given: GivenBatch, tested: Tested) -> tuple[str, ...]:
    """What was not tested, or not as usual, and why."""
    notes = [f"a run would stop: {problem}" for problem in given.problems]
    notes += [f"{name} could not be read as declared: {why}" for name, why in tested.unreadable.items()]
    for part in (tested.rows, tested.loss, tested.estimate):
        if part.off is not None:
            notes.append(part.sentence)
    notes += [each for each in (tested.rows.widened, tested.loss.widened) if each is not None]
    return tuple(notes)


def ranked(tested: Tested) -> tuple[FindingPart, ...]:
    """The findings, the most material first: what alarmed, then by how far it moves the model, then by excess."""
    moved = {**tested.material.by_column, **tested.material.shown}
    parts = [finding_part(finding, moved.get(finding.column)) for finding in tested.judged.findings]
    return tuple(sorted(parts, key=rank))


def rank(finding: FindingPart) -> tuple[bool, float, float, str, str]:
    """Where a finding stands among others."""
    excess = float("inf") if finding.excess is None else finding.excess
    return not finding.alarmed, -(finding.moved or 0.0), -excess, finding.column, finding.test


def finding_part(finding: Finding, moved: float | None) -> FindingPart:
    """One finding as the document has it."""
    return FindingPart(
        column=finding.column,
        role=finding.role,
        test=finding.test,
        statistic=within_bounds(finding.statistic),
        threshold=within_bounds(finding.threshold),
        effect=finding.effect,
        p_value=finding.p_value,
        alarmed=finding.alarmed,
        excess=finding.excess,
        found=finding.found,
        moved=moved if finding.alarmed else None,
    )


def within_bounds(multiple: float) -> float | None:
    """A multiple of the expected distance; None where none was expected, and any is beyond bounds.

    >>> within_bounds(2.5), within_bounds(1e300)
    (2.5, None)
    """
    return multiple if multiple < BEYOND else None


def rows_part(found: Multivariate) -> document.MultivariatePart:
    """The test of all columns together, as the document has it."""
    low, high = found.interval or (None, None)
    return document.MultivariatePart(
        auc=found.statistic,
        low=low,
        high=high,
        p_value=found.p_value,
        alarmed=found.alarmed,
        told_by=found.told_by,
        off=found.off,
    )


def loss_part(found: ConceptDrift) -> document.LossPart:
    """The test of the loss, as the document has it."""
    low, high = found.interval or (None, None)
    return document.LossPart(
        loss=found.loss,
        rows=found.rows,
        waiting=found.waiting,
        missing=found.missing,
        value=found.value,
        reference=found.reference,
        low=low,
        high=high,
        p_value=found.p_value,
        alarmed=found.alarmed,
        off=found.off,
    )


def estimate_part(found: Estimate) -> document.EstimatePart:
    """The estimate, as the document has it."""
    low, high = found.interval or (None, None)
    return document.EstimatePart(
        metric=found.metric, value=found.value, low=low, high=high, reference=found.reference, off=found.off
    )


def moment(seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601.

    >>> moment(1372651200.0)
    '2013-07-01T00:00:00+00:00'
    """
    return None if seconds is None else at(seconds).isoformat(timespec="seconds")
