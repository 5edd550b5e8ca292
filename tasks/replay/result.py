"""What a replay came to: a table of policies, and all steps as plain values, as a page and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.atomic import read_json, write_json, write_text
from tasks.replay.history import Replayed, Step
from tasks.replay.losses import loss_name
from tasks.replay.plots import loss_plot
from tasks.reporting.pages import templates

if TYPE_CHECKING:
    from configs.schema import Pipeline

FORMAT = 1
DOCUMENT, PAGE = "replay.json", "index.html"
HEADER = ("policy", "loss", "against the first", "retrains", "promoted", "alarms", "CPU s")
EVENTS = ("policy", "after", "what was seen", "retrain")


def facts_of(pipeline: Pipeline, found: Sequence[Replayed], key: str = "") -> dict[str, Any]:
    """All that is told, as JSON holds it.

    Returns
    -------
    dict
        `policies` in order, each with its sums and its `steps`; `key`, the hash of all that they follow from.
    """
    return {
        "format": FORMAT,
        "key": key,
        "pipeline": pipeline.name,
        "loss": loss_name(pipeline.metric),
        "metric": pipeline.metric,
        "policies": [
            {
                "policy": each.policy,
                "loss": each.loss,
                "retrains": each.retrains,
                "promoted": each.count("promoted"),
                "alarms": each.alarms,
                "cpu_seconds": round(each.cpu_seconds, 3),
                "steps": [step_facts(step) for step in each.steps],
            }
            for each in found
        ],
    }


def step_facts(step: Step) -> dict[str, Any]:
    """One step; dates as ISO 8601 has them."""
    return asdict(step) | {"date": step.date.isoformat(), "made": step.made.isoformat()}


def step_of(facts: Mapping[str, Any]) -> Step:
    """A step from its facts."""
    dates = {name: datetime.fromisoformat(facts[name]) for name in ("date", "made")}
    return Step(**{**facts, **dates})


def table(found: Sequence[Replayed]) -> list[tuple[str, ...]]:
    """One row per policy, under `HEADER`; the mean loss is set against that of the first policy."""
    first = found[0].loss
    return [
        (
            each.policy,
            f"{each.loss:.5f}",
            f"{100 * (each.loss / first - 1):+.2f} %" if first else "",
            str(each.retrains),
            str(each.count("promoted")),
            str(each.alarms),
            f"{each.cpu_seconds:.1f}",
        )
        for each in found
    ]


def events(found: Sequence[Replayed]) -> list[tuple[str, ...]]:
    """What each policy saw and did, under `EVENTS`: a row for each batch with an alarm or a retrain."""
    return [
        (each.policy, step.batch, step.alarm or step.reason, step.outcome)
        for each in found
        for step in each.steps
        if step.alarm or step.outcome
    ]


def write(pipeline: Pipeline, found: Sequence[Replayed], folder: Path, key: str) -> None:
    """Write `replay.json` and `index.html`; each is seen whole or not at all."""
    facts = facts_of(pipeline, found, key)
    write_text(folder / PAGE, page(facts, found))
    write_json(folder / DOCUMENT, facts)  # last: with it the replay is done


def page(facts: Mapping[str, Any], found: Sequence[Replayed]) -> str:
    """Render the page: whole in itself, everything from the data escaped."""
    return (
        templates(Path(__file__).parent)
        .get_template("page.html.j2")
        .render(
            facts=facts,
            steps=facts["policies"][0]["steps"],
            header=HEADER,
            rows=table(found),
            plot=loss_plot(found, "Loss per batch", facts["loss"]),
        )
    )


def read(folder: Path, key: str) -> list[Replayed] | None:
    """The replay that was written there, where it follows from the same; else None."""
    try:
        facts = read_json(folder / DOCUMENT)
        if (facts["format"], facts["key"]) != (FORMAT, key):
            return None
        return [Replayed(each["policy"], tuple(step_of(step) for step in each["steps"])) for each in facts["policies"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
