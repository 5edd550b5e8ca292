"""Plots as inline SVG: a few marks, coloured by the page's style sheet, so that they follow light, dark and print.

Written by hand rather than with a plotting library: no font cache, no import of seconds, the same bytes everywhere, and
a title on each mark that a screen reader or a pointer finds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Any

WIDTH = 460
ROW = 26  # height of a row of bars, dots or labels
SERIES = 6  # colours of the style sheet, s0 to s5 (Okabe and Ito's, told apart without red or green)


def number(value: float) -> str:
    """Write a coordinate: two decimals at the most.

    >>> number(12.0), number(3.14159), number(-0.0001)
    ('12', '3.14', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers that divide a range; the first and last lie in it.

    >>> ticks(0.61, 0.74, 4)
    [0.65, 0.7]
    >>> ticks(0, 100)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    if not high > low:
        return [low]
    exponent = math.floor(math.log10((high - low) / wanted))
    step = next(
        factor * 10.0**exponent for factor in (1, 2, 5, 10) if (high - low) / (factor * 10.0**exponent) <= wanted
    )
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step)))
    return [round(index * step, decimals) + 0.0 for index in range(first, last + 1)]


def tick_text(value: float) -> str:
    """Write a tick's number, thousands apart.

    >>> tick_text(0.7), tick_text(120000.0)
    ('0.7', '120,000')
    """
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


@dataclass(frozen=True)
class Scale:
    """From values to coordinates; a range without extent is widened."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Place a value."""
        extent = (self.high - self.low) or 1.0
        return self.start + (value - self.low) / extent * (self.end - self.start)


def around(values: Sequence[float], margin: float = 0.06) -> tuple[float, float]:
    """Span values with a margin on each side; one value gets room too."""
    low, high = min(values), max(values)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return low - room, high + room


@dataclass
class Drawing:
    """Marks of one plot, in the order in which they are painted."""

    height: float
    title: str
    marks: list[str] = field(default_factory=list)

    def add(self, tag: str, text: object = "", /, title: object = "", **attributes: object) -> None:
        """Add one mark; names end in `_` where Python has the word, and `-` is written `_`. All text is escaped."""
        values = {name: number(value) if isinstance(value, float) else str(value) for name, value in attributes.items()}
        written = "".join(f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in values.items())
        named = f"<title>{escape(str(title))}</title>" if title else ""
        self.marks.append(f"<{tag}{written}>{escape(str(text))}{named}</{tag}>")

    def text(self, x: float, y: float, text: object, class_: str = "label") -> None:
        """Add a text."""
        self.add("text", text, x=float(x), y=float(y), class_=class_)

    def line(self, start: tuple[float, float], end: tuple[float, float], class_: str) -> None:
        """Add a straight line."""
        self.add("line", x1=float(start[0]), y1=float(start[1]), x2=float(end[0]), y2=float(end[1]), class_=class_)

    def svg(self) -> str:
        """Close the drawing; its title is what a screen reader says."""
        box, said, marks = f"0 0 {WIDTH} {number(self.height)}", escape(self.title), "\n".join(self.marks)
        return f'<svg viewBox="{box}" role="img" aria-label="{said}"><title>{said}</title>\n{marks}\n</svg>'


def bottom_axis(drawing: Drawing, scale: Scale, top: float, bottom: float, label: str) -> None:
    """Draw grid lines, their numbers, and what they are numbers of."""
    for tick in ticks(scale.low, scale.high):
        x = scale(tick)
        drawing.line((x, top), (x, bottom), "grid")
        drawing.text(x, bottom + 16, tick_text(tick), "tick mid")
    drawing.text((scale.start + scale.end) / 2, bottom + 34, label, "axis mid")


def left_axis(drawing: Drawing, scale: Scale, left: float, right: float) -> None:
    """Draw grid lines and their numbers."""
    for tick in ticks(scale.low, scale.high):
        y = scale(tick)
        drawing.line((left, y), (right, y), "grid")
        drawing.text(left - 6, y + 4, tick_text(tick), "tick end")


