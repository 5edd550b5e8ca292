"""Expectations that hold of the sample with a margin. All but those that training needs only warn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.drafting.profile import NUMBERS, Profile

if TYPE_CHECKING:
    from tasks.drafting.sample import Sample
    from tasks.drafting.target_task import TargetDraft

MOST_COLUMNS = 40  # a suite of thousands of expectations is read by nobody
MOST_LEVELS = 20
LEAST_ROWS_PER_LEVEL = 5
MARGIN = 0.5  # of the spread, on either side
WIDEST = 2.0**53  # beyond which a double is no whole number any more


def draft_expectations(
    sample: Sample, target: TargetDraft, moment: Profile | None, features: Sequence[Profile]
) -> list[dict[str, Any]]:
    """What must hold of each batch, as the YAML has it.

    Parameters
    ----------
    sample : Sample
    target : TargetDraft
    moment : Profile or None
        Rows without these two, or of a class that is not learned, go to quarantine.
    features : sequence of Profile
        The first 40 are looked at.
    """
    needed = [target.profile] if moment is None else [target.profile, moment]
    found = [
        expectation("expect_column_values_to_not_be_null", "quarantine", column=profile.name) for profile in needed
    ]
    if target.classes:
        asked = {"column": target.profile.name, "value_set": list(target.classes)}
        found.append(expectation("expect_column_values_to_be_in_set", "quarantine", **asked))
    for profile in features[:MOST_COLUMNS]:
        if not profile.is_missing.any():
            found.append(expectation("expect_column_values_to_not_be_null", "warn", column=profile.name))
    for profile in [target.profile] * (not target.classes) + list(features[:MOST_COLUMNS]):
        found += value_expectations(profile)
    least = max(1, round_down(sample.file_rows / 10))
    return [*found, expectation("expect_table_row_count_to_be_between", "warn", min_value=least)]


def expectation(name: str, otherwise: str, **arguments: Any) -> dict[str, Any]:
    """One expectation, in its written form."""
    return {name: arguments, "otherwise": otherwise}


def value_expectations(profile: Profile) -> list[dict[str, Any]]:
    """A range for numbers, a set for a few levels that come back."""
    if profile.type in NUMBERS:
        low, high = limits(profile)
        name = "expect_column_values_to_be_between"
        return [expectation(name, "warn", column=profile.name, min_value=low, max_value=high)] if low < high else []
    if profile.type == "category" and is_small_set(profile):
        levels = sorted(set(profile.values.drop_null().to_pylist()))
        return [expectation("expect_column_values_to_be_in_set", "warn", column=profile.name, value_set=levels)]
    return []


def is_small_set(profile: Profile) -> bool:
    """Whether a category has a few levels, each in several rows, so that a new one would be news."""
    counts = profile.rows_per_value
    return 1 < len(counts) <= MOST_LEVELS and bool(counts.min() >= LEAST_ROWS_PER_LEVEL)


def limits(profile: Profile) -> tuple[float, float]:
    """The least and greatest value, half the spread wider, rounded outwards; 0 stays a limit that was never passed."""
    known = profile.numbers[~np.isnan(profile.numbers)]
    least, greatest = float(known.min()), float(known.max())
    spread = greatest - least
    if not 0 < spread < WIDEST or max(abs(least), abs(greatest)) > WIDEST:
        return 0.0, 0.0
    step = 10.0 ** (math.floor(math.log10(spread)) - 1)
    if profile.type == "integer":
        step = max(step, 1.0)
    low = stepped(math.floor((least - MARGIN * spread) / step), step)
    high = stepped(math.ceil((greatest + MARGIN * spread) / step), step)
    return (0 if least >= 0 > low else low), (0 if greatest <= 0 < high else high)


def stepped(count: int, step: float) -> float:
    """A multiple of a power of ten, whole where the power is, without the dust of binary fractions.

    >>> stepped(3, 0.1), stepped(3, 100.0)
    (0.3, 300)
    """
    if step >= 1:
        return count * round(step)
    digits = round(-math.log10(step))
    return round(count * step, digits) if digits <= 15 else count * step


def round_down(number: float) -> int:
    """A number down to its first digit.

    >>> round_down(2745.0)
    2000
    """
    whole = int(number)
    size: int = 10 ** (len(str(whole)) - 1)
    return whole // size * size
