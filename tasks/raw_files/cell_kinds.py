"""What the text of a cell looks like, for telling a header from rows and one delimiter from another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTHING = frozenset(
    ("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "\\n", "missing", ":", "..")
)
NUMBER = re.compile(
    r"[+-]?[$\u20ac\u00a3]?(?:[0-9]+(?:[., '\u00a0\u202f][0-9]{3})*(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?%?"
)
MOMENT = re.compile(
    r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2}))"
    r"(?:[T ][0-9]{1,2}:[0-9]{2}.{0,16})?|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
)
TEXT = re.compile(r"[^,;\t|\x1f\"]*")
TOTAL = re.compile(
    r"(?:(?:grand |sub|account )?-?totals?|total(?:e[ns]?|t)|totaal|sums?|suma|(?:gesamt)?summe|gesamt|insgesamt)\s*:?",
    re.IGNORECASE,
)
NOTE = re.compile(
    r"[#(*]|--|.*\b(?:rows?|records?|lines?|total|source|generated|exported|end of|eof|page|notes?)\b", re.IGNORECASE
)
PADDED_NOTE = re.compile(  # what a last row says in its only filled cell, where it is a note
    r"(?:sources?|notes?|footnotes?|fontes?|fuentes?|notas?|quellen?|hinweise?|anmerkung(?:en)?|stand|bron)\s*:\s*\S"
    r"|[*#\u2020\u2021]\W*\w+\W+\w|\u00a9|copyright\b"
    r"|(?:report |data |file )?(?:generated|exported|extracted|downloaded|printed|produced)\b.*\b(?:on|by|at|from)\b",
    re.IGNORECASE,
)
RULE = re.compile(r":?[-=_]{2,}:?")

Styles = Sequence[tuple[str, str, re.Pattern[str], re.Pattern[str]]]
THOUSANDS: Styles = tuple(  # decimal, thousands, what it looks like, what only it looks like
    (
        decimal,
        thousands,
        re.compile(rf"[+-]?[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})*(?:{re.escape(decimal)}[0-9]+)?"),
        re.compile(
            rf"[+-]?[0-9]{{1,3}}(?:(?:{re.escape(thousands)}[0-9]{{3}}){{2,}}|(?:{re.escape(thousands)}[0-9]{{3}})+{re.escape(decimal)}[0-9]+)"
        ),
    )
    for decimal, thousands in (
        (".", ","),
        (",", "."),
        (".", " "),
        (",", " "),
        (".", "'"),
        (",", "\u00a0"),
        (",", "\u202f"),
    )
)
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def is_comment(text: str) -> bool:
    """Whether a record that begins with this text may be a comment."""
    return text.startswith("#")


def is_rule(record: Sequence[str]) -> bool:
    """Whether a record is a line drawn below a header: dashes in each column.

    >>> is_rule(["---", ":--", ""]), is_rule(["-", "--"]), is_rule([""])
    (True, False, False)
    """
    filled = [cell.strip() for cell in record if cell.strip()]
    return len(record) > 1 and bool(filled) and all(map(RULE.fullmatch, filled))


def is_missing(text: str) -> bool:
    """Whether a text is one that often stands for a missing value."""
    return text.strip().lower() in NOTHING


def is_value(text: str) -> bool:
    """Whether a text is a number or a moment."""
    text = text.strip()
    return NUMBER.fullmatch(text) is not None or MOMENT.fullmatch(text) is not None


def is_plausible(text: str) -> bool:
    """Whether a text may be one cell: nothing, a value, or words without what may separate cells."""
    return TEXT.fullmatch(text) is not None or is_value(text)


def separators(texts: Iterable[str]) -> tuple[str, str] | None:
    """Decimal and thousands separators of a column's numbers, ("." and "") left out; None where they cannot be told.

    >>> separators(["1.234,5", "17"])
    (',', '.')
    """
    found = [text.strip() for text in texts if not is_missing(text)]
    if not found or all(map(PLAIN.fullmatch, found)) or not all(map(NUMBER.fullmatch, found)):
        return None
    for decimal, thousands, pattern, decisive in THOUSANDS:
        if all(map(pattern.fullmatch, found)) and any(map(decisive.fullmatch, found)):
            return decimal, thousands
    commas = [text for text in found if "," in text]
    rest = [text for text in found if "," not in text]
    clear = any(not re.fullmatch(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}", text) for text in commas)
    if (
        commas
        and clear
        and all(map(DECIMAL_COMMA.fullmatch, commas))
        and all(re.fullmatch(r"[+-]?[0-9]+", text) for text in rest)
    ):
        return ",", ""
    return spaced(found)


def spaced(found: Sequence[str]) -> tuple[str, str] | None:
    """Numbers whose thousands are set apart by a space or an apostrophe, which is never a decimal separator."""
    for decimal, thousands, pattern, _ in THOUSANDS:
        if thousands not in ",." and all(map(pattern.fullmatch, found)) and any(thousands in text for text in found):
            return decimal, thousands
    return None
