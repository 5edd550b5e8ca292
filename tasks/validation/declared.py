"""Whether the expectations of a pipeline can be run as they are declared, before anything is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import ConfigError
from configs.load import line_of, load_pipeline
from configs.sections.expectations import SQL
from tasks.closure import code_hash
from tasks.stage import installed_version

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from configs.sections.expectations import Expectation

ACCEPTED = Path(".holdfast/expectations")


class UnfitExpectationsError(ConfigError):
    """Expectations that cannot be run as they are declared; one line for each."""


def check_expectations(pipeline: Pipeline) -> None:
    """Build every declared expectation, by Great Expectations, which is imported for it, or DuckDB; no row is needed.

    What was built before, here or by the stage `validate`, is not built again.

    Raises
    ------
    UnfitExpectationsError
        Names file and line of each that is refused, with the words of who refuses it.
    """
    if not pipeline.expectations or accepted_mark(pipeline).exists():
        return
    from tasks.validation.building import check_maker
    from tasks.validation.expectations import great_expectations

    great_expectations()
    columns, timezone = pipeline.columns, pipeline.time.timezone
    tell_unfit(pipeline, lambda expectation: check_maker(expectation, columns, timezone, pipeline.name))
    remember_accepted(pipeline)


def accepted_mark(pipeline: Pipeline) -> Path:
    """The file that says that these expectations of these columns were built before, by the same code and libraries."""
    from pydantic_core import to_jsonable_python

    declared = [pipeline.expectations, pipeline.columns, pipeline.time]
    versions = [installed_version(name) for name in ("great-expectations", "duckdb", "pandas")]
    code = code_hash(Path("tasks/validation/building.py"))
    basis = json.dumps([to_jsonable_python(declared), versions, code]).encode()
    return ACCEPTED / f"{pipeline.name}-{hashlib.sha256(basis).hexdigest()[:32]}"


def remember_accepted(pipeline: Pipeline) -> None:
    """Spare the next check the import of Great Expectations; earlier declarations of the pipeline are forgotten."""
    mark = accepted_mark(pipeline)
    for older in ACCEPTED.glob(f"{pipeline.name}-{'[0-9a-f]' * 32}"):
        older.unlink(missing_ok=True)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


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
