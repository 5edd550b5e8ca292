"""Stage `report`: one page and one model card that say what was made, from what, and how good it is.

Everything is read from what earlier stages wrote; nothing is computed anew but sums, and these are checked.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from tasks.atomic import read_json, write_text
from tasks.reporting.model_facts import (
    SHOWN_CLASSES,
    direction_note,
    evidence_facts,
    flat,
    mistakes,
    plain,
    target_sentence,
    training_facts,
)
from tasks.reporting.pages import templates
from tasks.reporting.plots import bar_plot, calibration_plot, confusion_plot, interval_plot, learning_curves, split_plot
from tasks.reporting.wording import NAMES, headline, shift_sentence
from tasks.stage import run_as_command

if TYPE_CHECKING:
    from jinja2 import Environment

    from configs.schema import Pipeline

SHOWN_FEATURES = 20
RUNGS = ("constant", "linear", "shallow_trees")
UNITS = {
    "binary": "log-odds",
    "multiclass": "the logarithm of a class's odds",
    "regression": "the target's unit",
}
CALIBRATION_AXES = {
    "binary": ("mean prediction", "share found"),
    "multiclass": ("mean probability of the likeliest class", "share that is right"),
    "regression": ("mean prediction", "mean found"),
}


class UnbalancedRowsError(DataError):
    """Rows in are not rows out plus rows quarantined: a stage lost some, or counted wrong."""


@dataclass(frozen=True)
class Written:
    """What the stages wrote about one pipeline: their metrics, the results of validation and evaluation, the curves."""

    metrics: Mapping[str, Any]
    validation: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    curves: Sequence[tuple[str, Sequence[float]]]


def account(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Follow the rows from the raw files to the split, and check that none is lost.

    Parameters
    ----------
    metrics : mapping
        Of the stages `ingest`, `validate` and `split`.

    Returns
    -------
    dict
        `stages` (name, rows in, out, quarantined, reasons), `parts` (of the split), `rows_in`, `quarantined`, `valid`.

    Raises
    ------
    UnbalancedRowsError
        Says between which stages the sum does not hold, and by how much.
    """
    stages = [
        {"name": name, **{key: metrics[name][key] for key in ("rows_in", "rows_out", "rows_quarantined", "reasons")}}
        for name in ("ingest", "validate")
    ]
    for stage in stages:
        require_sum(f"{stage['name']}: rows in", stage["rows_in"], stage["rows_out"] + stage["rows_quarantined"])
        require_sum(f"{stage['name']}: reasons", sum(stage["reasons"].values()), stage["rows_quarantined"])
    require_sum("rows out of ingest and into validate", stages[0]["rows_out"], stages[1]["rows_in"])
    parts = {name: metrics["split"]["rows"][name] for name in ("train", "holdout", "outside")}
    require_sum("rows out of validate and into split", stages[1]["rows_out"], sum(parts.values()))
    return {
        "stages": stages,
        "parts": parts,
        "outside_reasons": metrics["split"]["rows"].get("outside_reasons", {}),
        "rows_in": stages[0]["rows_in"],
        "valid": stages[1]["rows_out"],
        "quarantined": sum(stage["rows_quarantined"] for stage in stages),
    }


def require_sum(what: str, left: int, right: int) -> None:
    """Refuse an account that does not add up."""
    if left != right:
        raise UnbalancedRowsError(
            f"{what}: {left} and {right} should be equal; {abs(left - right)} rows are unaccounted for. Run the stages "
            "again with `dvc repro --force`, and report this, please."
        )


