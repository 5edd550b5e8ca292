"""Whether `features.transformer` names something in `configs/<pipeline>/`: read, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from configs.contradiction import Contradiction
from configs.document import KeyPath
from configs.schema import Pipeline
from configs.wording import hint, listed, shown

PATH: KeyPath = ("features", "transformer")


def transformer_file(pipeline: Pipeline) -> Path | None:
    """The file of the module that `features.transformer` names, whether it is there or not; None without one."""
    if pipeline.features.transformer is None:
        return None
    path = Path("configs", pipeline.name, *pipeline.features.transformer.split(".")[:-1])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def transformer_contradictions(pipeline: Pipeline) -> Iterator[Contradiction]:
    """The module is there, can be parsed, and defines the name."""
    file, declared = transformer_file(pipeline), pipeline.features.transformer
    if file is None or declared is None:
        return
    if not file.is_file():
        known = modules_under(Path("configs", pipeline.name))
        there = f"modules there are {listed(known)}" if known else "no module is there"
        near = hint(declared.rpartition(".")[0], known)
        yield PATH, f"found {shown(declared)}, but there is no {file}{near}; {there}"
        return
    try:
        names = names_defined(ast.parse(file.read_bytes(), file.as_posix()))
    except (SyntaxError, ValueError) as error:
        line = f"{file}:{error.lineno}" if isinstance(error, SyntaxError) else str(file)
        yield PATH, f"found {shown(declared)}, but {line} is not Python: {error}"
        return
    name = declared.rpartition(".")[2]
    if name not in names and "*" not in names:
        yield PATH, f"found {shown(declared)}, but {file} defines no {name!r}{hint(name, names)}; define it there"


def modules_under(folder: Path) -> list[str]:
    """Names of the modules in a folder, as they are written before a class."""
    files = [file.relative_to(folder).with_suffix("") for file in folder.rglob("*.py") if file.stem != "__init__"]
    return sorted(".".join(file.parts) for file in files)


def names_defined(tree: ast.Module) -> set[str]:
    """Names that a module may define or import, inside `if` and `try` too; `*` where it imports all of another one."""
    names: set[str] = set()
    for statement in tree.body:
        inside = [statement] if isinstance(statement, (ast.ClassDef, ast.FunctionDef)) else ast.walk(statement)
        for node in inside:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                names.add(node.name)
            elif isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.alias):
                names.add((node.asname or node.name).partition(".")[0])
    return names
