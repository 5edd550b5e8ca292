"""What a column is good for beside being a feature: nothing, or to tell when a row happened and what it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from configs.wording import shown
from tasks.drafting.column_types import unread_quantity
from tasks.drafting.naming import (
    looks_like_birth,
    looks_like_end,
    looks_like_identifier,
    looks_like_moment,
    looks_like_start,
    looks_like_subject,
    looks_like_year,
)
from tasks.drafting.profile import MOMENTS, Profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW_ROWS = 20  # below which that no value comes back says nothing
FEW_MARKED, LEAST_MARKED = 5, 0.01  # rows, and share of them, that a mark is set in, or is not
COVERAGE = 0.95  # share of the rows that a time column must have a value in
LEAST_INSTANTS = 12  # different times that a split by time needs for holdout and folds
LEAST_GROUPS = 12
ROWS_PER_GROUP = 1.2  # on average
YEARS = {"[0-9]{4}": "%Y", r"[0-9]{4}\.0": "%Y.0"}  # how years are written, and the format that reads them


def why_dropped(profile: Profile) -> str | None:
    """Why a column can be no feature: it is constant, or another one in each row; None where it can.

    Parameters
    ----------
    profile : Profile
    """
    counts = profile.rows_per_value
    if len(counts) == 0:
        return "no value in any row of the sample"
    if len(counts) == 1 and not tells_by_gaps(profile):
        value = profile.texts.levels[int(profile.texts.codes[np.argmin(profile.is_missing)])].as_py()
        where = "every row of the sample" if not profile.is_missing.any() else "every row that has one"
        return f"constant: {shown(value)} in {where}"
    if 1 < len(counts) == counts.sum() >= FEW_ROWS and is_identifier(profile):
        return "an identifier: no value comes back"
    return None


def tells_by_gaps(profile: Profile) -> bool:
    """Whether some rows have a value, be it always the same, and some have none: a mark set where something holds."""
    missing = int(profile.is_missing.sum())
    return min(missing, len(profile.is_missing) - missing) >= max(FEW_MARKED, LEAST_MARKED * len(profile.is_missing))


def is_identifier(profile: Profile) -> bool:
    """Whether a column of which no value comes back only names rows: by its name, a running number, or words of one."""
    if profile.type == "integer":
        steps = np.diff(profile.numbers[~np.isnan(profile.numbers)])
        return looks_like_identifier(profile.name) or bool((steps == 1).all() or (steps == -1).all())
    if profile.type not in ("category", "text") or unread_quantity(profile.texts.texts) is not None:
        return False
    return looks_like_identifier(profile.name) or not any(re.search(r"\s", text) for text in profile.texts.texts)


def time_candidates(profiles: Iterable[Profile]) -> list[Profile]:
    """The columns that may say when a row happened, the likeliest first.

    Dates and timestamps that nearly every row has and that are many: first those in the order of the file, then those
    that by their name say when something began and not when it was over, then those that say a time at all, the fuller
    and the finer ones. A date of birth is not when the row happened.
    """
    fit = [
        profile
        for profile in profiles
        if profile.type in MOMENTS
        and not looks_like_birth(profile.name)
        and len(profile.rows_per_value) >= LEAST_INSTANTS
        and 1 - profile.is_missing.mean() >= COVERAGE
    ]

    def likelihood(profile: Profile) -> tuple[bool, bool, bool, bool, float, int]:
        known = profile.numbers[~profile.is_missing]
        return (
            is_ordered(known),
            not looks_like_end(profile.name),
            looks_like_start(profile.name),
            looks_like_moment(profile.name),
            float(1 - profile.is_missing.mean()),
            len(profile.rows_per_value),
        )

    return sorted(fit, key=likelihood, reverse=True)


def share_later(profile: Profile, moment: Profile) -> float:
    """Share of the rows in which another date or timestamp is later than the row's time, of those that have both.

    Parameters
    ----------
    profile, moment : Profile
    """
    if profile.type not in MOMENTS or profile.name == moment.name:
        return 0.0
    with_both = ~(profile.is_missing | moment.is_missing)
    return float((profile.numbers > moment.numbers)[with_both].mean()) if with_both.any() else 0.0


def as_years(profile: Profile) -> Profile | None:
    """A column of years as the time of its rows, where the rows stand in their order; None where it is no such column.

    Parameters
    ----------
    profile : Profile
    """
    years = dated_years(profile)
    if years is None or not is_ordered(profile.numbers):
        return None
    return replace(years, remarks=(*profile.remarks, "years, in order"))


def dated_years(profile: Profile) -> Profile | None:
    """A column of enough different years as dates, each its first day; None where it is no such column.

    Years may be written as whole floats, `1950.0`, as tools write integers of which some are missing.
    """
    if profile.type not in ("integer", "float") or not looks_like_year(profile.name) or profile.is_missing.any():
        return None
    if len(profile.rows_per_value) < LEAST_INSTANTS:
        return None
    for pattern, form in YEARS.items():
        if all(re.fullmatch(pattern, text) for text in profile.texts.texts):
            return replace(profile, declared={"type": "date", "format": form})
    return None


def is_ordered(numbers: NDArray[np.float64]) -> bool:
    """Whether numbers only rise, or only fall."""
    steps = np.diff(numbers)
    return bool((steps >= 0).all() or (steps <= 0).all())


def group_candidates(profiles: Iterable[Profile], *, by_name: bool = True) -> list[Profile]:
    """The columns whose rows may belong together: called an id, and their values come back; finest first.

    Parameters
    ----------
    profiles : iterable of Profile
    by_name : bool
        Whether a name must say so; not where other evidence does.
    """
    fit = [
        profile
        for profile in profiles
        if profile.type in ("category", "integer", "text")
        and (looks_like_subject(profile.name) or not by_name)
        and len(profile.rows_per_value) >= LEAST_GROUPS
        and profile.rows_per_value.mean() >= ROWS_PER_GROUP
    ]
    return sorted(fit, key=lambda profile: -len(profile.rows_per_value))
