"""A verdict as Prometheus text metrics, for the node exporter's textfile collector; by the official client library.

Names and labels are stable. Labels are the pipeline, a column and a test: none grows with the number of batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.atomic import write_text

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from tasks.drift.document import FindingPart, Verdict

FILE = "drift.prom"
ABOUT = {
    "rows": "valid rows of the batch that were judged",
    "refused_rows": "rows of the batch in quarantine",
    "drifted": "1 where the batch differs by more than the budget of false alarms allows",
    "material": "1 where that matters to the model",
    "broken_feed": "1 where the feed is to blame, and nobody should retrain",
    "alpha": "chance of a false alarm that one batch has",
    "widened": "1 where thresholds were widened, since the history is short",
    "surprise": "largest -log(p) of any column and test",
    "surprise_threshold": "above which a batch alarms",
    "moved": "how far the model's predictions move",
    "multivariate_auc": "how well a classifier tells the batch from the profile's sample",
    "estimated_performance": "the model's metric on the batch, estimated without labels",
    "batch_end_timestamp_seconds": "time of the batch's last row",
}
OF_COLUMN = {
    "statistic": "of one test of one column",
    "threshold": "above which that statistic alarms",
    "excess": "how far that is over its threshold: 1 is the border",
    "effect": "size of the shift: standard deviations, or a difference of shares",
    "alarmed": "1 where statistic and effect are both large enough",
}


def exposition(verdict: Verdict) -> str:
    """Write a verdict in Prometheus' text format.

    Parameters
    ----------
    verdict : Verdict

    Returns
    -------
    str
        What has no value - a number that is not defined, a test that is off - has no line.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    add_whole(registry, verdict)
    add_columns(registry, verdict.pipeline, verdict.findings)
    return generate_latest(registry).decode()


def add_whole(registry: CollectorRegistry, verdict: Verdict) -> None:
    """What is said of the batch as a whole, and which batch and version it is about."""
    from prometheus_client import Gauge, Info

    about = {"batch": verdict.batch, "champion": verdict.champion, "owner": verdict.owner or ""}
    info = Info("holdfast_drift_batch", "the batch that was judged last", ["pipeline"], registry=registry)
    info.labels(verdict.pipeline).info(about)
    for name, value in whole(verdict).items():
        if value is not None:
            gauge = Gauge(f"holdfast_drift_{name}", ABOUT[name], ["pipeline"], registry=registry)
            gauge.labels(verdict.pipeline).set(value)


def whole(verdict: Verdict) -> dict[str, float | None]:
    """The numbers about the batch as a whole, by the end of the metric's name."""
    multivariate, estimate, materiality = verdict.multivariate, verdict.estimate, verdict.materiality
    family = verdict.family
    return {
        "rows": verdict.rows,
        "refused_rows": verdict.refused,
        "drifted": verdict.drifted,
        "material": verdict.material,
        "broken_feed": verdict.cause == "broken_feed",
        "alpha": verdict.budget.alpha,
        "widened": verdict.widened is not None,
        "surprise": None if family is None else family.surprise,
        "surprise_threshold": None if family is None else family.threshold,
        "moved": None if materiality is None else materiality.moved,
        "multivariate_auc": None if multivariate is None else multivariate.auc,
        "estimated_performance": None if estimate is None else estimate.value,
        "batch_end_timestamp_seconds": None if verdict.end is None else datetime.fromisoformat(verdict.end).timestamp(),
    }


def add_columns(registry: CollectorRegistry, pipeline: str, findings: Iterable[FindingPart]) -> None:
    """What is said of each column by each test."""
    from prometheus_client import Gauge

    names = ["pipeline", "column", "test"]
    gauges = {
        name: Gauge(f"holdfast_drift_{name}", about, names, registry=registry) for name, about in OF_COLUMN.items()
    }
    for finding in findings:
        for name, gauge in gauges.items():
            value = getattr(finding, name)
            if value is not None:
                gauge.labels(pipeline, finding.column, finding.test).set(value)


def write_metrics(verdict: Verdict, path: Path) -> None:
    """Write the metrics, so that the collector sees the whole file or the one before."""
    write_text(path, exposition(verdict))
