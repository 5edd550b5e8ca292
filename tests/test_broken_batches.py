"""Bad batches and missing models, through the chapters of monitoring: what is decided, and who is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks import registry
from tasks.land import ImmutableBatchError
from tasks.monitoring import NoCallError, NoChampionError, standing_call, untold
from tasks.registry import Version
from tests.registered import P, monitor_here

INCOMING = Path("data/incoming/diabetes")


def now() -> datetime:
    return datetime.now(UTC)


def drop(name: str, old: str = "", new: str = "", rows: int = 150) -> None:
    """Put rows of the newest batch into the source's folder, with one text of the header in place of another."""
    header, *lines = (INCOMING / "diabetes-2.csv").read_text().splitlines()
    (INCOMING / name).write_text("\n".join([header.replace(old, new), *lines[:rows]]) + "\n")


def test_batch_of_another_schema_alerts_and_starts_no_retrain(version: Version) -> None:
    drop("diabetes-3.csv", "bmi", "mass_index")
    assert monitor_here(P, now()) == (["diabetes-3.csv"], [])
    verdict, retrain = registry.events(P)[-2:]
    assert (verdict["signal"]["cause"], verdict["signal"]["faults"]) == ("broken_feed", ["unreadable"])
    assert "mass_index" in verdict["signal"]["sentence"]
    assert (retrain["decision"]["outcome"], retrain["decision"]["rule"]) == ("alert", "broken feed")
    with pytest.raises(NoCallError, match="the ledger has no decision that calls for one"):
        standing_call(P)


def test_feed_that_stays_broken_is_one_incident(version: Version) -> None:
    for number in (3, 4):
        drop(f"diabetes-{number}.csv", "bmi", "mass_index", rows=150 + number)
        monitor_here(P, now())
    (news,) = untold(registry.events(P), ["diabetes-4.csv"])
    assert news["signal"]["batch"] == "diabetes-3.csv"


def test_file_that_was_half_written_when_it_landed_is_told_when_it_grows(version: Version) -> None:
    drop("diabetes-3.csv", rows=100)
    with (INCOMING / "diabetes-3.csv").open("r+") as file:
        file.truncate(len(file.read()) - 5)
    monitor_here(P, now())
    drop("diabetes-3.csv", rows=150)
    with pytest.raises(ImmutableBatchError, match=r"`holdfast retrain diabetes --replace diabetes-3\.csv`"):
        monitor_here(P, now())


def test_monitoring_without_a_champion_says_how_to_make_one(fresh_project: Path) -> None:
    with pytest.raises(NoChampionError, match="`holdfast retrain diabetes --reason first`"):
        monitor_here(P, now())


def test_retrain_on_drift_without_a_champion_is_refused(fresh_project: Path) -> None:
    with pytest.raises(NoCallError, match="`holdfast monitor diabetes` decides"):
        standing_call(P)
