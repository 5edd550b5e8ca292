"""Data Docs: a page per batch by Great Expectations' own renderers, and an index, as plain HTML that fetches nothing.

GX's pages load styles, scripts and fonts from six hosts and send an id with their logo. Here only the content of a page
is GX's; it passes an allow-list of tags and attributes, so neither a template of GX nor a value in the data can bring a
script, a style or a reference of its own. The frame and the style are ours, inline.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tasks.validation.expectations import great_expectations

if TYPE_CHECKING:
    from tasks.validation.expectations import Check

TAGS = frozenset(
    {"a", "b", "blockquote", "br", "code", "dd", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i"}
    | {"li", "nav", "ol", "p", "pre", "small", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"}
)
VOID = frozenset({"br", "hr"})
DROPPED = frozenset({"head", "iframe", "math", "object", "script", "style", "svg", "template", "textarea", "title"})
"""Tags that go with all that is inside them; of other tags only the content stays."""
ATTRIBUTES = frozenset({"class", "colspan", "hidden", "id", "rowspan"})
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; background: #fff; margin: 2rem auto; max-width: 72rem;
       padding: 0 1.5rem }
h1 { font-size: 1.5rem } h2, h5 { font-size: 1.1rem; margin: .3rem 0 } h6, .h6 { font-weight: 600; margin: 0 }
a[href] { color: #0b61a4 }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #dde3e9 }
.ge-section { border-top: 2px solid #dde3e9; padding: 1rem 0 } .show-scrollbars { max-height: 24rem; overflow: auto }
.cooltip .top { display: none } .cooltip:hover .top { display: inline; margin-left: .5rem; color: #5b6b7a }
.text-success, .fa-check-circle { color: #1a7f37 } .text-danger, .fa-times { color: #b42318 }
.fa-check-circle::before { content: "\\2713 " } .fa-times::before { content: "\\2717 " }
.fa-exclamation-triangle::before { content: "! " } .badge { background: #e8edf2; padding: 0 .35rem; border-radius: 3px }
.alert { background: #f3f6f9; padding: .6rem .9rem; border-radius: 4px }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dfe6ec } th, td { border-color: #333d47 }
  a[href] { color: #6cb6ff } .alert, .badge { background: #222a33 } }
"""


@dataclass(frozen=True)
class Entry:
    """A batch in the index."""

    batch: str
    rows_in: int
    rows_quarantined: int
    expectations: int
    failed: int
    has_page: bool
    """Whether there is a page for it: none where nothing was checked."""


def batch_page(pipeline: str, batch: str, checks: Sequence[Check]) -> str:
    """One batch's results as a page.

    Parameters
    ----------
    pipeline, batch : str
        Named in the title.
    checks : sequence of Check
        At least one; GX's results in them are rendered by GX's `ValidationResultsPageRenderer`.
    """
    content = sanitized(gx_content(pipeline, batch, checks))
    return page(f"{pipeline}, batch {batch}", f'<nav><a href="index.html">All batches</a></nav>{content}')


def gx_content(pipeline: str, batch: str, checks: Sequence[Check]) -> str:
    """What GX's own renderer and templates make of the results: the sections of a page, without its frame."""
    great_expectations()
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    successful = sum(check.success for check in checks)
    results = ExpectationSuiteValidationResult(
        success=successful == len(checks),
        suite_name=pipeline,
        results=[check.result for check in checks],
        statistics={
            "evaluated_expectations": len(checks),
            "successful_expectations": successful,
            "unsuccessful_expectations": len(checks) - successful,
            "success_percent": 100 * successful / len(checks),
        },
        meta={"batch_spec": {"data_asset_name": batch}},
    )
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(results)
    document.sections.pop()  # run name and time: not known, and not wanted
    html: str = gx_sections().render(document.to_json_dict())
    return html


@cache
def gx_sections() -> Any:
    """GX's templates for the sections of a page, compiled once."""
    from great_expectations.render.view.view import DefaultJinjaPageView

    return DefaultJinjaPageView().env.from_string(
        "{% for section in sections %}{% set section_loop = loop %}{% include 'section.j2' %}{% endfor %}"
    )


def index_page(pipeline: str, entries: Iterable[Entry]) -> str:
    """The list of batches; needs no GX, so that it can be made when all pages come from the store."""
    rows = "".join(
        f"<tr><td>{link(entry)}</td><td>{entry.rows_in:,}</td><td>{entry.rows_quarantined:,}</td>"
        f"<td>{entry.expectations - entry.failed} of {entry.expectations} hold</td></tr>"
        for entry in entries
    )
    head = "<tr><th>Batch</th><th>Rows</th><th>Quarantined</th><th>Expectations</th></tr>"
    return page(f"{pipeline}: validation", f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>")


def link(entry: Entry) -> str:
    """A batch's name, linked to its page where there is one."""
    name = escape(entry.batch)
    return f'<a href="{quote(page_name(entry.batch))}">{name}</a>' if entry.has_page else name


def page_name(batch: str) -> str:
    """File of a batch's page."""
    return f"batch-{batch}.html"


def page(title: str, content: str) -> str:
    """Our frame around content that is safe already."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n{content}\n</body></html>\n"
    )


def sanitized(html: str) -> str:
    """The same content with only the tags and attributes of the allow-lists, and links only inside the page.

    >>> sanitized('<p onclick="x()">5 &lt; 6<script src="https://x.example"></script></p>')
    '<p>5 &lt; 6</p>'
    """
    parser = Sanitizer()
    parser.feed(html)
    parser.close()
    return "".join(parser.output)


class Sanitizer(HTMLParser):
    """Writes what it reads, less everything that is not on the allow-lists."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.output: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep an allowed tag with its allowed attributes."""
        if tag in DROPPED:
            self._inside.append(tag)
        if self._inside or tag not in TAGS:
            return
        kept = "".join(
            f' {name}="{escape(value or "")}"'
            for name, value in attributes
            if name in ATTRIBUTES or is_anchor(name, value)
        )
        self.output.append(f"<{tag}{kept}>")

    def handle_endtag(self, tag: str) -> None:
        """Keep the end of an allowed tag."""
        if self._inside:
            if tag == self._inside[-1]:
                self._inside.pop()
        elif tag in TAGS and tag not in VOID:
            self.output.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Keep text, escaped."""
        if not self._inside and (text := collapsed(data)):
            self.output.append(escape(text, quote=False))


def collapsed(text: str) -> str:
    """Text without the blank lines that templates leave; a browser shows it alike."""
    lines = [line.strip() for line in text.split("\n")]
    inner = "\n".join(line for line in lines if line)
    if not inner:
        return " " if text and "\n" not in text else ""
    return f"{' ' if text[0].isspace() else ''}{inner}{' ' if text[-1].isspace() else ''}"


def is_anchor(name: str, value: str | None) -> bool:
    """Whether an attribute links to a place in the same page."""
    return name == "href" and (value or "").startswith("#")
