"""Texts that were decoded or written another way: new levels behind which known ones stand."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

from tasks.drift.cause.segments import marked

if TYPE_CHECKING:
    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import LevelColumn, View

LEGACY = ("cp1252", "latin-1", "mac_roman", "cp850", "cp437")
FEWEST = 3  # rows
MOSTLY = 0.5  # share of the rows with new levels behind which a known one stands
BESIDE = 0.02  # share of the rows of both ways of writing that have the new one
MOST_NEW = 2000  # levels that are looked at, the most frequent first
SPACE = re.compile(r"\s+")
LOST = re.compile(r"(?:\ufffd|\?)+")


def encoding_breaks(view: View) -> Iterator[Cause]:
    """The categories whose levels were decoded, spelled or spaced another way."""
    for column in view.levels.values():
        new = sorted(column.new, key=lambda level: (-column.rows_of(level), level))[:MOST_NEW]
        if not new:
            continue
        decoded = {level: known for level in new if (known := decoded_level(level, column)) is not None}
        yield from told(view, column, decoded, "is in another encoding", 0.97)
        if not decoded:
            yield from told(view, column, spelled_levels(new, column), "is written another way", 0.95)


def told(view: View, column: LevelColumn, known: dict[str, str], how: str, confidence: float) -> Iterator[Cause]:
    """A cause, if the rows with such levels are many enough."""
    new, old = {*known}, {*known.values()}
    rows = np.isin(column.codes, codes_of(column, new))
    among = np.isin(column.codes, codes_of(column, old)) | rows
    unseen = sum(column.rows_of(level) for level in column.new)
    if rows.sum() < FEWEST or rows.sum() < MOSTLY * unseen or rows.sum() < BESIDE * among.sum():
        return
    first = max(known, key=lambda level: (column.rows_of(level), level))
    evidence = (
        f"{column.shown(first)} {how} than the known {column.shown(known[first])}; so are {len(known)} new levels "
        f"in {rows.sum()} rows, of {unseen} rows with a new level; {among.sum() - rows.sum()} rows have the known ones"
    )
    yield view.cause("encoding_break", (column.name,), marked(rows, among, view.groups), evidence, confidence)


def codes_of(column: LevelColumn, levels: set[str]) -> list[int]:
    """The codes of some levels."""
    return [code for code, level in enumerate(column.levels) if level in levels]


def decoded_level(level: str, column: LevelColumn) -> str | None:
    """The known level that becomes this one where bytes are decoded wrongly or signs escaped; None of others."""
    for text in decodings(level):
        if text != level and column.is_known(text):
            return text
    return with_lost_letters(level, column)


def decodings(level: str) -> Iterator[str]:
    """What a text may have been before it was decoded wrongly."""
    yield html.unescape(level)
    yield unquote(level)
    if level.isascii():
        return
    for wrong in LEGACY:
        for right in ("utf-8", *LEGACY):
            once = redecoded(level, wrong, right)
            if once is not None:
                yield once
                yield redecoded(once, wrong, right) or once


def redecoded(text: str, wrong: str, right: str) -> str | None:
    """The text, if its bytes had been read as `right` and not as `wrong`."""
    if wrong == right:
        return None
    try:
        return text.encode(wrong).decode(right)
    except UnicodeError:
        return None


def with_lost_letters(level: str, column: LevelColumn) -> str | None:
    """The one known level that has letters beyond ASCII where this one has signs for lost ones, or nothing."""
    if LOST.search(level):
        pattern = re.compile("[^\x00-\x7f]{1,3}".join(map(re.escape, LOST.split(level))))
        found = [known for known in column.known if not known.isascii() and pattern.fullmatch(known)]
    else:
        found = [known for known in column.known if not known.isascii() and without_letters(known) == level]
    return found[0] if len(found) == 1 else None


def without_letters(text: str) -> str:
    """A text without what is beyond ASCII."""
    return text.encode("ascii", "ignore").decode()


def spelled_levels(new: list[str], column: LevelColumn) -> dict[str, str]:
    """The known level of each new one that differs from it only in case, spaces, accents or quotes."""
    for form in (spaced, cased, plain):
        forms = Counter(map(form, column.known))
        if any(count > 1 for count in forms.values()):
            continue  # what the form leaves out tells levels apart here
        known = {form(level): level for level in column.known}
        found = {level: known[form(level)] for level in new if form(level) in known}
        if found:
            return found
    return {}


def spaced(text: str) -> str:
    """Without spaces and quotes around, and with single ones within; accents composed."""
    return SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip(" '\"\ufeff\u200b")


def cased(text: str) -> str:
    """Without case as well."""
    return spaced(text).casefold()


def plain(text: str) -> str:
    """Without accents as well, and with one sign for space, hyphen and underscore."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", cased(text)) if not unicodedata.combining(char))
    return re.sub(r"[-_ ]+", " ", bare)
