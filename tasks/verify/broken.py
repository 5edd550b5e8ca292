"""What `holdfast verify` tells: a link of the chain from tag to file that does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Link = Literal["tag", "ledger", "remote", "record", "object", "bundle"]


@dataclass(frozen=True)
class Finding:
    """One link that does not hold: where, what was found, what was expected, and what to do."""

    link: Link
    where: str
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}, expected {self.expected}. {self.remedy}"
