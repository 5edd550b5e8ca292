"""Which version of each library the lock pins, per Python minor: `configs/libraries.yaml`, from `requirements.lock`.

Stages list the libraries that shape their results under `params`, so an upgrade makes just those stages stale.
"""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path("requirements.lock")
PYTHON_MINORS = ("3.11", "3.12", "3.13")
LIBRARIES = (
    "duckdb",
    "great-expectations",
    "jinja2",
    "joblib",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "xgboost",
)


def locked_versions(lock: str) -> dict[str, dict[str, str]]:
    """Version per Python minor of each library of `LIBRARIES`, read from the text of a lock file.

    >>> locked_versions("numpy==2.4.6 ; python_full_version < '3.12'")["numpy"]
    {'3.11': '2.4.6'}
    """
    lines = re.findall(r"^[A-Za-z0-9][^\\\n]*", lock, flags=re.MULTILINE)
    requirements = [Requirement(line.strip()) for line in lines]
    versions: dict[str, dict[str, str]] = {name: {} for name in LIBRARIES}
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        for minor in PYTHON_MINORS if name in versions else ():
            environment = {"python_version": minor, "python_full_version": f"{minor}.0"}
            if requirement.marker is None or requirement.marker.evaluate(environment):
                versions[name][minor] = str(requirement.specifier).removeprefix("==")
    return versions


def as_yaml(versions: dict[str, dict[str, str]]) -> str:
    """The text of `configs/libraries.yaml`."""
    lines = ["# Written by `make lock` from requirements.lock: the libraries that shape results, per Python minor."]
    for name, minors in sorted(versions.items()):
        pairs = ", ".join(f'"{minor}": "{found}"' for minor, found in sorted(minors.items()))
        lines.append(f"{name}: {{{pairs}}}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path("configs/libraries.yaml").write_text(as_yaml(locked_versions(LOCK.read_text())))
