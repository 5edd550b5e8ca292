"""How errors show values, list what is allowed and guess what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

SHOWN = 60
LISTED = 40
PASSWORD = re.compile(r"://[^/\s]*@")


def without_password(text: str) -> str:
    """The text with user and password taken out of URLs: no error shows them.

    >>> without_password("postgresql://me:secret@db/x")
    'postgresql://***@db/x'
    """
    return PASSWORD.sub("://***@", text)


def short(text: str, limit: int = SHOWN) -> str:
    r"""The text on one line, cut where it is longer than the limit.

    >>> short("two\nlines")
    'two lines'
    """
    line = text if text.isprintable() else " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def shown(value: object, limit: int = SHOWN) -> str:
    """A value `repr`-quoted, cut where it is long.

    >>> shown("a" * 100, 5)
    "'aaaaa'... (100 characters)"
    """
    if isinstance(value, str):
        value = without_password(value)
        return repr(value) if len(value) <= limit else f"{value[:limit]!r}... ({len(value)} characters)"
    if isinstance(value, dict | list) and len(value) > LISTED:
        return f"{'a mapping' if isinstance(value, dict) else 'a list'} of {len(value)} values"
    return short(without_password(repr(value)), limit)


def listed(names: Iterable[object]) -> str:
    """Names in one line, the first of them where they are many.

    >>> listed(["better", "not_worse"])
    "'better', 'not_worse'"
    """
    every = [shown(name) for name in names]
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return ", ".join(every[:LISTED]) + more


def hint(name: object, known: Iterable[str]) -> str:
    """The end of a sentence that guesses which known name was meant; empty where none is near.

    >>> hint("integr", ["integer", "float"])
    "; did you mean 'integer'?"
    """
    from difflib import get_close_matches

    folded = {each.lower().replace("-", "_"): each for each in known}
    wanted = str(name)[:200].lower().replace("-", "_")
    near = get_close_matches(wanted, folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""
