"""Whom each pseudo-batch of the history, and the batch to judge, is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.thresholds.wandering import Wandering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TestKey = tuple[str, str]  # column and test


@dataclass(frozen=True, eq=False)
class Company:
    """Peers of each, by the time of the week and by how near they are.

    Attributes
    ----------
    rows : array of float, shape (n,)
        Of each pseudo-batch.
    like : array of bool, shape (n + 1, n), or None
        Who is of the same time of the week or day; the last row is that of the batch to judge. None where it is of no
        matter.
    wandering : Wandering or None
        How levels wander from batch to batch, of the tests in `alike`.
    alike : frozenset of (column, test)
    """

    rows: Floats
    like: NDArray[np.bool_] | None = None
    wandering: Wandering | None = None
    alike: frozenset[TestKey] = frozenset()

    @property
    def n(self) -> int:
        """How many pseudo-batches there are."""
        return len(self.rows)

    @cached_property
    def horizon(self) -> int:
        """Neighbours on each side that nobody is compared with."""
        return self.wandering.horizon(self.n) if self.wandering else 0

    @cached_property
    def far(self) -> NDArray[np.bool_]:
        """Who is beyond the horizon of whom, shape (n, n)."""
        places = np.arange(self.n)
        return np.asarray(np.abs(places[:, None] - places[None, :]) > self.horizon)

    @cached_property
    def peers(self) -> NDArray[np.bool_]:
        """Whom each, and the batch in the last row, is compared with; each with itself too; shape (n + 1, n)."""
        near = np.concatenate((self.far | np.eye(self.n, dtype=bool), np.ones((1, self.n), dtype=bool)))
        if self.like is None:
            return near
        both = near & self.like
        lonely = both.sum(axis=1) < 3
        both[lonely] = self.like[lonely]
        return both

    @cached_property
    def others(self) -> Floats:
        """How many others each is compared with, shape (n,)."""
        return np.asarray(np.maximum(self.peers[:-1].sum(axis=1) - 1.0, 1.0))

    @cached_property
    def factor(self) -> Floats:
        """What each one's squared distance weighs in the sum of all: itself, and how it moved the others' centre."""
        return np.asarray(1 + 1 / self.others)

    def reckoned(self, columns: Sequence[str], tests: Sequence[str]) -> tuple[Floats, Floats]:
        """How many independent batches the history is as good as, and the growth of distances; shapes (columns, 1)."""
        if self.wandering is None:
            return np.full((len(columns), 1), float(self.n)), np.ones((len(columns), 1))
        is_alike = np.array([key in self.alike for key in zip(columns, tests, strict=True)])[:, None]
        growth = self.wandering.growth(self.peers)
        return np.where(is_alike, self.wandering.batches(self.n), self.n), np.where(is_alike, growth, 1.0)
