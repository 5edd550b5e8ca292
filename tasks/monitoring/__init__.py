"""Watching a champion: verdicts on new batches, the decision on a retrain, incidents; docs/monitoring.md."""

from tasks.monitoring.batches import LandedBatch
from tasks.monitoring.decision import recomputed
from tasks.monitoring.incident import untold
from tasks.monitoring.watch import (
    NoCallError,
    NoChampionError,
    batches_to_judge,
    decide_on_retrain,
    judge,
    judge_batch,
    require_champion,
    standing_call,
)

__all__ = [
    "LandedBatch",
    "NoCallError",
    "NoChampionError",
    "batches_to_judge",
    "decide_on_retrain",
    "judge",
    "judge_batch",
    "recomputed",
    "require_champion",
    "standing_call",
    "untold",
]
