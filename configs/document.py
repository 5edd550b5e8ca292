"""One YAML 1.2 document with the place of every value: what `configs.load` reads, before anybody gives it meaning.

Parsed by ruamel.yaml in the way DVC does, so that both see the same values. Whatever two readers could understand
differently, or one could choke on, is refused here: duplicate keys, tags, anchors, merge keys, a second document,
directives, bare dates, infinite numbers, deep nesting, huge files.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from configs.errors import ConfigError
from configs.scalars import PlainScalars
from configs.wording import short, shown

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_REPORTED = 50
INT64 = 2**63
FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Key = str | int
KeyPath = tuple[Key, ...]


class DocumentError(ConfigError):
    """A YAML file is not one plain document; the text has one line per mistake, each with file, line and column."""

    def __init__(self, file: Path, mistakes: list[Mistake]):
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: (mistake.line, mistake.column)))
        lines = [mistake.at(file) for mistake in self.mistakes[:MAX_REPORTED]]
        if len(mistakes) > MAX_REPORTED:
            lines.append(f"{file}: and {len(mistakes) - MAX_REPORTED} more mistakes")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Mistake:
    """Something to mend, at a place of a file; line and column count from 1."""

    line: int
    column: int
    path: KeyPath
    text: str

    def at(self, file: Path) -> str:
        """The mistake as one line that editors can jump to."""
        where = f"{file}:{self.line}:{self.column}: "
        return where + (f"{dotted(self.path)}: {self.text}" if self.path else self.text)


@dataclass
class Node:
    """A value of the document and where it stands. `source` is a scalar as it is written, None where it is quoted."""

    value: Any
    line: int
    column: int
    path: KeyPath = ()
    source: str | None = None
    children: dict[Key, Node] = field(default_factory=dict)
    keys: dict[Key, tuple[int, int]] = field(default_factory=dict)

    def find(self, path: KeyPath) -> Node | None:
        """The node at a path below this one, None where there is none."""
        node: Node | None = self
        for key in path:
            node = node.children.get(key) if node is not None else None
        return node

    def place(self, path: KeyPath) -> tuple[int, int]:
        """Line and column of the key that a path ends with, of an item or the whole where that is no key."""
        above = self.find(path[:-1]) if path else None
        if above is not None and path[-1] in above.keys:
            return above.keys[path[-1]]
        node = self.find(path) or self
        return node.line, node.column


@dataclass
class Document:
    """A file's root node, and the mistakes that do not hinder reading on."""

    file: Path
    root: Node
    mistakes: list[Mistake]


def dotted(path: KeyPath) -> str:
    """A key path as people write it.

    >>> dotted(("columns", "zip", "null", 0))
    'columns.zip.null[0]'
    """
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{short(key)}" for key in path)
    return text.removeprefix(".")


def read_document(file: Path) -> Document:
    """Read one YAML file.

    Raises
    ------
    DocumentError
        If the file is missing, no UTF-8 text, larger than 1 MB, nested more than 32 deep or no single YAML document.
    """
    return parse_document(read_text(file), file)


def read_text(file: Path) -> str:
    """The file's text, without a byte order mark."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise stop(file, f"cannot be read ({error.strerror}); a YAML file was expected") from error
    if len(content) > MAX_BYTES:
        raise stop(file, f"the file has more than {MAX_BYTES:,} bytes; a declaration is a few kilobytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        found = f"found the byte 0x{content[error.start]:02x}, which is no UTF-8 text; save the file as UTF-8"
        raise stop(file, found, line, column) from error
    if match := FORBIDDEN.search(text):
        raise stop(file, f"found the character {match[0]!r}; remove it", *place(text, match.start()))
    return text


def place(text: str, position: int) -> tuple[int, int]:
    """Line and column, from 1, of a position in a text."""
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def stop(file: Path, text: str, line: int = 1, column: int = 1) -> DocumentError:
    """The error of a file that cannot be read on."""
    return DocumentError(file, [Mistake(line, column, (), text)])


def parse_document(text: str, file: Path) -> Document:
    """Build the nodes from the parser's events: without recursion, so no depth can exhaust the stack."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe")
    builder = Builder(file, yaml)
    try:
        for event in yaml.parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise stop(file, explained(error, text, line, column), line, column) from error
    except YAMLError as error:
        raise stop(file, f"not YAML: {short(str(error), 200)}") from error
    if builder.root is None:
        raise stop(file, "the file declares nothing; keys with values were expected")
    return Document(file, builder.root, builder.mistakes)


def explained(error: Any, text: str, line: int, column: int) -> str:
    """The parser's words, and what to do about the usual causes."""
    problem = " ".join(part for part in (error.problem, error.context) if part)
    lines = text.splitlines()
    rest = lines[line - 1][column - 1 :] if line <= len(lines) else ""
    if rest.startswith("\t") or "tab character" in problem:
        return "found a tab; YAML is indented with spaces"
    if rest[:1] in {"@", "`", "%"}:
        return f"a plain text cannot start with {rest[0]!r}; put it in quotes"
    if "mapping values are not allowed" in problem:
        return "found ': ' where no key can stand; put a text that holds ': ' in quotes, or mend the indentation"
    if "unexpected ':'" in problem:
        return "found ':' within a plain text; put the text in quotes"
    if "end of stream" in problem or line > len(lines):
        return f"the file ends too early: {problem}; close the quote or bracket"
    return f"not YAML: {problem}"


