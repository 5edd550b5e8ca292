"""Report and Data Docs opened in a real browser: nothing is fetched."""

from __future__ import annotations

from pathlib import Path

from tasks.report import page
from tests.browser import open_page
from tests.report_facts import TARGET, written


def test_browser_would_be_caught_fetching(tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(
        '<script src="https://cdn.example.org/x.js"></script><img src="http://127.0.0.1:8099/pixel.png">'
        "<style>@import url(http://fonts.example.org/a.css);</style>"
    )
    _, asked = open_page(tmp_path / "bad.html", tmp_path / "profile")
    caught = {
        part for part in ("cdn.example.org", "127.0.0.1:8099/pixel", "fonts.example.org") if part in " ".join(asked)
    }
    assert caught == {"cdn.example.org", "127.0.0.1:8099/pixel", "fonts.example.org"}


def test_report_fetches_nothing(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(page("owner@example.org", TARGET, written()), encoding="utf-8")
    document, asked = open_page(tmp_path / "index.html", tmp_path / "profile")
    assert "Where the rows went" in document
    assert asked == []


def test_pages_of_a_real_run_fetch_nothing(trained_project: Path, tmp_path: Path) -> None:
    pages = sorted((trained_project / "reports").rglob("*.html"))
    assert {made.parent.name for made in pages} == {"diabetes", "data_docs"}
    frames = "".join(f'<iframe src="{made.as_uri()}"></iframe>' for made in pages)  # one browser for all of them
    (tmp_path / "all.html").write_text(frames)
    _, asked = open_page(tmp_path / "all.html", tmp_path / "profile")
    assert asked == []