def shortened(text: str, limit: int = 22) -> str:
    """Cut a long name in the middle.

    >>> shortened("minutes_since_last_maintenance", 12)
    'minute…nance'
    """
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-(limit - limit // 2 - 1) :]}"


def interval_plot(entries: Sequence[dict[str, Any]], title: str, label: str, reference: float | None = None) -> str:
    """One dot with its interval per row: models of a ladder, or levels of a slice.

    Parameters
    ----------
    entries : sequence of dict
        `name`, `value`, `low`, `high` (None where there is none) and `strong`, true for the row that stands out.
    title, label : str
        What the plot shows, and the metric's name below the axis.
    reference : float, optional
        A value to mark through all rows.
    """
    drawn = [entry for entry in entries if entry["value"] is not None]
    if not drawn:
        return ""
    known = [entry[key] for entry in drawn for key in ("value", "low", "high") if entry[key] is not None]
    left, bottom = 168.0, 8.0 + ROW * len(drawn)
    scale = Scale(*around([*known, *([] if reference is None else [reference])]), left, WIDTH - 12)
    drawing = Drawing(bottom + 42, title)
    bottom_axis(drawing, scale, 4, bottom, label)
    if reference is not None:
        drawing.line((scale(reference), 4), (scale(reference), bottom), "reference")
    for row, entry in enumerate(drawn):
        y, strong = 8 + ROW * (row + 0.5), " strong" if entry.get("strong") else ""
        drawing.text(left - 10, y + 4, shortened(str(entry["name"])), f"label end{strong}")
        said = f"{entry['name']}: {entry['value']:.4f}"
        if entry["low"] is not None:
            drawing.line((scale(entry["low"]), y), (scale(entry["high"]), y), f"whisker{strong}")
            said += f" ({entry['low']:.4f} to {entry['high']:.4f})"
        drawing.add(
            "circle", title=said, cx=scale(entry["value"]), cy=float(y), r=5 if strong else 4, class_=f"dot{strong}"
        )
    return drawing.svg()


def bar_plot(entries: Sequence[dict[str, Any]], title: str, label: str) -> str:
    """One bar per row from zero.

    Parameters
    ----------
    entries : sequence of dict
        `name`, `value` >= 0, and `note`, a word behind the bar.
    title, label : str
    """
    left, bottom = 168.0, 8.0 + ROW * len(entries)
    scale = Scale(0.0, max([entry["value"] for entry in entries], default=0.0) * 1.02 or 1.0, left, WIDTH - 84)
    drawing = Drawing(bottom + 42, title)
    bottom_axis(drawing, scale, 4, bottom, label)
    for row, entry in enumerate(entries):
        y, end = 8 + ROW * row, scale(entry["value"])
        drawing.text(left - 10, y + ROW / 2 + 4, shortened(str(entry["name"])), "label end")
        said = f"{entry['name']}: {entry['value']:.4g}, {entry['note']}"
        drawing.add(
            "rect", title=said, x=left, y=y + 5.0, width=max(end - left, 1.0), height=ROW - 10, rx=3, class_="bar"
        )
        drawing.text(end + 8, y + ROW / 2 + 4, entry["note"], "tick")
    return drawing.svg()


def calibration_plot(bins: Sequence[dict[str, Any]], title: str, labels: tuple[str, str]) -> str:
    """Mean target against mean prediction per bin, beside the diagonal where the two are equal.

    Parameters
    ----------
    bins : sequence of dict
        `prediction`, `target`, `rows`.
    title : str
    labels : (str, str)
        Of the horizontal and the vertical axis.
    """
    top, bottom, left = 26.0, 300.0, 58.0
    low, high = around([value for entry in bins for value in (entry["prediction"], entry["target"])], 0.08)
    across, up = Scale(low, high, left, WIDTH - 14), Scale(low, high, bottom, top)
    drawing = Drawing(bottom + 42, title)
    bottom_axis(drawing, across, top, bottom, labels[0])
    left_axis(drawing, up, left, WIDTH - 14)
    drawing.text(2, 14, labels[1], "axis")
    drawing.line((left, bottom), (WIDTH - 14, top), "reference")
    points = [(across(entry["prediction"]), up(entry["target"])) for entry in bins]
    drawing.add("polyline", points=" ".join(f"{number(x)},{number(y)}" for x, y in points), class_="curve s0")
    for entry, (x, y) in zip(bins, points, strict=True):
        said = f"predicted {entry['prediction']:.4g}, found {entry['target']:.4g} in {entry['rows']:,} rows"
        drawing.add("circle", title=said, cx=x, cy=y, r=4.5, class_="dot strong")
    return drawing.svg()


def confusion_plot(counts: Sequence[Sequence[int]], names: Sequence[str], title: str) -> str:
    """A square of squares: rows of each actual class across, by the class that was decided on; darker is more of them.

    Parameters
    ----------
    counts : sequence of sequence of int, C x C
        One list per actual class.
    names : sequence of str, C of them
    title : str
    """
    left, top, side = 150.0, 44.0, min(64.0, (WIDTH - 164.0) / len(names))
    drawing = Drawing(top + side * len(names) + 10, title)
    drawing.text(left, 14, "decided", "axis")
    drawing.text(2, top - 8, "actual", "axis")
    for row, (name, found) in enumerate(zip(names, counts, strict=True)):
        y, rows = top + side * row, sum(found)
        drawing.text(left - 10, y + side / 2 + 4, shortened(str(name), 18), "label end")
        drawing.text(left + side * (row + 0.5), top - 8, shortened(str(name), max(3, int(side / 8))), "tick mid")
        for column, count in enumerate(found):
            x, share = left + side * column, count / rows if rows else 0.0
            said = f"{count:,} of {rows:,} rows that are {name} were decided to be {names[column]}"
            kind = "cell right" if row == column else "cell wrong"
            size = {"x": x, "y": y, "width": side - 2, "height": side - 2}
            drawing.add("rect", title=said, **size, rx=3, class_=kind, fill_opacity=f"{0.06 + 0.5 * share:.2f}")
            drawing.text(x + side / 2 - 1, y + side / 2 + 4, f"{count:,}" if side >= 36 else f"{share:.0%}", "tick mid")
    return drawing.svg()


def learning_curves(folds: Sequence[tuple[str, Sequence[float]]], best: Sequence[int], title: str, label: str) -> str:
    """Score of the watched rows after each boosting round, one line per fold, a dot at the round that was kept.

    Parameters
    ----------
    folds : sequence of (str, sequence of float)
        A name and the score after round 1, 2, ...
    best : sequence of int
        The round kept, from 1.
    title, label : str
    """
    top, bottom, left = 26.0, 270.0, 58.0
    rounds = max(len(curve) for _, curve in folds)
    across = Scale(1.0, float(max(rounds, 2)), left, WIDTH - 60)
    up = Scale(*around([value for _, curve in folds for value in curve]), bottom, top)
    drawing = Drawing(bottom + 42, title)
    bottom_axis(drawing, across, top, bottom, "boosting round")
    left_axis(drawing, up, left, WIDTH - 60)
    drawing.text(2, 14, label, "axis")
    places = spread([up(curve[-1]) for _, curve in folds], 15.0)
    for index, (name, curve) in enumerate(folds):
        colour = f"s{index % SERIES}"
        points = " ".join(f"{number(across(at))},{number(up(value))}" for at, value in enumerate(curve, start=1))
        drawing.add("polyline", points=points, class_=f"curve {colour}")
        kept = best[index]
        said = f"{name}: {curve[kept - 1]:.4f} after {kept} of {len(curve)} rounds"
        drawing.add("circle", title=said, cx=across(kept), cy=up(curve[kept - 1]), r=4, class_=f"mark {colour}")
        drawing.text(WIDTH - 52, places[index] + 4, name, f"tick t{index % SERIES}")
        drawing.line((across(len(curve)), up(curve[-1])), (WIDTH - 55, places[index]), f"leader {colour}")
    return drawing.svg()


def spread(places: Sequence[float], least: float) -> list[float]:
    """Push labels apart that would overlap, keeping their order.

    >>> spread([10.0, 12.0, 50.0], 10.0)
    [10.0, 20.0, 50.0]
    """
    moved = list(places)
    order = sorted(range(len(moved)), key=lambda index: moved[index])
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + least)
    return moved


