"""Stage `validate`: keep the rows that meet the declared expectations, quarantine the rest, stop where declared so.

Each batch is checked on its own and comes from the store where it and its declaration are unchanged; so uniqueness and
the like hold within a batch. Beside the declared expectations stand three that are always on, since Great Expectations
passes on nothing: a batch has rows, has the declared columns, and after quarantine still has rows with a target.

What `otherwise` means: `quarantine` sets the failing rows aside; `stop` ends the stage before anything is replaced;
`warn` counts. With `mostly`, an expectation that holds keeps the rows that fail it, as GX means it; one that does not
hold loses all of them. A row that fails several is quarantined once, under the first, with the details of all.
An expectation about values that finds none is not met: with `stop` it stops, else it warns.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from configs.load import line_of
from configs.sections.expectations import CUSTOM
from tasks.atomic import atomic_folder, write_json, write_text
from tasks.batch import COMPRESSIONS
from tasks.own_features.user_code import code_folder
from tasks.private import masked_check, told_error
from tasks.quarantine.limit import Counted, refused_before, require_few_refused, set_aside
from tasks.quarantine.rows import count_reasons, merge_counts, quarantine_schema, quarantine_table
from tasks.stage import run_as_command
from tasks.store import BatchStore, combined_hash, content_hash, file_hash
from tasks.table import FILE, LINE, batch_files, table_writer
from tasks.table_chunks import RowsOfFile
from tasks.validation.data_docs import Entry, batch_page, index_page, page_name
from tasks.validation.declared import remember_accepted
from tasks.validation.expectations import ExpectationError, ExpectationRaisedError, Suite, plain
from tasks.validation.findings import examples, failing_rows, finding, quarantining, refusals

if TYPE_CHECKING:
    import pyarrow as pa

    from configs.schema import Pipeline
    from configs.sections.source import Source
    from tasks.table_chunks import Rows
    from tasks.validation.expectations import Check

SHOWN_PROBLEMS = 10


class ExpectationsNotMetError(DataError):
    """A batch has nothing to train on, or an expectation does not hold whose `otherwise` is `stop`."""


def result_entry(check: Check, shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A check as it stands in the report: no ids, no times, plain JSON."""
    return {
        "name": check.expectation.name,
        "arguments": plain(check.expectation.arguments),
        "otherwise": check.expectation.otherwise,
        "success": check.success,
        "element_count": check.element_count,
        "missing_count": check.missing_count,
        "unexpected_count": check.unexpected_count,
        "unexpected_percent": check.unexpected_percent,
        "observed_value": check.observed,
        "nothing_to_check": check.vacuous,
        "examples": list(shown),
    }


def missing_columns(rows: Rows, declared: Sequence[str]) -> list[str]:
    """What a typed batch lacks before any expectation can be asked, in words."""
    if rows.names not in ([*declared, LINE], [*declared, LINE, FILE]):
        return [f"its columns are {rows.names}; {[*declared, LINE]} are declared. Run the stage ingest again"]
    return [] if rows.num_rows else ["it has no row; at least one was expected"]


def nothing_left(kept: Rows, rows_in: int, reasons: Mapping[str, int], target: str) -> list[str]:
    """What makes the kept rows worthless, in words."""
    if not kept.num_rows:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
        return [f"all {rows_in:,} rows are quarantined ({counts})"]
    if target in kept.names and not has_value(kept, target):
        return [f"the target's column {target!r} has no value in any of the {kept.num_rows:,} rows that pass"]
    return []


def has_value(rows: Rows, column: str) -> bool:
    """Whether a column has a value in any row; NaN is none."""
    import pyarrow.compute as pc

    return any(not pc.all(pc.is_null(chunk[column], nan_is_null=True)).as_py() for chunk in rows.chunks([column]))


