"""What is shown of columns declared `private: true`: that they are there, how many rows fail, and no value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.validation.expectations import Check

HIDDEN = "(private)"
COUNTS = (
    "element_count",
    "missing_count",
    "missing_percent",
    "unexpected_count",
    "unexpected_percent",
    "unexpected_percent_nonmissing",
    "unexpected_percent_total",
)
"""What stays of Great Expectations' result for the Data Docs."""


def masked_check(check: Check, private: frozenset[str]) -> Check:
    """A check without values of private columns: in what it observed, in GX's result, in what is told of its rows.

    Parameters
    ----------
    check : Check
    private : frozenset of str
        Names of private columns.

    Returns
    -------
    Check
        The same one where it is about none of them.
    """
    named = check.columns
    of_table = not named and check.expectation.name.startswith("expect_table_")  # counts and names, no values
    if not private or of_table or (named and private.isdisjoint(named)):
        return check
    check.result.result = {name: value for name, value in check.result.result.items() if name in COUNTS}
    return replace(check, hidden=private, observed=None if check.observed is None else HIDDEN)


def told_error(error: Exception, private: frozenset[str]) -> str:
    """Text of what went wrong inside an expectation, cut where a value may follow if any column is private."""
    text = str(error)
    if not private:
        return text
    before, evaluated, after = text.partition(" could not be evaluated: ")
    return f"{before}{evaluated}{after.partition(':')[0]}" if evaluated else text.partition(": ")[0]


def masked_row(text: str, private: frozenset[str]) -> str:
    """A row as JSON, as `validate` quarantines it, without private values.

    >>> masked_row('{"name": "Ann", "age": 7}', frozenset({"name"}))
    '{"name": "(private)", "age": 7}'
    """
    row: Mapping[str, Any] = json.loads(text)
    return json.dumps({name: HIDDEN if name in private else value for name, value in row.items()}, ensure_ascii=False)


def masked_raw(raw: str, stage: str, private: frozenset[str]) -> str:
    """A refused row's text as it may be shown: a line of the file is hidden whole, since it may not part into cells."""
    if not private:
        return raw
    return masked_row(raw, private) if stage == "validate" else HIDDEN
