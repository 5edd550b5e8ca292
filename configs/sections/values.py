"""Values that sections share: durations, paths, names, links, secrets, and what every section is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from configs.wording import hint

T = TypeVar("T")
WRITTEN = {"written": True}  # context of a validation that reads a YAML
DURATION = re.compile(r"([0-9]+)(m|h|d|w)")
DURATION_UNITS = {"m": 1, "h": 60, "d": 1440, "w": 10080}  # minutes
LONGEST = 36500 * 1440  # a century, in minutes: a timestamp and a duration must still add up to a timestamp


def parse_duration(text: object) -> timedelta:
    """Read `90m`, `12h`, `14d` or `2w`.

    >>> parse_duration("14d")
    datetime.timedelta(days=14)
    """
    if isinstance(text, timedelta):
        return text
    match = DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("a duration is a whole number and a unit: 90m, 12h, 14d or 2w")
    minutes = int(match[1][:12]) * DURATION_UNITS[match[2]]
    if minutes > LONGEST:
        raise ValueError("a duration is at most 36500d")
    return timedelta(minutes=minutes)


def format_duration(duration: timedelta) -> str:
    """Write a duration the way `parse_duration` reads it."""
    minutes = int(duration.total_seconds() // 60)
    units = [(unit, size) for unit, size in DURATION_UNITS.items() if minutes % size == 0]
    unit, size = units[-1] if minutes else ("d", 1440)
    return f"{minutes // size}{unit}"


def known_timezone(name: str) -> str:
    """Refuse a name that the IANA database does not have."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        near = hint(name, available_timezones())
        raise ValueError(f"a time zone is a name of the IANA database, such as America/New_York or UTC{near}") from None
    return name


def path_inside(path: str) -> str:
    """Refuse a path that could leave the repository or that a shell, URL or variable would rewrite."""
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z][\w+.-]*:", path) or ".." in parts:
        raise ValueError("a path is relative to the repository's root and stays inside it")
    if not path.strip() or any(ord(char) < 32 or char in "\\$" for char in path):
        raise ValueError("a path is plain text with '/' between folders: no '\\', '$' or control characters")
    return path


def empty_mapping_as_list(value: object) -> object:
    """Let a section that is a list stand as `{}` too, as every section at its default may."""
    return [] if value == {} else value


def empty_mapping_as_none(value: object) -> object:
    """Let a section that is one text stand as `{}` too."""
    return None if value == {} else value


NOBODY = {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "object", "maxProperties": 0}]}


def written(pattern: str, example: str) -> WithJsonSchema:
    """Tell editors how a value is written that is read from text."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$", "examples": [example]})


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    written(DURATION.pattern, "14d"),
]
Timezone = Annotated[str, AfterValidator(known_timezone)]
RepositoryPath = Annotated[str, AfterValidator(path_inside)]
Tuple = Annotated[tuple[T, ...], Field(strict=False)]  # YAML has lists; frozen objects hold tuples
Finite = Annotated[float, Field(allow_inf_nan=False)]
ColumnName = Annotated[str, Field(min_length=1, pattern=r"^[^_\x00-\x1f][^\x00-\x1f]*$")]
DroppedName = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*$")]  # what is not read may have any name, or none


class Section(BaseModel):
    """A part of the YAML: frozen, no unknown keys, no silent conversion between types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def matching(pattern: str, meant: str) -> AfterValidator:
    """Refuse text of another form, and tell what was meant, not which pattern it breaks."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(meant)
        return text

    return AfterValidator(check)


VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
BLOCK = "[a-z0-9][a-z0-9-]*"
LINK = r"https?://[^\s]+"
Variable = Annotated[
    str,
    matching(VARIABLE, "this is the name of an environment variable, such as DATABASE_URL"),
    written(VARIABLE, "DATABASE_URL"),
]
SecretName = Annotated[
    str,
    matching(BLOCK, "this is the name of a Prefect Secret block, such as database-url"),
    written(BLOCK, "database-url"),
]
BlockName = Annotated[
    str,
    matching(f"{BLOCK}/{BLOCK}", "a block is named by its type and its name, such as slack-webhook/ops"),
    written(f"{BLOCK}/{BLOCK}", "slack-webhook/ops"),
]
Link = Annotated[
    str,
    matching(LINK, "a runbook is a link, such as https://example.org/runbook"),
    written(LINK, "https://example.org/runbook"),
]
