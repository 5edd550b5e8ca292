"""The habits of the reference's batches, as they are kept beside its profile: runs of one value, copies, gaps.

They tell a stuck sensor from a column that often stays as it is, and a batch that was loaded twice from a new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.drift.cause.habits import Habits, from_plain, habits_of, to_plain
from tasks.drift.pseudo_columns import ROLES, TARGET

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "habits.parquet"
MOST = 30  # of the newest batches: their sketches of rows do not compress


def without_model(table: pa.Table) -> pa.Table:
    """Rows without what a model says of them, which another model would not say."""
    return table.drop_columns([name for name in ROLES if name != TARGET and name in table.column_names])


def habits_table(batches: Iterable[tuple[str, pa.Table]], time: str | None) -> pa.Table:
    """Habits of batches, as a table of their names and of JSON.

    Parameters
    ----------
    batches : iterable of (str, Table)
        Name and rows as they are profiled, oldest first.
    time : str or None
        The column that says when a row is from.
    """
    import pyarrow as pa

    found = [habits_of(name, without_model(rows), time) for name, rows in batches]
    texts = [json.dumps(to_plain(habits), sort_keys=True) for habits in found]
    return pa.table(
        {"batch": pa.array([habits.name for habits in found], pa.string()), "habits": pa.array(texts, pa.string())}
    )


def habits_in(table: pa.Table | None) -> tuple[Habits, ...]:
    """The habits that a table holds; none where there is no table."""
    return () if table is None else tuple(from_plain(json.loads(text)) for text in table.column("habits").to_pylist())
