"""Section `score`: what is decided of a scored row, and where scores go."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from configs.sections.loop import Cron
from configs.sections.source import SHARE, parse_percent
from configs.sections.values import Finite, RepositoryPath, Section, Timezone, Tuple, written


class Refer(Section):
    """Which rows a person decides on instead of the model."""

    below: float | None = Field(
        None, gt=0, le=1, description="rows whose most probable class is less probable than this; where no costs say it"
    )
    cost: Finite | None = Field(
        None,
        description="what it costs, in the unit of train.costs, to refer a row: those are referred whose decision "
        "would cost more on average, by calibrated probabilities (Chow's rule)",
    )
    unfamiliar: bool = Field(False, description="rows that are unlike what the model was trained on")


class Override(Section):
    """A decision that the business has taken whatever the model says."""

    when: str = Field(min_length=1, description="a row-wise condition in DuckDB's SQL over declared columns")
    decide: str = Field(min_length=1, description="a class in quotes, or `refer`; of a regression `accept` or `refer`")
    name: str | None = Field(None, min_length=1, description="what it is counted as; the condition when absent")


class Fallback(Section):
    """What a row gets that cannot be read, typed or scored."""

    value: Finite | None = Field(
        None, description="its probability of 1, or the prediction of a regression; missing when absent"
    )
    decision: str = Field("refer", min_length=1, description="a class in quotes, or `refer`")


class Score(Section):
    """How rows are scored and decided on, and when; no stage reads it, so a change makes nothing stale."""

    refer: Refer = Field(Refer(), description="which rows are referred to a person")
    margin: Annotated[str, BeforeValidator(parse_percent), written(SHARE, "10%")] = Field(
        "10%",
        description="how far beyond the numbers of the training rows one may lie, as a share of their range, before "
        "its row is unfamiliar",
    )
    overrides: Tuple[Override] = Field(
        (), description='decisions in spite of the model, `{when: "distance > 4000", decide: refer}`; the first holds'
    )
    fallback: Fallback = Field(Fallback(), description="what a row gets that cannot be read, typed or scored")
    schedule: Cron | None = Field(
        None, description="a cron line in quotes, such as '30 6 * * *'; only by hand when absent"
    )
    timezone: Timezone | None = Field(None, description="zone of the cron line; time.timezone when absent")
    input: RepositoryPath | None = Field(None, description="file or folder that a scheduled run scores")
    output: RepositoryPath | None = Field(None, description="file that a scheduled run writes, .parquet or .csv")
