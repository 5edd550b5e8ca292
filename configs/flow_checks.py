"""What the sections about flows must agree on: schedules, and when drift starts a retrain."""

from __future__ import annotations

from collections.abc import Iterator

from configs.contradiction import Check, Contradiction, repeated
from configs.schema import Pipeline

OF_DRIFT = ("persist", "cooldown", "min_rows", "wait_for_labels", "min_gain")
OF_SIGNALS = {"drift", "performance"}


def check_retrain(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A schedule is given where one is asked for, and a policy for drift where drift starts a retrain."""
    retrain = pipeline.retrain
    yield from repeated(("retrain", "on"), retrain.on)
    if "schedule" in retrain.on and retrain.schedule is None:
        yield ("retrain", "on"), "'schedule' needs retrain.schedule: a cron line in quotes, such as \"0 3 1 * *\""
    if "schedule" not in retrain.on and retrain.schedule is not None:
        yield (
            ("retrain", "schedule"),
            "a schedule is read where retrain.on has 'schedule'; add it there, or remove this",
        )
    for key in OF_DRIFT:
        if key in retrain.model_fields_set and not OF_SIGNALS & {*retrain.on}:
            yield ("retrain", key), "holds where retrain.on has 'drift' or 'performance'; add one there, or remove this"


def check_time_zones(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A zone is given to a cron line."""
    for name in ("monitor", "score", "retrain"):
        section = getattr(pipeline, name)
        if section.timezone is not None and section.schedule is None:
            yield (name, "timezone"), f"is the zone of {name}.schedule, which is not there; add it, or remove this"


def check_score(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A scheduled run knows what to score, and where to."""
    score = pipeline.score
    for key in ("input", "output"):
        if score.schedule is not None and getattr(score, key) is None:
            yield ("score", "schedule"), f"a scheduled run needs score.{key}; add it, or remove the schedule"
    if score.output is not None and not score.output.endswith((".parquet", ".csv")):
        yield ("score", "output"), "is written as Parquet or CSV; end it with .parquet or .csv"
    if score.input is not None and score.input == score.output:
        yield ("score", "output"), "is what is scored too; write elsewhere"


def check_notify(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Each block is told once, and a runbook has somebody who reads it."""
    notify = pipeline.notify
    yield from repeated(("notify", "blocks"), notify.blocks)
    if notify.runbook is not None and not notify.blocks:
        yield ("notify", "runbook"), "ends each message, but notify.blocks names nobody to tell; add one"


FLOW_CHECKS: tuple[Check, ...] = (check_retrain, check_time_zones, check_score, check_notify)
