"""What an owner reads when an incident begins: what, where, what was decided, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.monitoring.signal import signal_from

if TYPE_CHECKING:
    from configs.schema import Pipeline


def subject(event: Mapping[str, Any]) -> str:
    """One line."""
    signal = event["signal"]
    what = "the feed is broken" if signal["cause"] == "broken_feed" else "drift that matters to the model"
    return f"{event['pipeline']}: {what}, {signal['batch']}"


def body(event: Mapping[str, Any], decision: Mapping[str, Any] | None, pipeline: Pipeline) -> str:
    """The message.

    Parameters
    ----------
    event : mapping
        The verdict event that opened the incident.
    decision : mapping, optional
        The last decision on a retrain.
    pipeline : Pipeline
    """
    signal, name = event["signal"], event["pipeline"]
    lines = [signal["sentence"]]
    lines += [f"Broken: {fault}." for fault in signal["faults"]]
    if decision is not None:
        lines.append(f"Retrain: {decision['outcome']} ({decision['rule']}): {decision['reason']}.")
    lines.append(f"Owner: {signal['owner'] or pipeline.owner or 'nobody is named'}.")
    lines.append(f"More: holdfast drift {name} --batch {signal_from(signal).name}")
    if pipeline.notify.runbook is not None:
        lines.append(f"Runbook: {pipeline.notify.runbook}")
    return "\n".join(lines)