class Builder:
    """Makes nodes of a parser's events, one at a time."""

    def __init__(self, file: Path, yaml: Any):
        self.file = file
        self.root: Node | None = None
        self.mistakes: list[Mistake] = []
        self._scalars = PlainScalars(yaml)
        self._open: list[Node] = []  # containers that have not ended, outermost first
        self._keys: list[str | None] = []  # beside each: the key that waits for its value
        self._count = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """Add what an event says to the tree."""
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            self._start_document(event)
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self._open.pop()
            self._keys.pop()
        elif kind in {"ScalarEvent", "AliasEvent", "MappingStartEvent", "SequenceStartEvent"}:
            self._take_value(event, kind)

    def _start_document(self, event: Any) -> None:
        self._documents += 1
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if self._documents > 1:
            raise stop(self.file, "a second document starts here; one file declares one", line, column)
        if event.version or event.tags:
            raise stop(self.file, "a directive such as %YAML or %TAG is not allowed; remove the line", line, column)

    def _take_value(self, event: Any, kind: str) -> None:
        node = Node(None, event.start_mark.line + 1, event.start_mark.column + 1)
        self._count += 1
        if self._count > MAX_NODES:
            raise stop(self.file, f"more than {MAX_NODES:,} keys and values", node.line, node.column)
        if self._expects_key():
            self._take_key(event, kind, node)
            return
        node.path = self._path()
        self._refuse_extras(event, node)
        if kind == "ScalarEvent":
            self._read_scalar(event, node)
        elif kind != "AliasEvent":
            node.value = {} if kind == "MappingStartEvent" else []
        self._attach(node)
        if kind in {"MappingStartEvent", "SequenceStartEvent"}:
            self._open_container(node)

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._keys[-1] is None

    def _open_container(self, node: Node) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise stop(self.file, f"nested more than {MAX_DEPTH} deep", node.line, node.column)
        self._open.append(node)
        self._keys.append(None)

    def _path(self) -> KeyPath:
        if not self._open:
            return ()
        parent = self._open[-1]
        key = self._keys[-1]
        return (*parent.path, len(parent.children) if key is None else key)

    def _attach(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent, key = self._open[-1], self._keys[-1]
        if key is None:
            parent.children[len(parent.children)] = node
            parent.value.append(node.value)
            return
        self._keys[-1] = None
        parent.children[key] = node
        parent.value[key] = node.value

    def _take_key(self, event: Any, kind: str, node: Node) -> None:
        parent = self._open[-1]
        node.path = parent.path
        if kind in {"MappingStartEvent", "SequenceStartEvent"}:
            raise stop(self.file, "a key is a text, not a list or mapping; put it in quotes", node.line, node.column)
        if kind == "AliasEvent" or event.anchor or event.tag:
            raise stop(self.file, "a key is a plain text, without anchor, alias or tag", node.line, node.column)
        key = str(event.value)
        if key == "<<" and event.implicit[0]:
            self._mistake(node, "merge keys ('<<') are not allowed; write the keys out")
        elif (
            event.implicit[0] and self._scalars.read(key)[0] != "str"
        ):  # DVC sorts keys, and fails where text meets null or a number
            self._mistake(node, f'the key {short(key)} is not text; write it in quotes: "{short(key)}"')
        elif match := FORBIDDEN.search(key):
            self._mistake(node, f"found a key with the character {match[0]!r}; remove it")
        if key in parent.keys:
            first = parent.keys[key][0]
            self._mistake(node, f"the key {shown(key)} stands here a second time; the first is in line {first}")
        parent.keys[key] = (node.line, node.column)
        self._keys[-1] = key

    def _refuse_extras(self, event: Any, node: Node) -> None:
        if type(event).__name__ == "AliasEvent" or event.anchor:
            self._mistake(node, f"anchors and aliases are not allowed ({shown(event.anchor)}); write the value out")
        elif event.tag:
            self._mistake(node, f"YAML tags are not allowed ({short(str(event.tag))}); write a plain value")

    def _mistake(self, node: Node, text: str) -> None:
        self.mistakes.append(Mistake(node.line, node.column, node.path, text))

    def _read_scalar(self, event: Any, node: Node) -> None:
        if match := FORBIDDEN.search(event.value):
            self._mistake(node, f"found a text with the character {match[0]!r}; remove it")
        if not event.implicit[0]:
            node.value = event.value
            return
        node.source = event.value
        kind, node.value = self._scalars.read(event.value)
        if kind in {"timestamp", "merge", "value"}:  # none of which DVC can store
            what = "date" if kind == "timestamp" else repr(event.value)
            self._mistake(node, f'found a bare {what}; write it in quotes: "{event.value}"')
        elif isinstance(node.value, float) and not math.isfinite(node.value):
            self._mistake(node, f"found {short(event.value)}; a finite number was expected")
        elif isinstance(node.value, int) and not -INT64 <= node.value < INT64:
            self._mistake(node, f"found {short(event.value)}; a whole number of at most 64 bits was expected")
