"""What all stages share: their declaration in dvc.yaml, the locked libraries, errors that end in an exit code."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from configs.errors import ConfigError, DataError, EnvironmentMismatchError, HoldfastError
from configs.load import line_of, load_pipeline, read_yaml
from configs.schema import Pipeline
from tasks.allocation import allocate_large_arrays_apart

STAGES = ("ingest", "validate", "split", "train", "evaluate", "report")
LIBRARIES = Path("configs/libraries.yaml")
IMPORT_NAMES = {"scikit-learn": "sklearn.pipeline"}  # `sklearn` alone imports next to nothing
SELDOM = 100_000  # new objects, after which garbage is looked for: with 700 that takes a sixth of what imports take
PYTHON_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


@cache
def declaration(stage: str) -> dict[str, Any]:
    """The stage's entry in dvc.yaml."""
    entry: dict[str, Any] = read_yaml(Path("dvc.yaml"))["stages"][stage]
    return entry


def declared_params(stage: str, file: str) -> tuple[str, ...]:
    """The keys of a params file that the stage declares, `file` as it is written in dvc.yaml."""
    entries = [entry for entry in declaration(stage)["params"] if isinstance(entry, dict)]
    return tuple(key for entry in entries for key in entry.get(file, ()))


def declared_sections(stage: str) -> tuple[str, ...]:
    """The sections of a pipeline's YAML that the stage may read."""
    return declared_params(stage, "configs/${item.pipeline}.yaml")


def require_locked_libraries(stage: str) -> None:
    """Refuse to run with a library that is not the one whose version is pinned for this Python.

    Raises
    ------
    EnvironmentMismatchError
        Names each library with the version found and the version expected.
    """
    locked = read_yaml(LIBRARIES)
    wrong = [
        f"{name} {found or 'not installed'} (expected {expected})"
        for name in declared_params(stage, str(LIBRARIES))
        if (found := installed_version(name)) != (expected := locked[name].get(PYTHON_MINOR))
    ]
    if wrong:
        raise EnvironmentMismatchError(
            f"stage {stage}: {LIBRARIES} pins other versions for Python {PYTHON_MINOR} than are installed: "
            f"{', '.join(wrong)}. Run `make env` to install the pinned ones, or `make lock` to pin new ones."
        )


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution, None where it is missing."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


@contextmanager
def uncollected() -> Iterator[None]:
    """Import without looking for garbage: what a module makes stays, and looking takes a sixth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@uncollected()
def import_libraries(stages: Iterable[str]) -> None:
    """Import the libraries that the stages declare, in time that would otherwise be spent waiting."""
    for name in sorted({name for stage in stages for name in declared_params(stage, str(LIBRARIES))}):
        import_module(IMPORT_NAMES.get(name, name.replace("-", "_")))


def run_stage(stage: str, pipeline: str) -> None:
    """Run one stage of one pipeline in this process, in the current directory, the repository's root.

    Raises
    ------
    HoldfastError
        What the stage raised; a DataError about a key of the YAML begins with file and line.
    """
    require_locked_libraries(stage)
    main: Callable[[Pipeline], None] = import_module(f"tasks.{stage}").main
    declared = load_pipeline(pipeline).limited_to(stage, declared_sections(stage))
    try:
        main(declared)
    except DataError as error:
        if error.key:
            error.args = (f"{line_of(pipeline, error.key)}: {error}",)
        raise


def run_as_command(stage: str) -> NoReturn:
    """End the process of `python -m tasks.<stage> <pipeline>`: 0, or the error's own exit code with its text."""
    allocate_large_arrays_apart()
    gc.set_threshold(SELDOM)
    gc.freeze()  # what importing made stays; an interpreter that ends looks through the rest for garbage
    try:
        if len(sys.argv) != 2:
            raise ConfigError(f"usage: python -m tasks.{stage} PIPELINE")
        run_stage(stage, sys.argv[1])
    except HoldfastError as error:
        print(f"{stage}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a missing permission: what and where, no traceback
        print(f"{stage}: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)
