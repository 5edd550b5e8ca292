"""The one place that runs Great Expectations: declared expectations in, checks of a batch out.

GX is imported inside functions, since that takes longer than validating a year of flights. What GX leaves open is
closed here: an expectation that raised, that looked at nothing, or whose failing rows cannot be named does not pass.
Whether an expectation gives rows, and which arguments it takes, stands in `configs/expectations.json`, written by
`python -m tasks.validation.catalogue` from the installed GX. How rows are fed to it: `tasks/validation/`.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError, DataError
from configs.expectations import known_expectations, named_columns
from configs.sections.columns import Column
from configs.sections.expectations import CUSTOM, SHORT_FORMS, SQL, Expectation
from tasks.table_chunks import Rows, RowsInMemory
from tasks.validation.row_set import RowSet

if TYPE_CHECKING:
    from types import ModuleType

    import pyarrow as pa

    from tasks.validation.custom import CustomCheck
    from tasks.validation.row_checks import RowCheck
    from tasks.validation.table_checks import TableCheck
    from tasks.validation.truth_sql import SqlCheck

    AnyCheck = RowCheck | SqlCheck | CustomCheck | TableCheck


class ExpectationError(ConfigError):
    """An expectation is declared that Great Expectations cannot run as declared."""

    place: int = 0
    """Which of the declared ones it is."""


class ExpectationRaisedError(DataError):
    """An expectation could not be evaluated on a batch, or not say which rows fail."""


@dataclass(frozen=True)
class Check:
    """What one expectation found in one batch."""

    expectation: Expectation
    success: bool
    element_count: int | None
    """Rows looked at, missing values included; None for an expectation about the whole table."""
    missing_count: int | None
    unexpected_count: int | None
    unexpected_percent: float | None
    """Of the rows with a value, as GX counts it."""
    rows: RowSet
    """Positions, from 0, of the rows that fail; empty for an expectation about the whole table."""
    observed: Any
    """What an expectation about the whole table found instead; plain JSON."""
    vacuous: bool
    """True where no value was there to look at: then `success` is False, whatever GX says."""
    result: Any
    """GX's own result, for the Data Docs, without its lists of all rows."""
    columns: tuple[str, ...] = ()
    """Columns that it is about, as it names them; none for a whole table."""
    hidden: frozenset[str] = frozenset()
    """Columns whose values are not told (`tasks.private`)."""

    @cached_property
    def declared(self) -> str:
        """The expectation as it is declared, on one line."""
        return declared_text(self.expectation)

    @cached_property
    def reason(self) -> str:
        """Why its rows are set aside, in one word that stays the same: GX's name, or that of the user's own rule."""
        return reason_code(self.expectation)


