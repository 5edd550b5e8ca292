"""Loss per batch of each policy, as inline SVG; a dot where a model was made, filled where it was let in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.reporting.plots import SERIES, WIDTH, Drawing, Scale, around, left_axis, number, shortened, spread

if TYPE_CHECKING:
    from tasks.replay.history import Replayed

LABELS = 8  # batches named below at the most


def loss_plot(found: Sequence[Replayed], title: str, label: str) -> str:
    """One line per policy: the loss of each batch, by the model that was in force when it came.

    Parameters
    ----------
    found : sequence of Replayed
        Of the same batches.
    title, label : str
        What the plot shows, and the loss's name.
    """
    top, bottom, left, right = 26.0, 270.0, 58.0, WIDTH - 84
    batches = [step.batch for step in found[0].steps]
    across = Scale(0.0, float(max(len(batches) - 1, 1)), left + 8, right)
    up = Scale(*around([step.loss for each in found for step in each.steps if step.loss is not None]), bottom, top)
    drawing = Drawing(bottom + 30, title)
    left_axis(drawing, up, left, right)
    drawing.text(2, 14, label, "axis")
    for place in labelled(len(batches)):
        drawing.text(across(place), bottom + 18, shortened(batches[place], 9), "tick mid")
    ends = spread([up(last_loss(each)) for each in found], 15.0)
    for index, (each, end) in enumerate(zip(found, ends, strict=True)):
        add_line(drawing, each, across, up, index)
        drawing.text(right + 8, end + 4, each.policy, f"tick t{index % SERIES}")
    return drawing.svg()


def add_line(drawing: Drawing, each: Replayed, across: Scale, up: Scale, index: int) -> None:
    """Draw one policy."""
    colour = f"s{index % SERIES}"
    told = [(at, step.loss, step) for at, step in enumerate(each.steps) if step.loss is not None]
    places = [(across(float(at)), up(loss), step) for at, loss, step in told]
    drawing.add("polyline", points=" ".join(f"{number(x)},{number(y)}" for x, y, _ in places), class_=f"curve {colour}")
    for x, y, step in places:
        if step.outcome:
            said = f"{each.policy}, after {step.batch}: {step.outcome}, {step.reason}"
            opacity = "1" if step.outcome == "promoted" else "0.25"
            drawing.add("circle", title=said, cx=x, cy=y, r=4, class_=f"mark {colour}", fill_opacity=opacity)


def last_loss(each: Replayed) -> float:
    """Of the last batch that has one."""
    return next((step.loss for step in reversed(each.steps) if step.loss is not None), 0.0)


def labelled(count: int) -> list[int]:
    """At most `LABELS` places, evenly spread, the last one among them.

    >>> labelled(3)
    [2, 1, 0]
    """
    wanted = min(LABELS, count)
    return [count - 1 - place * count // wanted for place in range(wanted)]
