"""Pages and cards made of templates: they share a style, fail on a missing name, and escape what the data say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.reporting.wording import figure, thousands

if TYPE_CHECKING:
    from jinja2 import Environment

SHARED = Path(__file__).parent  # what templates of all packages include


def templates(folder: Path = SHARED, escape: Callable[[object], object] | None = None) -> Environment:
    """Make an environment for the templates of a folder.

    Parameters
    ----------
    folder : Path
        Looked into before the shared one.
    escape : callable, optional
        Makes a value fit for another language than HTML, whose escapes are then not used.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader((folder, SHARED)),
        autoescape=escape is None,  # noqa: S701 - off only where `escape` is used instead
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=escape,
    )
    made.filters.update(figure=figure, thousands=thousands)
    return made
