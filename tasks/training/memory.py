"""How much memory there is left: of the machine, and of the container that this process may run in."""

from __future__ import annotations

import re
from pathlib import Path

UNKNOWN = 2**62  # bytes; where the system does not say


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that can be had before something must be given up: what the machine has, and what the container allows.

    Files that the system only keeps because there is room count as free. Where there is no `/proc`, as on macOS, no
    limit is known.
    """
    return min(machine_memory(root), container_memory(root))


def machine_memory(root: Path) -> int:
    """What Linux says is available."""
    found = re.search(r"MemAvailable:\s+([0-9]+) kB", text_of(root / "proc/meminfo"))
    return int(found[1]) * 1024 if found else UNKNOWN


def container_memory(root: Path) -> int:
    """What is left of the control group's limit (version 2): its limit, less what is held and not just kept."""
    group = root / "sys/fs/cgroup"
    limit, used = text_of(group / "memory.max").strip(), text_of(group / "memory.current").strip()
    if not (limit.isdigit() and used.isdigit()):
        return UNKNOWN
    kept = re.search(r"^inactive_file ([0-9]+)$", text_of(group / "memory.stat"), re.MULTILINE)
    return max(0, int(limit) - int(used) + (int(kept[1]) if kept else 0))


def text_of(path: Path) -> str:
    """A small file's text, '' where there is none."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
