"""The rows of the gate's table: each says what was found, what was allowed, and whether it refuses the challenger.

A gain is positive where the challenger is better, whatever the direction of the metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from configs.sections.gate import Gate
from tasks.evaluation.intervals import Interval, Score
from tasks.gate.paired import CHALLENGER, CHAMPION, Resampling

Outcome = Literal["passed", "failed", "advisory", "not assessed"]
Figures = dict[str, float | int | str | None]
TOLD_ONLY = "told only"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Check:
    """One row: `found` are the figures behind it, `refuses` whether it alone keeps the challenger out."""

    name: str
    outcome: Outcome
    found: Figures
    allowed: str
    reason: str
    refuses: bool = False

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Paired:
    """Both models' scores of one thing: the champion's is None where there is no champion."""

    challenger: float | None
    champion: float | None
    gain: Interval

    @property
    def figures(self) -> Figures:
        """The numbers, for the table."""
        figures: Figures = {CHALLENGER: self.challenger, CHAMPION: self.champion, "gain": self.gain.value}
        return {**figures, "low": self.gain.low, "high": self.gain.high}

    def told(self, unit: str) -> str:
        """In words: both scores, the gain and its interval."""
        return f"{unit} {number(self.challenger)} against {number(self.champion)}: gain {told_interval(self.gain)}"


def paired(scores: Mapping[tuple[str, str], Score], name: str, sign: int, resampling: Resampling) -> Paired:
    """Compare both sides' scores of one thing on the same resamples."""
    challenger, champion = scores[name, CHALLENGER], scores[name, CHAMPION]
    gain = resampling.gain(challenger, champion, sign)
    return Paired(defined(challenger.value), defined(champion.value), gain)


def defined(value: float) -> float | None:
    """None for what is not a number."""
    return None if math.isnan(value) else float(value)


def number(value: float | None) -> str:
    """Four significant digits at least, `n/a` where there is none.

    >>> number(0.71234), number(58.123456), number(None)
    ('0.7123', '58.12', 'n/a')
    """
    return "n/a" if value is None else f"{value:.4f}" if abs(value) < 1 else f"{value:,.4g}"


def signed(value: float | None) -> str:
    """A difference, with its sign."""
    return "n/a" if value is None else ("+" if value >= 0 else "-") + number(abs(value))


def told_interval(found: Interval) -> str:
    """A difference with its interval, or why there is none.

    >>> told_interval(Interval(0.0112, 0.003, 0.02))
    '+0.0112 [+0.0030, +0.0200]'
    """
    if found.value is None or found.low is None:
        return f"{signed(found.value)} ({found.reason})"
    return f"{signed(found.value)} [{signed(found.low)}, {signed(found.high)}]"


@dataclass(frozen=True)
class Rule:
    """What is asked of one thing: `passes` is None where it cannot be assessed, and `required` things must pass."""

    allowed: str
    passes: bool | None
    required: bool = True


def judged(name: str, found: Figures, reason: str, rule: Rule) -> Check:
    """Make a row of the table."""
    if rule.passes is None:
        return Check(name, "not assessed", found, rule.allowed, reason, refuses=rule.required)
    if not rule.required:
        return Check(name, "advisory", found, TOLD_ONLY, reason)
    return Check(name, "passed" if rule.passes else "failed", found, rule.allowed, reason, refuses=not rule.passes)


def at_most(found: float | None, budget: float | None, unit: str = "") -> Rule:
    """Ask for no more than a budget; without one, for nothing."""
    passes = None if found is None else budget is None or found <= budget
    return Rule(TOLD_ONLY if budget is None else f"<= {budget:g}{unit}", passes, required=budget is not None)


def at_least(gain: float | None, loss: float | None) -> Rule:
    """Ask for no more loss than is put up with; without a limit, for nothing."""
    passes = None if gain is None else loss is None or gain >= -loss
    return Rule(TOLD_ONLY if loss is None else f"gain >= {bound(loss)}", passes, required=loss is not None)


def bound(loss: float) -> str:
    """A loss that is put up with, as the least gain.

    >>> bound(0.01), bound(0.0)
    ('-0.01', '0')
    """
    return f"{0.0 - loss:g}"


def is_better(gain: Interval, margin: float) -> bool | None:
    """Whether a gain is sure and greater than the margin; None where that cannot be told."""
    if gain.value is None or gain.low is None:
        return None
    return gain.low > 0 and gain.value > margin


def is_not_worse(gain: Interval, margin: float) -> bool | None:
    """Whether a gain is no loss beyond the margin, and no loss that is sure; None where there is no gain."""
    if gain.value is None:
        return None
    return gain.value >= -margin and not (gain.high is not None and gain.high < 0)


def newest_check(gate: Gate, metric: str, found: Paired, luck: float | None = None) -> Check:
    """Judge the challenger on the newest rows: better or no worse, as declared."""
    figures = found.figures if luck is None else {**found.figures, "luck": defined(luck)}
    rule = Rule(
        f"gain >= {bound(gate.margin)} and its interval not wholly below 0", is_not_worse(found.gain, gate.margin)
    )
    if gate.promote == "better":
        rule = Rule(f"gain > {gate.margin:g} and its interval wholly above 0", is_better(found.gain, gate.margin))
    told = found.told(metric) + ("" if luck is None else f", where seeds alone make up to {number(defined(luck))}")
    return judged("newest window", figures, told, rule)