@cache
def great_expectations() -> ModuleType:
    """Import GX without analytics, and undo that it sends all warnings of the process to logging.

    It makes so many classes that a pause of the garbage collector saves a tenth of the time; and since they stay, each
    later look for garbage would take half a second to pass them by.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    captured = logging._warnings_showwarning is not None  # type: ignore[attr-defined]
    collects = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # GX imports the deprecated sre_constants
            import great_expectations as gx

            logging.captureWarnings(captured)
    finally:
        if collects:
            gc.freeze()
            gc.enable()
    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # its warnings repeat what the results say
    return gx


def row_level(expectation: Expectation) -> bool:
    """Whether an expectation says of each row whether it holds, so that rows can be quarantined.

    Raises
    ------
    ExpectationError
        If it is none that Holdfast runs.
    """
    known = known_expectations().get(expectation.name)
    if known is None:
        raise ExpectationError(f"expectations: {expectation.name!r} is none of those in configs/expectations.json.")
    return known.kind == "row"


class Suite:
    """The declared expectations, built once, run on each batch.

    Parameters
    ----------
    expectations : sequence of Expectation
        Each with `otherwise: quarantine` must be row-level.
    columns : mapping of str to Column
        The declared columns; texts in arguments about a date or timestamp column are read as such.
    timezone : str
        Zone of such texts without an offset, where the column declares none.
    pipeline : str
        Whose own code `custom` ones name.

    Raises
    ------
    ExpectationError
        If GX refuses an expectation or would read an argument as another value than the declared one.
    """

    def __init__(
        self, expectations: Sequence[Expectation], columns: Mapping[str, Column], timezone: str, pipeline: str = ""
    ) -> None:
        self.expectations = tuple(expectations)
        great_expectations()
        self._makers = [
            self._built(place, each, columns, timezone, pipeline) for place, each in enumerate(expectations)
        ]

    def _built(
        self, place: int, expectation: Expectation, columns: Mapping[str, Column], timezone: str, pipeline: str
    ) -> Callable[[], AnyCheck]:
        """Build one expectation; an error knows which."""
        from tasks.validation.building import check_maker

        try:
            return check_maker(expectation, columns, timezone, pipeline)
        except ConfigError as error:
            told = ExpectationError(str(error))
            told.place = place
            raise told from error

    def check(self, rows: Rows | pa.Table) -> list[Check]:
        """Run all expectations on one batch.

        Those about single rows see them chunk by chunk, in one pass; the others the columns that they name, whole, one
        after the other.

        Parameters
        ----------
        rows : Rows or Table, at least one row
            The declared columns; others are not looked at.

        Returns
        -------
        list of Check
            In order of declaration.

        Raises
        ------
        ExpectationRaisedError
            If an expectation could not be evaluated; its `key` says which.
        """
        rows = rows if hasattr(rows, "chunks") else RowsInMemory(rows)
        checks = [make() for make in self._makers]
        alone = [place for place, check in enumerate(checks) if check.alone]
        if needed := {name for place in alone for name in checks[place].needed}:
            for chunk in rows.chunks([name for name in rows.names if name in needed]):
                for place in alone:
                    with self.told(place):
                        checks[place].take(chunk)
        for place, check in enumerate(checks):
            if not check.alone:
                with self.told(place):
                    check.take_all(rows)
        return [self.read(place, check) for place, check in enumerate(checks)]

    def read(self, place: int, check: AnyCheck) -> Check:
        """What one expectation found, GX's verdict included."""
        expectation = self.expectations[place]
        with self.told(place):
            result, is_about_rows = check.result(), check.tally is not None
        if not is_about_rows and expectation.otherwise == "quarantine":
            text = f"{expectation.name} judged the batch and named no row to quarantine; declare stop or warn"
            raise ExpectationRaisedError(text, key=("expectations", place))
        found, tally = result.result, check.tally
        return Check(
            expectation=expectation,
            success=bool(result.success) and not check.vacuous,
            element_count=tally.looked_at if tally else None,
            missing_count=(found.get("missing_count") or 0) if tally else None,
            unexpected_count=len(tally.failing) if tally else None,
            unexpected_percent=plain(found.get("unexpected_percent")) if tally else None,
            rows=tally.failing if tally else RowSet(),
            observed=None if tally else plain(observed_value(found)),
            vacuous=check.vacuous,
            result=without_lists(result),
            columns=tuple(check.needed) if expectation.name == SQL else named_columns(expectation),
        )

    @contextmanager
    def told(self, place: int) -> Iterator[None]:
        """Tell what evaluating an expectation raises, and which it is."""
        try:
            yield
        except (DataError, MemoryError):
            raise
        except Exception as error:  # whatever is raised inside GX, DuckDB or the user's code
            declared = declared_text(self.expectations[place])
            text = f"{declared} could not be evaluated: {type(error).__name__}: {error}"
            raise ExpectationRaisedError(text, key=("expectations", place)) from error


def observed_value(found: Mapping[str, Any]) -> Any:
    """Value that GX saw, or the details that some expectations give in its place."""
    details = found.get("details")
    observed = found.get("observed_value")
    if observed is None and details:
        return details
    return observed


def without_lists(result: Any) -> Any:
    """GX's result with plain values (its renderer raises on NumPy's) and without the lists that grow with the batch."""
    long = ("unexpected_list", "unexpected_index_list", "unexpected_index_query", "partial_unexpected_index_list")
    result.result = plain({name: value for name, value in result.result.items() if name not in long})
    return result


def plain(value: Any) -> Any:
    """Any value that GX returns, as JSON has it: no NumPy types, no NaN; times as ISO 8601."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in (sorted(value, key=repr) if isinstance(value, set | frozenset) else value)]
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def describe(arguments: Mapping[str, Any]) -> str:
    """Arguments as they are declared, on one line, long lists cut.

    >>> describe({"column": "age", "min_value": 0})
    "column: 'age', min_value: 0"
    """
    texts = {name: repr(plain(value)) for name, value in arguments.items()}
    return ", ".join(f"{name}: {text if len(text) <= 80 else text[:77] + '...'}" for name, text in texts.items())


def declared_text(expectation: Expectation) -> str:
    """An expectation as it is declared, on one line.

    >>> declared_text(Expectation(name="sql", arguments={"expression": "age > 0"}))
    'sql(age > 0)'
    """
    arguments = dict(expectation.arguments)
    rule = arguments.pop(SHORT_FORMS.get(expectation.name, ""), None)
    return f"{expectation.name}({', '.join(filter(None, [rule, describe(arguments)]))})"


def reason_code(expectation: Expectation) -> str:
    """The reason under which rows that fail an expectation are set aside and counted.

    >>> reason_code(Expectation(name="custom", arguments={"function": "rules.speed"}))
    'custom.rules.speed'
    """
    own = {CUSTOM: "function", SQL: "name"}.get(expectation.name, "")
    return f"{expectation.name}.{expectation.arguments[own]}" if own in expectation.arguments else expectation.name
