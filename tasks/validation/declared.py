"""Whether the expectations of a pipeline can be run as they are declared, before anything is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from configs.errors import ConfigError
from configs.load import line_of, load_pipeline
from configs.schema import SQL

if TYPE_CHECKING:
    from configs.schema import Expectation, Pipeline


class UnfitExpectationsError(ConfigError):
    """Expectations that cannot be run as they are declared; one line for each."""


def check_expectations(pipeline: Pipeline) -> None:
    """Build every declared expectation, by Great Expectations, which is imported for it, or DuckDB; no row is needed.

    Raises
    ------
    UnfitExpectationsError
        Names file and line of each that is refused, with the words of who refuses it.
    """
    if pipeline.expectations:
        from tasks.expectations import great_expectations

        great_expectations()
        from tasks.validation.building import check_maker

        columns, timezone = pipeline.columns, pipeline.time.timezone
        tell_unfit(pipeline, lambda expectation: check_maker(expectation, columns, timezone, pipeline.name))


def check_sql_named(name: str) -> None:
    """Check the SQL that `configs/<name>.yaml` expects of rows; for a worker, which is given names, not objects.

    Raises
    ------
    UnfitExpectationsError
        See `check_expectations`.
    """
    from tasks.validation.truth_sql import columns_read

    pipeline = load_pipeline(name)

    def check(expectation: Expectation) -> None:
        if expectation.name == SQL:
            columns_read(expectation.arguments["expression"], pipeline.columns)

    tell_unfit(pipeline, check)


def tell_unfit(pipeline: Pipeline, check: Callable[[Expectation], object]) -> None:
    """Raise with one line for each expectation that a check refuses."""
    wrong = []
    for place, expectation in enumerate(pipeline.expectations):
        try:
            check(expectation)
        except ConfigError as error:
            wrong.append(f"{line_of(pipeline.name, ('expectations', place))}: {error}")
    if wrong:
        raise UnfitExpectationsError("\n".join(wrong))
