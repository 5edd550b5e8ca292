"""DuckDB queries that type the distinct texts of one column: a table `cells` (i, c) in, one row per text out.

Each yields `value`, `reason` (null where there is a value) and `note`, what is told of a text that was read all the
same: `ambiguous`, `shifted`, `whole_float`. DuckDB's casts round '1.5' to 2 as an integer and read '1e400' as
infinity, so each cast stands behind the syntax that is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from configs.sections.columns import EPOCHS, WIDEST_DECIMAL

if TYPE_CHECKING:
    from configs.sections.columns import Column

NOT_FINITE = r"(?i)[+-]?(inf|infinity|nan)"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
OFFSET = r"(Z|[+-](0[0-9]|1[0-8])(:?[0-5][0-9])?)"
TIMESTAMP = f"{DATE}([T ]{CLOCK}{OFFSET}?)?"
TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")
# what may stand between groups of three digits; a space may be one that breaks no line, an apostrophe typographic
GROUPS = {",": ",", ".": r"\.", " ": "[ \u00a0\u202f]", "'": "['\u2019]"}
ENDINGS = ("st", "nd", "rd", "th")  # of ordinals
FIRST_INSTANT, LAST_INSTANT = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999, in microseconds


def quoted(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def matches(pattern: str, text: str = "c") -> str:
    """SQL that says whether the whole text has the pattern."""
    return f"regexp_full_match({text}, {quoted(pattern)})"


def finer_than(digits: int) -> str:
    """Pattern of a text with a digit other than 0 behind that many places."""
    return rf".*\.[0-9]{{{digits}}}0*[1-9].*"


def value_query(value: str, reasons: str, note: str = "NULL") -> str:
    """Query for types without a time zone; `reasons` is asked where there is no value."""
    return f"""
        WITH valued AS MATERIALIZED (SELECT i, c, {value} AS value FROM cells)
        SELECT value, CASE WHEN value IS NULL THEN {reasons} END AS reason, CAST({note} AS VARCHAR) AS note
        FROM valued ORDER BY i"""  # noqa: S608 - what is put in was quoted


def digits_of(column: Column) -> str:
    """Pattern of digits without a sign, in groups of three where the column declares what stands between them."""
    if column.thousands is None:
        return "[0-9]+"
    return f"([0-9]{{1,3}}({GROUPS[column.thousands]}[0-9]{{3}})+|[0-9]+)"


def fraction_of(column: Column) -> str:
    """Pattern of a signed number in decimal notation."""
    point = re.escape(column.decimal)
    return f"[+-]?({digits_of(column)}({point}[0-9]*)?|{point}[0-9]+)"


def plain_of(column: Column) -> str:
    """SQL of a number's text with a point and no groups, as DuckDB's casts read it."""
    text = "c"
    if column.thousands is not None:
        text = f"regexp_replace({text}, {quoted(GROUPS[column.thousands])}, '', 'g')"
    return text if column.decimal == "." else f"replace({text}, ',', '.')"


def integer_query(column: Column, on_change: str) -> str:
    """Read 64-bit integers; never through a float, so 2**53 + 1 stays what it is.

    A whole number that is written as a float, `1.0`, is a change of notation: read where changes are accepted.
    """
    syntax, point = matches(f"[+-]?{digits_of(column)}"), "," if column.thousands == "." else "."
    whole_float = matches(rf"[+-]?{digits_of(column)}{re.escape(point)}0*")
    number = f"split_part({plain_of(column)}, {quoted(point)}, 1)"
    accepted = f"({syntax} OR {whole_float})"
    changed = "'schema_integer_became_float'" if on_change == "quarantine" else "'not_an_integer'"
    return value_query(
        f"CASE WHEN {accepted if on_change == 'accept' else syntax} THEN TRY_CAST({number} AS BIGINT) END",
        f"CASE WHEN {syntax} THEN 'integer_out_of_range' WHEN NOT {whole_float} THEN 'not_an_integer' "
        f"WHEN TRY_CAST({number} AS BIGINT) IS NULL THEN 'integer_out_of_range' ELSE {changed} END",
        f"CASE WHEN {whole_float} THEN 'whole_float' END",
    )


def float_query(column: Column) -> str:
    """Read finite doubles."""
    syntax, plain = matches(f"{fraction_of(column)}([eE][+-]?[0-9]+)?"), plain_of(column)
    reasons = (
        f"CASE WHEN {matches(NOT_FINITE)} THEN 'not_finite' "
        f"WHEN {syntax} THEN 'number_out_of_range' ELSE 'not_a_number' END"
    )
    number = f"TRY_CAST({plain} AS DOUBLE)"
    return value_query(f"CASE WHEN {syntax} AND isfinite({number}) THEN {number} END", reasons)


def decimal_query(column: Column) -> str:
    """Read exact numbers; nothing is rounded, so a digit behind the declared scale is refused."""
    syntax, plain = matches(fraction_of(column)), plain_of(column)
    precision, scale = decimal_digits(column)
    too_fine = matches(finer_than(scale), plain)
    shorter = rf"regexp_replace({plain}, '(\.[0-9]{{{scale}}})0+$', '\1')"  # else a cast could overflow on zeros
    reasons = (
        f"CASE WHEN {matches(NOT_FINITE)} THEN 'not_finite' WHEN NOT {syntax} THEN 'not_a_number' "
        f"WHEN {too_fine} THEN 'finer_than_scale' ELSE 'decimal_out_of_range' END"
    )
    return value_query(
        f"CASE WHEN {syntax} AND NOT {too_fine} THEN TRY_CAST({shorter} AS DECIMAL({precision}, {scale})) END", reasons
    )


def decimal_digits(column: Column) -> tuple[int, int]:
    """Digits of a decimal in all, and behind the point."""
    return column.precision or WIDEST_DECIMAL, column.scale or 0


def boolean_query() -> str:
    """Read booleans, by the words of `TRUE` and `FALSE`."""
    true, false = (", ".join(map(quoted, words)) for words in (TRUE, FALSE))
    return value_query(
        f"CASE WHEN lower(c) IN ({true}) THEN true WHEN lower(c) IN ({false}) THEN false END", "'not_a_boolean'"
    )


def date_query(form: str | None) -> str:
    """Read dates of the years 1 to 9999; with a declared format whose text holds a time of day, midnight only."""
    if form is None:
        syntax = f"{matches(DATE)} AND left(c, 4) <> '0000'"
        return value_query(f"CASE WHEN {syntax} THEN TRY_CAST(c AS DATE) END", "'not_a_date'")
    moment = wall_of(form)
    return value_query(
        f"CASE WHEN {moment} = date_trunc('day', {moment}) THEN CAST({moment} AS DATE) END", "'not_a_date'"
    )


def wall_of(form: str) -> str:
    """SQL of the moment that a text in a format shows."""
    each = [
        f"CAST(try_strptime(c, {quoted(plain)}) AS TIMESTAMP){f' + INTERVAL {months} MONTH' if months else ''}"
        for plain, months in plain_forms(form)
    ]
    return f"coalesce({', '.join(each)})"


def plain_forms(form: str) -> Iterator[tuple[str, int]]:
    """The formats of strptime that a format stands for, and the months that lie between what each reads and the moment.

    strptime has no code for the number of a quarter, `%q`, which is read as its first day, and none for the ending of
    an ordinal, `%o`.

    >>> list(plain_forms("%Y-Q%q"))[:2], [plain for plain, _ in plain_forms("%d%o")]
    ([('%Y-Q1', 0), ('%Y-Q2', 3)], ['%dst', '%dnd', '%drd', '%dth'])
    """
    codes = re.findall("%.", form)
    for number in (1, 2, 3, 4) if "%q" in codes else (1,):
        for ending in ENDINGS if "%o" in codes else ("",):
            yield rewritten(form, {"%q": str(number), "%o": ending}), 3 * number - 3


def rewritten(form: str, codes: Mapping[str, str]) -> str:
    """A format with other text in place of some codes; `%%q` is no `%q`."""
    return re.sub("%.", lambda found: codes.get(found[0], found[0]), form, flags=re.DOTALL)


def epoch_query(form: str) -> str:
    """Read instants that are numbers of seconds or milliseconds since 1970 in UTC, digits behind a point included."""
    places, longest = (6, 12) if form == "epoch_s" else (3, 15)
    syntax, too_fine = matches(r"[+-]?[0-9]+(\.[0-9]*)?"), matches(finer_than(places))
    whole = "ltrim(regexp_extract(c, '[0-9]+'), '0')"
    rest = rf"rpad(left(regexp_extract(c, '\.([0-9]*)$', 1), {places}), {places}, '0')"
    size = f"CAST({whole} || {rest} AS BIGINT) * CASE WHEN left(c, 1) = '-' THEN -1 ELSE 1 END"
    sound = f"{syntax} AND NOT {too_fine} AND length({whole}) <= {longest}"
    return f"""
        WITH sized AS MATERIALIZED (SELECT i, c, CASE WHEN {sound} THEN {size} END AS size FROM cells),
        valued AS MATERIALIZED (SELECT *,
            CASE WHEN size BETWEEN {FIRST_INSTANT} AND {LAST_INSTANT} THEN make_timestamp(size) END AS value FROM sized)
        SELECT value, CAST(NULL AS VARCHAR) AS note,
            CASE WHEN value IS NOT NULL THEN NULL WHEN NOT {syntax} THEN 'not_a_timestamp'
                WHEN {too_fine} THEN 'finer_than_microseconds' ELSE 'timestamp_out_of_range' END AS reason
        FROM valued ORDER BY i"""  # noqa: S608 - what is put in was quoted


def timestamp_query(column: Column, zone: str) -> str:
    """Read UTC instants to the microsecond; a text without an offset is local time in `zone`.

    A local time that the zone's clock showed twice, or never, is judged as the column declares. Clocks change at most
    once within two days, so the instant is the wall time at the offset of the day before, or of the day after; it is
    right when the zone's clock then shows that time again. No length of the change is assumed (Lord Howe moves by 30
    minutes). `forward` takes the offset of the day before.
    """
    wall, minutes = wall_and_offset(column.format)
    too_fine = matches(finer_than(6)) if column.format is None else "false"
    name = quoted(zone)
    chosen = {
        "earlier": "least(one, other)",
        "later": "greatest(one, other)",
        "refuse": "CASE WHEN one <> other THEN NULL ELSE least(one, other) END",
    }[column.ambiguous]
    skipped = "clock IS NOT NULL AND one IS NULL AND other IS NULL"
    forward = f"CASE WHEN {skipped} THEN early END" if column.nonexistent == "forward" else "NULL"
    return f"""
        WITH parsed AS MATERIALIZED (SELECT i, c, {wall} AS wall, {minutes} AS minutes FROM cells),
        local AS MATERIALIZED (SELECT *, CASE WHEN minutes IS NULL THEN wall END AS clock FROM parsed),
        moments AS MATERIALIZED (SELECT *,
            timezone('UTC', timezone({name}, clock - INTERVAL 1 DAY)) + INTERVAL 1 DAY AS early,
            timezone('UTC', timezone({name}, clock + INTERVAL 1 DAY)) - INTERVAL 1 DAY AS late FROM local),
        checked AS MATERIALIZED (SELECT *,
            CASE WHEN timezone({name}, timezone('UTC', early)) = clock THEN early END AS one,
            CASE WHEN timezone({name}, timezone('UTC', late)) = clock THEN late END AS other FROM moments),
        valued AS MATERIALIZED (SELECT *,
            CASE WHEN minutes IS NULL THEN coalesce({chosen}, {forward}) ELSE wall - to_minutes(minutes) END AS value
            FROM checked)
        SELECT value,
            CASE WHEN one <> other THEN 'ambiguous' WHEN {skipped} THEN 'shifted' END AS note,
            CASE WHEN value IS NOT NULL THEN NULL WHEN {too_fine} THEN 'finer_than_microseconds'
                WHEN wall IS NULL THEN 'not_a_timestamp' WHEN one <> other THEN 'ambiguous_local_time'
                ELSE 'nonexistent_local_time' END AS reason
        FROM valued ORDER BY i"""  # noqa: S608 - what is put in was quoted


def wall_and_offset(form: str | None) -> tuple[str, str]:
    """SQL of the wall clock's time, and of the offset in minutes, null where the text has none."""
    if form is not None:
        # with an offset DuckDB yields an instant; the engine's clock is UTC
        has_offset = re.search(r"%[zZ]", form.replace("%%", "")) is not None
        return wall_of(form), f"CAST({'0' if has_offset else 'NULL'} AS BIGINT)"
    sound = f"{matches(TIMESTAMP)} AND NOT {matches(finer_than(6))} AND left(c, 4) <> '0000'"
    clock = f"regexp_extract(c, {quoted(f'^{DATE}([T ]{CLOCK})?')})"
    offset = f"regexp_extract(c, {quoted(f':[0-9.:]*{OFFSET}$')}, 1)"
    digits = f"regexp_replace({offset}, '[^0-9]', '', 'g')"
    size = f"CAST('0' || left({digits}, 2) AS BIGINT) * 60 + CAST('0' || substr({digits}, 3) AS BIGINT)"
    minutes = f"CASE WHEN {offset} <> '' THEN ({size}) * CASE WHEN left({offset}, 1) = '-' THEN -1 ELSE 1 END END"
    return f"CASE WHEN {sound} THEN TRY_CAST({clock} AS TIMESTAMP) END", minutes


def column_query(column: Column, timezone: str, on_change: str) -> str:
    """Query that types a column's texts; `timezone` is for timestamps where the column has none of its own."""
    if column.format in EPOCHS:
        return epoch_query(column.format)
    if column.type == "timestamp":
        return timestamp_query(column, column.timezone or timezone)
    if column.type == "date":
        return date_query(column.format)
    if column.type == "integer":
        return integer_query(column, on_change)
    if column.type == "boolean":
        return boolean_query()
    return float_query(column) if column.type == "float" else decimal_query(column)
