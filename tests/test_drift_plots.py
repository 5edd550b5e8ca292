"""What a verdict's plots show, read from the SVG itself."""

import re
from xml.etree import ElementTree

import pytest

from tasks.drift.plots import Cell, Past, history_plot, share_plot

CELLS = [Cell("<b>", 0.5, 0.25), Cell("new", 0.0, 0.5), Cell("missing", 0.5, 0.25)]


def marks(svg: str, tag: str) -> list[ElementTree.Element]:
    return [each for each in ElementTree.fromstring(svg).iter() if each.tag == tag]


def bars(svg: str, class_: str) -> list[float]:
    return [float(each.attrib["width"]) for each in marks(svg, "rect") if each.attrib["class"] == class_][:-1]


def test_bars_are_as_long_as_shares():
    reference, batch = bars(share_plot(CELLS, "x"), "part train"), bars(share_plot(CELLS, "x"), "bar")
    assert reference == pytest.approx([reference[0], 0.0, reference[0]])
    assert batch == pytest.approx([reference[0] / 2, reference[0], reference[0] / 2], abs=0.02)


def test_values_are_text_and_no_markup():
    assert "<b>" not in share_plot(CELLS, "<script>")
    assert "&lt;b&gt;" in share_plot(CELLS, "<script>")


def test_column_without_cells_is_drawn_empty():
    assert not bars(share_plot([], "x"), "bar")


def test_batch_above_its_threshold_lies_above_the_line():
    svg = history_plot([Past("a", 0.5, alarmed=False), Past("b", 1.5, alarmed=True)], "x")
    (line,) = [float(each.attrib["y1"]) for each in marks(svg, "line") if each.attrib["class"] == "reference"]
    below, above = [float(each.attrib["cy"]) for each in marks(svg, "circle")]
    assert above < line < below


def test_only_alarms_stand_out():
    svg = history_plot([Past("a", 0.5, alarmed=False), Past("b", 1.5, alarmed=True)], "x")
    assert [each.attrib["class"] for each in marks(svg, "circle")] == ["dot", "dot strong"]


def test_long_history_names_few_batches():
    svg = history_plot([Past(f"2013-{n:03}", 0.1, alarmed=False) for n in range(100)], "x")
    assert len(re.findall(r">2013-\d+</text>", svg)) == 8
    assert len(marks(svg, "circle")) == 100


def test_no_history_is_no_plot():
    assert history_plot([], "x") == ""
