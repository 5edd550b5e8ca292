"""Section `split`: which rows are trained on, validated and held out."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from configs.sections.values import ColumnName, Duration, Section, written

HOLDOUT = r"[1-9][0-9]{0,5} batch(es)?|([1-9]|[1-8][0-9]|90)%"
WINDOW = r"all|[1-9][0-9]{0,5} batch(es)?|[1-9][0-9]{0,5}(m|h|d|w)"


def parse_holdout(text: object) -> str:
    """Accept `1 batch`, `3 batches` or `20%`."""
    if not isinstance(text, str) or not re.fullmatch(HOLDOUT, text):
        raise ValueError("a holdout is the last batches ('1 batch', '3 batches') or a share from '1%' to '90%'")
    return text


def parse_window(text: object) -> str:
    """Accept `6 batches`, `90d` or `all`."""
    if not isinstance(text, str) or not re.fullmatch(WINDOW, text):
        raise ValueError("a window is 'all', a number of batches ('6 batches') or a duration ('90d')")
    return text


class Split(Section):
    """Which rows are trained on, validated on and held out."""

    kind: Literal["time", "stratified", "group"] | None = Field(
        None, description="`time` when `time.column` is declared, else `stratified`, when absent"
    )
    folds: int = Field(5, ge=2, le=100, description="folds of the cross-validation")
    gap: Duration = Field(
        timedelta(0), description="time left out between training and validation rows, beyond known_after"
    )
    group: ColumnName | None = Field(
        None, description="rows with one value of this column stay on one side (kind: group, or with kind: time)"
    )
    holdout: Annotated[str, BeforeValidator(parse_holdout), written(HOLDOUT, "1 batch")] = Field(
        "20%", description="the last batches ('1 batch') or a share of the rows ('20%'), which training never sees"
    )
    window: Annotated[str, BeforeValidator(parse_window), written(WINDOW, "6 batches")] = Field(
        "all", description="newest rows before the holdout that are trained on: 'all', '6 batches' or '90d'"
    )
    seed: int = Field(7, ge=0, lt=2**31, description="of the shuffling, where rows are shuffled")
