"""Plots of a verdict, as inline SVG: a column's reference beside its batch, and the history of the statistic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tasks.reporting.plots import ROW, WIDTH, Drawing, Scale, around, bottom_axis, left_axis, number, shortened

LEFT = 168.0  # where bars begin, right of their names
LABELS = 8  # batches named below a history at the most


class Cell(NamedTuple):
    """Values of a column that are counted together: what they are, and their shares of reference and batch, 0 to 1."""

    name: str
    reference: float
    batch: float


class Past(NamedTuple):
    """One batch of a history: its statistic over its threshold, so that 1 is the threshold.

    The reference's own batches have no name: `batch` is empty.
    """

    batch: str
    excess: float
    alarmed: bool


def share_plot(cells: Sequence[Cell], title: str) -> str:
    """Two bars per row: the share that values have in the reference, and below it in the batch.

    Parameters
    ----------
    cells : sequence of Cell
    title : str
    """
    bottom = 8.0 + ROW * len(cells)
    most = max([share for cell in cells for share in (cell.reference, cell.batch)], default=0.0)
    scale = Scale(0.0, 100 * most * 1.02 or 1.0, LEFT, WIDTH - 20)
    drawing = Drawing(bottom + 66, title)
    bottom_axis(drawing, scale, 4, bottom, "percent of rows")
    for row, cell in enumerate(cells):
        add_pair(drawing, scale, cell, 8.0 + ROW * row)
    for index, (name, class_) in enumerate((("reference", "part train"), ("batch", "bar"))):
        drawing.add("rect", x=LEFT + 116.0 * index, y=bottom + 46, width=12, height=12, class_=class_)
        drawing.text(LEFT + 116.0 * index + 18, bottom + 56, name, "tick")
    return drawing.svg()


def add_pair(drawing: Drawing, scale: Scale, cell: Cell, top: float) -> None:
    """Draw one row of a share plot."""
    drawing.text(LEFT - 10, top + ROW / 2 + 4, shortened(cell.name), "label end")
    said = f"{cell.name}: {cell.reference:.2%} of the reference, {cell.batch:.2%} of the batch"
    height = (ROW - 8) / 2
    for share, y, class_ in ((cell.reference, top + 4, "part train"), (cell.batch, top + 4 + height, "bar")):
        width = max(scale(100 * share) - LEFT, 0.0)
        drawing.add("rect", title=said, x=LEFT, y=y, width=width, height=height, class_=class_)


def history_plot(history: Sequence[Past], title: str) -> str:
    """Statistic of each batch against its threshold, in order; a dot that stands out is one that alarmed.

    Parameters
    ----------
    history : sequence of Past
    title : str
    """
    if not history:
        return ""
    top, bottom, left = 26.0, 220.0, 58.0
    across = Scale(0.0, float(max(len(history) - 1, 1)), left + 10, WIDTH - 24)
    low, high = around([0.0, 1.0, *(past.excess for past in history)])
    up = Scale(min(low, 0.0), high, bottom, top)
    drawing = Drawing(bottom + 42, title)
    left_axis(drawing, up, left, WIDTH - 14)
    drawing.text(2, 14, "statistic over threshold", "axis")
    drawing.line((left, up(1.0)), (WIDTH - 14, up(1.0)), "reference")
    places = [(across(float(index)), up(past.excess)) for index, past in enumerate(history)]
    drawing.add("polyline", points=" ".join(f"{number(x)},{number(y)}" for x, y in places), class_="curve s0")
    labelled = named_places(history)
    for index, (past, (x, y)) in enumerate(zip(history, places, strict=True)):
        said = f"{past.batch or 'a batch of the reference'}: {past.excess:.2f} times the threshold"
        drawing.add("circle", title=said, cx=x, cy=y, r=4.5, class_="dot strong" if past.alarmed else "dot")
        if index in labelled:
            drawing.text(x, bottom + 18, shortened(past.batch, 9), "tick mid")
    return drawing.svg()


def named_places(history: Sequence[Past]) -> set[int]:
    """Places of at most `LABELS` batches whose names are written, evenly spread, the last one among them.

    >>> sorted(named_places([Past("", 0.1, False), Past("a", 0.2, False)]))
    [1]
    """
    named = [index for index, past in enumerate(history) if past.batch]
    wanted = min(LABELS, len(named))
    return {named[-1 - index * len(named) // wanted] for index in range(wanted)}
