"""A declaration as YAML with comments, in the style of configs/flights.yaml, the same text for the same values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from configs.document import FORBIDDEN, KeyPath

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
NOT_PLAIN = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"))
BLOCKS = ("columns", "drop", "expectations")  # one line for each entry


def can_be_written(value: object) -> bool:
    """Whether a YAML of a pipeline can hold a text, or all texts of a list or mapping."""
    if isinstance(value, Mapping):
        return all(can_be_written(each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple):
        return all(map(can_be_written, value))
    return not isinstance(value, str) or FORBIDDEN.search(value) is None


def scalar(value: object) -> str:
    """A number, a truth or a text; a text in quotes where it could be read as something else.

    >>> scalar("tail number"), scalar("NO"), scalar(0.5)
    ('tail number', '"NO"', '0.5')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    if PLAIN.fullmatch(text) and text.lower() not in NOT_PLAIN:
        return text
    return "".join(char if char.isprintable() else escaped(char) for char in json.dumps(text, ensure_ascii=False))


def escaped(char: str) -> str:
    """A character by its number, as YAML writes it in double quotes."""
    return f"\\U{ord(char):08x}"


def flow(value: object) -> str:
    """A value on one line.

    >>> flow({"kind": "time", "folds": 5, "levels": ["a", "010"]})
    '{kind: time, folds: 5, levels: [a, "010"]}'
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{scalar(key)}: {flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(value)


def yaml_text(document: Mapping[str, Any], comments: Mapping[KeyPath, Sequence[str]], head: Sequence[str]) -> str:
    """Write a document.

    Parameters
    ----------
    document : mapping
        The sections, in the order in which they are to stand.
    comments : mapping of key path to texts
        Go behind the line of a section, of a column, or of an entry of a list, by its position.
    head : sequence of str
        Comment lines at the top.
    """
    lines = [*(f"# {line}" for line in head), *written_lines(document, comments)]
    return "\n".join(lines) + "\n"


def written_lines(document: Mapping[str, Any], comments: Mapping[KeyPath, Sequence[str]]) -> Iterator[str]:
    """One line for a section, or for each entry of a section that is a block."""
    for section, value in document.items():
        if section not in BLOCKS or not value:
            yield f"{section}: {flow(value)}" + comment(comments.get((section,), ()))
            continue
        yield f"{section}:" + comment(comments.get((section,), ()))
        is_mapping = isinstance(value, Mapping)
        for key, each in value.items() if is_mapping else enumerate(value):
            start = f"  {scalar(key)}: " if is_mapping else "  - "
            yield start + flow(each) + comment(comments.get((section, key), ()))


def comment(texts: Sequence[str]) -> str:
    """The comment behind a line, on one line whatever is in it."""
    told = "; ".join(texts)
    return f"   # {''.join(char if char.isprintable() else ' ' for char in told)}" if told else ""
