"""The database behind a query: its URL from where it is kept, a connection that only reads, errors without secrets.

Whatever a driver says may hold the URL or its password, so its text is cleaned before anybody sees it, and the error
that it came with is not chained: a traceback would print that as it is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from configs.errors import ConfigError, DataError
from configs.wording import short, without_password

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

    from configs.schema import Pipeline

Secrets = Callable[[str], str]  # the text that a Prefect Secret block of a name holds
CONNECT_SECONDS = 30
LONGEST = 300  # characters of what a driver says
HIDDEN = "***"


class NoUrlError(ConfigError):
    """The URL of the database is not where the declaration says, or is none."""


class QueryError(DataError):
    """The database could not be reached, went away, or refused the query; nothing landed."""


def no_secrets(name: str) -> str:
    """What reads Prefect's blocks where there is no Prefect."""
    raise NoUrlError(f"the Prefect Secret block {name!r} can only be read by `holdfast`; run this by its command line.")


def url_of(pipeline: Pipeline, secrets: Secrets) -> URL:
    """The database's URL.

    Raises
    ------
    NoUrlError
        If it is not there, or cannot be read; the text does not show it.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    place = pipeline.source.url
    where = f"the environment variable {place.env}" if place.env else f"the Prefect Secret block {place.secret!r}"
    text = os.environ.get(place.env, "") if place.env else secrets(str(place.secret))
    if not text.strip():
        raise NoUrlError(
            f"configs/{pipeline.name}.yaml: source.url names {where}, which is not set or empty. Put the "
            "database's URL there, such as postgresql://user:password@host:5432/database."
        )
    with contextlib.suppress(SQLAlchemyError, ValueError):
        url = make_url(text.strip())
        return url.set(drivername="postgresql+psycopg") if url.drivername in {"postgresql", "postgres"} else url
    raise NoUrlError(
        f"configs/{pipeline.name}.yaml: {where} holds no URL of a database that can be read; expected the form "
        "postgresql://user:password@host:5432/database, with special characters of the password percent-encoded."
    )


@contextlib.contextmanager
def connected(url: URL, pipeline: str) -> Iterator[Connection]:
    """Yield a connection that streams results and, where the database can say so, only reads.

    Raises
    ------
    QueryError
        Whatever the database or its driver answers, also in the middle of the block.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    is_postgresql = url.get_backend_name() == "postgresql"
    arguments = {"connect_timeout": CONNECT_SECONDS} if is_postgresql else {}
    options = {"postgresql_readonly": True} if is_postgresql else {}
    said = None
    try:
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
        with engine.connect() as connection:
            yield connection.execution_options(stream_results=True, **options)
    except DBAPIError as error:
        said = str(error.orig) or type(error.orig).__name__
    except (SQLAlchemyError, ImportError) as error:
        said = str(error) or type(error).__name__
    if said is not None:
        raise QueryError(
            f"configs/{pipeline}.yaml: source.sql: the database {without_secrets(str(url), url)} answered: "
            f"{short(without_secrets(said, url), LONGEST)}. Nothing has landed; mend it and land again."
        ) from None


def without_secrets(text: str, url: URL) -> str:
    """A text in which no part of a URL stands that only its owner should know."""
    sensitive = ("pass", "secret", "token", "key", "cert")
    options = [(name.lower(), value) for name, values in url.normalized_query.items() for value in values]
    found = [str(url.password or ""), *(value for name, value in options if any(word in name for word in sensitive))]
    for secret in sorted(filter(None, found), key=len, reverse=True):
        for form in {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), repr(secret)[1:-1]}:
            text = text.replace(form, HIDDEN)
    return without_password(text)
