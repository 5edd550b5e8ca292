"""Which type a column has, and how its text is read: the narrowest declaration that `ingest` can read it with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.wording import listed, shown
from tasks.cells.queries import FALSE, TRUE
from tasks.cells.values import without_marks
from tasks.drafting.fitting import fits
from tasks.drafting.moments import MomentFormat, moment_format
from tasks.drafting.naming import looks_like_identifier, looks_like_moment
from tasks.drafting.null_tokens import null_tokens
from tasks.drafting.quantities import are_clock_times, are_durations, are_measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drafting.column_texts import ColumnTexts

UNIT = re.compile(r"[+-]?[0-9][0-9., ']*?(?:\s([^\W\d_]{1,9}[\u00b2\u00b3]?)|([a-z]{1,9}|\u00b0[CF]?))")
MAGNITUDES = frozenset(("k", "m", "b", "g", "t", "bn", "mn", "mio", "mrd", "mil", "tsd", "e", "x", "h"))
WHOLE_FLOAT = re.compile(r"[+-]?[0-9]+\.0+")
DIGITS = re.compile(r"[+-]?[0-9]+")
LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
LONGEST_NUMBER = 18  # digits; longer ones are names of things, and may not fit into 64 bits
FLOAT_NAME = "whole floats, but by its name no quantity; 1 and 1.0 are two levels, so let all files write them alike"
ENOUGH = 0.99  # share of the rows that a type must read; the others go to quarantine
ENOUGH_BUT_WORDS = 0.9  # where what it does not read are a few words, which are then taken as missing
MOST_WORDS = 5
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:([,. '])[0-9]{3})(?:\1[0-9]{3})*")
MIDDLE = re.compile("[0-9](?:.*[0-9])?", re.DOTALL)  # of a number, between its first and last digit
UTC_WRITTEN = (" UTC", "%SZ")  # how a format ends that makes UTC of what it reads
BELOW_1000 = re.compile(r"[+-]?[0-9]{1,3}")
FEW_BARE, MANY_GROUPED = 2, 8  # different numbers without and with a comma, that tell thousands from decimals
FREE_TEXT = 40  # characters that a category's texts have at the most, on average
NEARLY_UNIQUE = 0.9  # distinct texts per row beyond which a text is no category
FEW_ROWS = 50  # below which that says nothing


@dataclass(frozen=True)
class Decision:
    """How a column is declared.

    Attributes
    ----------
    declared : dict
        The keys of the YAML: `type`, and `nulls`, `format` and others where they are not at their defaults.
    remarks : tuple of str
        What was seen that a person should know of.
    refused_rows : int
        Rows of the sample that cannot be read so.
    """

    declared: dict[str, Any]
    remarks: tuple[str, ...] = ()
    refused_rows: int = 0


def decide_type(column: ColumnTexts) -> Decision:
    """Declare a column.

    Parameters
    ----------
    column : ColumnTexts

    Examples
    --------
    >>> import pyarrow as pa
    >>> from tasks.drafting.column_texts import column_texts
    >>> decide_type(column_texts("age", pa.chunked_array([["31", "NA", "7"]]))).declared
    {'type': 'integer', 'nulls': ['', 'NA']}
    """
    tokens = null_tokens(column.texts)
    known = ColumnKnown.of(column, tokens)
    found = Decision({"type": "category"}, ("no value in the sample",)) if not known.texts else decide_known(known)
    declared = dict(found.declared)
    nulls = sorted({"", *tokens, *declared.pop("nulls", ())})
    if nulls != [""]:
        declared["nulls"] = nulls
    return Decision(declared, found.remarks)


@dataclass(frozen=True)
class ColumnKnown:
    """The texts of a column that are no null tokens, and how many rows have each."""

    name: str
    levels: Any
    texts: list[str]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, column: ColumnTexts, tokens: tuple[str, ...]) -> ColumnKnown:
        """Leave the null tokens out."""
        import pyarrow as pa

        kept = np.array([text not in tokens for text in column.texts], dtype=np.bool_)
        levels = column.levels.filter(pa.array(kept))
        return cls(column.name, levels, levels.to_pylist(), column.counts[kept])

    @property
    def rows(self) -> int:
        """Rows that have a value."""
        return int(self.counts.sum())

    def share(self, chosen: NDArray[np.bool_]) -> float:
        """Share of the rows whose text is chosen."""
        return float(self.counts[chosen].sum() / self.counts.sum())


def decide_known(known: ColumnKnown) -> Decision:
    """Declare a column that has values: the first of boolean, number, moment that reads it, else text."""
    if is_boolean(known.texts):
        return Decision({"type": "boolean"})
    named = decide_name(known) or decide_float_name(known)
    if named is not None:
        return named
    moment = moment_format(known.name, known.levels, known.counts) if looks_like_moment(known.name) else None
    if moment is not None:
        return decide_moment(known, moment, [])
    found, remarks = decide_number(known)
    if found is not None:
        return found
    marked = decide_marked(known)
    if marked is not None:
        return marked
    return decide_moment(known, moment_format(known.name, known.levels, known.counts), remarks)


def decide_number(known: ColumnKnown) -> tuple[Decision | None, list[str]]:
    """The first declaration of a number that reads all rows, else that reads nearly all; else what cannot be told."""
    nearly, remarks = None, []
    for declared, remark in numbers(known):
        if declared is None:
            remarks.append(remark)
        elif (found := decide_read(known, declared, remark)) is not None:
            if not found.refused_rows:
                return found, []
            nearly = nearly or found
    return nearly, remarks


def decide_marked(known: ColumnKnown) -> Decision | None:
    """A number with a currency's sign, a percent sign or spaces beside it, if all texts have no other mark."""
    import pyarrow as pa

    marks = marks_of(known.texts)
    bare = without_marks(pa.array(known.texts, pa.string()), marks)
    if not marks or not any(map(re.compile("[0-9]").search, known.texts)):
        return None
    nearly = None
    for declared, _ in numbers(replace(known, levels=bare, texts=bare.to_pylist())):
        if declared is None:
            return nearly
        found = decide_read(known, {**declared, "marks": list(marks)}, f"numbers with {listed(marks)} beside them")
        if found is not None and not found.refused_rows:
            return found
        nearly = nearly or found
    return nearly


