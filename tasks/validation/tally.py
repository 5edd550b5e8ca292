"""What a row-level expectation found in the rows of a batch so far, added up over its chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.validation.row_set import FIRST, RowSet

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.table_chunks import Rows

COMPLETE = {"result_format": "COMPLETE", "return_unexpected_index_query": False}


class Tally:
    """Counts of rows, and the rows that fail.

    Attributes
    ----------
    looked_at : int
        Rows that the expectation is about: those that meet its `row_condition`, or all.
    missing : int
        Of those, rows without a value in the one column that it names.
    judged : int
        Rows of which it said whether they meet it.
    failing : RowSet
    values : list
        The first failing values, as GX shows them.
    """

    def __init__(self) -> None:
        self.looked_at = self.missing = self.judged = 0
        self.failing = RowSet()
        self.values: list[Any] = []

    def add(
        self,
        failing: NDArray[np.bool_],
        values_at: Callable[[NDArray[np.int64]], list[Any]],
        *,
        looked_at: int,
        missing: int,
        judged: int,
    ) -> None:
        """Count the next chunk.

        Parameters
        ----------
        failing : array of bool, shape (n,)
            Of all rows of the chunk.
        values_at : callable
            Gives what GX would show of rows, by their places in the chunk.
        looked_at, missing, judged : int
            Of the chunk.
        """
        self.looked_at += looked_at
        self.missing += missing
        self.judged += judged
        self.failing.add(failing)
        if len(self.values) < FIRST and failing.any():
            self.values += values_at(np.flatnonzero(failing)[: FIRST - len(self.values)])

    def judgement(self, expectation: Any) -> Any:
        """GX's own verdict on the sums, `mostly` included: its result for the whole batch, less the lists of rows."""
        metric = expectation.map_metric
        metrics = {
            "table.row_count": self.looked_at,
            "column_values.nonnull.unexpected_count": self.missing,
            f"{metric}.unexpected_count": len(self.failing),
            f"{metric}.unexpected_values": self.values,
            f"{metric}.filtered_row_count": self.judged,
        }
        return expectation._build_evr(expectation._validate(metrics, {"result_format": dict(COMPLETE)}))


class TalliedCheck:
    """What the row-level checks share: they are given chunks, or all rows, and keep a tally."""

    built: Any
    needed: list[str]
    tally: Tally

    def take(self, chunk: pa.Table) -> None:
        """Judge the next rows."""
        raise NotImplementedError

    def take_all(self, rows: Rows) -> None:
        """Judge all rows at once."""
        self.take(rows.whole(self.needed))

    @property
    def vacuous(self) -> bool:
        """Whether it found nothing to judge."""
        return not self.tally.judged

    def result(self) -> Any:
        """GX's result."""
        return self.tally.judgement(self.built)
