"""Is this machine fit to run Holdfast? Each finding names what was found and, where it is not fit, what to do."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from configs.load import read_yaml
from tasks.stage import LIBRARIES, PYTHON_MINOR, installed_version

FREE_BYTES_NEEDED = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    fit: bool
    found: str


def examine() -> list[Finding]:
    """Look at everything; nothing is changed."""
    return [
        python_version(),
        *(program(name) for name in ("git", "make")),
        openmp(),
        libraries(),
        time_zones(),
        repository(),
        writable_with_locks(Path.cwd()),
        free_space(Path.cwd()),
        prefect_server(),
    ]


def python_version() -> Finding:
    """Python 3.11 to 3.13."""
    fit = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python 3.11 to 3.13", fit, f"{PYTHON_MINOR} at {sys.executable}")


def program(name: str) -> Finding:
    """A program on PATH."""
    path = shutil.which(name)
    return Finding(name, path is not None, path or f"not on PATH: install {name}")


def openmp() -> Finding:
    """XGBoost's OpenMP runtime: part of its Linux wheels, a package of its own on macOS."""
    if sys.platform != "darwin":
        return Finding("OpenMP", True, "part of XGBoost's wheel")
    path = find_library("omp")
    return Finding("OpenMP", path is not None, path or "missing: `brew install libomp`")


def libraries() -> Finding:
    """The libraries that shape results, in the versions that are pinned for this Python."""
    locked = read_yaml(LIBRARIES)
    wrong = [
        f"{name} {installed_version(name)} (expected {versions.get(PYTHON_MINOR)})"
        for name, versions in locked.items()
        if installed_version(name) != versions.get(PYTHON_MINOR)
    ]
    return Finding(
        "pinned libraries", not wrong, f"{', '.join(wrong)}: run `make env`" if wrong else f"{len(locked)} as pinned"
    )


def time_zones() -> Finding:
    """The IANA time zone database."""
    try:
        ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        return Finding("time zones", False, "no IANA database: `pip install tzdata` or install the system's tzdata")
    return Finding("time zones", True, "IANA database found")


def repository() -> Finding:
    """A git repository with DVC in it."""
    missing = [name for name in (".git", ".dvc/config") if not Path(name).exists()]
    remedy = f"{' and '.join(missing)} missing: work in a clone of the project"
    return Finding("git and DVC repository", not missing, remedy if missing else "found")


def writable_with_locks(folder: Path) -> Finding:
    """A folder that can be written and whose file system knows flock, which DVC's locks and the store need."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return Finding("writable, with file locks", False, f"{folder}: {error.strerror}")
    return Finding("writable, with file locks", True, str(folder))


def free_space(folder: Path) -> Finding:
    """Room for the demo and its caches."""
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free"
    return Finding(
        "free disk space", free >= FREE_BYTES_NEEDED, found if free >= FREE_BYTES_NEEDED else f"{found}, 2 needed"
    )


def prefect_server(connect: Callable[..., socket.socket] = socket.create_connection) -> Finding:
    """The Prefect server that PREFECT_API_URL names, where it names one."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Finding("Prefect server", True, "none configured: a run starts a temporary one")
    parts = urlsplit(url)
    try:
        connect((parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)), 3).close()
    except OSError as error:
        return Finding("Prefect server", False, f"{parts.hostname}: {error}: start it, or unset PREFECT_API_URL")
    return Finding("Prefect server", True, f"{parts.hostname} answers")