def marks_of(texts: list[str]) -> tuple[str, ...]:
    """The marks at the ends of texts: spaces, and one sign or unit; none where there are several, as of two currencies.

    A word such as k or M multiplies, so it is no mark.

    >>> marks_of(["$5", "-$ 7"]), marks_of(["$5", "\u20ac7"]), marks_of(["5 ", "7"])
    (('$',), (), (' ',))
    >>> marks_of(["5 kg", "7.5kg"]), marks_of(["5 kg", "7 g"]), marks_of(["5k", "7k"])
    (('kg',), (), ())
    """
    units = {found[1] or found[2] for text in texts if (found := UNIT.fullmatch(text.strip())) is not None}
    if units:
        return tuple(units) if len(units) == 1 and not {unit.lower() for unit in units} & MAGNITUDES else ()
    ends = "".join(text[: place.start()] + text[place.end() :] for text in texts if (place := MIDDLE.search(text)))
    signs = {sign for sign in ends if unicodedata.category(sign) == "Sc" or sign == "%"}
    if len(signs) > 1:
        return ()
    return tuple(sorted(signs)) or ((" ",) if any(map(str.isspace, ends)) else ())


def decide_moment(known: ColumnKnown, moment: MomentFormat | None, remarks: list[str]) -> Decision:
    """A date or timestamp; text where there is none, or where its day and month cannot be told apart."""
    if moment is None:
        return decide_text(known, [*remarks, *unread_moment(known)])
    if moment.type is None:
        return Decision({"type": "text"}, (*remarks, moment.remark))
    keys = {"type": moment.type} | ({"format": moment.form} if moment.form else {})
    if moment.form is not None and moment.form.endswith(UTC_WRITTEN):
        keys["timezone"] = "UTC"
    return decide_read(known, keys, moment.remark) or decide_text(known, remarks)


