"""What `score` must agree on with the target, its classes and the declared costs."""

from __future__ import annotations

from collections.abc import Iterator

from configs.contradiction import Check, Contradiction
from configs.document import KeyPath
from configs.schema import Pipeline
from configs.sections.train import Costs
from configs.wording import listed, shown

REFER = "refer"
ACCEPT = "accept"  # a regression's number is taken as it is


def known_decisions(pipeline: Pipeline) -> tuple[str, ...] | None:
    """What may be decided on a row; None of classes that only the data name."""
    if pipeline.task == "regression":
        return (ACCEPT, REFER)
    if pipeline.task == "binary":
        return ("0", "1", REFER)
    column = pipeline.columns.get(pipeline.target.name)
    return None if column is None or column.levels is None else (*column.levels, REFER)


def check_refer(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Rows are referred by costs where there are some, else by a probability; a regression has neither."""
    refer, has_costs = pipeline.score.refer, pipeline.train.costs != Costs()
    given: dict[str, float | None] = {"below": refer.below, "cost": refer.cost}
    for key in [name for name, value in given.items() if value is not None]:
        path: KeyPath = ("score", "refer", key)
        if pipeline.task == "regression":
            yield path, "the task is regression, which has no probability to be unsure by; remove it"
        elif key == "below" and has_costs:
            yield path, "train.costs say what a wrong decision costs; write what referring costs instead: `cost`"
        elif key == "cost" and not has_costs:
            yield path, "nothing to compare it with: declare train.costs, or write `below`"
        elif key == "cost" and pipeline.train.calibration == "none":
            yield path, "it is compared with expected costs, which need probabilities: declare train.calibration"


def check_decisions(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """What overrides and the fallback decide is something that can be decided; each override has its own name."""
    known, score = known_decisions(pipeline), pipeline.score
    decided: list[tuple[KeyPath, str]] = [
        (("score", "overrides", position, "decide"), each.decide) for position, each in enumerate(score.overrides)
    ]
    decided.append((("score", "fallback", "decision"), score.fallback.decision))
    for path, decision in decided:
        if known is not None and decision not in known:
            yield path, f"found {shown(decision)}, expected one of {listed(known)}"
    names = [each.name or each.when for each in score.overrides]
    for position, name in enumerate(names):
        if name in names[:position]:
            yield ("score", "overrides", position), f"found {shown(name)} more than once; give each a name of its own"


def check_fallback(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A value in place of a prediction is one that the task has."""
    value, path = pipeline.score.fallback.value, ("score", "fallback", "value")
    if value is None:
        return
    if pipeline.task == "multiclass":
        yield path, "the task is multiclass, which has no one value to fall back on; remove it"
    elif pipeline.task == "binary" and not 0 <= value <= 1:
        yield path, f"found {value:g}, expected a probability of 1, from 0 to 1"


SCORE_CHECKS: tuple[Check, ...] = (check_refer, check_decisions, check_fallback)
