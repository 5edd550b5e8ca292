"""What a pipeline's source must agree on: files or a query, and what each of the two needs."""

from __future__ import annotations

from collections.abc import Iterator

from configs.contradiction import Check, Contradiction
from configs.schema import Pipeline
from configs.wording import hint, shown

OF_QUERIES = ("watermark", "url", "overlap")


def check_source(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Batches are files or rows of a query, one of the two."""
    source = pipeline.source
    if bool(source.path.strip()) == bool(source.sql.strip()):
        found = "both `path` and `sql`" if source.sql.strip() else "neither `path` nor `sql`"
        yield ("source",), f"found {found}, expected one: a glob of files, or a query; docs/query-source.md"
    elif source.sql.strip():
        yield from check_query(pipeline)
    else:
        for key in OF_QUERIES:
            if key in source.model_fields_set:
                yield ("source", key), "belongs to a query, but the source is a glob; remove it, or write `sql`"


def check_query(pipeline: Pipeline) -> Iterator[Contradiction]:
    """A query has a watermark, one place where its URL is kept, and no dialect."""
    source, url = pipeline.source, pipeline.source.url
    if source.watermark is None:
        yield ("source", "sql"), "a query needs `watermark`: the column by which new rows are told from landed ones"
    if (url.env is None) == (url.secret is None):
        yield (
            ("source", "url"),
            "a query needs one place where its database's URL is kept: {env: VARIABLE} or {secret: a-prefect-block}",
        )
    if source.batch == "folder":
        yield (
            ("source", "batch"),
            "a query's rows lie in no folder; each landing is a batch, or each month, week or day",
        )
    if source.dialect.model_fields_set:
        yield ("source", "dialect"), "a query's rows have no dialect; remove it"


def check_watermark(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """The watermark lands with the rows, so it is a known column."""
    name = pipeline.source.watermark
    if pipeline.source.sql and name is not None and name not in {*declared, *pipeline.drop}:
        known = {*declared, *pipeline.drop}
        yield (
            ("source", "watermark"),
            f"found {shown(name)}, which is neither declared under columns nor dropped, but lands with the rows"
            f"{hint(name, known)}",
        )


SOURCE_CHECKS: tuple[Check, ...] = (check_source, check_watermark)
