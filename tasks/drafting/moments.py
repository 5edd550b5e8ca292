"""How a column's dates or timestamps are written; whether day or month is first is decided by evidence, or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tasks.cells.queries import DATE, TIMESTAMP
from tasks.drafting.fitting import fits
from tasks.drafting.naming import looks_like_moment

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

CODES = {
    "%Y": "[0-9]{4}",
    "%y": "[0-9]{2}",
    "%m": "[0-9]{1,2}",
    "%d": "[0-9]{1,2}",
    "%b": "[A-Za-z]{3}",
    "%B": "(?:[A-Za-z]{4,9}|May)",
    "%H": "[0-9]{1,2}",
    "%I": "[0-9]{1,2}",
    "%M": "[0-9]{2}",
    "%S": "[0-9]{2}",
    "%f": "[0-9]{1,6}",
    "%p": "[AaPp][Mm]",
    "%q": "[1-4]",
    "%o": "(?:st|nd|rd|th)",
    "%a": "[A-Za-z]{3}",
    "%A": "[A-Za-z]{6,9}",
    "%z": "[+-][0-9]{2}:?[0-9]{2}",
}
CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S", " %I:%M %p", " %I:%M:%S %p"),
    *(" %H:%M:%S,%f", " %H:%M:%S UTC", " %H:%M:%S.%f UTC", " %H:%M:%S %z", "-%H.%M.%S", "-%H.%M.%S.%f"),
)
NAMED_CLOCKS = (*CLOCKS, ", %I:%M %p", ", %I:%M:%S %p", ", %H:%M", ", %H:%M:%S", ":%H:%M:%S", ":%H:%M:%S %z")
NAMED_DAYS = (
    *("%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%d%b%Y", "%d-%b-%y", "%d/%b/%y", "%d %b %y", "%d %B %Y", "%d-%B-%Y"),
    *("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%a %b %d %Y", "%a, %d %b %Y", "%a %d %b %Y", "%A, %B %d, %Y"),
)
WHOLE = ("%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ", "%a %b %d %H:%M:%S %Y", "%Y.%m.%d.", "%b-%d-%Y", "%Y%m%d")
MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%m-%Y", "%Y-%b", "%b-%Y", "%Y %b", "%b %Y", "%B %Y", "%YM%m")
QUARTERS = tuple(
    form.replace("Q", letter)
    for letter in "Qq"
    for form in (
        "%YQ%q",
        "%Y-Q%q",
        "%Y Q%q",
        "Q%q %Y",
        "Q%q-%Y",
        "Q%q/%Y",
        "Q%q%Y",
        "%qQ%Y",
        "%qQ %Y",
        "Q%q-%y",
        "%qQ%y",
    )
)
ORDINALS = ("%B %d%o, %Y", "%b %d%o, %Y", "%B %d%o %Y", "%b %d%o %Y", "%d%o %B %Y", "%d%o %b %Y", "%d%o of %B %Y")
TWO_DIGITS = "years of two digits: 69 to 99 are read as 1969 to 1999, 00 to 68 as 2000 to 2068"
SCREEN = 200  # texts that a format must suit before all are tried
EPOCHS = {"epoch_s": "1[0-9]{9}", "epoch_ms": "1[0-9]{12}"}  # from 2001 to 2033
ENOUGH = 0.99  # share of the rows that a format must read


@dataclass(frozen=True)
class MomentFormat:
    """How moments are written: `form` is None for ISO 8601, `type` None where day and month cannot be told apart."""

    type: str | None
    form: str | None
    remark: str


def formats() -> Iterator[str]:
    """All formats that are looked for, those with the year first at the front."""
    for separator in "-/.":
        for order in ("Ymd", "dmY", "mdY", "dmy", "mdy"):
            day = separator.join(f"%{code}" for code in order)
            yield from (day + clock for clock in CLOCKS)
    for day in NAMED_DAYS:
        yield from (day + clock for clock in NAMED_CLOCKS)
    yield from (*WHOLE, *MONTHS, *QUARTERS, *ORDINALS)


@cache
def pattern_of(form: str) -> re.Pattern[str]:
    """What a text in a format looks like.

    >>> bool(pattern_of("%d.%m.%Y").fullmatch("1.12.2013"))
    True
    """
    parts = re.split("(%[A-Za-z])", form)
    return re.compile("".join(CODES.get(part, re.escape(part)) for part in parts))


def swapped(form: str) -> str:
    """The format with day and month the other way round."""
    return form.translate(str.maketrans("dm", "md"))


def moment_format(name: str, levels: pa.StringArray, counts: NDArray[np.int64]) -> MomentFormat | None:
    """Find how the moments of a column are written; None where it holds none.

    Parameters
    ----------
    name : str
        Digits alone are a date, or the time since 1970, only where the column's name says so.
    levels : array of string, shape (n,)
        Distinct texts without null tokens.
    counts : array of int64, shape (n,)
        Rows of each.

    Examples
    --------
    >>> import pyarrow as pa
    >>> moment_format("sold", pa.array(["03.04.2013", "28.04.2013"]), np.array([1, 1])).form
    '%d.%m.%Y'
    >>> moment_format("sold", pa.array(["03/04/2013", "05/06/2013"]), np.array([1, 1])).type is None
    True
    """
    few = levels[:: max(1, len(levels) // SCREEN)].to_pylist()[:SCREEN]
    for kind, pattern in (("date", DATE), ("timestamp", TIMESTAMP)):
        if suits(few, re.compile(pattern)) and share_read(levels, counts, kind, None) >= ENOUGH:
            return MomentFormat(kind, None, "")
    for form, pattern in EPOCHS.items() if looks_like_moment(name) else ():
        if suits(few, re.compile(pattern)) and share_read(levels, counts, "timestamp", form) >= ENOUGH:
            return MomentFormat("timestamp", form, "")
    for form in formats():
        if (
            suits(few, pattern_of(form))
            and not (form in MONTHS and are_seasons(few))
            and (form != "%Y%m%d" or looks_like_moment(name))
        ):
            kind = "timestamp" if "%M" in form.replace("M%m", "") else "date"
            found = judged(levels, counts, kind, form)
            if found is not None:
                return found
    return None


def suits(texts: list[str], pattern: re.Pattern[str]) -> bool:
    """Whether nine in ten of some texts look so."""
    left = len(texts) // 10  # that may look otherwise
    for text in texts:
        left -= pattern.fullmatch(text) is None
        if left < 0:
            return False
    return bool(texts)


def are_seasons(texts: list[str]) -> bool:
    """Whether two numbers are years one after the other, such as `2009-10`, and no year and month."""
    pairs = [re.fullmatch("([0-9]{4})[-/]([0-9]{2})", text) for text in texts]
    found = [(int(pair[1]), int(pair[2])) for pair in pairs if pair is not None]
    return bool(found) and all((year + 1) % 100 == second for year, second in found)


def share_read(levels: pa.StringArray, counts: NDArray[np.int64], kind: str, form: str | None) -> float:
    """Share of the rows that a format reads."""
    read = fits(levels, {"type": kind, "format": form})
    return float(counts[read].sum() / counts.sum())


def judged(levels: pa.StringArray, counts: NDArray[np.int64], kind: str, form: str) -> MomentFormat | None:
    """A format that reads the texts, held against its twin where day and month are both numbers and one is first."""
    share = share_read(levels, counts, kind, form)
    if form.startswith("%Y") or "%b" in form.lower() or form in (*MONTHS, *QUARTERS):
        return MomentFormat(kind, form, TWO_DIGITS if "%y" in form else "") if share >= ENOUGH else None
    other = share_read(levels, counts, kind, swapped(form))
    if max(share, other) < ENOUGH:
        return None
    if share == other:
        return MomentFormat(
            None, None, f"dates, but {form!r} and {swapped(form)!r} read them alike; declare date and the right format"
        )
    right = form if share > other else swapped(form)
    first = "day" if right.index("%d") < right.index("%m") else "month"
    told = f"the {first} stands first: the other way round {1 - min(share, other):.0%} fail"
    return MomentFormat(kind, right, f"{told}; {TWO_DIGITS}" if "%y" in form else told)
