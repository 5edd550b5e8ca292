"""What a flow costs in CPU seconds: its process, those that it started, and those that they started."""

from __future__ import annotations

import os
import resource
from pathlib import Path


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children, living or not, since it began; Linux tells of living ones."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    living = sum(ticks_of(child) for child in children_of(os.getpid()))
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime + living / os.sysconf("SC_CLK_TCK")


def children_of(process: int) -> list[int]:
    """The living children of a process; none where the system does not tell."""
    found: list[int] = []
    for listing in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += [int(child) for child in listing.read_text().split()]
        except OSError:
            continue
    return found


def ticks_of(process: int) -> int:
    """Clock ticks that a process and its descendants have used; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11:15]) + sum(ticks_of(child) for child in children_of(process))
