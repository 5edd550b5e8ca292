"""The names of GTO's tags: `flights@v1.2.0` is a version, `flights#champion#3` a promotion.

Importing gto takes three seconds, so its grammar is written again here; tests compare it with gto's own parser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from configs.errors import ConfigError

Bump = Literal["major", "minor", "patch"]

NUMBER = r"(?:0|[1-9][0-9]*)"
NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9-/_]*[a-zA-Z0-9])?"
SEMVER = re.compile(rf"v?({NUMBER})\.({NUMBER})\.({NUMBER})", re.ASCII)
TAG = re.compile(
    rf"(?P<pipeline>{NAME})(?:#(?P<stage>{NAME})|@v(?P<version>({NUMBER})\.({NUMBER})\.({NUMBER})))(?P<undone>!?)"
    r"(?:#(?P<counter>[0-9]+))?",
    re.ASCII,
)
PIPELINE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)


class PipelineNameError(ConfigError):
    """A name that cannot be a pipeline's."""


class VersionNumberError(ConfigError):
    """A text that is no version number."""


@dataclass(frozen=True, order=True)
class SemVer:
    """The number of a version.

    >>> SemVer.parse("v1.2.0").bumped("minor") > SemVer.parse("v1.2.9")
    True
    """

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> SemVer:
        """Read `v1.2.0` or `1.2.0`.

        Raises
        ------
        VersionNumberError
            If it is anything else.
        """
        match = SEMVER.fullmatch(text)
        if not match:
            raise VersionNumberError(f"{text[:60]!r}: no version number; expected three numbers such as 'v1.2.0'.")
        return cls(*map(int, match.groups()))

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"

    def bumped(self, part: Bump) -> SemVer:
        """The next number that differs in `part`.

        >>> str(SemVer(1, 2, 3).bumped("minor"))
        'v1.3.0'
        """
        if part == "major":
            return SemVer(self.major + 1, 0, 0)
        if part == "minor":
            return SemVer(self.major, self.minor + 1, 0)
        return SemVer(self.major, self.minor, self.patch + 1)


FIRST = SemVer(1, 0, 0)


@dataclass(frozen=True)
class TagName:
    """What the name of a tag says: of a version, or of a stage; `undone` where GTO takes it back (`!`)."""

    pipeline: str
    version: SemVer | None = None
    stage: str | None = None
    undone: bool = False
    counter: int = 0


def parse(name: str) -> TagName | None:
    """Read the name of a tag; None where it is no version's and no stage's.

    >>> parse("flights#champion#3")
    TagName(pipeline='flights', version=None, stage='champion', undone=False, counter=3)
    """
    match = TAG.fullmatch(name)
    if not match:
        return None
    pipeline, stage, version, *numbers, undone, counter = match.groups()
    number = SemVer(*map(int, numbers)) if version else None
    return TagName(pipeline, number, stage, bool(undone), int(counter or 0))


def version_tag(pipeline: str, number: SemVer) -> str:
    """The name of a version's tag.

    >>> version_tag("flights", SemVer(1, 2, 0))
    'flights@v1.2.0'
    """
    return f"{require_pipeline(pipeline)}@{number}"


def stage_tag(pipeline: str, stage: str, counter: int) -> str:
    """The name of a promotion's tag; `counter` goes up over all stages of the pipeline.

    >>> stage_tag("flights", "champion", 3)
    'flights#champion#3'
    """
    return f"{require_pipeline(pipeline)}#{stage}#{counter}"


def require_pipeline(name: str) -> str:
    """Refuse a name that would mean something else to git, GTO or the file system.

    Raises
    ------
    PipelineNameError
        If it is not made of lower-case letters, digits and single hyphens.
    """
    if not PIPELINE.fullmatch(name):
        raise PipelineNameError(
            f"{name[:60]!r}: not the name of a pipeline; expected lower-case letters, digits and single hyphens, "
            "such as 'flights' or 'late-flights'."
        )
    return name
