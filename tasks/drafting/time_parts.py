"""Times that stand in several columns: the year here, the month there; or a date, and beside it the time of the day.

The section `time` names one column, so such a time can only be told: which columns make it, and what to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from configs.wording import shown
from tasks.drafting.quantities import are_clock_times

if TYPE_CHECKING:
    from tasks.drafting.profile import Profile

MONTHS = re.compile(r"(?i)(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?")
NAMED = {  # the parts of a time, and how columns that hold them are called
    "year": re.compile(r"(?i)(^|[\s_.-])(year|yr|yyyy)$|[a-z]Year$"),
    "month": re.compile(r"(?i)(^|[\s_.-])(month|mon|mo|mm)$|[a-z]Month$"),
    "day": re.compile(r"(?i)(^|[\s_.-])(day|dom|dd|day_?of_?month|dayofmonth)$|[a-z]Day$"),
    "hour": re.compile(r"(?i)(^|[\s_.-])(hour|hr|hh)$|[a-z]Hour$"),
}
RANGES = {"year": (0, 2200), "month": (1, 12), "day": (1, 31), "hour": (0, 24)}
AFTER = "to split by it, write it as one column before landing, such as"


def parts_of_time(profiles: Mapping[str, Profile]) -> dict[str, str]:
    """Names of the columns that hold parts of a time, by part; at least a month, and a year or a day.

    Parameters
    ----------
    profiles : mapping of str to Profile
        All columns of the sample, those aside that are predicted; a year may be the same in all rows.
    """
    found: dict[str, str] = {}
    for part, pattern in NAMED.items():
        names = [name for name, profile in profiles.items() if pattern.search(name) and holds(profile, part)]
        if len(names) == 1:
            found[part] = names[0]
    return found if "month" in found and found.keys() & {"year", "day"} else {}


def holds(profile: Profile, part: str) -> bool:
    """Whether a column's values can be that part of a time."""
    if profile.is_missing.all():
        return False
    if part == "month" and profile.type == "category":
        return all(MONTHS.fullmatch(text) for text in profile.texts.texts if text)
    if profile.type not in ("integer", "float", "category", "date"):  # years may have been declared as dates
        return False
    try:
        numbers = np.array([float(text) for text in profile.texts.texts if text.strip()])
    except ValueError:
        return False
    low, high = RANGES[part]
    return bool((numbers == np.floor(numbers)).all() and numbers.min() >= low and numbers.max() <= high)


def clock_column(profiles: Iterable[Profile]) -> str | None:
    """The one column that holds times of the day; None where there is none, or several."""
    found = [
        profile.name
        for profile in profiles
        if profile.type in ("category", "text") and are_clock_times(text for text in profile.texts.texts if text)
    ]
    return found[0] if len(found) == 1 else None


def told_parts(parts: Mapping[str, str]) -> str:
    """What is said of parts of a time.

    >>> told_parts({"year": "yr", "month": "mo"})
    "a time stands in 'yr' and 'mo': to split by it, write it as one column before landing, such as 2013-05"
    """
    *names, last = [shown(name) for name in parts.values()]
    example = "2013-05-31 17:00" if {"day", "hour"} <= parts.keys() else "2013-05-31" if "day" in parts else "2013-05"
    return f"a time stands in {', '.join(names)} and {last}: {AFTER} {example}"


def told_clock(clock: str) -> str:
    """What is said of a date beside which the time of the day stands.

    >>> told_clock("at")
    "the time of the day stands in 'at': to put rows of one day in order, write both as one column, 2013-05-31 17:00"
    """
    told = "to put rows of one day in order, write both as one column, 2013-05-31 17:00"
    return f"the time of the day stands in {shown(clock)}: {told}"
