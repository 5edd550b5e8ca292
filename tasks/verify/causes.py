"""Why a stage makes other bytes than were registered: data, code, parameter, library or platform.

First what is pinned is compared with what the version's commit holds: raw data, the stage's code, its params, the
versions of its libraries. Only where all of that is as recorded is the machine asked: other libraries, a library that
was edited in place, the platform. Where that is as recorded too, the version is made once more: code that gives a third
result depends on chance or on the clock; code that gives the same one again depends on something of this machine.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, PackagePath, distribution
from pathlib import Path

from tasks.ledger import changed_values
from tasks.stage import LIBRARIES
from tasks.verify.remake import CACHE, Cause, Comparison, Divergence, Remade, Runner, reproduce
from tasks.version.code import code_here, md5_of_code
from tasks.version.environment import changed_libraries, changed_platform
from tasks.version.pins import LOCK, StageEntry, code_paths, parsed_yaml, raw_pin, read_raw_pin
from tasks.version.storage import read_listing

Evidence = tuple[Cause, str]


def causes_of(found: Comparison, runner: Runner) -> list[Divergence]:
    """The causes of the first difference between what was registered and what was made again; none without one."""
    difference = found.first_difference
    if difference is None:
        return []
    stage, outputs = difference
    evidence = pinned_causes(found, stage) or machine_causes(found, stage) or last_causes(found, stage, runner)
    failed = f" ({found.remade.failure})" if found.remade.failure and stage not in found.remade.stages else ""
    return [Divergence(stage, cause, f"{what}{failed}", outputs) for cause, what in evidence]


def pinned_causes(found: Comparison, stage: str) -> list[Evidence]:
    """What the stage was given that is not as it is pinned in the version's dvc.lock and record."""
    entry = found.recorded[stage]
    checks: Iterable[Iterable[Evidence]] = (
        changed_data(found, entry),
        changed_code(found, stage),
        changed_params(found.folder, entry),
        changed_own_libraries(found, entry),
    )
    return [evidence for check in checks for evidence in check]


def changed_data(found: Comparison, entry: StageEntry) -> list[Evidence]:
    """Batches that the commit's pin has otherwise than the stage read them."""
    pipeline = found.version.pipeline
    path = f"data/raw/{pipeline}"
    if path not in entry.deps:
        return []
    pin = read_raw_pin((found.folder / raw_pin(pipeline)).read_bytes(), pipeline)
    if pin.md5 == entry.deps[path].md5:
        return []
    now, then = read_listing(pin.md5, path), found.record["batches"]
    differing = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
    batches = ", ".join(f"{name} ({state(name, then, now)})" for name in differing) or "the order of the batches"
    return [("data", f"{raw_pin(pipeline)} pins other batches than {found.version.name} was made from: {batches}")]


def state(name: str, then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What became of one batch."""
    if name not in now:
        return "gone"
    return "changed" if name in then else "new"


def changed_code(found: Comparison, stage: str) -> list[Evidence]:
    """Files of the stage's code that the commit has otherwise than the stage was run with."""
    entry = found.recorded[stage]
    paths = code_paths(found.recorded, found.version.pipeline)[stage]
    now = {path: md5_of_code(path, code_here(path, found.folder)) for path in paths}
    changed = [path for path in paths if now[path] != entry.deps[path].md5]
    return [("code", f"{', '.join(changed)}: not as the stage was run with")] if changed else []


def changed_params(folder: Path, entry: StageEntry) -> list[Evidence]:
    """Params that the commit's files have otherwise than the stage was run with."""
    evidence: list[Evidence] = []
    for file, values in entry.params.items():
        now = parsed_yaml((folder / file).read_bytes(), file)
        changes = changed_values(values, {key: now.get(key) for key in values})
        cause: Cause = "library" if Path(file) == LIBRARIES else "parameter"
        evidence += [(cause, f"{file}: {'; '.join(changes)}")] if changes else []
    return evidence


def changed_own_libraries(found: Comparison, entry: StageEntry) -> list[Evidence]:
    """Libraries that the stage declares and that are not installed in the recorded versions."""
    changed = changed_libraries(found.record["environment"]["libraries"], own_libraries(entry))
    return [("library", ", ".join(changed))] if changed else []


def own_libraries(entry: StageEntry) -> set[str]:
    """The libraries that a stage declares."""
    return set(entry.params.get(str(LIBRARIES), {}))


# ---- the machine


def machine_causes(found: Comparison, stage: str) -> list[Evidence]:
    """What of the machine is not as recorded: platform, libraries edited in place, libraries of others."""
    recorded = found.record["environment"]
    checks: list[tuple[Cause, Callable[[], list[str]]]] = [
        ("library", lambda: edited_libraries(own_libraries(found.recorded[stage]))),
        ("platform", lambda: changed_platform(recorded)),
        ("library", lambda: changed_libraries(recorded["libraries"])),
    ]
    return [(cause, "; ".join(what)) for cause, look in checks if (what := look())]


def edited_libraries(names: Iterable[str]) -> list[str]:
    """Installed files of libraries that are not the ones that their distributions brought."""
    return [
        f"{name}: {', '.join(files[:3])} edited since it was installed (`make env` installs it anew)"
        for name in sorted(names)
        if (files := edited_files(name))
    ]


def edited_files(name: str) -> list[str]:
    """Files of one distribution whose SHA-256 is not the one in its RECORD, or that are gone."""
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return []
    return [str(file) for file in files if file.hash is not None and file.hash.mode == "sha256" and is_edited(file)]


def is_edited(file: PackagePath) -> bool:
    """Whether an installed file is not the one that its distribution brought."""
    try:
        with Path(str(file.locate())).open("rb") as reader:
            digest = hashlib.file_digest(reader, "sha256").digest()
    except OSError:
        return True
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != (file.hash.value if file.hash else "")


# ---- the last resort


def last_causes(found: Comparison, stage: str, runner: Runner) -> list[Evidence]:
    """Make it once more, and judge by whether the third result is like the second one."""
    if stage not in found.remade.stages:
        return [("code", "the stage failed, though data, code, params, libraries and platform are as recorded")]
    again = remade_once_more(found, runner)
    if again.stages.get(stage) is None or again.stages[stage].outs != found.remade.stages[stage].outs:
        return [
            (
                "code",
                "the same data, code, params and libraries gave three results in three runs: see what depends "
                "on chance, on the clock, or on an order that is not fixed",
            )
        ]
    return [
        (
            "platform",
            "data, code, params, libraries and CPU are as recorded, and two runs here agree with each other: "
            "something of the machine that no record holds (environment variables, locale, time zone)",
        )
    ]


def remade_once_more(found: Comparison, runner: Runner) -> Remade:
    """Make it again in the same worktree, with nothing of the first time but the raw data."""
    (found.folder / LOCK).unlink(missing_ok=True)
    shutil.rmtree(found.folder / CACHE / "runs", ignore_errors=True)
    shutil.rmtree(found.folder / ".holdfast", ignore_errors=True)
    return reproduce(found.version.pipeline, found.folder, runner)
