"""Thresholds that keep a budget of false alarms, learned from the reference's own history."""

from tasks.drift.thresholds.budget import Budget
from tasks.drift.thresholds.judging import (
    NO_FLOOR,
    EffectFloor,
    EmptyBatchError,
    Finding,
    History,
    Judged,
    OtherGridError,
    judge,
)

__all__ = [
    "NO_FLOOR",
    "Budget",
    "EffectFloor",
    "EmptyBatchError",
    "Finding",
    "History",
    "Judged",
    "OtherGridError",
    "judge",
]
