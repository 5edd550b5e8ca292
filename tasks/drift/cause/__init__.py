"""Why a batch has drifted: a broken feed, or a changed world (docs/drift-causes.md).

`triage` is the door. It reads a batch and a profile alone, and, where they are at hand, the habits of earlier batches.
"""

from tasks.drift.cause.cause import BatchContext, Cause
from tasks.drift.cause.habits import Habits, habits_of
from tasks.drift.cause.triage import triage

__all__ = ["BatchContext", "Cause", "Habits", "habits_of", "triage"]