def unread_moment(known: ColumnKnown) -> list[str]:
    """What to say of a column that by its name holds dates or times, and whose texts nothing reads."""
    has_digits = np.array([re.search("[0-9]", text) is not None for text in known.texts])
    if not looks_like_moment(known.name) or known.share(has_digits) < ENOUGH_BUT_WORDS:
        return []
    return [
        f"a date or time by its name, but not known how to read, such as {listed(known.texts[:1])}; declare its format"
    ]


def is_boolean(texts: list[str]) -> bool:
    """Whether all texts are words for true and false; the digits alone are numbers."""
    folded = {text.lower() for text in texts}
    return folded <= {*TRUE, *FALSE} and not folded <= {"0", "1"} and bool(folded & {*TRUE}) and bool(folded & {*FALSE})


def decide_name(known: ColumnKnown) -> Decision | None:
    """Digits that are a name and no number: zeros in front, or more of them than a number has."""
    digits = np.array([DIGITS.fullmatch(text) is not None for text in known.texts])
    if not digits.any() or known.share(digits) < ENOUGH_BUT_WORDS:
        return None
    numbers_only = [text for text, is_digits in zip(known.texts, digits.tolist(), strict=True) if is_digits]
    if any(LEADING_ZERO.fullmatch(text) for text in numbers_only):
        return decide_text(known, ["zeros in front: a code, not a number"])
    if any(len(text) > LONGEST_NUMBER for text in numbers_only):
        return decide_text(known, [f"more than {LONGEST_NUMBER} digits: a code, not a number"])
    if looks_like_identifier(known.name) and digits.all():
        return Decision({"type": "category"}, ("digits, but by its name no quantity",))
    return None


def decide_float_name(known: ColumnKnown) -> Decision | None:
    """Whole floats that are names: `1.0`, as tools write the numbers of things of which some are missing."""
    whole = all(WHOLE_FLOAT.fullmatch(text) or DIGITS.fullmatch(text) for text in known.texts)
    return Decision({"type": "category"}, (FLOAT_NAME,)) if whole and looks_like_identifier(known.name) else None


def numbers(known: ColumnKnown) -> Iterator[tuple[dict[str, Any] | None, str]]:
    """The declarations of a number to try, in order; None for one that cannot be decided, with the reason."""
    yield {"type": "integer"}, ""
    with_point = [text for text in known.texts if "." in text]
    may_be_grouped = len(with_point) > 2 and all(GROUPED.fullmatch(text) for text in with_point)
    yield {"type": "float"}, "or are these points between thousands?" if may_be_grouped else ""
    some = [text.strip() for text in known.texts]
    separated = [text for text in some if re.fullmatch(r"[+-]?[0-9][0-9,. ']*", text)]
    if len(separated) < ENOUGH_BUT_WORDS * len(some) or not any(re.search("[,. ']", text) for text in separated):
        return
    yield from separated_numbers(separated)


def separated_numbers(texts: list[str]) -> Iterator[tuple[dict[str, Any] | None, str]]:
    """Declarations of numbers with a decimal comma or with separators between thousands, if columns have such keys."""
    with_comma = [text for text in texts if "," in text]
    only_grouped = with_comma and all(GROUPED.fullmatch(text) and text.count(",") == 1 for text in with_comma)
    if only_grouped and not any("." in text for text in texts) and not are_thousands(texts):
        yield None, "numbers with commas that may be decimal or between thousands; clean them, or declare which"
        return
    for point, thousands in ((".", ","), (".", " "), (".", "'"), (",", None), (",", "."), (",", " "), (",", "'")):
        keys = {"decimal": point} if point != "." else {}
        keys |= {"thousands": thousands} if thousands else {}
        for kind in ("integer", "float"):
            if kind == "float" or point == ".":
                yield {"type": kind, **keys}, "numbers with separators"


