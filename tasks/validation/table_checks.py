"""Great Expectations' verdicts on a whole batch: fed the columns that they name, or only names, or the row count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.validation.frames import missing, native_frame
from tasks.validation.row_checks import engine_on, rows_that_meet
from tasks.validation.sql_only import QUERY, unexpected_rows
from tasks.validation.tally import COMPLETE

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from tasks.table_chunks import Rows

ABOUT_MISSING = frozenset({"expect_column_proportion_of_non_null_values_to_be_between"})
"""Those that have something to say about a column without a value."""
ABOUT_TYPES = frozenset(
    {"expect_column_type_to_be", "expect_column_values_to_be_in_type_list", "expect_column_values_to_be_of_type"}
)
ABOUT_NAMES = ("expect_table_column", "expect_column_to_exist")
ABOUT_COUNTS = "expect_table_row_count"


class TableCheck:
    """One expectation about a whole batch.

    Parameters
    ----------
    built : Expectation of GX
    needed, condition_columns : list of str
        Columns that it reads, those of its condition included; and those of its condition.
    zones : mapping of str to str
        Zones of timestamps, for SQL.
    """

    alone = False
    tally = None

    def __init__(self, built: Any, needed: list[str], condition_columns: list[str], zones: Mapping[str, str]) -> None:
        self.built, self.needed, self.condition_columns, self.zones = built, needed, condition_columns, zones
        self.name: str = built.expectation_type
        self.vacuous = False
        self._result: Any = None

    def take(self, chunk: pa.Table) -> None:
        """Never asked for: a verdict on the batch needs all of it."""
        raise NotImplementedError

    def take_all(self, rows: Rows) -> None:
        """Judge the batch.

        Raises
        ------
        Exception
            Whatever GX raises.
        """
        runtime = {"result_format": dict(COMPLETE)}
        if self.name == QUERY:
            count, first = unexpected_rows(self.built.unexpected_rows_query, rows.whole(self.needed), self.zones)
            found = {"unexpected_rows_query.table": first, "unexpected_rows_query.row_count": count}
            self._result = self.built._build_evr(self.built._validate(found, runtime))
            return
        from great_expectations.validator.metrics_calculator import MetricsCalculator

        with engine_on(self.frame(rows)) as engine:
            wanted = self.built.get_validation_dependencies(engine, runtime).get_metric_configurations()
            calculator = MetricsCalculator(engine, show_progress_bars=False)
            metrics, _ = calculator.compute_metrics(wanted, {**runtime, "catch_exceptions": False})
            self._result = self.built.metrics_validate(metrics, runtime, engine)

    def frame(self, rows: Rows) -> pd.DataFrame:
        """What GX is given: no more than the expectation asks for."""
        import pandas as pd

        from tasks.table import to_frame

        if self.name.startswith(ABOUT_NAMES):
            return pd.DataFrame(columns=rows.names)
        if self.name.startswith(ABOUT_COUNTS) and not self.needed:
            return pd.DataFrame(index=pd.RangeIndex(rows.num_rows))
        table = rows.whole(self.needed)
        if self.name in ABOUT_TYPES:
            return to_frame(table)
        frame = native_frame(table, self.condition_columns)
        if "column" in self.built.__fields__ and self.name not in ABOUT_MISSING:
            self.vacuous = self.is_empty(table, frame)
        return frame

    def is_empty(self, table: Any, frame: pd.DataFrame) -> bool:
        """Whether the column that it is about has no value in the rows that it is about."""
        is_missing = missing(table.column(0))
        condition = getattr(self.built, "row_condition", None)
        if condition is None:
            return bool(is_missing.all())
        return bool(is_missing[rows_that_meet(condition, frame)].all())

    def result(self) -> Any:
        """GX's result."""
        return self._result
