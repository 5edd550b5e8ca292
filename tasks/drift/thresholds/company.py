"""Whom each pseudo-batch of the history, and the batch to judge, is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Company:
    """Peers of each, by the time of the week.

    Attributes
    ----------
    rows : array of float, shape (n,)
        Of each pseudo-batch.
    like : array of bool, shape (n + 1, n), or None
        Who is of the same time of the week or day; the last row is that of the batch to judge. None where it is of no
        matter.
    """

    rows: Floats
    like: NDArray[np.bool_] | None = None

    @property
    def n(self) -> int:
        """How many pseudo-batches there are."""
        return len(self.rows)

    @cached_property
    def peers(self) -> NDArray[np.bool_]:
        """Whom each, and the batch in the last row, is compared with; each with itself too; shape (n + 1, n)."""
        return np.ones((self.n + 1, self.n), dtype=bool) if self.like is None else self.like

    @cached_property
    def shares(self) -> Floats:
        """What each one's peers, without itself, weigh in their mean; shape (n + 1, n)."""
        others = self.peers & ~np.eye(self.n + 1, self.n, dtype=bool)
        return np.asarray(others / np.maximum(others.sum(axis=1, keepdims=True), 1))

    @cached_property
    def others(self) -> Floats:
        """How many others each is compared with, shape (n,)."""
        return np.asarray(np.maximum(self.peers[:-1].sum(axis=1) - 1.0, 1.0))

    @cached_property
    def factor(self) -> Floats:
        """What each one's squared distance weighs in the sum of all: itself, and how it moved the others' centre."""
        return np.asarray(1 + 1 / self.others)

    @cached_property
    def free(self) -> float:
        """How many of the n are left when each group's mean has been estimated."""
        return max(self.n - float((1 / self.peers[:-1].sum(axis=1)).sum()), 1.0)

    def smallness(self, rows: Floats) -> Floats:
        """How many times as large chance is in a batch of some rows as in the history's; not below 1."""
        return np.asarray(np.maximum(float(np.median(self.rows)) / rows, 1.0))
