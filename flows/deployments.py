"""The deployments of all pipelines, declared once by their YAMLs: what each runs, when, and what starts it.

A pipeline has a deployment `<flow>/<pipeline>` for runs by hand and by an event, which queue, and beside it
`<flow>/<pipeline>-scheduled` for its cron line, whose runs are cancelled while one of them still runs: so runs that
came late after a downtime collapse into one, which lands all that there is. All flows of a pipeline share one global
concurrency limit of 1 (`flows.limits`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.runner.storage import GitRepository
from prefect.schedules import Cron

from configs.schema import Pipeline
from configs.sections.loop import Monitor, Retrain
from configs.sections.score import Score
from flows.monitor import DRIFT, resource_of

ENTRYPOINTS = {
    "monitor": "flows/monitor.py:monitor_pipeline",
    "retrain": "flows/retrain.py:retrain_pipeline",
    "score": "flows/score.py:score",
}
TAG = "holdfast"
SCHEDULED = "-scheduled"
FETCH = "git fetch --tags --depth=2147483647 origin"  # the whole history: a shallow clone lacks versions

Strategy = Literal["ENQUEUE", "CANCEL_NEW"]


@dataclass(frozen=True)
class Deployment:
    """One deployment as the YAMLs declare it.

    Attributes
    ----------
    flow : {"monitor", "retrain", "score"}
    name, pipeline : str
    parameters : dict
        Of each run, unless it brings its own.
    cron, timezone : str or None
        Its schedule.
    strategy : {"ENQUEUE", "CANCEL_NEW"}
        What becomes of a run that begins while another one runs.
    on_drift : bool
        Whether the drift event starts it.
    work_pool, repository : str or None
        Where it runs, and what a worker there clones.
    """

    flow: str
    name: str
    pipeline: str
    parameters: dict[str, Any] = field(default_factory=dict)
    cron: str | None = None
    timezone: str | None = None
    strategy: Strategy = "ENQUEUE"
    on_drift: bool = False
    work_pool: str | None = None
    repository: str | None = None

    @property
    def full_name(self) -> str:
        """As Prefect writes it."""
        return f"{self.flow}/{self.name}"

    @property
    def version(self) -> str:
        """A hash over all that is declared, by which a deployment that is as declared is known."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def deployments_of(pipeline: Pipeline) -> Iterator[Deployment]:
    """The deployments that a pipeline's YAML asks for."""
    name, retrain, score = pipeline.name, pipeline.retrain, pipeline.score
    only: dict[str, Any] = {"pipeline": name}
    on_drift = bool({"drift", "performance"} & {*retrain.on})
    yield Deployment("monitor", name, name, only)
    yield Deployment("retrain", name, name, {**only, "reason": "by hand"}, on_drift=on_drift)
    if pipeline.monitor.schedule is not None:
        yield scheduled("monitor", pipeline, pipeline.monitor, only)
    if retrain.schedule is not None:
        asked = {"reason": f"schedule {retrain.schedule}", "trigger": "schedule"}
        yield scheduled("retrain", pipeline, retrain, only | asked)
    rows = {"source": score.input, "out": score.output}
    if None not in rows.values():
        yield Deployment("score", name, name, only | rows)
    if score.schedule is not None:
        yield scheduled("score", pipeline, score, only | rows)


def scheduled(flow: str, pipeline: Pipeline, section: Monitor | Retrain | Score, asked: dict[str, Any]) -> Deployment:
    """The deployment of a cron line."""
    zone = section.timezone or pipeline.time.timezone
    name = f"{pipeline.name}{SCHEDULED}"
    return Deployment(flow, name, pipeline.name, asked, section.schedule, zone, strategy="CANCEL_NEW")


def declared_deployments(
    pipelines: Sequence[Pipeline], work_pool: str | None = None, repository: str | None = None
) -> list[Deployment]:
    """The deployments of all pipelines, in order of name.

    Parameters
    ----------
    pipelines : sequence of Pipeline
    work_pool, repository : str, optional
        Where they run, and what a worker there clones; on this machine, from this folder, when absent.
    """
    every = [each for pipeline in pipelines for each in deployments_of(pipeline)]
    placed = [replace(each, work_pool=work_pool, repository=repository) for each in every]
    return sorted(placed, key=lambda each: each.full_name)


