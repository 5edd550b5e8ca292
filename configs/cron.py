"""Cron lines of five fields, and the durations and counts that schedules and policies are written in."""

from __future__ import annotations

import re

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
ITEM = re.compile(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([1-9][0-9]?))?")
DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # of the months, in a leap year
PERSISTENCE = r"[1-9][0-9]? of [1-9][0-9]? batch(es)?"


def parse_cron(text: object) -> str:
    """Accept five fields of numbers, `*`, ranges, steps and lists of them, that some moment fits.

    >>> parse_cron("0 3 1-7 * 1,5")
    '0 3 1-7 * 1,5'
    """
    fields = text.split() if isinstance(text, str) else []
    if not isinstance(text, str) or len(fields) != len(FIELDS):
        raise ValueError('a schedule is a cron line of five fields in quotes, such as "0 3 1 * *"')
    for field, (name, low, high) in zip(fields, FIELDS, strict=True):
        if not all(is_item(item, low, high) for item in field.split(",")):
            raise ValueError(
                f"the {name} of a cron line is '*' or numbers from {low} to {high}, such as 1,5 or 1-5 or */2"
            )
    if never_fires(fields):
        raise ValueError(
            f"no month {fields[3]} has a day {fields[2]}, so this schedule never comes; correct one of them"
        )
    return text


def is_item(item: str, low: int, high: int) -> bool:
    """Whether one member of a cron field keeps to the field's range."""
    match = ITEM.fullmatch(item)
    bounds = [int(bound) for bound in match.groups()[:2] if bound is not None] if match else []
    return match is not None and bounds == sorted(bounds) and all(low <= bound <= high for bound in bounds)


def never_fires(fields: list[str]) -> bool:
    """Whether no date fits: days that no month of the line has, and no day of the week beside them.

    Where a line names days of the month and of the week, either is enough to cron.

    >>> never_fires("0 3 30 2 *".split()), never_fires("0 3 30 2 1".split()), never_fires("0 3 29 2 *".split())
    (True, False, False)
    """
    if not fields[4].startswith("*"):
        return False
    days, months = (numbers(fields[place], *FIELDS[place][1:]) for place in (2, 3))
    return min(days) > max(DAYS[month - 1] for month in months)


def numbers(field: str, low: int, high: int) -> set[int]:
    """The numbers that a field stands for.

    >>> sorted(numbers("1-10/4,20", 1, 31))
    [1, 5, 9, 20]
    """
    found: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        begin = low if span == "*" else int(first)
        end = int(last) if last else high if span == "*" or step else begin
        found.update(range(begin, end + 1, int(step or 1)))
    return found


def parse_persistence(text: object) -> str:
    """Accept `2 of 3 batches`.

    >>> persistence(parse_persistence("2 of 3 batches"))
    (2, 3)
    """
    if not isinstance(text, str) or not re.fullmatch(PERSISTENCE, text) or persistence(text)[0] > persistence(text)[1]:
        raise ValueError("persistence is how many of the newest batches must show it, such as '2 of 3 batches'")
    return text


def persistence(text: str) -> tuple[int, int]:
    """How many of how many batches."""
    words = text.split()
    return int(words[0]), int(words[2])
