"""The runs of a deployment that a Prefect server knows."""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

NEWEST = 50


def runs_of(flow: str, pipeline: str) -> list[Any]:
    """Prefect's runs of the deployment for runs by hand and by an event, newest first; none where it does not exist."""
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"{flow}/{pipeline}")
        except ObjectNotFound:
            return []
        only = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
        return client.read_flow_runs(deployment_filter=only, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=NEWEST)
