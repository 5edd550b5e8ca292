"""What a browser would fetch when it opens a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

FETCHING = {"src", "srcset", "data", "poster", "background", "action", "formaction", "ping", "manifest", "xlink:href"}
ABSOLUTE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//[^\s'\"()<>]+", re.IGNORECASE)
IN_STYLE = re.compile(r"(?:url\(\s*|@import\s+)['\"]?\s*((?:[a-z][a-z0-9+.-]*:)?//[^\s'\"()<>]+)", re.IGNORECASE)


def fetched_references(html: str) -> list[str]:
    """Absolute addresses that a browser would load by itself, in order of place.

    Links that wait for a click and text are none; any absolute address inside a script counts, since what a script does
    with it cannot be seen. Namespaces (`xmlns`) are names, not addresses.
    """
    finder = ReferenceFinder()
    finder.feed(html)
    finder.close()
    return finder.found


class ReferenceFinder(HTMLParser):
    """Collects addresses from attributes, styles and scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in ("script", "style") else ""
        for name, value in attributes:
            self.found += references_of(tag, name, value or "")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self._inside = ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found += (ABSOLUTE if self._inside == "script" else IN_STYLE).findall(data)


def references_of(tag: str, name: str, value: str) -> list[str]:
    """Addresses that one attribute makes a browser load."""
    if name == "style":
        return IN_STYLE.findall(value)
    is_fetched = name in FETCHING or (name == "href" and tag not in ("a", "area")) or (tag, name) == ("meta", "content")
    if is_fetched or name.startswith("on"):
        return ABSOLUTE.findall(value)
    return []
