"""Sections `features` and `encode`: what the model reads of a row, and how categories become numbers."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from configs.sections.values import ColumnName, Finite, Section, Tuple

DatePart = Literal[
    "year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "is_weekend"
]
DOTTED = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+")


class Features(Section):
    """Columns derived row by row."""

    parts: dict[ColumnName, Tuple[DatePart]] = Field(
        default_factory=dict, description="parts of date and timestamp columns, in the local zone: `<column>_<part>`"
    )
    sql: dict[ColumnName, str] = Field(
        default_factory=dict,
        description="row-wise expressions in DuckDB's SQL over declared columns, scalar functions only",
    )
    transformer: Annotated[str, Field(pattern=f"^({DOTTED.pattern})$")] | None = Field(
        None,
        description="a scikit-learn transformer of your own in configs/<pipeline>/, such as `weather.Climate`: fitted "
        "inside each fold, its columns are features",
    )


class Encode(Section):
    """Which categories become numbers, learned inside each fold."""

    target: Tuple[ColumnName] | None = Field(None, description="columns to target-encode; all categories when absent")
    smooth: Literal["auto"] | Annotated[Finite, Field(ge=0, lt=1e9)] = Field(
        "auto", description="weight of the prior, in rows; `auto` is empirical Bayes"
    )
    folds: int | None = Field(
        None,
        ge=2,
        le=100,
        description="inner folds of the cross-fitting, 5 when absent; split by time, blocks of a fold's training part, "
        "20 when absent",
    )
