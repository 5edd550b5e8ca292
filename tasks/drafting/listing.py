"""A new pipeline's lines in params.yaml and dvc.yaml: added to the text, so that comments and style stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from configs.errors import ConfigError

FLOW_LIST = re.compile(r"^(pipelines:\s*\[)([^\]#]*?)(\s*,?\s*\])", re.MULTILINE)


class UnlistableError(ConfigError):
    """A file is written in a way that no line can be added to safely."""


def with_pipeline(text: str, name: str) -> str:
    r"""params.yaml with one pipeline more, behind the others.

    >>> with_pipeline("# mine\npipelines:\n  - a   # first\n", "b")
    '# mine\npipelines:\n  - a   # first\n  - b\n'
    >>> with_pipeline("pipelines: [a]\n", "b")
    'pipelines: [a, b]\n'

    Raises
    ------
    UnlistableError
        If the result would not read as the old list and the name.
    """
    before = values_of(text)
    expected = {**before, "pipelines": [*(before.get("pipelines") or ()), name]}
    return first_that_reads_as(expected, lists_with(text, name), f"params.yaml: add `- {name}` under pipelines")


def with_artifact(text: str, name: str) -> str:
    r"""dvc.yaml with one model more under `artifacts`.

    >>> with_artifact("artifacts:\n  a: {path: models/a, type: model}\n", "b")
    'artifacts:\n  a: {path: models/a, type: model}\n  b: {path: models/b, type: model}\n'

    Raises
    ------
    UnlistableError
        If another artifact has that name, or the result would not read as the old ones and this one.
    """
    before, model = values_of(text), {"path": f"models/{name}", "type": "model"}
    named = before.get("artifacts") or {}
    if named.get(name) == model:
        return text
    line = f"{name}: {{path: models/{name}, type: model}}"
    told = f"dvc.yaml: write `{line}` under artifacts"
    if name in named:
        raise UnlistableError(f"{told}: another artifact is called so already.")
    return first_that_reads_as({**before, "artifacts": {**named, name: model}}, maps_with(text, line), told)


def first_that_reads_as(expected: dict[str, Any], candidates: Iterator[str], by_hand: str) -> str:
    """The first text that has the expected values."""
    for candidate in candidates:
        if values_of(candidate) == expected:
            return candidate
    raise UnlistableError(f"{by_hand} yourself: it is written in a way that no line is added to safely.")


def values_of(text: str) -> dict[str, Any]:
    """What a YAML text says; nothing where it is none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(text)
    except YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def lists_with(text: str, name: str) -> Iterator[str]:
    """Ways to write one name more into the list `pipelines`."""
    lines = text.splitlines(keepends=True)
    items = places(text, "pipelines")
    if items:
        line = items[-1]
        dash = re.match(r"\s*-\s+", lines[line])
        if dash:
            yield joined(lines, line + 1, f"{dash[0]}{name}")
    yield FLOW_LIST.sub(lambda found: f"{found[1]}{found[2]}{', ' * bool(found[2].strip())}{name}{found[3]}", text)


def maps_with(text: str, line: str) -> Iterator[str]:
    """Ways to write one line more into the mapping `artifacts`: at its end, at its beginning, or a new one."""
    lines = text.splitlines(keepends=True)
    keys = places(text, "artifacts")
    for place in [keys[-1] + 1, keys[0]] if keys else []:
        indent = re.match(r"\s*", lines[keys[0]])
        yield joined(lines, place, f"{indent[0] if indent else ''}{line}")
    yield joined(lines, len(lines), f"artifacts:\n  {line}")


def joined(lines: list[str], position: int, line: str) -> str:
    """The lines with one more before a position."""
    before = "".join(lines[:position])
    gap = "" if not before or before.endswith("\n") else "\n"
    return f"{before}{gap}{line}\n{''.join(lines[position:])}"


def places(text: str, section: str) -> list[int]:
    """Lines, from 0, on which the entries of a section begin."""
    from ruamel.yaml import YAML

    found: Any = YAML().load(text).get(section)
    if not found:
        return []
    is_list = hasattr(found, "append")
    keys, place = (range(len(found)), found.lc.item) if is_list else (found, found.lc.key)
    return sorted({place(key)[0] for key in keys})
