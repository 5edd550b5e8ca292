"""Data Docs: GX's content in pages that fetch nothing and run nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pyarrow as pa
import pytest

from configs.sections.columns import Column
from configs.sections.expectations import Expectation
from tasks.validation.data_docs import Entry, batch_page, index_page, sanitized
from tasks.validation.expectations import Check, Suite
from tests.references import fetched_references

HOSTILE = '<script src="https://evil.example/x.js"></script><img src=//evil.example/p onerror=alert(1)>'


class Tags(HTMLParser):
    """Collects the names of tags and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attributes)}


@pytest.fixture(scope="module")
def checks() -> list[Check]:
    """What a suite finds in rows with markup in them; the suite itself has markup, too."""
    expectations = [
        Expectation(
            name="expect_column_values_to_be_in_set", arguments={"column": "city", "value_set": [HOSTILE, "x"]}
        ),
        Expectation(
            name="expect_column_values_to_match_regex", arguments={"column": "city", "regex": "(?<!</style>)a"}
        ),
        Expectation(name="expect_column_mean_to_be_between", arguments={"column": "age", "min_value": 1}),
        Expectation(
            name="expect_column_kl_divergence_to_be_less_than",
            arguments={
                "column": "city",
                "partition_object": {"values": ["a", "b"], "weights": [0.5, 0.5]},
                "threshold": 0.1,
            },
        ),
        Expectation(name="expect_table_row_count_to_equal", arguments={"value": 3}),
    ]
    rows = pa.table({"city": ["a", HOSTILE, "b"], "age": pa.array([1, 2, 3], pa.int64())})
    columns = {"city": Column(type="category"), "age": Column(type="integer")}
    return Suite(expectations, columns, "UTC").check(rows)


@pytest.fixture(scope="module")
def page(checks: list[Check]) -> str:
    return batch_page("homes", "2013-01", checks)


def test_page_fetches_nothing(page: str) -> None:
    assert fetched_references(page) == []


def test_page_runs_nothing(page: str) -> None:
    assert Tags(page).found.isdisjoint({"script", "iframe", "img", "svg", "onclick", "onerror", "onload"})


def test_page_shows_values_as_text(page: str) -> None:
    assert "&lt;script src=" in page


def test_page_shows_what_great_expectations_says(page: str) -> None:
    assert "unexpected values found" in page


def test_page_sends_no_id(page: str) -> None:
    assert "dataContextId" not in page


def test_page_is_made_alike_twice(checks: list[Check], page: str) -> None:
    assert batch_page("homes", "2013-01", checks) == page


def test_index_links_batches_by_quoted_name() -> None:
    html = index_page("homes", [Entry('5%"<b>', 10, 2, 3, 1, has_page=True)])
    assert '<a href="batch-5%25%22%3Cb%3E.html">5%&quot;&lt;b&gt;</a>' in html


def test_index_links_no_page_that_is_not_there() -> None:
    assert "<a " not in index_page("homes", [Entry("2013-01", 10, 0, 0, 0, has_page=False)])


def test_index_fetches_nothing() -> None:
    assert fetched_references(index_page("homes", [Entry("2013-01", 10, 2, 3, 1, has_page=True)])) == []


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<p>5 &lt; 6</p>", "<p>5 &lt; 6</p>"),
        ('<a href="https://x.example">x</a>', "<a>x</a>"),
        ('<a href="#section-2">x</a>', '<a href="#section-2">x</a>'),
        ('<p style="background: url(https://x.example)">x</p>', "<p>x</p>"),
        ("<script>a<b></script>x", "x"),
        ("<svg><style>@import url(//x.example)</style></svg>x", "x"),
        ('<p class="&quot; onclick=x">x</p>', '<p class="&quot; onclick=x">x</p>'),
        ("<ScRiPt>x</sCrIpT>y", "y"),
        ("<form action='//x.example'><button formaction='//x.example'>x</button></form>", "x"),
        ("a <b>b</b> c", "a <b>b</b> c"),
    ],
)
def test_sanitized_keeps_only_what_is_allowed(html: str, kept: str) -> None:
    assert sanitized(html) == kept


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://x.example/a.js"></script>',
        '<link rel="stylesheet" href="//x.example/a.css">',
        "<style>@import 'https://x.example/a.css';</style>",
        "<style>p { background: url( 'http://x.example/p.png' ) }</style>",
        '<p style="background: url(//x.example/p.png)">x</p>',
        '<img srcset="a.png 1x, https://x.example/b.png 2x">',
        '<object data="https://x.example/o"></object>',
        '<meta http-equiv="refresh" content="0; url=https://x.example">',
        "<script>fetch('https://x.example')</script>",
        "<svg><image xlink:href='https://x.example/i.png'/></svg>",
    ],
)
def test_references_are_found(html: str) -> None:
    assert len(fetched_references(html)) == 1


def test_links_that_wait_for_a_click_are_no_references() -> None:
    assert fetched_references('<a href="https://x.example">x</a><img src="data:,"><p style="color: red">x</p>') == []
