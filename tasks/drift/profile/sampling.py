"""A seeded sample of rows of a stream: each row draws a key, and the rows of the smallest keys stay.

Two samples are merged by the same rule, and the result is a sample of both streams (bottom-k sampling).
E. Cohen and H. Kaplan (2007), "Summarizing data using bottom-k sketches", doi:10.1145/1281100.1281133.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "_key"


@dataclass
class Sample:
    """Rows of the smallest keys so far, at most `size`."""

    size: int
    seed: int
    held: list[pa.Table] = field(default_factory=list)
    bound: float = 1.0
    drawn: int = 0

    def add(self, table: pa.Table) -> None:
        """Let the next rows of the stream draw."""
        import pyarrow as pa

        keys = np.random.Generator(np.random.PCG64([self.seed, self.drawn])).random(table.num_rows)
        self.drawn += 1
        chosen = np.flatnonzero(keys < self.bound)
        if len(chosen) and self.size:
            self.held.append(table.take(chosen).append_column(KEY, pa.array(keys[chosen])))
        if sum(part.num_rows for part in self.held) > 2 * self.size:
            self.shrink()

    def shrink(self) -> None:
        """Drop what does not belong to the smallest keys any more."""
        import pyarrow as pa

        self.held = [smallest(pa.concat_tables(self.held), self.size)]
        self.bound = self.held[0].column(KEY)[-1].as_py() if self.held[0].num_rows == self.size else 1.0

    def rows(self, size: int) -> pa.Table | None:
        """At most so many rows, by key; None where there is none."""
        import pyarrow as pa

        return smallest(pa.concat_tables(self.held), size) if self.held and size else None


def smallest(table: pa.Table, size: int) -> pa.Table:
    """The rows of the smallest keys, in order of key."""
    order = np.argsort(table.column(KEY).to_numpy(), kind="stable")[:size]
    return table.take(order)
