"""What all checks of a pipeline's sections share: a contradiction is a place in the YAML, and what is wrong there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from configs.document import KeyPath
from configs.schema import Pipeline
from configs.wording import hint, listed, shown

Contradiction = tuple[KeyPath, str]
Check = Callable[[Pipeline, frozenset[str]], Iterator[Contradiction]]

MOMENTS = ("date", "timestamp")
NUMBERS = ("integer", "float", "decimal")
GROUPABLE = ("integer", "float", "decimal", "boolean", "category")


def undeclared(path: KeyPath, name: str, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Tell of a column that no one declared."""
    if name not in declared:
        yield path, f"found {shown(name)}, expected a column that is declared under columns{hint(name, declared)}"


def wrong_type(
    path: KeyPath, name: str, pipeline: Pipeline, allowed: tuple[str, ...], why: str
) -> Iterator[Contradiction]:
    """Tell of a declared column whose type does not serve; one that is declared wrongly has been told of."""
    column = pipeline.columns.get(name)
    if column is not None and column.type not in allowed:
        yield path, f"found column {shown(name)} of type {column.type}, expected {' or '.join(allowed)}: {why}"


def repeated(path: KeyPath, names: Iterable[object]) -> Iterator[Contradiction]:
    """Tell of names that stand in one list more than once."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        yield path, f"found {listed(twice)} more than once; remove what is too much"
