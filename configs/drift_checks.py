"""What `drift` and the drift profile must agree on: a budget that leaves something to tell, a sample that tells it."""

from __future__ import annotations

from collections.abc import Iterator

from configs.contradiction import Check, Contradiction
from configs.schema import Pipeline
from configs.sections.drift import per_day

NEARLY = 1 - 1e-9  # 12 per year are 1 per month, whatever their last bits say
LEAST_SAMPLE = 200  # rows; a classifier that is to tell two samples apart learns nothing from fewer


def check_budget(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Fewer false alarms are put up with than batches come: else every batch might alarm for nothing."""
    drift = pipeline.drift
    if drift.batches is not None and per_day(drift.false_alarms) >= NEARLY * per_day(drift.batches):
        yield (
            ("drift", "false_alarms"),
            f"found {drift.false_alarms!r}, but drift.batches says {drift.batches!r}: every batch could alarm for "
            "nothing; put up with fewer, or correct how often a batch comes",
        )


def check_sample(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A profile's sample is large enough to be compared with, or is not there at all."""
    rows = pipeline.evaluate.profile.rows
    if 0 < rows < LEAST_SAMPLE:
        yield (
            ("evaluate", "profile", "rows"),
            f"found {rows}, expected {LEAST_SAMPLE} or more, from which something can be told, or 0 for none",
        )


DRIFT_CHECKS: tuple[Check, ...] = (check_budget, check_sample)
