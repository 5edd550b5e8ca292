"""How often a user can stand to be woken for nothing, and what that is per batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Period = Literal["week", "month", "quarter", "year"]
MOST = 0.5  # false alarms per batch; more would be no alarm at all


@dataclass(frozen=True)
class Budget:
    """A budget of false alarms.

    Attributes
    ----------
    rate : float, > 0
        False alarms per period.
    per : "week", "month", "quarter" or "year"
    batches_per : float, > 0
        Batches that the schedule brings in such a period.

    Examples
    --------
    >>> Budget(1, "quarter", batches_per=13).alpha
    0.07692307692307693
    """

    rate: float
    per: Period
    batches_per: float

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.batches_per > 0):
            raise ValueError(
                f"{self.rate:g} false alarms per {self.per} of {self.batches_per:g} batches: both must be above 0."
            )

    @property
    def alpha(self) -> float:
        """False alarms per batch."""
        return min(self.rate / self.batches_per, MOST)

    def __str__(self) -> str:
        return f"{self.rate:g} per {self.per}"
