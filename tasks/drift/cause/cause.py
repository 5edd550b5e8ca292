"""What a triage says, and what it may know beside the batch and the profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tasks.drift.cause.habits import Habits

Kind = Literal[
    "unit_change",
    "stuck_sensor",
    "null_token",
    "empty_column",
    "encoding_break",
    "late_partition",
    "duplicate_load",
    "shuffled_columns",
    "time_zone_slip",
    "type_break",
    "category_recode",
    "world",
]


@dataclass(frozen=True)
class Cause:
    """One explanation of what a batch looks like.

    Attributes
    ----------
    kind : str
    feed : bool
        Whether the data are at fault; False where the world has changed.
    columns : tuple of str
        The columns that are to blame; none where whole rows are.
    time : str or None
        When it began within the batch, ISO 8601 in UTC, or `row N` where rows have no time; None of all rows.
    where : str
        Which rows: `all rows`, `rows from 2013-07-04T00:00:00Z`, `rows of origin 'JFK'`.
    evidence : str
        The numbers that it was told by.
    confidence : float, from 0 to 1
    owner : str or None
        Who is told.
    """

    kind: Kind
    feed: bool
    columns: tuple[str, ...]
    time: str | None
    where: str
    evidence: str
    confidence: float
    owner: str | None = None


@dataclass(frozen=True)
class BatchContext:
    """What is known of a batch beside its typed rows and the profile. All of it may be missing.

    Attributes
    ----------
    time : str or None
        The column that says when a row happened.
    owner : str or None
        Of the pipeline's drift.
    owners : dict of column to str
        Where a column has one of its own.
    units : dict of column to str
        As declared; they narrow down which conversions are thought of.
    quarantined : dict of reason to int
        Rows of this batch that never became typed ones.
    raw_rows : int or None
        Rows of the raw file.
    habits : tuple of Habits
        Of earlier batches, oldest first: what only the order of rows and whole rows tell.
    """

    time: str | None = None
    owner: str | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    raw_rows: int | None = None
    habits: tuple[Habits, ...] = ()
