"""The decimals that a column is written with: mapping back from another unit restores them, as no real change would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.distribution import EXACT, rounding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.view import NumberColumn

    Floats = NDArray[np.float64]

ENOUGH = 200  # values of the sample, to tell what the reference is written with
FINE = 0.1  # of the grid's step, by which rounding may have moved a value, at the most, for it to tell anything
ON, OFF = 0.95, 0.5  # shares of values on a grid, from which and up to which they lie on it, or do not


def step_of(column: NumberColumn) -> float | None:
    """The last decimal that the reference is written with; None where it is not rounded, or nothing tells.

    Whole hundreds are written with ones: what is coarser than a decimal is not looked for.
    """
    if len(column.known_values) < ENOUGH:
        return None
    return 2 * rounding(column.known_values) or None


def share_on(values: Floats, step: float, room: float = 0.0) -> float:
    """Share of values that are whole multiples of a step, as nearly as `room` and the last bits let tell.

    >>> share_on(np.array([0.25, 0.5, 0.3]), 0.25)
    0.6666666666666666
    """
    if not len(values):
        return 0.0
    off = np.abs(values - np.round(values / step) * step)
    return float(np.mean(off <= room + EXACT * np.abs(values) + 1e-6 * step))


def comes_back_to_grid(column: NumberColumn, values: Floats, mapped: Floats, room: float) -> bool | None:
    """Whether a map brings values that have left the reference's grid back onto it; None where nothing tells.

    Parameters
    ----------
    column : NumberColumn
    values, mapped : array of float, shape (m,)
        Before and after it.
    room : float
        By how much rounding may have moved what was mapped.
    """
    step = step_of(column)
    if step is None or room > FINE * step or share_on(values, step) > OFF:
        return None
    return share_on(mapped, step, room) >= ON


def divides(column: NumberColumn, values: Floats, others: Floats, factor: float) -> bool:
    """Whether values are on the reference's grid times a factor, as those of the reference are not; others on the grid.

    Of a small factor: whether they have left the grid, and dividing by it brings them back.
    """
    step = step_of(column)
    if step is None or share_on(others, step) < ON:
        return False
    by_chance = share_on(values, step) if factor < 1 else share_on(column.known_values, step * factor)
    return by_chance <= OFF and share_on(values / factor, step) >= ON
