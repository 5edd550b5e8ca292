"""What a replay plays: the batches that are there at its beginning, those that arrive, and where all is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from configs.load import check_pipeline
from tasks.closure import code_hash
from tasks.replay.arrivals import Arrival, arrivals, between
from tasks.replay.history import replayed, zone_of
from tasks.replay.making import Kept
from tasks.replay.watching import watch
from tasks.store import content_hash, stage_basis

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.replay.history import Replayed
    from tasks.replay.policies import Policy

CODE = Path("tasks/replay/setting.py")


@dataclass(frozen=True)
class Setting:
    """A pipeline and its batches, in the order of their arrival.

    Attributes
    ----------
    pipeline : Pipeline
    before : tuple of Arrival
        The first model is made of them.
    through : tuple of Arrival
        What arrives, one after the other.
    """

    pipeline: Pipeline
    before: tuple[Arrival, ...]
    through: tuple[Arrival, ...]

    @cached_property
    def kept(self) -> Kept:
        """What earlier replays made, by hash."""
        return Kept(self.pipeline, Path(".holdfast/replay", self.pipeline.name))

    @property
    def folder(self) -> Path:
        """Where the result is written."""
        return Path("reports", self.pipeline.name, "replay")

    def key(self, policies: Sequence[str]) -> str:
        """Hash of all that a replay's result follows from."""
        batches = [[(each.batch, each.hash) for each in side] for side in (self.before, self.through)]
        declared = self.pipeline.model_dump(mode="json", by_alias=True)
        parts = [list(policies), batches, declared, code_hash(CODE), stage_basis("train", self.pipeline, {})]
        return content_hash(json.dumps(parts).encode())


def set_out(name: str, first: str | None = None, last: str | None = None) -> Setting:
    """Read which batches there are, and choose.

    Parameters
    ----------
    name : str
        A pipeline whose batches have been validated.
    first, last : str, optional
        See `tasks.replay.arrivals.between`.

    Raises
    ------
    ConfigError
        If the declaration is not sound, has no time column, or no batch is where the replay is to begin or end.
    DataError
        If no batch has been validated.
    """
    pipeline = check_pipeline(name)
    before, through = between(arrivals(pipeline), first, last, zone_of(pipeline))
    return Setting(pipeline, tuple(before), tuple(through))


def live_through(setting: Setting, policy: Policy) -> Replayed:
    """Let one policy live through history."""

    def watched(model, arrival):  # type: ignore[no-untyped-def]
        return watch(setting.kept, model, arrival)

    return replayed(policy, setting.before, setting.through, setting.kept, watched)
