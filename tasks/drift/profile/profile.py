"""The reference profile: what a batch is compared with. It goes with the champion, and holds no row but a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.drift.profile.cells import Grid, Role
    from tasks.drift.profile.summary import Summary

FORMAT = 1


@dataclass(frozen=True)
class Declared:
    """What is declared of a reference.

    Attributes
    ----------
    pipeline : str
    roles : mapping of str to str
        The columns to profile, and what each is to the model.
    time : str or None
        The column that says when a row is from; without it there is no rhythm of the week.
    private : frozenset of str
        Columns that the sample must not have, and whose levels are kept as hashes.
    importance : mapping of str to float
        Of columns.
    hashes : mapping of str to str
        Of data, code and model.
    """

    pipeline: str
    roles: Mapping[str, Role]
    time: str | None = None
    private: frozenset[str] = frozenset()
    importance: Mapping[str, float] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Block:
    """Some consecutive rows of one batch of the reference.

    Attributes
    ----------
    name : str
        The batch.
    summary : Summary
        Its `outside` is what the rest of the reference would call out of range, or a new level, had this been the batch
        to judge.
    """

    name: str
    summary: Summary


@dataclass(frozen=True, eq=False)
class Covariance:
    """Second moments of the numeric columns, from the rows in which both of a pair are known.

    Attributes
    ----------
    columns : tuple of str
    means : array of float, shape (d,)
    pairs : array of int64, shape (d, d)
        Rows.
    products : array of float, shape (d, d)
        Sums of products of deviations from the means.
    """

    columns: tuple[str, ...]
    means: NDArray[np.float64]
    pairs: NDArray[np.int64]
    products: NDArray[np.float64]

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The covariances, nan where a pair has fewer than two rows; shape (d, d)."""
        rows = np.where(self.pairs > 1, self.pairs - 1.0, np.nan)
        found: NDArray[np.float64] = self.products / rows
        return found


@dataclass(frozen=True, eq=False)
class Profile:
    """The reference.

    Attributes
    ----------
    pipeline : str
    grid : Grid
    blocks : tuple of Block
        The newest batches in order of time, each in a few blocks; at most `making.MOST_BLOCKS`.
    total : Summary
        All rows, also those of batches too old to have blocks.
    covariance : Covariance
    importance : mapping of column to float
    sample : Table or None
        Seeded rows without private columns; `_key` is what they were drawn by, so that samples can be merged.
    hashes : mapping of str to str
        Of data, code and model.
    """

    pipeline: str
    grid: Grid
    blocks: tuple[Block, ...]
    total: Summary
    covariance: Covariance
    importance: Mapping[str, float] = field(default_factory=dict)
    sample: pa.Table | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @cached_property
    def batches(self) -> tuple[str, ...]:
        """Names of the batches that have blocks, in order of time."""
        return tuple(dict.fromkeys(block.name for block in self.blocks))
