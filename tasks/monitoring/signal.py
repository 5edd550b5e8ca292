"""What the ledger keeps of a verdict on a batch: enough to decide on a retrain by, and no value of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from tasks.batch import name_of

if TYPE_CHECKING:
    from tasks.drift.document import Verdict

Cause = Literal["broken_feed", "changed_world", "none"]
LESS_IS_BETTER = {"rmse": -1, "mae": -1, "log_loss": -1, "brier": -1}


@dataclass(frozen=True)
class Part:
    """What one landed file has of a batch: its path, its content, and rows, refused ones included."""

    file: str
    md5: str
    rows: int


@dataclass(frozen=True)
class Signal:
    """One batch as monitoring saw it.

    Attributes
    ----------
    batch, md5 : str
        Name and content of the landed batch: of a file its path with its extension.
    champion : str
        The version that it was held against, such as `flights@v1.2.0`.
    rows : int
        Of the batch, refused ones included.
    drifted, material : bool
        Whether it differs, and whether that matters to the model.
    performance : bool
        Whether the loss on its labelled rows is greater than the budget of false alarms explains.
    cause : {"broken_feed", "changed_world", "none"}
    faults : tuple of str
        What is broken about the feed, as `kind column`, in order.
    gain : float or None
        How much worse the model is than in validation, in `unit`: the most that a retrain could bring back. None where
        nobody can tell.
    unit : str or None
        The loss on labelled rows, or the declared metric where it is estimated without labels.
    sentence : str
    owner : str or None
    members : tuple of Part
        The files that it has rows of, where a batch may have several.
    """

    batch: str
    md5: str
    champion: str
    rows: int
    drifted: bool
    material: bool
    performance: bool
    cause: Cause
    faults: tuple[str, ...]
    gain: float | None
    sentence: str
    owner: str | None = None
    unit: str | None = None
    members: tuple[Part, ...] = ()

    def as_facts(self) -> dict[str, Any]:
        """Plain values for an event."""
        return {**asdict(self), "faults": list(self.faults), "members": [asdict(part) for part in self.members]}

    @property
    def parts(self) -> tuple[Part, ...]:
        """The files that it has rows of."""
        return self.members or (Part(self.batch, self.md5, self.rows),)

    @property
    def files(self) -> dict[str, str]:
        """MD5 by landed path."""
        return {part.file: part.md5 for part in self.parts}

    @property
    def name(self) -> str:
        """As `holdfast drift --batch` takes it."""
        return self.batch if self.members else name_of(self.batch)

    @property
    def is_alarm(self) -> bool:
        """Whether somebody should know."""
        return self.material or self.performance or self.cause == "broken_feed"


def signal_from(facts: Mapping[str, Any]) -> Signal:
    """A signal as an event keeps it."""
    members = tuple(Part(**part) for part in facts.get("members", ()))
    return Signal(**{**facts, "faults": tuple(facts["faults"]), "members": members})


def signal_of(verdict: Verdict, batch: str, md5: str, members: tuple[Part, ...] = ()) -> Signal:
    """What is kept of a verdict.

    Parameters
    ----------
    verdict : Verdict
    batch, md5 : str
        Name and content of the landed batch.
    members : tuple of Part, optional
        Its files, where it may have several.
    """
    gain, unit = gain_of(verdict)
    faults = sorted(" ".join((cause.kind, *cause.columns)) for cause in verdict.causes if cause.feed)
    return Signal(
        batch=batch,
        md5=md5,
        champion=verdict.champion,
        rows=verdict.rows + verdict.refused,
        drifted=verdict.drifted,
        material=verdict.material,
        performance=bool(verdict.loss and verdict.loss.off is None and verdict.loss.alarmed),
        cause=verdict.cause,
        faults=tuple(faults),
        gain=gain,
        unit=unit,
        sentence=verdict.sentence,
        owner=verdict.owner,
        members=members,
    )


def gain_of(verdict: Verdict) -> tuple[float | None, str | None]:
    """How much worse the model is on this batch than in validation, 0 or more, and in which unit; None unknown.

    The loss on labelled rows where there are some, else the estimate of the declared metric without labels. A model
    that learned the new world might be as good as this one was in the old: that is the most to hope for.
    """
    loss, estimate = verdict.loss, verdict.estimate
    if loss and loss.off is None and loss.value is not None and loss.reference is not None:
        return max(0.0, loss.value - loss.reference), loss.loss
    if estimate and estimate.off is None and estimate.value is not None and estimate.reference is not None:
        sign = LESS_IS_BETTER.get(estimate.metric, 1)
        return max(0.0, sign * (estimate.reference - estimate.value)), estimate.metric
    return None, None
