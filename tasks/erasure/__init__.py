"""Erasing rows for good: a batch's, or those of a person, from the data and everything that holds them.

`plan_erasure` finds what holds them and writes nothing; `erase` writes the plan down first and then carries it out, so
that an erasure that was killed is finished by the next one. What stays is told: models trained on the rows, remotes
that DVC must be asked to clean, and copies that somebody took elsewhere.
"""

from __future__ import annotations

from tasks.erasure.act import erase, finish, pending
from tasks.erasure.plan import ErasureError, Plan, plan_erasure

__all__ = ["ErasureError", "Plan", "erase", "finish", "pending", "plan_erasure"]