def split_plot(folds: Sequence[dict[str, int]], rows: dict[str, int], title: str) -> str:
    """Rows that each fold trains on and validates, and below them the model itself and its holdout.

    Parameters
    ----------
    folds : sequence of dict
        `fold`, `train`, `valid`.
    rows : dict
        `train` and `holdout`.
    title : str
    """
    parts = [(f"fold {fold['fold']}", fold["train"], fold["valid"], "validation") for fold in folds]
    parts.append(("the model", rows["train"], rows["holdout"], "holdout"))
    left, bottom = 84.0, 8.0 + ROW * len(parts)
    scale = Scale(0.0, float(max(train + other for _, train, other, _ in parts)), left, WIDTH - 14)
    drawing = Drawing(bottom + 66, title)
    bottom_axis(drawing, scale, 4, bottom, "rows")
    for row, (name, train, other, kind) in enumerate(parts):
        y = 8.0 + ROW * row + 5
        middle, end = scale(train), scale(train + other)
        drawing.text(left - 10, y + 13, name, "label end" + (" strong" if kind == "holdout" else ""))
        size = {"y": y, "height": ROW - 10}
        drawing.add(
            "rect", title=f"{name}: {train:,} training rows", x=left, width=middle - left, class_="part train", **size
        )
        drawing.add(
            "rect",
            title=f"{name}: {other:,} rows of {kind}",
            x=middle,
            width=max(end - middle, 1.0),
            class_=f"part {kind}",
            **size,
        )
    for index, kind in enumerate(("train", "validation", "holdout")):
        drawing.add("rect", x=left + 116.0 * index, y=bottom + 46, width=12, height=12, class_=f"part {kind}")
        drawing.text(left + 116.0 * index + 18, bottom + 56, {"train": "training"}.get(kind, kind), "tick")
    return drawing.svg()