def anchor_check(gate: Gate, metric: str, found: Paired) -> Check:
    """Judge what the challenger has forgotten: a loss on older rows that is sure and beyond the margin refuses.

    Not by the value alone: a challenger that was trained on newer rows may be a little worse on older ones. Rows that
    do not determine the metric show no forgetting either.
    """
    gain = found.gain
    kept = gain.value is None or gain.value >= -gate.margin or (gain.high is not None and gain.high >= 0)
    rule = Rule(f"gain >= {bound(gate.margin)} or its interval reaching 0", None if gain.value is None else kept)
    return replace(judged("anchor window", found.figures, found.told(metric), rule), refuses=not kept)


def slice_check(gate: Gate, metric: str, name: str, rows: int, found: Paired) -> Check:
    """Judge one slice: a loss beyond the declared margin refuses, however wide its interval is.

    A slice whose target takes one value only has no metric, and so no loss in it.
    """
    rule = at_least(found.gain.value, gate.slice_margin)
    told = f"{found.told(metric)} on {rows:,} rows"
    check = judged(name, {"rows": rows, **found.figures}, told, rule)
    return replace(check, refuses=check.outcome == "failed")


def calibration_check(gate: Gate, found: Paired) -> Check:
    """Judge how much the expected calibration error grew."""
    rule = at_least(found.gain.value, gate.budgets.calibration)
    return judged("calibration", found.figures, found.told("expected calibration error"), rule)


def value_check(gate: Gate, found: Paired) -> Check:
    """Judge what a row costs by the declared costs: dearer for sure, or by more than the margin, refuses."""
    margin, gain = gate.cost_margin, found.gain
    is_dearer = gain.high is not None and gain.high < 0
    rule = Rule("gain's interval not wholly below 0", None if gain.value is None else not is_dearer)
    if margin is not None:
        passes = is_not_worse(gain, margin)
        rule = Rule(f"gain >= {bound(margin)} and its interval not wholly below 0", passes)
    return judged("value", found.figures, found.told("cost per row"), rule)


def fairness_check(gate: Gate, column: str, measure: str, gaps: Mapping[str, Interval]) -> Check:
    """Judge how far the challenger's groups are apart in one measure; the champion's distance is told beside it."""
    gap, champion = gaps[CHALLENGER], gaps[CHAMPION].value if CHAMPION in gaps else None
    figures: Figures = {CHALLENGER: gap.value, CHAMPION: champion, "low": gap.low, "high": gap.high}
    bounds = f"[{number(gap.low)}, {number(gap.high)}]" if gap.low is not None else f"({gap.reason})"
    beside = "" if champion is None else f", the champion's {number(champion)}"
    told = f"groups of {column} are {number(gap.value)} {bounds} apart in {measure}{beside}"
    return judged(f"fairness of {column}: {measure}", figures, told, at_most(gap.value, gate.budgets.fairness))


def explanation_check(gate: Gate, distance: float | None) -> Check:
    """Judge how far the features' shares of the explanation moved."""
    if distance is None:
        return Check("explanation", "not assessed", {}, TOLD_ONLY, "there is no champion that could be compared")
    told = f"{distance:.1%} of the explanation went to other features"
    return judged("explanation", {"distance": distance}, told, at_most(distance, gate.budgets.explanation))


def leak_check(audit: Mapping[str, Any] | None) -> Check:
    """Repeat what training's leak audit said: what it only warned of is told, as was declared."""
    if audit is None:
        return Check("leak audit", "not assessed", {}, "no leak", "training wrote no leak audit")
    reason = str(audit.get("reason", audit.get("outcome")))
    if audit.get("outcome") == "off":
        return Check("leak audit", "not assessed", {}, TOLD_ONLY, reason)
    if audit.get("outcome") == "warned":
        return Check("leak audit", "advisory", {}, TOLD_ONLY, reason)
    return judged("leak audit", {}, reason, Rule("no leak", audit.get("outcome") == "passed"))


def size_check(gate: Gate, sizes: Mapping[str, int]) -> Check:
    """Judge how large the bundle is."""
    size = sizes[CHALLENGER] / MEGABYTE
    beside = f", the champion's {sizes[CHAMPION] / MEGABYTE:.3f} MB" if CHAMPION in sizes else ""
    told = f"the bundle has {size:.3f} MB{beside}"
    return judged("size", dict(sizes), told, at_most(size, gate.budgets.size, " MB"))


def latency_check(gate: Gate, seconds: Mapping[str, float]) -> Check:
    """Judge how long one row takes, as a multiple of the champion's time in the same run."""
    if CHAMPION not in seconds:
        return Check("latency", "not assessed", {}, TOLD_ONLY, "there is no champion that could be compared")
    ratio = seconds[CHALLENGER] / seconds[CHAMPION]
    times = f"{seconds[CHALLENGER] * 1e3:.2f} ms against {seconds[CHAMPION] * 1e3:.2f} ms"
    told = f"one row takes {ratio:.2f} times as long as the champion's ({times})"
    return judged("latency", {**seconds, "ratio": ratio}, told, at_most(ratio, gate.budgets.latency, " times"))


def environment_check(libraries: Sequence[str], ulps: int) -> Check:
    """Tell that the champion predicts with other libraries than it was made with, and what its golden batch says."""
    outcome = f"differs by up to {ulps} ULPs (32-bit floats)" if ulps else "gives the same predictions bit for bit"
    told = f"the champion was made with {', '.join(libraries)}; its golden batch {outcome} here"
    return Check("environment", "advisory", {"ulps": ulps}, TOLD_ONLY, told)
