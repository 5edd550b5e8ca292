"""What a replay came to: a table of policies, and all steps as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tasks.replay.losses import NAMES

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.replay.history import Replayed

FORMAT = 1
HEADER = ("policy", "loss", "against the first", "retrains", "promoted", "alarms", "CPU s")


def facts_of(pipeline: Pipeline, found: Sequence[Replayed]) -> dict[str, Any]:
    """All that is told, as JSON holds it: `policies` in order, each with its sums and its `steps`."""
    return {
        "format": FORMAT,
        "pipeline": pipeline.name,
        "loss": NAMES[pipeline.task],
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


def step_facts(step: Any) -> dict[str, Any]:
    """One step; dates as ISO 8601 has them."""
    plain = asdict(step)
    return plain | {name: plain[name].isoformat() for name in ("date", "made")}


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
