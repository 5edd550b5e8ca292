"""Great Expectations' row-level expectations over the chunks of a batch: its metrics say which rows fail, one by one.

What GX makes of a whole batch beside that - lists of all values and rows, a copy of the frame for each list - is not
asked for. Where GX would go through the rows in Python, it is asked about each distinct row once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.validation.frames import distinct_rows, missing, native_frame
from tasks.validation.tally import TalliedCheck, Tally

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

BESIDE_OTHERS = frozenset(
    {
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_not_be_outliers",
        "expect_compound_columns_to_be_unique",
    }
)
"""Row-level expectations whose answer for a row depends on the other rows: they need their columns whole."""
ABOUT_NULLS = frozenset({"expect_column_values_to_be_null", "expect_column_values_to_not_be_null"})
VECTORISED = frozenset(
    {
        "expect_column_pair_values_a_to_be_greater_than_b",
        "expect_column_pair_values_to_be_equal",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_not_be_in_set",
        "expect_multicolumn_sum_to_equal",
        "expect_multicolumn_values_to_be_equal",
        *ABOUT_NULLS,
    }
)
"""Those that GX answers for numbers and times by whole arrays: distinct rows would save it nothing."""


class RowCheck(TalliedCheck):
    """One row-level expectation over one batch.

    Parameters
    ----------
    built : Expectation of GX
    condition : Condition of GX, optional
        Its `row_condition`, which `built` then does not have.
    columns, condition_columns : sequence of str
        What it is about, and what the condition reads.
    """

    def __init__(
        self, built: Any, condition: Any, columns: Sequence[str], condition_columns: Sequence[str] = ()
    ) -> None:
        self.built, self.condition = built, condition
        self.columns, self.condition_columns = list(columns), list(condition_columns)
        self.needed = list(dict.fromkeys([*columns, *condition_columns]))
        self.name: str = built.expectation_type
        self.alone = self.name not in BESIDE_OTHERS
        self.tally = Tally()

    def take(self, chunk: pa.Table) -> None:
        """Judge the next rows: some, if each stands alone, else all at once.

        Raises
        ------
        Exception
            Whatever GX raises.
        """
        places = self.places(chunk)
        rows = chunk.select(self.columns).take(places) if self.condition is not None else chunk.select(self.columns)
        looked_at, empty = rows.num_rows, 0
        if "column" in self.built.__fields__ and self.name not in ABOUT_NULLS:
            is_missing = missing(rows.column(0))
            empty = int(np.count_nonzero(is_missing))
            if empty:
                places, rows = places[~is_missing], rows.filter(~is_missing)
        failing = np.zeros(chunk.num_rows, dtype=bool)
        bad, judged = self.judged(rows)
        failing[places[bad]] = True

        def values_at(wanted: NDArray[np.int64]) -> list[Any]:
            return self.shown(chunk.select(self.columns).take(wanted))

        self.tally.add(failing, values_at, looked_at=looked_at, missing=empty, judged=judged)

    def places(self, chunk: pa.Table) -> NDArray[np.int64]:
        """Places of the rows that meet the condition, as GX filters them; all where there is none."""
        if self.condition is None:
            return np.arange(chunk.num_rows)
        frame = native_frame(chunk.select(self.condition_columns), self.condition_columns)
        return rows_that_meet(self.condition, frame)

    def judged(self, rows: pa.Table) -> tuple[NDArray[np.int64], int]:
        """Places of the rows that fail, and how many were judged."""
        if not rows.num_rows:
            return np.zeros(0, dtype=np.int64), 0
        if not self.worth_distinct(rows):
            mask = unexpected(self.built, self.frame(rows))
            return np.asarray(mask.index[mask.to_numpy(dtype=bool)], dtype=np.int64), len(mask)
        few, which = distinct_rows(rows)
        mask = unexpected(self.built, self.frame(few))
        is_judged, fails = np.zeros(few.num_rows, dtype=bool), np.zeros(few.num_rows, dtype=bool)
        is_judged[mask.index] = True
        fails[mask.index] = mask.to_numpy(dtype=bool)
        return np.flatnonzero(fails[which]), int(np.count_nonzero(is_judged[which]))

    def worth_distinct(self, rows: pa.Table) -> bool:
        """Whether GX goes through these rows one by one, in Python."""
        import pyarrow as pa

        plain = all(
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_timestamp(kind)
            for kind in rows.schema.types
        )
        return self.alone and not (plain and self.name in VECTORISED)

    def frame(self, rows: pa.Table) -> pd.DataFrame:
        """Rows as GX is given them; columns that are compared with each other where there are several."""
        is_compared = "column" not in self.built.__fields__
        compared = self.columns if is_compared and "in_set" not in self.name else ()
        return native_frame(rows, compared)

    def shown(self, rows: pa.Table) -> list[Any]:
        """Rows as GX lists them: values, pairs, or records."""
        frame = self.frame(rows)
        if "column" in self.built.__fields__:
            return list(frame[self.columns[0]])
        if "column_A" in self.built.__fields__:
            return list(zip(frame[self.columns[0]].to_numpy(), frame[self.columns[1]].to_numpy(), strict=True))
        return frame.to_dict("records")


@contextmanager
def engine_on(frame: pd.DataFrame) -> Iterator[Any]:
    """GX's engine with one frame loaded; unlike a batch of a context it hashes nothing.

    It and its batch hold each other, so the frame is taken out at the end, not whenever garbage is collected.
    """
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine

    engine = PandasExecutionEngine()
    engine.load_batch_data("rows", frame)
    try:
        yield engine
    finally:
        setattr(engine.batch_manager.batch_data_cache["rows"], "_dataframe", None)  # noqa: B010  # no type has it
        engine.batch_manager.batch_data_cache.clear()


def rows_that_meet(condition: Any, frame: pd.DataFrame) -> NDArray[np.int64]:
    """Places of a frame's rows that meet a condition, as GX filters them."""
    with engine_on(frame) as engine:
        return np.asarray(engine.get_domain_records({"row_condition": condition}).index, dtype=np.int64)


def unexpected(built: Any, frame: pd.DataFrame) -> pd.Series[bool]:
    """GX's answer for each row of a frame that an expectation judges, by the frame's index: True where it fails.

    Raises
    ------
    MetricResolutionError
        With the text of whatever was raised inside GX.
    """
    from great_expectations.expectations.registry import get_metric_kwargs
    from great_expectations.validator.metric_configuration import MetricConfiguration
    from great_expectations.validator.metrics_calculator import MetricsCalculator

    name = f"{built.map_metric}.condition"
    kwargs = get_metric_kwargs(name, built.configuration)
    metric = MetricConfiguration(name, kwargs["metric_domain_kwargs"], kwargs["metric_value_kwargs"])
    with engine_on(frame) as engine:
        calculator = MetricsCalculator(engine, show_progress_bars=False)
        found, _ = calculator.compute_metrics([metric], runtime_configuration={"catch_exceptions": False})
    mask: pd.Series[bool] = found[metric.id][0]
    return mask
