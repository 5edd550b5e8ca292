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
from tasks.plots import bar_plot, calibration_plot, interval_plot, learning_curves, split_plot
from tasks.stage import run_as_command
from tasks.wording import NAMES, figure, headline, shift_sentence, thousands

if TYPE_CHECKING:
    from jinja2 import Environment

    from configs.schema import Pipeline

TEMPLATES = Path(__file__).parent
SHOWN_FEATURES = 20


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


def plain(value: object) -> str:
    """Write an argument the way the YAML has it."""
    return f"[{', '.join(map(plain, value))}]" if isinstance(value, list) else str(value)


def plots(written: Written) -> dict[str, Any]:
    """Draw all plots of the page; an empty one where there is nothing to draw."""
    found, metric = written.evaluation, written.evaluation["metric"]
    name, held = NAMES[metric], found["holdout"][metric]
    ladder = [{"name": "the model", **held, "strong": True}]
    ladder += [
        {"name": rung.replace("_", " "), **found["baselines"][rung]} for rung in ("shallow_trees", "linear", "constant")
    ]
    slices = [{**entry, "name": f"{entry['column']} {entry['level']}"} for entry in found["slices"]]
    best = best_rounds(written.curves, found["greater_is_better"])
    folds = [
        {"name": f"fold {each['fold']}", **each, "low": None, "high": None} for each in found["out_of_fold"]["folds"]
    ]
    importance = [
        {"name": entry["feature"], "value": entry["contribution"], "note": entry["direction"]}
        for entry in found["explanation"]["features"][:SHOWN_FEATURES]
    ]
    unit = "log-odds" if found["task"] == "binary" else "the target's unit"
    labels = ("mean prediction", "share found" if found["task"] == "binary" else "mean found")
    return {
        "ladder": interval_plot(ladder, f"{name} of the model and the baselines on the holdout", name),
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
    }


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


def target_sentence(target: Mapping[str, Any], task: str) -> str:
    """Say what is predicted."""
    if target["above"] is not None:
        return f"{target['name']}: is {target['from']} above {target['above']:g}?"
    return f"{target['name']}: {'the probability of its second class' if task == 'binary' else 'its expected value'}."


def values(owner: str | None, target: Mapping[str, Any], written: Written) -> dict[str, Any]:
    """Gather what both templates show."""
    found, cv = written.evaluation, written.metrics["train"]["cv"]
    return {
        "owner": owner,
        "target": target,
        "predicts": target_sentence(target, found["task"]),
        "found": found,
        "metric_name": NAMES[found["metric"]],
        "metrics": sorted(found["holdout"], key=list(NAMES).index),
        "headline": headline(found, cv),
        "shift": shift_sentence(found["out_of_fold"], found["greater_is_better"]),
        "train": written.metrics["train"],
        "split": written.metrics["split"],
        "account": account(written.metrics),
        "expectations": expectation_table(written.validation),
        "names": NAMES,
        "parameters": flat(found["model"].get("params", {})),
    }


def flat(tree: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Write nested parameters as lines of `section.key` and value; columns are the data's, not a choice.

    >>> flat({"split": {"folds": 5}, "drop": []})
    [('split.folds', '5'), ('drop', '[]')]
    """
    lines: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            lines += flat(value, f"{path}{name}.")
        elif not f"{path}{name}".startswith("columns."):
            lines.append((f"{path}{name}", "not set" if value is None else plain(value)))
    return lines


def environment(*, autoescape: bool) -> Environment:
    """Make an environment that fails on a missing name and has the page's filters."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=autoescape,  # noqa: S701 - off for Markdown only, where `finalize` escapes instead
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=None if autoescape else markdown_text,
    )
    made.filters.update(figure=figure, thousands=thousands)
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
