"""Section `source`: where raw batches come from, in which dialect, and how much of one may be refused."""

from __future__ import annotations

import codecs
import re
from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from configs.sections.values import ColumnName, Duration, RepositoryPath, SecretName, Section, Variable, written
from configs.wording import hint


def known_encoding(name: str) -> str:
    """Refuse what Python does not know as an encoding of text; tell it by one of its names."""
    try:
        found = codecs.lookup(name)
        "a".encode(name)  # refuses what encodes no text, such as base64
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        near = hint(name, ("utf-8", "utf-16", "windows-1252", "iso-8859-1", "shift_jis", "gb18030"))
        raise ValueError(f"an encoding is one that Python knows, such as utf-8 or windows-1252{near}") from None
    return {"cp1252": "windows-1252", "iso8859-1": "iso-8859-1"}.get(found.name, found.name)


Mark = Annotated[str, Field(pattern=r"^([^\r\n\x00]|none)$")]


class DeclaredDialect(Section):
    """How the source's files are written; what is left out is detected in each file."""

    format: Literal["csv", "json_lines", "json_array", "parquet"] | None = Field(
        None, description="csv is any delimited text, json_array one array of objects"
    )
    compression: Literal["none", "gzip", "zstd"] | None = Field(None, description="around the text")
    encoding: Annotated[str, AfterValidator(known_encoding)] | None = Field(
        None, description="of the text, by a name that Python knows"
    )
    delimiter: Annotated[str, Field(pattern=r"^([^\r\n\x00]|[^\r\n\x00 ] )$")] | None = Field(
        None, description="the character between fields, and a space if one stands behind each"
    )
    quote: Mark | None = Field(None, description="the character around fields, or `none`")
    escape: Mark | None = Field(
        None, description="the character before one that is meant literally, or `none`: quotes inside are written twice"
    )
    preamble: int | None = Field(None, ge=0, le=10_000, description="lines above the header")
    header: int | None = Field(
        None, ge=0, le=10, description="records that make the header; without any, columns are named c1, c2, ..."
    )
    footer: int | None = Field(None, ge=0, le=10_000, description="records at the end that are no rows")


SHARE = r"(100|[0-9]{1,2}(\.[0-9]{1,4})?)%"


def parse_percent(text: object) -> str:
    """Accept `2%` or `0.5%`."""
    if not isinstance(text, str) or not re.fullmatch(SHARE, text):
        raise ValueError("a share is a percent from '0%' to '100%', such as '2%' or '0.5%'")
    return text


BatchKind = Literal["file", "folder", "month", "week", "day"]
Period = Literal["month", "week", "day"]
PERIODS: tuple[Period, ...] = get_args(Period)


class DatabaseUrl(Section):
    """Where a database's URL is kept: it holds a password, so it stands in no file of the repository."""

    env: Variable | None = Field(None, description="name of the environment variable that holds it")
    secret: SecretName | None = Field(None, description="name of the Prefect Secret block that holds it")


class Source(Section):
    """Where new batches come from: files that a glob names, or rows that a query finds."""

    path: RepositoryPath = Field("", description="glob of the files, relative to the repository's root")
    sql: str = Field(
        "", description="a SELECT in place of `path`: each landing's new rows are a batch (docs/query-source.md)"
    )
    watermark: ColumnName | None = Field(
        None, description="the query's column that only grows, an integer, date or timestamp; rows beyond it are new"
    )
    url: DatabaseUrl = Field(DatabaseUrl(), description="where the URL of the query's database is kept")
    overlap: Duration = Field(
        timedelta(0), description="how far behind the watermark rows may still arrive; they are told by their values"
    )
    batch: BatchKind = Field(
        "file",
        description="what makes a batch: each file, each folder of files, or the rows of each calendar month, ISO week "
        "or day of time.column, in its zone",
    )
    on_change: Literal["stop", "quarantine", "accept"] = Field(
        "stop",
        description="where a header, a category's `levels` or the notation of integers is not as declared: end the "
        "run, set the rows aside, or go on and tell it",
    )
    dialect: DeclaredDialect = Field(DeclaredDialect(), description="how the files are written; detected where absent")
    stop_above: Annotated[str, BeforeValidator(parse_percent), written(SHARE, "2%")] = Field(
        "50%",
        description="share of a batch's rows in quarantine, of reading and validation together, that ends the run; "
        "'100%' is no limit",
    )
