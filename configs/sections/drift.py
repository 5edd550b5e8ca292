"""Section `drift`: how often one may be woken for nothing, and what matters."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from configs.sections.values import Section, written

BUDGET = r"[1-9][0-9]{0,3} per (week|month|quarter|year)"
CADENCE = r"[1-9][0-9]{0,3} per (hour|day|week|month|quarter|year)"
YEAR = 365.25  # days, leap years counted in
DAYS_PER = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": YEAR / 12, "quarter": YEAR / 4, "year": YEAR}


def parse_budget(text: object) -> str:
    """Accept `1 per quarter` and its like."""
    if not isinstance(text, str) or not re.fullmatch(BUDGET, text):
        raise ValueError("a budget is a number per week, month, quarter or year, such as '1 per quarter'")
    return text


def per_day(rate: str) -> float:
    """Read a budget or a cadence as a number per day.

    >>> per_day("14 per week")
    2.0
    """
    number, _, period = rate.split(" ")
    return int(number) / DAYS_PER[period]


def parse_cadence(text: object) -> str:
    """Accept `1 per day` and its like."""
    if not isinstance(text, str) or not re.fullmatch(CADENCE, text):
        raise ValueError("a cadence is a number per hour, day, week, month, quarter or year, such as '1 per day'")
    return text


class EffectFloor(Section):
    """Changes that are too small to be told of, however sure they are."""

    shift: float = Field(0.03, ge=0, lt=1e9, description="of a number, in its standard deviations")
    mix: float = Field(0.01, ge=0, le=1, description="of a category: share of rows that are of another level")
    missing: float = Field(0.005, ge=0, le=1, description="share of rows that lack a value, or lack none any more")
    outside: float = Field(0.005, ge=0, le=1, description="share of rows that are out of range, or of a new level")


class Drift(Section):
    """How often a user can stand to be woken for nothing."""

    false_alarms: Annotated[str, BeforeValidator(parse_budget), written(BUDGET, "1 per quarter")] = Field(
        "1 per quarter", description="false alarms per week, month, quarter or year that are put up with"
    )
    batches: Annotated[str, BeforeValidator(parse_cadence), written(CADENCE, "1 per day")] | None = Field(
        None, description="how often a batch comes; told from the times of the training rows when absent"
    )
    effect_floor: EffectFloor = Field(EffectFloor(), description="changes that alarm only when they are larger")
    owner: str | None = Field(None, description="who is told; `owner` of the pipeline when absent")
