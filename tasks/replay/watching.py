"""What the drift verdict said of a batch, against the profile that went with a model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.atomic import read_json
from tasks.drift.batch import GivenBatch
from tasks.drift.champion import Champion
from tasks.drift.habits import FILE, habits_in
from tasks.drift.profile import read_profile
from tasks.drift.profile.files import PROFILE, read_beside
from tasks.drift.verdict import verdict_on
from tasks.model.bundle import read_bytes, sha256
from tasks.monitoring.signal import signal_of
from tasks.replay.making import METRICS
from tasks.replay.profiling import profile_of
from tasks.store import content_hash
from tasks.table import read_table

if TYPE_CHECKING:
    from tasks.replay.arrivals import Arrival
    from tasks.replay.making import Kept, Made

CODE = Path("tasks/drift/verdict.py")


def watch(kept: Kept, model: Made, arrival: Arrival) -> dict[str, Any]:
    """Hold a batch against what a model was trained on, on the day that it arrived.

    Returns
    -------
    dict
        `signal`, what monitoring would have kept of the verdict, and `cpu_seconds`.
    """
    declared = kept.pipeline.model_dump_json(by_alias=True)
    parts = [kept.code(CODE), declared, model.manifest_sha256, arrival.hash]
    key = content_hash("\n".join(parts).encode())
    return kept.summary("watch", key, lambda: judged(kept, model, arrival))


def judged(kept: Kept, model: Made, arrival: Arrival) -> dict[str, Any]:
    """The verdict, from what was known when the batch arrived."""
    rows, as_of = read_table(arrival.file), datetime.fromtimestamp(arrival.last / 1e6, UTC)
    given = GivenBatch(arrival.batch, rows, rows.num_rows, {}, {}, (), sha256(read_bytes(arrival.file)))
    champion = kept.once("champion", model.manifest_sha256, lambda: champion_of(kept, model))
    verdict = verdict_on(given, champion, kept.pipeline, as_of).verdict
    return {"signal": signal_of(verdict, arrival.batch, arrival.hash).as_facts()}


def champion_of(kept: Kept, model: Made) -> Champion:
    """The model as the verdict takes it, with its profile."""
    folder, _ = profile_of(kept, model)
    return Champion(
        model.folder.name,
        kept.loaded(model),
        read_profile(folder),
        sha256(read_bytes(folder / PROFILE)),
        read_json(model.folder / METRICS)["cv"]["mean"],
        habits_in(read_beside(folder, FILE)),
    )
