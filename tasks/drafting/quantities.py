"""Texts that are quantities which no type reads: durations, and numbers with more beside them than marks can be."""

from __future__ import annotations

import re
from collections.abc import Iterable

DURATION = re.compile(
    r"-?[0-9]+ days?,?( [0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?)?"  # as pandas and PostgreSQL write them
    r"|-?[0-9]{1,4}:[0-5][0-9](:[0-5][0-9])?([.,][0-9]+)?"  # 1:05:30, and 1:05 of a lap or a clock
    r"|P(?=[0-9T])([0-9]+[YMWD])*(T(?=[0-9])([0-9.]+[HMS])*)?"  # ISO 8601
    r"|([0-9]+ ?(d|days?|h|hrs?|hours?|min|mins|minutes?|s|secs?|seconds?) ?){2,}",  # 2h 30min
    re.IGNORECASE,
)
CLOCK = re.compile(r"([01]?[0-9]|2[0-3])[:.h][0-5][0-9]([:.][0-5][0-9])?(\.[0-9]+)?( ?[AP]M)?", re.IGNORECASE)
NUMBER = r"[+-]?[0-9]+(?:[,.' ][0-9]+)*"
BESIDE = re.compile(
    rf"\({NUMBER}\)|{NUMBER}-|[^\W\d_]{{0,3}}\s?[$\u20ac\u00a3\u00a5]\s?{NUMBER}|{NUMBER}\s?[$\u20ac\u00a3\u00a5%\u2030\u00b0].?"
    rf"|{NUMBER}\s[^\W\d_]{{1,10}}[\u00b2\u00b3]?|[+-]?[0-9]+[.,][0-9]+[^\W\d_]{{1,10}}|[A-Z]{{3}}\s{NUMBER}|[<>~\u2264\u2265]\s?{NUMBER}"
)
MOST_OTHERS = 0.05  # share of the different texts that may be something else


def are_durations(texts: Iterable[str]) -> bool:
    """Whether nearly all texts are durations, or times of a clock.

    >>> are_durations(["0 days 00:01:00", "1 day"]), are_durations(["01:02:03", "1:05"]), are_durations(["PT5M", "P1D"])
    (True, True, True)
    >>> are_durations(["5", "7"]), are_durations(["2 days ago"])
    (False, False)
    """
    return nearly_all(texts, DURATION)


def are_clock_times(texts: Iterable[str]) -> bool:
    """Whether nearly all texts are times of the day.

    >>> are_clock_times(["10:05", "23:59:59", "1:05 PM"]), are_clock_times(["24:05"])
    (True, False)
    """
    return nearly_all(texts, CLOCK)


def are_measured(texts: Iterable[str]) -> bool:
    """Whether nearly all texts are numbers with something beside them: units, currencies, brackets, signs of less.

    >>> are_measured(["5 kg", "7 g"]), are_measured(["(3.5)", "2-"]), are_measured(["N1", "A 1"]), are_measured(["7"])
    (True, True, False, False)
    """
    every = list(texts)
    numbers = [text for text in every if re.fullmatch(NUMBER, text.strip())]
    return len(numbers) < len(every) and nearly_all([text for text in every if text not in {*numbers}], BESIDE)


def nearly_all(texts: Iterable[str], pattern: re.Pattern[str]) -> bool:
    """Whether nearly all texts, of one at least, have a pattern."""
    found = [pattern.fullmatch(text.strip()) is not None for text in texts]
    return bool(found) and sum(found) >= (1 - MOST_OTHERS) * len(found)
