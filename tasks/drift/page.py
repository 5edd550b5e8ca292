"""The page about one batch: the verdict, why, each column's reference beside the batch, and the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.drift.plots import Cell, Past, history_plot, share_plot
from tasks.reporting.pages import templates

if TYPE_CHECKING:
    from tasks.drift.document import Verdict

SHOWN_COLUMNS = 20


def headline(verdict: Verdict) -> str:
    """The verdict in two or three words."""
    if verdict.cause == "broken_feed":
        return "Broken feed."
    if verdict.material:
        return "Material drift."
    return "Drift that does not matter." if verdict.drifted else "No drift."


def ranked_columns(verdict: Verdict) -> list[str]:
    """Columns in the order of their findings, the most material first, each once."""
    return list(dict.fromkeys(finding.column for finding in verdict.findings))


def plots(verdict: Verdict, cells: Mapping[str, Sequence[Cell]], history: Sequence[Past]) -> dict[str, Any]:
    """Draw the columns that are looked at first, and the history."""
    shown = [name for name in ranked_columns(verdict) if name in cells][:SHOWN_COLUMNS]
    return {
        "columns": [(name, share_plot(cells[name], f"{name}: reference and batch")) for name in shown],
        "history": history_plot([*quiet(verdict), *history], "Statistic over threshold, batch by batch"),
    }


def quiet(verdict: Verdict) -> list[Past]:
    """What the reference's own batches do, in the batch's terms."""
    family = verdict.family
    if family is None or not family.threshold:
        return []
    return [Past("", value / family.threshold, alarmed=False) for value in family.history if value is not None]


def page(verdict: Verdict, cells: Mapping[str, Sequence[Cell]], history: Sequence[Past]) -> str:
    """Render the page: whole in itself, everything from the data escaped.

    Parameters
    ----------
    verdict : Verdict
    cells : mapping of column to sequence of Cell
        What was counted of each column, in reference and batch.
    history : sequence of Past
        Batches that were judged against the same profile, in order, this one included.
    """
    return (
        templates(Path(__file__).parent)
        .get_template("page.html.j2")
        .render(
            found=verdict,
            headline=headline(verdict),
            alarms=sum(finding.alarmed for finding in verdict.findings),
            notes=[verdict.widened, *verdict.notes] if verdict.widened else verdict.notes,
            hashes=list(verdict.hashes.model_dump().items()),
            plots=plots(verdict, cells, history),
        )
    )