def are_thousands(texts: list[str]) -> bool:
    """Whether commas, each before three digits, stand between thousands: numbers below 1,000 have none.

    Of decimal numbers some would have one digit or two behind the comma before any had none.

    >>> are_thousands(["7", "154", *(f"{number},000" for number in range(1, 9))])
    True
    """
    bare = [text for text in texts if "," not in text]
    return len(bare) >= FEW_BARE and len(texts) - len(bare) >= MANY_GROUPED and all(map(BELOW_1000.fullmatch, bare))


def decide_read(known: ColumnKnown, declared: dict[str, Any], remark: str) -> Decision | None:
    """A declaration, if it reads all but a few rows, or all but a few words that are then null tokens."""
    read = fits(known.levels, declared)
    share = known.share(read)
    left = [text for text, is_read in zip(known.texts, read.tolist(), strict=True) if not is_read]
    remarks = [remark] if remark else []
    if left and declared["type"] == "integer" and any_fits(left, {**declared, "type": "float"}):
        return None
    if not left:
        return Decision(declared, tuple(remarks))
    if share >= ENOUGH_BUT_WORDS and len(left) <= MOST_WORDS and not any(re.search("[0-9]", text) for text in left):
        return Decision({**declared, "nulls": left}, (*remarks, f"{listed(left)} taken as missing"))
    if share < ENOUGH:
        return None
    rows = int(known.counts[~read].sum())
    told = f"{rows} of {known.rows} rows go to quarantine, such as {listed(left[:1])}"
    return Decision(declared, (*remarks, told), refused_rows=rows)


def unread_quantity(texts: list[str]) -> str | None:
    """What to say of quantities that no type reads; None of other texts.

    >>> unread_quantity(["0 days 01:02:03"]), unread_quantity(["red"])
    ("durations, which no type reads; write '0 days 01:02:03' as a number, of seconds for one", None)
    """
    if are_clock_times(texts):
        return f"times of the day or durations, which no type reads; write {shown(texts[0])} as a number of minutes"
    if are_durations(texts):
        return f"durations, which no type reads; write {shown(texts[0])} as a number, of seconds for one"
    if are_measured(texts):
        return f"numbers in several units or with other signs, such as {listed(texts[:2])}; write them as plain numbers"
    return None


def any_fits(texts: list[str], declared: dict[str, Any]) -> bool:
    """Whether a type reads any of some texts."""
    import pyarrow as pa

    return bool(fits(pa.array(texts, pa.string()), declared).any())


def decide_text(known: ColumnKnown, remarks: list[str]) -> Decision:
    """A category, or text that is no feature: long, or hardly ever the same."""
    if (unread := unread_quantity(known.texts)) is not None:
        remarks = [unread]
    lengths = np.array([len(text) for text in known.texts])
    length = float((lengths * known.counts).sum() / known.rows)
    distinct = len(known.texts)
    if looks_like_identifier(known.name) and length <= FREE_TEXT:
        return Decision({"type": "category"}, (*remarks, f"{distinct:,} levels"))
    if known.rows >= FEW_ROWS and distinct > NEARLY_UNIQUE * known.rows:
        return Decision(
            {"type": "text"}, (*remarks, f"no feature: {distinct:,} different texts in {known.rows:,} rows")
        )
    if length > FREE_TEXT and distinct > MOST_WORDS:
        return Decision({"type": "text"}, (*remarks, f"no feature: texts of {length:.0f} characters on average"))
    return Decision({"type": "category"}, (*remarks, f"{distinct:,} level{'s' * (distinct > 1)}"))
