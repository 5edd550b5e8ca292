"""What a leak audit says: findings with their figures, and what was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from configs.errors import DataError


@dataclass(frozen=True)
class Finding:
    """One leak.

    Attributes
    ----------
    probe : str
        What was looked for.
    columns : tuple of str
        The columns that are to blame.
    evidence : dict of str to number
        What was measured, and what chance or an honest column would give.
    text : str
        The same in words, with what to do.
    """

    probe: str
    columns: tuple[str, ...]
    evidence: Mapping[str, float]
    text: str


@dataclass(frozen=True)
class Audit:
    """What all probes came to.

    Attributes
    ----------
    outcome : {"passed", "failed"}
    findings : tuple of Finding
    probes : dict of probe to dict
        What each looked at, and its greatest numbers, also where it found nothing.
    seconds : float
        How long it took: of no use to a hash.
    """

    outcome: Literal["passed", "failed"]
    findings: tuple[Finding, ...]
    probes: Mapping[str, Mapping[str, Any]]
    seconds: float

    @property
    def reason(self) -> str:
        """One sentence."""
        if not self.findings:
            return f"{len(self.probes)} probes found no leak"
        names = ", ".join(dict.fromkeys(finding.probe for finding in self.findings))
        return f"{len(self.findings)} of the findings that {len(self.probes)} probes look for: {names}"


class LeakError(DataError):
    """The leak audit found something, and `train.audit` is `stop`.

    Parameters
    ----------
    audit : Audit
    """

    def __init__(self, audit: Audit) -> None:
        found = "\n".join(f"- {finding.text}" for finding in audit.findings)
        super().__init__(
            f"train.audit: {len(audit.findings)} leaks of the target were found; a good score would mean nothing, so "
            f"nothing was trained.\n{found}\nMend these, or say `audit: warn` under train if you know that the "
            "model will have the same knowledge when it is used.",
            key=("train",),
        )
        self.audit = audit
