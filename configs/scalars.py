"""What a plain (unquoted) text of a YAML file is: by ruamel.yaml's own rules, which are DVC's."""

from __future__ import annotations

import math
from typing import Any, Literal

Kind = Literal["str", "int", "float", "bool", "null", "timestamp", "merge", "value"]


class PlainScalars:
    """Reads plain texts, each distinct one once: a resolver costs as much as all the rest of reading.

    Parameters
    ----------
    yaml : ruamel.yaml.YAML
        Of type `safe`, as DVC has it.
    """

    def __init__(self, yaml: Any):
        self._resolver = yaml.resolver
        self._constructor = yaml.constructor
        self._first = frozenset(yaml.resolver.versioned_resolver)  # what a text that may be no `str` can start with
        self._known: dict[str, tuple[Kind, Any]] = {}

    def read(self, text: str) -> tuple[Kind, Any]:
        """The kind and the value of a plain text; a date stays text, a number that is too long is infinite."""
        if text[:1] not in self._first:
            return "str", text
        if text not in self._known:
            self._known[text] = self._resolve(text)
        return self._known[text]

    def _resolve(self, text: str) -> tuple[Kind, Any]:
        from ruamel.yaml.nodes import ScalarNode

        tag = self._resolver.resolve(ScalarNode, text, (True, False))
        kind: Kind = str(tag).rpartition(":")[2]  # type: ignore[assignment]
        if kind not in {"int", "float", "bool", "null"}:
            return kind, text
        construct = getattr(self._constructor, f"construct_yaml_{kind}")
        try:
            return kind, construct(ScalarNode(f"tag:yaml.org,2002:{kind}", text))
        except ValueError:
            return kind, math.inf
