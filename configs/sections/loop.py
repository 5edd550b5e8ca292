"""Sections `monitor`, `notify` and `retrain`: when something is done, and who is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from configs.cron import PERSISTENCE, parse_cron, parse_persistence
from configs.sections.values import BlockName, Duration, Link, Section, Timezone, Tuple, written

Cron = Annotated[str, BeforeValidator(parse_cron)]


class Monitor(Section):
    """When new batches are looked for and held against the champion's profile."""

    schedule: Cron | None = Field(
        None, description="a cron line in quotes, such as '15 * * * *'; only by hand when absent"
    )
    timezone: Timezone | None = Field(None, description="zone of the cron line; time.timezone when absent")


class Notify(Section):
    """Who is told, once per incident."""

    blocks: Tuple[BlockName] = Field(
        (),
        description="Prefect's notification blocks, as `type/name`: slack-webhook/ops, sendgrid-email/ops, "
        "custom-webhook/ops; their addresses and keys are kept by Prefect",
    )
    runbook: Link | None = Field(None, description="a link that each message ends with")


class Retrain(Section):
    """When a new model is made (docs/monitoring.md)."""

    on: Tuple[Literal["drift", "performance", "schedule", "manual"]] = Field(
        ("manual",),
        description="what starts a retrain: drift that matters to the model, measured or estimated loss that grew, the "
        "schedule, a person",
    )
    schedule: Cron | None = Field(
        None, description="a cron line in quotes, such as '0 3 1 * *': minute, hour, day, month, day of week"
    )
    timezone: Timezone | None = Field(None, description="zone of the cron line; time.timezone when absent")
    persist: Annotated[str, BeforeValidator(parse_persistence), written(PERSISTENCE, "2 of 3 batches")] = Field(
        "1 of 1 batch", description="how many of the newest batches must show drift before it starts a retrain"
    )
    cooldown: Duration = Field(timedelta(0), description="least time between two retrains on drift")
    min_rows: int = Field(
        0, ge=0, lt=10**12, description="least rows that landed since the last version, before drift starts a retrain"
    )
    wait_for_labels: Duration = Field(
        timedelta(0), description="time after the landing of the batch that drifted, before it starts a retrain"
    )
    min_gain: float = Field(
        0.0,
        ge=0,
        lt=1e9,
        description="least gain that a retrain on drift could bring, where it is known: in units of the loss on "
        "labelled rows, or of the metric where that is estimated without labels",
    )
