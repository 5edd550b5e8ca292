"""The machine and its libraries, as far as they can shape a result, without saying whose machine it is."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.stage import installed_version

REQUIREMENTS = Path("requirements.lock")
PLATFORM = ("python", "implementation", "system", "machine", "libc", "cpu", "blas")
"""What of an environment is its platform; kernel and cores are told, but change no result."""


def environment() -> dict[str, Any]:
    """What a version was made with: Python, platform, CPU features, BLAS kernels, libraries, hash of the lock.

    Returns
    -------
    dict
        Plain values; see docs/version-record.md. Neither host name, user nor path is among them.
    """
    return {
        **platform_facts(),
        "kernel": platform.release(),
        "libraries": installed_libraries(REQUIREMENTS.read_text(encoding="utf-8")),
        "requirements_lock": hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest(),
    }


def platform_facts() -> dict[str, Any]:
    """The facts that `PLATFORM` names."""
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": platform.system(),
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "cpu": cpu_features(),
        "blas": blas_kernels(),
    }


def cpu_features() -> list[str]:
    """The instruction sets that NumPy found here and uses, those that it needs at least among them."""
    import numpy as np

    found = np.show_config(mode="dicts")["SIMD Extensions"]
    return sorted({*found.get("baseline", ()), *found.get("found", ())})


def blas_kernels() -> list[str]:
    """The linear algebra libraries of NumPy and SciPy, with the kernels that they chose for this CPU."""
    import scipy.linalg  # noqa: F401 - loads SciPy's own
    from threadpoolctl import threadpool_info

    kernels = [info for info in threadpool_info() if info["user_api"] == "blas"]
    return sorted(
        f"{info['internal_api']} {info['version']} {info.get('architecture') or 'unknown'}" for info in kernels
    )


def installed_libraries(lock: str) -> dict[str, str]:
    r"""Installed version of each distribution that a lock file names; those not for this platform are left out.

    >>> list(installed_libraries("numpy==2.4.6 \\\n    --hash=sha256:00\nno-such-thing==1.0"))
    ['numpy']
    """
    names = sorted(set(re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", lock, flags=re.MULTILINE)))
    versions = {name: installed_version(name) for name in names}
    return {name: version for name, version in versions.items() if version is not None}


def changed_libraries(recorded: Mapping[str, str], names: set[str] | None = None) -> list[str]:
    """Libraries that are not installed in the version that was recorded: `xgboost 3.4.1 (recorded 3.2.0)`.

    Parameters
    ----------
    recorded : mapping of str to str
        Versions by distribution.
    names : set of str, optional
        Only these.
    """
    return [
        f"{name} {found or 'not installed'} (recorded {version})"
        for name, version in sorted(recorded.items())
        if (names is None or name in names) and (found := installed_version(name)) != version
    ]


def changed_platform(recorded: Mapping[str, Any]) -> list[str]:
    """What of the platform is not as recorded: `cpu: X86_V2, X86_V3 (recorded X86_V2, X86_V3, X86_V4)`."""
    here = platform_facts()
    return [
        f"{name}: {in_words(here[name])} (recorded {in_words(recorded.get(name))})"
        for name in PLATFORM
        if here[name] != recorded.get(name)
    ]


def in_words(value: Any) -> str:
    """A fact as it is shown."""
    return ", ".join(value) if isinstance(value, list) else str(value)
