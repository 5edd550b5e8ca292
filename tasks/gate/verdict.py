"""The verdict on a challenger: a table of checks with reasons, and what follows from it.

Pure: everything that had to be read, predicted or timed is in a `Contest`; `tasks.gate.contest` makes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.evaluation.intervals import Interval, Score
from tasks.evaluation.slices import slices_of
from tasks.gate.calibration import calibration_error
from tasks.gate.costs import are_declared, cost_of_rows, deciding
from tasks.gate.criteria import (
    Check,
    Paired,
    anchor_check,
    calibration_check,
    environment_check,
    explanation_check,
    fairness_check,
    latency_check,
    leak_check,
    newest_check,
    number,
    paired,
    size_check,
    slice_check,
    unless_changed,
    value_check,
)
from tasks.gate.fairness import class_measures, gap, gap_interval, groups_of, measures_of, rates_of, stand_ins
from tasks.gate.paired import CHALLENGER, CHAMPION, Asked, Contest, Resampling, Window, independent, widened
from tasks.metrics import greater_is_better

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.schema import Pipeline

    Floats = NDArray[np.float64]
    Scores = Mapping[tuple[str, str], Score]

SEED = 7  # of all resamples: nobody can look for a seed that lets a challenger through
PROMOTED, REFUSED, AWAITS_APPROVAL = "promoted", "refused", "awaits approval"
NEWEST, CALIBRATION, VALUE = "newest window", "calibration", "value"


def verdict_of(pipeline: Pipeline, contest: Contest) -> dict[str, Any]:
    """Judge a challenger.

    Parameters
    ----------
    pipeline : Pipeline
        The challenger's: its sections `gate`, `evaluate`, `train` and `target` are read.
    contest : Contest

    Returns
    -------
    dict
        `outcome` (promoted, refused, awaits approval), `reason` (one sentence), `checks` (the table's rows), `fairness`
        (rates per group, and columns that stand in for protected ones), `metric`, `champion`, `rows`, `blocks`,
        `settings`. Plain values without NaN.
    """
    checks = unlucky_checked(pipeline, contest, list(checks_of(pipeline, contest)))
    outcome = outcome_of(pipeline, checks)
    return {
        "outcome": outcome,
        "reason": sentence(outcome, contest, checks),
        "checks": [check.as_row() for check in checks],
        "fairness": [fairness_table(pipeline, contest, column) for column in protected_of(pipeline, contest)],
        "metric": pipeline.metric,
        "greater_is_better": greater_is_better(pipeline.metric),
        "champion": contest.champion,
        "rows": dict(contest.rows),
        "blocks": {"unit": contest.newest.blocks.unit, "newest": contest.newest.blocks.count},
        "settings": {
            "gate": pipeline.gate.model_dump(mode="json"),
            "confidence": pipeline.evaluate.confidence,
            "resamples": pipeline.evaluate.resamples,
            "seed": SEED,
        },
    }


def outcome_of(pipeline: Pipeline, checks: Sequence[Check]) -> str:
    """What follows from the checks: nobody is asked to approve what is refused."""
    if any(check.refuses for check in checks):
        return REFUSED
    return AWAITS_APPROVAL if pipeline.gate.approval == "manual" else PROMOTED


def sentence(outcome: str, contest: Contest, checks: Sequence[Check]) -> str:
    """Say in one sentence why."""
    refusing = [f"{check.name}: {check.reason}{asked_for(check)}" for check in checks if check.refuses]
    if refusing:
        return f"refused, {'; '.join(refusing)}"
    against = f"against the champion {contest.champion}" if contest.champion else "there is no champion yet"
    judged = next(check.reason for check in checks if check.name == NEWEST)
    return f"{outcome}, {against}: {judged} on {contest.newest.rows:,} rows"


def asked_for(check: Check) -> str:
    """What a check asked for, where it asked for something."""
    return f" ({check.allowed} was asked for)" if check.allowed else ""


def resampling_of(pipeline: Pipeline) -> Resampling:
    """The resamples that all checks share."""
    return Resampling(pipeline.evaluate.resamples, pipeline.evaluate.confidence, SEED)


def sides_of(contest: Contest) -> list[str]:
    """The models that there are."""
    return [side for side in (CHALLENGER, CHAMPION) if side in contest.newest.predictions]


def checks_of(pipeline: Pipeline, contest: Contest) -> Iterator[Check]:
    """All rows of the table; where rows or predictions are no ground for a comparison, only why."""
    obstacle = obstacle_of(contest)
    if obstacle:
        yield Check(NEWEST, "not assessed", {"rows": contest.newest.rows}, "", obstacle, refuses=True)
    else:
        yield from compared(pipeline, contest)
    yield leak_check(contest.leak_audit)
    yield explanation_check(pipeline.gate, contest.explanation)
    yield size_check(pipeline.gate, contest.sizes)
    yield latency_check(pipeline.gate, contest.seconds)
    if contest.other_libraries:
        yield environment_check(contest.other_libraries, contest.golden_ulps)


def obstacle_of(contest: Contest) -> str:
    """Why predictions of the newest rows cannot be scored; '' where they can."""
    if contest.incomparable:
        return contest.incomparable
    if not contest.newest.rows:
        return f"no held-out row is left: the champion was trained on all {contest.rows['left_out']:,}"
    windows = [window for window in (contest.newest, contest.anchor) if window is not None]
    for side in sides_of(contest):
        bad = sum(int((~finite_rows(window.predictions[side])).sum()) for window in windows)
        if bad:
            return f"{bad:,} predictions of the {side} are no finite numbers"
    return ""


def finite_rows(prediction: Floats) -> NDArray[np.bool_]:
    """Which rows have a prediction that is a finite number, of every class where there are several."""
    return np.asarray(np.isfinite(prediction.reshape(len(prediction), -1)).all(axis=1), dtype=np.bool_)


def compared(pipeline: Pipeline, contest: Contest) -> Iterator[Check]:
    """Rows about predictions: against the champion's where there is one."""
    gate, metric, window, resampling = pipeline.gate, pipeline.metric, contest.newest, resampling_of(pipeline)
    named = slice_masks(pipeline, contest)
    scores = resampling.scores(asked_of(pipeline, contest, named), window.blocks.count)
    if contest.champion is None:
        yield first_check(metric, resampling.interval(scores[NEWEST, CHALLENGER]))
    else:
        sign = sign_of(pipeline)
        yield newest_check(gate, metric, paired(scores, NEWEST, sign, resampling))
        yield anchor_of(pipeline, contest, scores)
        for name, mask in named.items():
            yield slice_check(gate, metric, name, int(mask.sum()), paired(scores, name, sign, resampling))
        if (CALIBRATION, CHAMPION) in scores:
            yield calibration_check(gate, paired(scores, CALIBRATION, -1, resampling))
        if are_declared(pipeline.train.costs):
            yield value_check(gate, paired(scores, VALUE, -1, resampling))
    yield from fairness_checks(pipeline, contest, scores)


def slice_masks(pipeline: Pipeline, contest: Contest) -> dict[str, NDArray[np.bool_]]:
    """The rows of each declared slice, by the name of its check; a first model is not compared in any."""
    window, settings = contest.newest, pipeline.evaluate
    if contest.champion is None:
        return {}
    slices = slices_of(window.frame, settings.slices, settings.slice_rows, window.target)
    return {f"slice {name['column']}={name['level']}": mask for name, mask in slices}


def asked_of(
    pipeline: Pipeline, contest: Contest, slices: Mapping[str, NDArray[np.bool_]]
) -> dict[tuple[str, str], Asked]:
    """Everything that is scored on the newest rows, by check and side."""
    window, asked = contest.newest, {}
    for side in sides_of(contest):
        prediction = window.predictions[side]
        asked[NEWEST, side] = window.metric(pipeline.metric, prediction)
        if contest.told_only or pipeline.gate.budgets.calibration is not None:
            asked[CALIBRATION, side] = calibration_error(window, prediction)
        if are_declared(pipeline.train.costs):
            asked[VALUE, side] = window.mean(costs_on(pipeline, window, side))
        for name, mask in slices.items():
            asked[name, side] = window.metric(pipeline.metric, prediction, mask)
        for column in pipeline.gate.protected:
            groups = groups_of(window.frame[column], pipeline.evaluate.slice_rows)
            for measure, (counted, among) in measures_on(pipeline, window, side).items():
                asked[f"{column}: {measure}", side] = gap(window, groups, counted, among)
    return asked


def costs_on(pipeline: Pipeline, window: Window, side: str) -> Floats:
    """What each row costs with one side's model, which decides as it has learned to."""
    prediction, own = window.predictions[side], window.decisions.get(side)
    return cost_of_rows(pipeline.train.costs, pipeline.task, window.target, prediction, own)


def measures_on(pipeline: Pipeline, window: Window, side: str) -> dict[str, tuple[Floats, Floats]]:
    """The measures that groups are compared by."""
    if pipeline.task == "multiclass":
        prediction, own = (
            window.predictions[side],
            deciding(pipeline.train.costs, "multiclass", window.decisions.get(side)),
        )
        decided = prediction.argmax(axis=1) if own is None else own.decide(prediction)
        return class_measures(window.target, decided.astype(np.int64), window.classes)
    return measures_of(pipeline.task, window.target, window.predictions[side], acting_from(pipeline, window, side))


def acting_from(pipeline: Pipeline, window: Window, side: str) -> float:
    """The prediction from which a row is acted on: the model's threshold, or without costs the share of ones."""
    costs = pipeline.train.costs
    decision = deciding(costs, pipeline.task, window.decisions.get(side)) if are_declared(costs) else None
    return float(window.target.mean()) if decision is None or decision.threshold is None else decision.threshold


def first_check(metric: str, found: Interval) -> Check:
    """Judge a first model: its metric is defined."""
    figures: dict[str, float | int | str | None] = {CHALLENGER: found.value, "low": found.low, "high": found.high}
    if found.value is None:
        return Check(NEWEST, "not assessed", figures, "", f"{metric}: {found.reason}", refuses=True)
    bounds = f" [{number(found.low)}, {number(found.high)}]" if found.low is not None else f" ({found.reason})"
    return Check(NEWEST, "passed", figures, "", f"{metric} {number(found.value)}{bounds}")


def anchor_of(pipeline: Pipeline, contest: Contest, scores: Scores) -> Check:
    """The row about older rows."""
    if contest.anchor is None:
        return Check("anchor window", "not assessed", {}, "", contest.why_no_anchor)
    gate, metric, resampling, sign = pipeline.gate, pipeline.metric, resampling_of(pipeline), sign_of(pipeline)
    older = scored(contest.anchor, pipeline)
    check = anchor_check(gate, metric, paired(older, NEWEST, sign, resampling))
    if not check.refuses or gate.anchor == "required":
        return check
    fallen = resampling.interval(independent(older[NEWEST, CHAMPION]).gain_over(scores[NEWEST, CHAMPION], sign))
    return unless_changed(gate, check, fallen, paired(scores, NEWEST, sign, resampling).gain)


def scored(window: Window, pipeline: Pipeline) -> Scores:
    """Both models' metric on the rows of a window."""
    asked = {(NEWEST, side): window.metric(pipeline.metric, each) for side, each in window.predictions.items()}
    return resampling_of(pipeline).scores(asked, window.blocks.count)


def compared_on(window: Window, pipeline: Pipeline) -> Paired:
    """Both models' metric on the rows of a window, compared."""
    return paired(scored(window, pipeline), NEWEST, sign_of(pipeline), resampling_of(pipeline))


def sign_of(pipeline: Pipeline) -> int:
    """What a difference of the metric is multiplied by, to be a gain."""
    return 1 if greater_is_better(pipeline.metric) else -1


def fairness_checks(pipeline: Pipeline, contest: Contest, scores: Scores) -> Iterator[Check]:
    """Rows about protected columns."""
    resampling = resampling_of(pipeline)
    for column in pipeline.gate.protected:
        for measure in measures_on(pipeline, contest.newest, CHALLENGER):
            gaps = {side: gap_interval(scores[f"{column}: {measure}", side], resampling) for side in sides_of(contest)}
            yield fairness_check(pipeline.gate, column, measure, gaps)


def protected_of(pipeline: Pipeline, contest: Contest) -> tuple[str, ...]:
    """The protected columns that there are figures of."""
    return () if obstacle_of(contest) else pipeline.gate.protected


def fairness_table(pipeline: Pipeline, contest: Contest, column: str) -> dict[str, Any]:
    """The challenger's rates of a protected column's groups, and the inputs that stand in for it."""
    window, least_rows = contest.newest, pipeline.evaluate.slice_rows
    groups = groups_of(window.frame[column], least_rows)
    measures = measures_on(pipeline, window, CHALLENGER)
    return {
        "column": column,
        "threshold": acting_from(pipeline, window, CHALLENGER) if pipeline.task == "binary" else None,
        "groups": rates_of(groups, measures),
        "stand_ins": stand_ins(window.frame, column, contest.inputs, least_rows),
    }


def unlucky_checked(pipeline: Pipeline, contest: Contest, checks: list[Check]) -> list[Check]:
    """Judge the newest rows again, against the luck of a seed, before a challenger counts as better.

    On many rows even the difference of two seeds is significant. Where nothing else differs, a gain is luck for sure.
    Otherwise models like the challenger are trained with other seeds, and the interval is widened by how far two of
    them may be apart; they are trained only when nothing else refuses.
    """
    first, gate = next(check for check in checks if check.name == NEWEST), pipeline.gate
    if gate.promote != "better" or contest.champion is None or first.outcome == "not assessed":
        return checks
    if contest.seed_alone:
        reason = f"{first.reason}; the models differ by their seed alone, so a gain is luck"
        second = replace(first, outcome="failed", refuses=True, reason=reason)
    elif gate.twins and not any(check.refuses for check in checks):
        second = against_luck(pipeline, contest)
    else:
        return checks
    return [second if check is first else check for check in checks]


def against_luck(pipeline: Pipeline, contest: Contest) -> Check:
    """The row about the newest rows, with an interval that also counts the luck of a seed."""
    window, resampling, metric = contest.newest, resampling_of(pipeline), pipeline.metric
    family = [window.predictions[CHALLENGER], *contest.twins(pipeline.gate.twins)]
    once = np.ones(window.blocks.count, dtype=np.int64)
    luck = resampling.luck([window.metric(metric, prediction).scorer(once) for prediction in family])
    found = compared_on(window, pipeline)
    return newest_check(pipeline.gate, metric, replace(found, gain=widened(found.gain, luck)), luck)
