"""A clock that is set back or forward, also over changes to summer time and back: no run is scheduled twice or never.

The function by which Prefect's own scheduler writes runs into its database is given the moments of such a clock.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from tests.test_deployments import CHANGES

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.filterwarnings("ignore:Type object .* does not refer to an OperatorClass"),  # of Prefect's own types
]
HOUR = timedelta(hours=1)
# what the clock says at each look of the scheduler, in hours from noon two days before clocks change
CLOCKS = {
    "goes on": [0, 12, 24, 36, 48, 60, 72, 84, 96],
    "set back by an hour": [0, 12, 24, 36, 35, 47, 59, 71, 83, 96],
    "set back over the change": [0, 24, 44, 30, 42, 60, 84, 96],
    "set forward over the change": [0, 12, 60, 72, 96],
    "a year ahead, then right again": [0, 24, 24 + 8760, 36, 60, 84, 96],
}
AHEAD = timedelta(hours=54)  # for which runs are written; Prefect writes more, which shows the same


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A server's empty database, as Prefect makes it."""
    from prefect.server.database import provide_database_interface
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

    file = tmp_path_factory.mktemp("prefect") / "prefect.db"
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{file}"}):
        asyncio.run(provide_database_interface().create_db())
        yield file


async def scheduled(cron: str, zone: str, looks: Sequence[datetime]) -> list[datetime]:
    """The moments for which the scheduler has written runs of a new deployment, having looked at these times."""
    from prefect.server import models, schemas
    from prefect.server.database import provide_database_interface
    from prefect.server.schemas.actions import DeploymentScheduleCreate

    line = DeploymentScheduleCreate(schedule=schemas.schedules.CronSchedule(cron=cron, timezone=zone))
    db, name = provide_database_interface(), str(uuid4())
    async with db.session_context(begin_transaction=True) as session:
        flow = await models.flows.create_flow(session=session, flow=schemas.core.Flow(name=name))
        deployment = await models.deployments.create_deployment(
            session=session, deployment=schemas.core.Deployment(name=name, flow_id=flow.id, schedules=[line])
        )
        identifier = deployment.id
    for look in looks:
        async with db.session_context(begin_transaction=True) as session:
            await models.deployments.schedule_runs(
                session, deployment_id=identifier, start_time=look, end_time=look + AHEAD, min_time=AHEAD
            )
    async with db.session_context() as session:
        found = await models.flow_runs.read_flow_runs(
            session,
            deployment_filter=schemas.filters.DeploymentFilter(
                id=schemas.filters.DeploymentFilterId(any_=[identifier])
            ),
        )
    return sorted(run.expected_start_time for run in found)


def moments_of(clock: str, cron: str, zone: str, change: date) -> list[datetime]:
    """The moments that such a clock's scheduler has written, in the four days about a change."""
    noon = datetime.combine(change - timedelta(days=2), time(12), ZoneInfo(zone)).astimezone(UTC)
    looks = [noon + hours * HOUR for hours in CLOCKS[clock]]
    return [moment for moment in asyncio.run(scheduled(cron, zone, looks)) if moment < noon + 96 * HOUR]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_no_daily_run_is_scheduled_twice_or_never(database: Path, zone: str, change: date) -> None:
    wanted = {change + timedelta(days=step): 1 for step in (-1, 0, 1, 2)}
    for clock in CLOCKS:
        days = Counter(
            moment.astimezone(ZoneInfo(zone)).date() for moment in moments_of(clock, "30 2 * * *", zone, change)
        )
        assert days == wanted, clock


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_clock_that_is_set_schedules_what_one_that_goes_on_does(database: Path, zone: str, change: date) -> None:
    found = {clock: moments_of(clock, "15 */3 * * *", zone, change) for clock in CLOCKS}
    assert {clock for clock, moments in found.items() if moments != found["goes on"]} == set()
    assert len(found["goes on"]) == len(set(found["goes on"])) >= 31
