"""Which texts of a column say that there is no value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NULLS = frozenset(
    (
        "",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "#na",
        "<na>",
        "null",
        "none",
        "nil",
        "nan",
        "-",
        "--",
        "?",
        ".",
        ":",
        "..",
        "missing",
    )
)
TWO_CAPITALS = re.compile(r"[A-Z]{2}")
SENTINELS = frozenset((-9999.0, -999.0, -99.0, 999.0, 9999.0, 99999.0, 999999.0))


def null_tokens(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts that mean a missing value by common usage, whatever their case and the spaces around them.

    `NA` is a value where it stands among other codes of two capitals: it is Namibia, or North America.

    Parameters
    ----------
    texts : iterable of str
        Distinct texts of one column.

    Examples
    --------
    >>> null_tokens(["1.5", "NA", "?", " "])
    (' ', '?', 'NA')
    >>> null_tokens(["DE", "FR", "NA", ""])
    ('',)
    """
    every = list(texts)
    found = sorted(text for text in every if text.strip().lower() in NULLS)
    others = [text for text in every if text not in found]
    if "NA" in found and are_codes(others):
        found.remove("NA")
    return tuple(found)


def are_codes(texts: Sequence[str]) -> bool:
    """Whether all texts are codes of two capitals, and not just one of them."""
    return len(texts) > 1 and all(TWO_CAPITALS.fullmatch(text) for text in texts)


def sentinel_of(values: Sequence[float]) -> float | None:
    """The extreme number that may stand for a missing value: 999 and its like, far from all others.

    Parameters
    ----------
    values : sequence of float
        Distinct numbers, in ascending order.

    Examples
    --------
    >>> sentinel_of([18.0, 35.0, 62.0, 999.0])
    999.0
    >>> sentinel_of([990.0, 995.0, 999.0]) is None
    True
    """
    if len(values) < 4:
        return None
    spread = values[-2] - values[1]
    low, high = values[1] - values[0], values[-1] - values[-2]
    if values[-1] in SENTINELS and high > 2 * spread:
        return values[-1]
    return values[0] if values[0] in SENTINELS and low > 2 * spread else None
