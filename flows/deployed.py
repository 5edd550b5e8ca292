"""What a Prefect server has of our deployments, and writing them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags, WorkPoolFilter
from prefect.client.schemas.sorting import DeploymentSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from configs.errors import ConfigError
from flows.deployments import TAG, Change, Deployment, as_prefects
from flows.limits import limit_of


class NoServerError(ConfigError):
    """No Prefect server is configured that could keep deployments."""


class NoPoolError(ConfigError):
    """The server has no work pool of that name."""


@dataclass(frozen=True)
class Found:
    """A deployment that the server has; `deployment` is Prefect's own object."""

    full_name: str
    deployment: Any


def require_server() -> None:
    """Refuse to deploy to a server that would be gone with this process."""
    if not PREFECT_API_URL.value():
        raise NoServerError(
            "no Prefect server is configured, and a temporary one would forget its deployments. Start one with "
            "`prefect server start` and say where it is: `prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api`."
        )


def require_pool(name: str) -> None:
    """Refuse a work pool that no worker could look into."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            there = ", ".join(repr(each.name) for each in client.read_work_pools(20, 0, WorkPoolFilter())) or "none"
            raise NoPoolError(
                f"--work-pool: the Prefect server has no work pool {name!r}; it has {there}. Make one with "
                f"`prefect work-pool create {name} --type process`, and start `prefect worker start --pool {name}` "
                "where runs shall run."
            ) from None


def deployments_there() -> list[Found]:
    """Our deployments on the server, by their tag."""
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    with get_client(sync_client=True) as client:
        found = client.read_deployments(deployment_filter=ours, limit=200, sort=DeploymentSort.NAME_ASC)
        flows = {each.flow_id: client.read_flow(each.flow_id).name for each in found}
    return [Found(f"{flows[each.flow_id]}/{each.name}", each) for each in found]


def ids_of(declared: Sequence[Deployment]) -> list[UUID]:
    """The server's ids of deployments that were written there."""
    wanted = {each.full_name for each in declared}
    return [each.deployment.id for each in deployments_there() if each.full_name in wanted]


def is_deployed(flow: str, pipeline: str) -> bool:
    """Whether a run of a flow by event is somebody's business."""
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(f"{flow}/{pipeline}")
        except ObjectNotFound:
            return False
    return True


def write(declared: Sequence[Deployment], found: Sequence[Change]) -> None:
    """Write what is new or changed, and the limit that a pipeline's flows share."""
    wanted = {change.name for change in found if change.what in {"new", "changed"}}
    with get_client(sync_client=True) as client:
        for pipeline in sorted({each.pipeline for each in declared}):
            client.upsert_global_concurrency_limit_by_name(limit_of(pipeline), 1)
    for each in declared:
        if each.full_name in wanted:
            as_prefects(each).apply()


def remove(found: Sequence[Change]) -> None:
    """Delete deployments that no YAML declares any more, and what starts them."""
    gone = {change.name for change in found if change.what == "gone"}
    there = [each.deployment.id for each in deployments_there() if each.full_name in gone]
    with get_client(sync_client=True) as client:
        for identifier in there:
            client.delete_resource_owned_automations(f"prefect.deployment.{identifier}")
            client.delete_deployment(identifier)
