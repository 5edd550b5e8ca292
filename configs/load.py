"""The door: a pipeline's YAML becomes frozen objects here, once, or one error that names every mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from configs.document import Document, DocumentError, KeyPath, Mistake, read_document
from configs.errors import ConfigError
from configs.schema import PIPELINE_NAME, Pipeline
from configs.sections.values import WRITTEN
from configs.wording import hint, listed, shown

CONFIGS = Path("configs")
PARAMS = Path("params.yaml")
LIBRARIES = "libraries"  # configs/libraries.yaml is no pipeline
GLOB = re.compile(r"[*?\[]")


class UnknownPipelineError(ConfigError):
    """No pipeline of that name is declared."""


class InvalidPipelineError(DocumentError):
    """A pipeline's YAML has mistakes; `mistakes` holds them, the text one line for each."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds keys with values: YAML 1.2, plain values only.

    Raises
    ------
    DocumentError
        Names file, line and column of each thing that is refused.
    """
    document = read_mapping(path)
    if document.mistakes:
        raise DocumentError(path, document.mistakes)
    values: dict[str, Any] = document.root.value
    return values


def read_mapping(path: Path) -> Document:
    """Read a YAML document and refuse one that holds no keys."""
    document = read_document(path)
    root = document.root
    if not isinstance(root.value, dict):
        found = f"found {shown(root.value)}, expected keys with values"
        raise DocumentError(path, [*document.mistakes, Mistake(root.line, root.column, (), found)])
    return document


def pipeline_names() -> tuple[str, ...]:
    """The names that `params.yaml` lists, in its order.

    Raises
    ------
    ConfigError
        If the file does not hold a list of valid, distinct names under `pipelines`, or an empty one.
    """
    names = listed_names()
    if not names:
        raise ConfigError(
            f"{PARAMS}: no pipeline is listed under 'pipelines'; `holdfast init FILE --target COL` drafts and lists one"
        )
    return names


def listed_names() -> tuple[str, ...]:
    """The names that `params.yaml` lists, in its order; none where its list is empty.

    Raises
    ------
    ConfigError
        If the file does not hold a list of valid, distinct names under `pipelines`.
    """
    names = read_yaml(PARAMS).get("pipelines")
    if not isinstance(names, list):
        raise ConfigError(f"{PARAMS}: found {shown(names)} under 'pipelines', expected a list of names")
    for name in names:
        require_pipeline_name(name)
    if len({*names}) < len(names):
        raise ConfigError(f"{PARAMS}: a name stands twice in {listed(names)}; remove one")
    return tuple(names)


def require_pipeline_name(name: object) -> None:
    """Refuse a name that git, GTO or a path could read in another way than was meant."""
    if name == LIBRARIES:
        raise UnknownPipelineError(
            f"{shown(name)} is no name of a pipeline: {CONFIGS}/{name}.yaml holds the locked versions"
        )
    if not isinstance(name, str) or len(name) > 64 or not PIPELINE_NAME.fullmatch(name):
        raise UnknownPipelineError(
            f"{shown(name)} is no name of a pipeline; a name is at most 64 lower-case letters and digits, in words "
            "joined by '-', that start with a letter: flights, house-prices-2"
        )


def check_pipeline(name: str) -> Pipeline:
    """Read one pipeline of `params.yaml` and check all that it declares, without running anything.

    Raises
    ------
    UnknownPipelineError
        If `params.yaml` does not list the name; the text lists those that it does, the nearest last.
    InvalidPipelineError
        With one line per mistake of `configs/<name>.yaml`.
    """
    require_pipeline_name(name)
    names = pipeline_names()
    if name not in names:
        raise UnknownPipelineError(
            f"{PARAMS}: pipeline {name!r} is not listed{hint(name, names) or '.'} Known are {listed(names)}; "
            "a new one is added there, under 'pipelines'"
        )
    return load_pipeline(name)


def load_pipeline(name: str) -> Pipeline:
    """Read `configs/<name>.yaml` into a frozen object, with every check that needs no data.

    Raises
    ------
    UnknownPipelineError
        If the name is not valid or has no file.
    InvalidPipelineError
        With one line per mistake of the file.
    """
    require_pipeline_name(name)
    path = CONFIGS / f"{name}.yaml"
    if (outside := leading_out(path)) is not None:
        raise ConfigError(
            f"{path}: found a link that leads out of the repository, {outside}; put the file itself there"
        )
    if not path.exists():
        declared = sorted(file.stem for file in CONFIGS.glob("*.yaml") if file.stem != LIBRARIES)
        raise UnknownPipelineError(
            f"{path}: there is no such file{hint(name, declared) or '.'} "
            f"Under {CONFIGS}/ are {listed(declared) or 'no pipelines'}"
        )
    return pipeline_from(read_mapping(path), name)


def pipeline_from(document: Document, name: str) -> Pipeline:
    """Validate a document's values and hold its sections against each other.

    Raises
    ------
    InvalidPipelineError
        With one line per mistake.
    """
    from configs.checks import contradictions
    from configs.own_code import own_code_contradictions

    if "name" in document.root.keys:
        text = "unknown key 'name': a pipeline is called as its file; remove it"
        document.mistakes.append(Mistake(*document.root.place(("name",)), (), text))
    try:
        pipeline = Pipeline.model_validate({**document.root.value, "name": name}, context=WRITTEN)
    except ValidationError as error:
        raise InvalidPipelineError(document.file, every_mistake(document, name, error)) from None
    found = [*contradictions(pipeline), *paths_leading_out(pipeline), *own_code_contradictions(pipeline)]
    mistakes = distinct(document.mistakes, [placed(path, text, document) for path, text in found])
    if mistakes:
        raise InvalidPipelineError(document.file, mistakes)
    return pipeline


def paths_leading_out(pipeline: Pipeline) -> Iterator[tuple[KeyPath, str]]:
    """Tell of a declared path of which a symbolic link leads out of the repository, the current directory."""
    parts = pipeline.source.path.split("/")
    outside = leading_out(Path(*takewhile(lambda part: not GLOB.search(part), parts)))
    if outside is not None:
        found = f"found a link that leads out of the repository, {outside}; put the data themselves there"
        yield ("source", "path"), found
    from configs.own_code import own_names

    for path, name in own_names(pipeline):
        code = leading_out(CONFIGS.joinpath(pipeline.name, *name.split(".")[:-1]).with_suffix(".py"))
        if code is not None:
            yield path, f"found a link that leads out of the repository, {code}; put the code itself there"


def leading_out(path: Path) -> str | None:
    """Where a path ends up through symbolic links, if that is not in the repository, the current directory."""
    try:
        end = path.resolve()
    except (OSError, RuntimeError):  # a loop is a RuntimeError until Python 3.12
        return "in a circle"
    return None if end.is_relative_to(Path.cwd().resolve()) else f"to {end}"


def every_mistake(document: Document, name: str, error: ValidationError) -> list[Mistake]:
    """The mistakes of a document that does not validate, those between its valid sections included."""
    from configs.checks import contradictions
    from configs.mistakes import translated, valid_sections

    wrong = translated(error.errors(), document.root)
    columns = document.root.value.get("columns")
    declared = frozenset(columns if isinstance(columns, dict) else ())
    partial = valid_sections(document.root.value, name)
    between = [placed(path, text, document) for path, text in contradictions(partial, declared)]
    return distinct(document.mistakes, wrong, between)


def placed(path: KeyPath, text: str, document: Document) -> Mistake:
    """A contradiction at its value, or at the deepest key of its path that the document has."""
    while path and document.root.find(path) is None:
        path = path[:-1]
    node = document.root.find(path) or document.root
    line, column = document.root.place(path) if isinstance(node.value, dict | list) else (node.line, node.column)
    return Mistake(line, column, path, text)


def line_of(name: str, key: KeyPath) -> str:
    """Where a pipeline's YAML says something, as `configs/<name>.yaml:<line>`: at the key, or the deepest one above it.

    Parameters
    ----------
    name : str
    key : tuple of str or int
        The keys that lead there, such as `("split", "folds")`.
    """
    path = CONFIGS / f"{name}.yaml"
    return f"{path}:{placed(key, '', read_mapping(path)).line}"


def distinct(*stages: list[Mistake]) -> list[Mistake]:
    """The mistakes of each stage that are about no place that an earlier stage has refused."""
    kept: list[Mistake] = []
    for stage in stages:
        refused = {(each.line, each.column) for each in kept if each.path}
        kept += [each for each in dict.fromkeys(stage) if (each.line, each.column) not in refused]
    return kept
