"""What a verdict leaves behind: `drift.json`, `drift.prom` and `index.html` in `reports/<pipeline>/drift/<batch>/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tasks.atomic import read_json, write_json, write_text
from tasks.drift.document import Verdict
from tasks.drift.page import page
from tasks.drift.plots import Past
from tasks.drift.prometheus import FILE, write_metrics

if TYPE_CHECKING:
    from tasks.drift.plots import Cell

DOCUMENT, PAGE = "drift.json", "index.html"


def folder_of(pipeline: str) -> Path:
    """Where verdicts on a pipeline's batches lie, a folder each."""
    return Path("reports", pipeline, "drift")


def write_outputs(verdict: Verdict, cells: Mapping[str, Sequence[Cell]], folder: Path | None = None) -> Path:
    """Write a verdict, its metrics and its page; each file is seen whole or not at all.

    Parameters
    ----------
    verdict : Verdict
    cells : mapping of column to sequence of Cell
        For the plots.
    folder : Path, optional
        `reports/<pipeline>/drift/<batch>` when absent.

    Returns
    -------
    Path
        The folder.
    """
    home = folder_of(verdict.pipeline)
    into = folder or home / verdict.batch
    write_json(into / DOCUMENT, verdict.as_json())
    write_metrics(verdict, into / FILE)
    write_text(into / PAGE, page(verdict, cells, history(verdict, home)))
    return into


def history(verdict: Verdict, home: Path) -> list[Past]:
    """Batches that were judged against the same profile, in order of name, the one of the verdict included."""
    others = [read_verdict(path) for path in sorted(home.glob(f"*/{DOCUMENT}"))]
    told = {other.batch: other for other in others if other and other.hashes.profile == verdict.hashes.profile}
    return [past(each) for _, each in sorted({**told, verdict.batch: verdict}.items())]


def read_verdict(path: Path) -> Verdict | None:
    """A verdict of before; None where another Holdfast wrote it in another form: a history is no reason to stop."""
    try:
        return Verdict.model_validate(read_json(path))
    except (ValidationError, ValueError, OSError):
        return None


def past(verdict: Verdict) -> Past:
    """A verdict as a point of the history."""
    family = verdict.family
    if family is None or family.surprise is None or not family.threshold:
        return Past(verdict.batch, 0.0, verdict.drifted)
    return Past(verdict.batch, family.surprise / family.threshold, verdict.drifted)