def expectation_table(validation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Add up each declared expectation's results over the batches, in order of declaration."""
    table: list[dict[str, Any]] = []
    for batch in validation["batches"]:
        for position, result in enumerate(batch["results"]):
            if position == len(table):
                asked = ", ".join(f"{name}: {plain(value)}" for name, value in result["arguments"].items())
                table.append(
                    {"name": result["name"], "asked": asked, "otherwise": result["otherwise"], "failed": [], "rows": 0}
                )
            table[position]["rows"] += result["unexpected_count"] or 0
            if not result["success"]:
                table[position]["failed"].append(batch["batch"])
    return [{**entry, "batches": len(validation["batches"])} for entry in table]


def plots(written: Written) -> dict[str, Any]:
    """Draw all plots of the page; an empty one where there is nothing to draw."""
    found, metric = written.evaluation, written.evaluation["metric"]
    name, held = NAMES[metric], found["holdout"][metric]
    on_folds = found["ladder"]
    slices = [{**entry, "name": f"{entry['column']} {entry['level']}"} for entry in found["slices"]]
    best = best_rounds(written.curves, found["greater_is_better"])
    folds = [
        {"name": f"fold {each['fold']}", **each, "low": None, "high": None} for each in found["out_of_fold"]["folds"]
    ]
    importance = [
        {"name": entry["feature"], "value": entry["contribution"], "note": direction_note(entry)}
        for entry in found["explanation"]["features"][:SHOWN_FEATURES]
    ]
    unit, labels = UNITS[found["task"]], CALIBRATION_AXES[found["task"]]
    return {
        "ladder": interval_plot(
            ladder_entries(held, found["baselines"]), f"{name} of the model and simpler ones on the holdout", name
        ),
        "fold_ladder": interval_plot(
            ladder_entries(on_folds["model"], on_folds["rungs"]), f"{name} of the model and simpler ones on folds", name
        ),
        "slices": interval_plot(slices, f"{name} per slice of the holdout", name, reference=held["value"]),
        "folds": interval_plot(
            [*folds, {"name": "holdout", **held, "strong": True}],
            f"{name} per fold and on the holdout",
            name,
            reference=found["out_of_fold"]["mean"],
        ),
        "curves": learning_curves(written.curves, best, f"{name} of early stopping's rows per boosting round", name),
        "split": split_plot(
            written.metrics["split"]["folds"], written.metrics["split"]["rows"], "Rows per fold and part"
        ),
        "importance": bar_plot(importance, "Importance of the features", f"mean absolute contribution, in {unit}"),
        "calibration": calibration_plot(found["calibration"], "Predicted and found, in ten bins", labels),
        "confusion": confusion(found["decisions"]),
    }


def ladder_entries(model: Mapping[str, Any], rungs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ladder's rungs as marks of a plot, the model first."""
    below = [{"name": name.replace("_", " "), **rungs[name]} for name in reversed(RUNGS)]
    return [{"name": "the model", **model, "strong": True}, *below]


def confusion(decisions: Mapping[str, Any] | None) -> str:
    """Draw the confusion table; nothing for a regression, or for more classes than a table shows."""
    if decisions is None or len(decisions["classes"]) > SHOWN_CLASSES:
        return ""
    return confusion_plot(decisions["confusion"], decisions["classes"], "Held-out rows by class and decision")


def best_rounds(curves: Sequence[tuple[str, Sequence[float]]], greater_is_better: bool) -> list[int]:
    """Find the first best round of each curve, from 1.

    >>> best_rounds([("fold 0", [0.6, 0.7, 0.7])], greater_is_better=True)
    [2]
    """
    choose = max if greater_is_better else min
    return [list(curve).index(choose(curve)) + 1 for _, curve in curves]


def read_curves(path: Path) -> list[tuple[str, list[float]]]:
    """Read the learning curves that `train` wrote: columns fold, round, score."""
    curves: dict[str, list[float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            curves.setdefault(f"fold {row['fold']}", []).append(float(row["score"]))
    return list(curves.items())


def values(owner: str | None, target: Mapping[str, Any], written: Written) -> dict[str, Any]:
    """Gather what both templates show."""
    found, cv = written.evaluation, written.metrics["train"]["cv"]
    return {
        "owner": owner,
        "target": target,
        "predicts": target_sentence(target, found["task"], written.metrics["train"].get("classes", ())),
        "found": found,
        "metric_name": NAMES[found["metric"]],
        "metrics": sorted(found["holdout"], key=list(NAMES).index),
        "headline": headline(found, cv),
        "shift": shift_sentence(found["out_of_fold"], found["greater_is_better"]),
        "train": written.metrics["train"],
        "training_facts": training_facts(written.metrics["train"], found["model"]),
        "audit": written.metrics["train"].get("leak_audit"),
        "mistakes": mistakes(found["decisions"]),
        "rungs": RUNGS,
        "split": written.metrics["split"],
        "account": account(written.metrics),
        "expectations": expectation_table(written.validation),
        "names": NAMES,
        "parameters": flat(found["model"].get("params", {})),
    }


def environment(*, autoescape: bool) -> Environment:
    """Templates with the report's filters; Markdown has escapes of its own."""
    made = templates(escape=None if autoescape else markdown_text)
    made.filters.update(direction_note=direction_note, facts=evidence_facts)
    return made


def markdown_text(value: object) -> object:
    r"""Escape what Markdown, or HTML inside it, would read as more than text.

    >>> markdown_text("a|b <script>")
    'a\\|b \\<script\\>'
    """
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(value.split())) if isinstance(value, str) else value


def page(owner: str | None, target: Mapping[str, Any], written: Written) -> str:
    """Render the HTML page: whole in itself, everything from the data escaped."""
    template = environment(autoescape=True).get_template("report.html.j2")
    return template.render(**values(owner, target, written), plots=plots(written))


def model_card(owner: str | None, target: Mapping[str, Any], written: Written) -> str:
    """Render the model card, after M. Mitchell et al. (2019), "Model Cards for Model Reporting", arXiv:1810.03993."""
    return environment(autoescape=False).get_template("model_card.md.j2").render(**values(owner, target, written))


def read_written(name: str) -> Written:
    """Read what the stages before wrote."""
    stages = ("ingest", "validate", "split", "train", "evaluate")
    return Written(
        metrics={stage: read_json(Path(f"metrics/{name}/{stage}.json")) for stage in stages},
        validation=read_json(Path(f"reports/{name}/validation.json")),
        evaluation=read_json(Path(f"reports/{name}/evaluation.json")),
        curves=read_curves(Path(f"plots/{name}/learning_curve.csv")),
    )


def main(pipeline: Pipeline) -> None:
    """Stage `report` of dvc.yaml."""
    name, written = pipeline.name, read_written(pipeline.name)
    target = pipeline.target.model_dump(mode="json", by_alias=True)
    write_text(Path(f"reports/{name}/index.html"), page(pipeline.owner, target, written))
    write_text(Path(f"reports/{name}/model_card.md"), model_card(pipeline.owner, target, written))
    print(f"report: reports/{name}/index.html", flush=True)


if __name__ == "__main__":
    run_as_command("report")