def raw_file(source: Source, pipeline: str, batch: str) -> str:
    """Path of a batch's raw file, its extension as the source's glob has it.

    From the declaration, since the stage may look at no file that is not among its `deps`.
    """
    if source.sql:
        return f"data/raw/{pipeline}/{batch}.parquet"
    ending = Path("x" + source.path.rsplit("/", 1)[-1].split("*")[-1].split("?")[-1].split("]")[-1])
    extension = "".join(ending.suffixes[-2:]) if ending.suffix in COMPRESSIONS else ending.suffix
    return f"data/raw/{pipeline}/{batch}{extension or '.*'}"


class BatchValidator:
    """Makes what the store keeps of one batch; loads GX for the first batch that needs it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    @cached_property
    def suite(self) -> Suite:
        """The declared expectations."""
        pipeline = self.pipeline
        try:
            suite = Suite(pipeline.expectations, pipeline.columns, pipeline.time.timezone, pipeline.name)
        except ExpectationError as error:
            raise ExpectationError(f"{line_of(pipeline.name, ('expectations', error.place))}: {error}") from error
        remember_accepted(pipeline)
        return suite

    def make(self, typed: Path, folder: Path) -> None:
        """Validate one typed batch; write `valid.parquet`, `quarantine.parquet`, `page.html`, `summary.json`.

        Only what there is is written: no quarantine without refused rows, no page without expectations.
        """
        batch, rows = typed.stem, RowsOfFile(typed)
        file = raw_file(self.pipeline.source, self.pipeline.name, batch)
        problems = missing_columns(rows, list(self.pipeline.columns))
        checks = [] if problems else self.checks(rows, batch)
        shown = examples(rows, checks)
        reasons = split_rows(rows, checks, folder, batch, file)
        kept = RowsOfFile(folder / "valid.parquet")
        if not problems:
            target = self.pipeline.target.from_ or self.pipeline.target.name
            problems = nothing_left(kept, rows.num_rows, reasons, target)
        failed = [
            (check, finding(check, few, file)) for check, few in zip(checks, shown, strict=True) if not check.success
        ]
        if checks:
            write_text(folder / "page.html", batch_page(self.pipeline.name, batch, checks))
        summary = {
            "batch": batch,
            "rows_in": rows.num_rows,
            "rows_out": kept.num_rows,
            "rows_quarantined": sum(reasons.values()),
            "reasons": reasons,
            "problems": [*problems, *(text for check, text in failed if check.expectation.otherwise == "stop")],
            "warnings": [text for check, text in failed if is_warning(check)],
            "results": [result_entry(check, few) for check, few in zip(checks, shown, strict=True)],
        }
        write_json(folder / "summary.json", summary)

    def checks(self, rows: RowsOfFile, batch: str) -> list[Check]:
        """Run the suite on a batch, if one is declared."""
        if not self.pipeline.expectations:
            return []
        try:
            found = self.suite.check(rows.without(LINE, FILE))
            return [masked_check(check, self.pipeline.private_columns) for check in found]
        except ExpectationRaisedError as error:
            raise ExpectationRaisedError(
                f"data/typed/{self.pipeline.name}/{batch}.parquet: {told_error(error, self.pipeline.private_columns)}. "
                f"Nothing was replaced; change the expectation in configs/{self.pipeline.name}.yaml, or the batch.",
                key=error.key,
            ) from error


def is_warning(check: Check) -> bool:
    """Whether a check that does not hold is only told: declared so, or nothing was there to quarantine."""
    return check.expectation.otherwise == "warn" or (check.vacuous and check.expectation.otherwise == "quarantine")


def split_rows(rows: RowsOfFile, checks: Sequence[Check], folder: Path, batch: str, file: str) -> dict[str, int]:
    """Write the rows that pass and those that are set aside, and count the latter by reason.

    Where all pass, the typed file's own bytes are kept.
    """
    if not quarantining(checks):
        shutil.copyfile(rows.path, folder / "valid.parquet")
        return {}
    counts, start = [], 0
    valid_file, quarantine_file = folder / "valid.parquet", folder / "quarantine.parquet"
    with table_writer(valid_file, rows.schema) as keep, table_writer(quarantine_file, quarantine_schema()) as set_aside:
        for chunk in rows.chunks():
            failing = failing_rows(checks, start, start + chunk.num_rows)
            refused = quarantine_table(refusals(chunk, failing, batch, file))
            keep(without_rows(chunk, failing))
            set_aside(refused)
            counts.append(count_reasons([refused]))
            start += chunk.num_rows
    return merge_counts(counts)


def without_rows(chunk: pa.Table, places: Collection[int]) -> pa.Table:
    """A table without the rows at some places."""
    import numpy as np
    import pyarrow as pa

    passes = np.ones(chunk.num_rows, dtype=bool)
    passes[list(places)] = False
    return chunk.filter(pa.array(passes))


def own_code_hash(pipeline: Pipeline) -> str:
    """Hash of all files of a pipeline's own code, where an expectation is a function of it; else empty."""
    if not any(expectation.name == CUSTOM for expectation in pipeline.expectations):
        return ""
    folder = code_folder(pipeline.name)
    files = sorted(file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    names = "".join(f"{file.relative_to(folder)}\n" for file in files)
    return content_hash(f"{names}{combined_hash(files)}".encode())


def add_up(summaries: Sequence[Mapping[str, Any]], expectations: int) -> dict[str, Any]:
    """The stage's metrics from the batches' counts.

    Raises
    ------
    DataError
        If rows in are not rows out plus rows quarantined, in a batch or in all.
    """
    for summary in summaries:
        if summary["rows_in"] != summary["rows_out"] + summary["rows_quarantined"]:
            raise DataError(
                f"batch {summary['batch']!r}: {summary['rows_in']} rows in, {summary['rows_out']} out, "
                f"{summary['rows_quarantined']} quarantined; the last two should sum to the first. Report this, please."
            )
    reasons = merge_counts(summary["reasons"] for summary in summaries)
    totals = {name: sum(summary[name] for summary in summaries) for name in ("rows_in", "rows_out", "rows_quarantined")}
    if sum(reasons.values()) != totals["rows_quarantined"]:
        raise DataError(f"{totals['rows_quarantined']} rows quarantined for {reasons}: no sum. Report this, please.")
    return {
        **totals,
        "batches": len(summaries),
        "reasons": reasons,
        "expectations": expectations,
        "failed": sum(not result["success"] for summary in summaries for result in summary["results"]),
    }


def stop_on_problems(summaries: Sequence[Mapping[str, Any]], pipeline: str) -> None:
    """Raise `ExpectationsNotMetError` if a batch has a problem, naming the first ten, what to do and where to look."""
    problems = [f"  batch {summary['batch']!r}: {text}" for summary in summaries for text in summary["problems"]]
    if not problems:
        return
    more = [f"  and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
    raise ExpectationsNotMetError(
        f"data/typed/{pipeline} is not what configs/{pipeline}.yaml expects, so nothing was replaced:\n"
        + "\n".join([*problems[:SHOWN_PROBLEMS], *more])
        + f"\nSee reports/{pipeline}/data_docs/index.html. Land corrected files (`holdfast land {pipeline}`), or "
        f"change the expectations or their `otherwise` in configs/{pipeline}.yaml."
    )


def stop_on_share(
    pipeline: Pipeline, summaries: Sequence[Mapping[str, Any]], keep: Callable[[str, Path], object]
) -> None:
    """Raise where more of a batch is refused, here and before, than `source.stop_above` allows."""
    before = refused_before(pipeline.name, [summary["batch"] for summary in summaries])
    counted = []
    for summary in summaries:
        ingested = before.get(summary["batch"], {})
        reasons = merge_counts([ingested, summary["reasons"]])
        counted.append(Counted(summary["batch"], summary["rows_in"] + sum(ingested.values()), reasons))
    require_few_refused(pipeline.name, pipeline.source, counted, "validate", keep)


def index_entry(summary: Mapping[str, Any]) -> Entry:
    """A batch as the index of the Data Docs lists it."""
    results = summary["results"]
    return Entry(
        batch=summary["batch"],
        rows_in=summary["rows_in"],
        rows_quarantined=summary["rows_quarantined"],
        expectations=len(results),
        failed=sum(not result["success"] for result in results),
        has_page=bool(results),
    )


def report(summaries: Sequence[Mapping[str, Any]]) -> str:
    """`validation.json`: the result of each expectation in each batch, with the batch's rows; a line for each batch.

    Indented as other files are, it would be written by Python's slow encoder: a third of a second for 1,000 batches.
    """
    kept = ("batch", "rows_in", "rows_out", "rows_quarantined", "reasons", "warnings", "results")
    lines = (
        json.dumps({name: summary[name] for name in kept}, sort_keys=True, allow_nan=False, ensure_ascii=False)
        for summary in summaries
    )
    return '{"batches": [\n' + ",\n".join(lines) + "\n]}\n"


def announce(pipeline: str, summaries: Sequence[Mapping[str, Any]], metrics: Mapping[str, Any], made: int) -> None:
    """Print what was done, and each warning up to ten."""
    warnings = [f"batch {summary['batch']!r}: {text}" for summary in summaries for text in summary["warnings"]]
    more = [f"{len(warnings) - SHOWN_PROBLEMS} more warnings"] if len(warnings) > SHOWN_PROBLEMS else []
    for text in [*warnings[:SHOWN_PROBLEMS], *more]:
        print(f"validate: warning: {text}", flush=True)
    print(
        f"validate: {metrics['batches']} batches, {made} of them checked anew; {metrics['rows_in']} rows in, "
        f"{metrics['rows_out']} out, {set_aside(pipeline, metrics['reasons'])}",
        flush=True,
    )


def main(pipeline: Pipeline) -> None:
    """Stage `validate` of dvc.yaml: read data/typed; write data/valid, data/quarantine, reports and metrics.

    The Data Docs, no output of the DAG, are written also when the stage stops: they show why.
    """
    name, validator, store = pipeline.name, BatchValidator(pipeline), BatchStore("validate", pipeline)
    own_code = own_code_hash(pipeline)
    files = {
        file: content_hash(f"{file_hash(file)}{own_code}".encode()) for file in batch_files(Path("data/typed", name))
    }

    def deliver(file: Path, into: Mapping[str, Path]) -> dict[str, Any]:
        return store.get_or_make(file.stem, files[file], lambda folder: validator.make(file, folder), into)

    by_batch = {file.stem: file for file in files}
    with (
        atomic_folder(Path("data/quarantine", name, "validate")) as quarantine,
        atomic_folder(Path("data/valid", name)) as valid,
    ):

        def deliver_all(file: Path, docs: Path) -> dict[str, Any]:
            outputs = {"valid.parquet": valid / file.name, "quarantine.parquet": quarantine / file.name}
            return deliver(file, {**outputs, "page.html": docs / page_name(file.stem)})

        with atomic_folder(Path("reports", name, "data_docs")) as docs:
            summaries = [deliver_all(file, docs) for file in files]
            write_text(docs / "index.html", index_page(name, [index_entry(summary) for summary in summaries]))
        stop_on_problems(summaries, name)
        stop_on_share(pipeline, summaries, lambda batch, path: deliver(by_batch[batch], {"quarantine.parquet": path}))
        metrics = add_up(summaries, len(pipeline.expectations))
    write_text(Path("reports", name, "validation.json"), report(summaries))
    write_json(Path("metrics", name, "validate.json"), metrics)
    store.forget_unused()
    announce(name, summaries, metrics, len(store.made))


if __name__ == "__main__":
    run_as_command("validate")