# ---- as Prefect has them


class WholeClone(GitRepository):
    """A git repository that a worker clones with its whole history and its tags."""

    def to_pull_step(self) -> Any:
        """Clone, then fetch what a shallow clone lacks."""
        clone: dict[str, Any] = super().to_pull_step()
        ((step, settings),) = clone.items()
        fetch = {"script": FETCH, "directory": "{{ clone.directory }}"}
        return [
            {step: {**settings, "id": "clone"}},
            {"prefect.deployments.steps.run_shell_script": fetch},
        ]


def as_prefects(declared: Deployment, branch: str | None = None) -> RunnerDeployment:
    """A deployment that Prefect takes."""
    limit = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy(declared.strategy))
    made = RunnerDeployment.from_entrypoint(
        ENTRYPOINTS[declared.flow],
        name=declared.name,
        flow_name=declared.flow,
        schedule=Cron(declared.cron, timezone=declared.timezone) if declared.cron else None,
        parameters=declared.parameters,
        concurrency_limit=limit,
        triggers=[drift_trigger(declared.pipeline)] if declared.on_drift else [],
        description=f"{declared.flow.capitalize()} of {declared.pipeline}; `holdfast deploy` writes it",
        tags=[TAG, declared.pipeline],
        version=declared.version,
        work_pool_name=declared.work_pool,
    )
    if declared.repository is not None:
        made.storage = WholeClone(declared.repository, branch=branch)
    return made


def drift_trigger(pipeline: str) -> DeploymentEventTrigger:
    """What starts a retrain when monitoring has decided on one; the ledger's decision says why, not the event."""
    return DeploymentEventTrigger(
        name=f"retrain {pipeline} on drift",
        expect={DRIFT},
        match={"prefect.resource.id": resource_of(pipeline), "holdfast.decision": "retrain"},
        parameters={"pipeline": pipeline, "reason": "drift", "trigger": "drift"},
    )


# ---- what there is, and what is to change


@dataclass(frozen=True)
class Change:
    """What `holdfast deploy` does to one deployment: new, changed, gone or unchanged, and in which respects."""

    name: str
    what: Literal["new", "changed", "gone", "unchanged"]
    respects: tuple[str, ...] = ()


def changes(declared: Sequence[Deployment], there: Sequence[Any]) -> list[Change]:
    """What differs between the YAMLs and the server.

    Parameters
    ----------
    declared : sequence of Deployment
    there : sequence
        What the server has of ours: with `full_name` and `deployment`, Prefect's own object.
    """
    found = {each.full_name: each.deployment for each in there}
    wanted = {each.full_name for each in declared}
    compared = [compare(each, found.get(each.full_name)) for each in declared]
    return compared + [Change(name, "gone") for name in sorted(set(found) - wanted)]


def compare(declared: Deployment, there: Any) -> Change:
    """What differs of one deployment."""
    if there is None:
        return Change(declared.full_name, "new", tuple(f"{key}: {value}" for key, value in facts(declared).items()))
    was, becomes = facts_there(there), facts(declared)
    respects = [f"{key}: {was[key]} -> {value}" for key, value in becomes.items() if was[key] != value]
    if not respects and there.version != declared.version:
        respects = ["declaration: written by another version of the YAML or of Holdfast"]
    return Change(declared.full_name, "changed" if respects else "unchanged", tuple(respects))


def facts(declared: Deployment) -> dict[str, Any]:
    """What a person would compare, as declared."""
    return {
        "schedule": f"{declared.cron} {declared.timezone}" if declared.cron else None,
        "parameters": dict(sorted(declared.parameters.items())),
        "strategy": declared.strategy,
        "work pool": declared.work_pool,
        "paused": False,
    }


def facts_there(there: Any) -> dict[str, Any]:
    """What a person would compare, as the server has it."""
    crons = [each for each in there.schedules if isinstance(each.schedule, CronSchedule)]
    lines = [f"{each.schedule.cron} {each.schedule.timezone}" for each in crons if each.active]
    options = there.concurrency_options
    return {
        "schedule": ", ".join(lines) or None,
        "parameters": dict(sorted(there.parameters.items())),
        "strategy": options.collision_strategy.value if options else None,
        "work pool": there.work_pool_name,
        "paused": there.paused,
    }
