"""A broken feed or a changed world: all detectors, in one order, and what they say put into one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from tasks.drift.cause.category_recode import category_recodes
from tasks.drift.cause.duplicate_load import duplicate_loads
from tasks.drift.cause.empty_column import empty_columns
from tasks.drift.cause.encoding_break import encoding_breaks
from tasks.drift.cause.late_partition import late_partitions
from tasks.drift.cause.mixed_units import mixed_units
from tasks.drift.cause.null_moment import null_moments
from tasks.drift.cause.null_token import null_token_changes
from tasks.drift.cause.shuffled_columns import shuffled_columns
from tasks.drift.cause.stuck_sensor import stuck_sensors
from tasks.drift.cause.time_unit import time_units
from tasks.drift.cause.time_zone_slip import time_zone_slips
from tasks.drift.cause.type_break import type_breaks
from tasks.drift.cause.unit_change import unit_changes
from tasks.drift.cause.view import View
from tasks.drift.cause.viewing import view_of
from tasks.drift.cause.world import changes_of_the_world

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.drift.cause.cause import BatchContext, Cause
    from tasks.drift.profile import Profile
    from tasks.drift.profile.summary import Summary
    from tasks.drift.thresholds import Judged

Detector = Callable[[View], Iterable["Cause"]]

DETECTORS: tuple[Detector, ...] = (
    type_breaks,
    empty_columns,
    shuffled_columns,
    encoding_breaks,
    null_token_changes,
    null_moments,
    unit_changes,
    mixed_units,
    category_recodes,
    stuck_sensors,
    duplicate_loads,
    late_partitions,
    time_units,
    time_zone_slips,
)


def triage(
    batch: Summary, rows: pa.Table, profile: Profile, judged: Judged | None, context: BatchContext
) -> tuple[Cause, ...]:
    """Name what a batch's drift comes from.

    Parameters
    ----------
    batch : Summary
        Of the rows, on the profile's grid.
    rows : Table
        The batch's typed rows, as the file has them.
    profile : Profile
    judged : Judged or None
        What the tests found; None where none were made.
    context : BatchContext

    Returns
    -------
    tuple of Cause
        The most likely first. Faults of the feed are named whether or not a test alarmed: a batch that was loaded twice
        moves no distribution. The world is named for the columns that alarmed and that no fault explains. Empty where
        nothing is to be said.
    """
    view = view_of(batch, rows, profile, context)
    faults = ranked(cause for detector in DETECTORS for cause in detector(view))
    return (*faults, *changes_of_the_world(view, judged, faults))


def ranked(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """The surest first, and of several about the same columns and rows only the surest."""
    found: list[Cause] = []
    for cause in sorted(causes, key=lambda one: (-one.confidence, one.kind, one.columns)):
        if not is_explained(cause, found):
            found.append(cause)
    return tuple(found)


def is_explained(cause: Cause, surer: Sequence[Cause]) -> bool:
    """Whether a surer cause is about all of the same columns; of whole rows, whether it is the same kind."""
    blamed = {name for other in surer for name in other.columns}
    if cause.columns and blamed.issuperset(cause.columns):
        return True
    return any(other.kind == cause.kind and other.columns == cause.columns for other in surer)
