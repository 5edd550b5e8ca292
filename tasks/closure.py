"""Which project modules a stage reaches: what its code hash has to cover."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the code that runs, which need not be the current directory
PACKAGES = ("configs", "tasks", "flows")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@cache
def import_closure(module: Path, root: Path = ROOT) -> tuple[Path, ...]:
    """Files of all project modules that importing and running a module can load, itself and `__init__.py` included.

    Imports inside functions count; those under `if TYPE_CHECKING:` do not, since they never run. A module imported by
    a name that is made at run time is not seen.

    Parameters
    ----------
    module : Path
        A file relative to `root`, such as `tasks/ingest.py`.

    Returns
    -------
    tuple of Path
        Relative to `root`, sorted, as they are written under `deps` of dvc.yaml.

    Examples
    --------
    >>> [path.as_posix() for path in import_closure(Path("configs/errors.py"))]
    ['configs/__init__.py', 'configs/errors.py']
    """
    reached: set[Path] = set()
    waiting = [module]
    while waiting:
        file = waiting.pop()
        if file in reached:
            continue
        reached.add(file)
        waiting += imported_files(file, root)
    return tuple(sorted(reached | {file.parent / "__init__.py" for file in reached}))


@cache
def imported_files(file: Path, root: Path) -> tuple[Path, ...]:
    """Project modules that a file imports itself; stages share most of theirs, and to parse a file takes its time."""
    names = imported_names(ast.parse((root / file).read_bytes()), package=file.parent.as_posix().replace("/", "."))
    return tuple(found for name in names for found in module_files(name, root))


def code_hash(module: Path, root: Path = ROOT) -> str:
    """One hash over the names and the bytes of a module's closure."""
    digest = hashlib.sha256()
    for file in import_closure(module, root):
        content = hashlib.sha256((root / file).read_bytes()).hexdigest()
        digest.update(f"{file.as_posix()} {content}\n".encode())
    return digest.hexdigest()


def module_files(name: str, root: Path) -> list[Path]:
    """File of a dotted name if it is a module of the project: none for a library's, or for a name inside a module."""
    if name.split(".")[0] not in PACKAGES:
        return []
    path = Path(*name.split("."))
    return [file for file in (path.with_suffix(".py"), path / "__init__.py") if (root / file).is_file()]


def imported_names(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that the code imports; `from a import b` yields `a` and `a.b`, since b may be a module."""
    for node in statements_of(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(part for part in (package if node.level else "", node.module or "") if part)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif not is_type_checking(node):
            yield from imported_names(node, package)


def statements_of(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in the blocks of a statement; expressions, which are most of a tree, hold no import."""
    for block in BLOCKS:
        yield from getattr(node, block, ())


def is_type_checking(node: ast.AST) -> bool:
    """Whether this is an `if TYPE_CHECKING:` block."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
