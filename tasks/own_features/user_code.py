"""A pipeline's own code, `configs/<pipeline>/`, as a package that can be imported whatever the pipeline is called.

The package is `configs.<pipeline>`, of the project in the current directory: one process may work in several, and in
one whose code changes. No bytecode is written there: stages depend on the folder.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import configs
from tasks.closure import import_closure

CONFIGS = Path("configs")
LOCK = threading.RLock()
ENTERED: dict[str, str] = {}  # the package's name, and a hash of what it was imported from


def package_name(pipeline: str) -> str:
    """Name of the package that holds a pipeline's own code."""
    return f"configs.{pipeline}"


def code_folder(pipeline: str) -> Path:
    """The folder of a pipeline's own code: of the current directory, or beside the `configs` that is installed."""
    here = CONFIGS / pipeline
    return here if here.is_dir() else Path(configs.__file__).parent / pipeline


def load_module(pipeline: str, name: str) -> ModuleType:
    """Import a module of a pipeline's own code, anew when the folder or a file in it is another one than before.

    Parameters
    ----------
    pipeline : str
    name : str
        Dotted, with the package or without: `weather`, or `configs.flights.weather`.

    Raises
    ------
    Exception
        Whatever importing it raises.
    """
    package = package_name(pipeline)
    with LOCK:
        enter_package(pipeline)
        with no_bytecode():
            return import_module(name if name.startswith(f"{package}.") or name == package else f"{package}.{name}")


def enter_package(pipeline: str) -> None:
    """Make the package of a pipeline's own code importable, and forget modules of another state of it."""
    package, folder = package_name(pipeline), code_folder(pipeline).resolve()
    state = state_of(folder)
    if ENTERED.get(package) == state and package in sys.modules:
        return
    forget_code(pipeline)
    spec = spec_from_file_location(package, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None  # noqa: S101  (a path with a suffix of Python's has one)
    assert spec.loader is not None  # noqa: S101
    sys.modules[package] = module_from_spec(spec)
    if (folder / "__init__.py").exists():
        with no_bytecode():
            spec.loader.exec_module(sys.modules[package])
    ENTERED[package] = state


def forget_code(pipeline: str) -> None:
    """Let the next use of a pipeline's own code import it anew, with none of what its modules have kept."""
    package = package_name(pipeline)
    with LOCK:
        ENTERED.pop(package, None)
        for module in [module for module in sys.modules if module == package or module.startswith(f"{package}.")]:
            del sys.modules[module]
        invalidate_caches()


def state_of(folder: Path) -> str:
    """A hash of a folder's place and of all Python files in it."""
    digest = hashlib.sha256(str(folder).encode())
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"\n{file.relative_to(folder)} {hashlib.sha256(file.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


@contextmanager
def no_bytecode() -> Iterator[None]:
    """Import without writing `__pycache__`."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def source_hashes(pipeline: str, module: str) -> dict[str, str]:
    """SHA-256 of a module of a pipeline's own code and of those beside it that it imports, by their paths.

    Parameters
    ----------
    pipeline : str
    module : str
        Dotted, without the package.

    Returns
    -------
    dict of str to str
        By path relative to the project, such as `configs/flights/weather.py`.
    """
    root, inside = code_folder(pipeline).resolve().parents[1], CONFIGS / pipeline
    path = inside.joinpath(*module.split("."))
    first = path / "__init__.py" if (root / path).is_dir() else path.with_suffix(".py")
    reached = import_closure.__wrapped__(first, root)  # not as remembered: files change
    return {
        file.as_posix(): hashlib.sha256((root / file).read_bytes()).hexdigest()
        for file in reached
        if file.is_relative_to(inside) and (root / file).is_file()
    }
