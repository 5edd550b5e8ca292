"""Whether a file is a panel: the same things, such as countries, once in each year, quarter or day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from configs.wording import shown
from tasks.drafting.naming import looks_like_birth, looks_like_period, looks_like_year
from tasks.drafting.profile import MOMENTS, Profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_ROWS = 50  # below which that no pair comes back says little
ROWS_PER_MEMBER, ROWS_PER_TIME = 2.0, 2.0  # on average


@dataclass(frozen=True)
class Panel:
    """The columns that name a row of a panel: what is observed, the years or dates, and the parts of a year."""

    member: Profile
    years: Profile
    periods: tuple[Profile, ...]

    @property
    def text(self) -> str:
        """What the panel is, in words."""
        times = [shown(profile.name) for profile in (self.years, *self.periods)]
        return f"a panel: each {shown(self.member.name)} by {' and '.join(times)}"


def find_panel(profiles: Iterable[Profile]) -> Panel | None:
    """The panel that a file is; None where it is none.

    Of a category, or of whole numbers, that has at least two rows per value no two rows are of one year or date - of
    one month of the year, where a column names the months. By chance that does not happen: of two rows of one value,
    one in so many as there are years would be of the same.

    Parameters
    ----------
    profiles : iterable of Profile
        The declared columns without the target, in the order of the header.
    """
    every = [profile for profile in profiles if not profile.is_missing.any()]
    years = next(filter(tells_years, every), next(filter(tells_dates, every), None))
    if years is None or len(years.texts.codes) < LEAST_ROWS or len(years.rows_per_value) < 2:
        return None
    periods = [profile for profile in every if looks_like_period(profile.name) and profile is not years]
    times = distinct_rows([years.texts.codes, *(profile.texts.codes for profile in periods)])
    if len(times) < ROWS_PER_TIME * len(np.unique(times)):
        return None
    members = [
        profile
        for profile in every
        if profile is not years
        and profile not in periods
        and (profile.type in ("category", "integer") or are_whole_floats(profile))
        and profile.rows_per_value.mean() >= ROWS_PER_MEMBER
        and len(np.unique(distinct_rows([times, profile.texts.codes]))) == len(times)
    ]
    fewest = min(members, key=lambda profile: len(profile.rows_per_value), default=None)
    return None if fewest is None else Panel(fewest, years, tuple(periods))


def are_whole_floats(profile: Profile) -> bool:
    """Whether a column holds whole numbers that are written as floats, `1.0`."""
    return profile.type == "float" and bool((profile.numbers == np.floor(profile.numbers)).all())


def tells_years(profile: Profile) -> bool:
    """Whether a column by its name holds years, as whole numbers."""
    is_number = profile.type in ("integer", "float") and looks_like_year(profile.name)
    return is_number and bool((profile.numbers == np.floor(profile.numbers)).all())


def tells_dates(profile: Profile) -> bool:
    """Whether a column holds dates other than of birth."""
    return profile.type in MOMENTS and not looks_like_birth(profile.name)


def distinct_rows(columns: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Number the rows, those that are alike in all columns by the same number."""
    code = columns[0]
    for column in columns[1:]:
        code = np.unique(code * (column.max() + 1) + column, return_inverse=True)[1]
    return code
