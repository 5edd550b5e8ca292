"""Whether `features.transformer` and `custom` expectations name something in `configs/<pipeline>/`: read, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from configs.contradiction import Contradiction
from configs.document import KeyPath
from configs.schema import Pipeline
from configs.sections.expectations import CUSTOM
from configs.sections.features import DOTTED
from configs.wording import hint, listed, shown


def own_names(pipeline: Pipeline) -> Iterator[tuple[KeyPath, str]]:
    """The dotted names of the user's own code that a pipeline declares, and where."""
    if pipeline.features.transformer is not None:
        yield ("features", "transformer"), pipeline.features.transformer
    for place, expectation in enumerate(pipeline.expectations):
        function = expectation.arguments.get("function")
        if expectation.name == CUSTOM and isinstance(function, str):
            yield ("expectations", place, CUSTOM, "function"), function


def own_file(pipeline: str, name: str) -> Path:
    """The file of the module that a dotted name means, whether it is there or not."""
    path = Path("configs", pipeline, *name.split(".")[:-1])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def own_code_contradictions(pipeline: Pipeline) -> Iterator[Contradiction]:
    """Each name's module is there, can be parsed, and defines it."""
    for path, name in own_names(pipeline):
        if DOTTED.fullmatch(name):
            yield from missing_code(path, name, pipeline.name)
        else:
            yield path, f"found {shown(name)}, expected `<module>.<function>` in configs/{pipeline.name}/"


def missing_code(path: KeyPath, declared: str, pipeline: str) -> Iterator[Contradiction]:
    """Tell of a module that is not there or is not Python, and of a name that it does not define."""
    file = own_file(pipeline, declared)
    if not file.is_file():
        known = modules_under(Path("configs", pipeline))
        there = f"modules there are {listed(known)}" if known else "no module is there"
        near = hint(declared.rpartition(".")[0], known)
        yield path, f"found {shown(declared)}, but there is no {file}{near}; {there}"
        return
    try:
        names = names_defined(ast.parse(file.read_bytes(), file.as_posix()))
    except (SyntaxError, ValueError) as error:
        line = f"{file}:{error.lineno}" if isinstance(error, SyntaxError) else str(file)
        yield path, f"found {shown(declared)}, but {line} is not Python: {error}"
        return
    name = declared.rpartition(".")[2]
    if name not in names and "*" not in names:
        yield path, f"found {shown(declared)}, but {file} defines no {name!r}{hint(name, names)}; define it there"


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
