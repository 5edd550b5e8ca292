"""What page and model card say of a model in words and lines: target, training, mistakes, evidence of leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.reporting.wording import figure, listed, thousands

SHOWN_CLASSES = 12  # with more, a confusion table is a list of the commonest mistakes
SHOWN_MISTAKES = 10


def target_sentence(target: Mapping[str, Any], task: str, classes: Sequence[str] = ()) -> str:
    """Say what is predicted."""
    if target["above"] is not None:
        return f"{target['name']}: is {target['from']} above {target['above']:g}?"
    if task == "multiclass":
        named = listed(classes) if len(classes) <= SHOWN_CLASSES else f"{len(classes)} classes"
        return f"{target['name']}: the probability of each of {named}."
    if task == "regression":
        return f"{target['name']}: its expected value."
    return f"{target['name']}: the probability of {classes[1] if len(classes) == 2 else 'its second class'}."


def training_facts(train: Mapping[str, Any], model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a model was trained with beyond the trees' parameters, as far as something is declared."""
    declared = model.get("params", {}).get("train", {})
    directions = ", ".join(f"{name} {way}" for name, way in (declared.get("monotone") or {}).items())
    weights = [f"the column {declared['weight']}"] if declared.get("weight") else []
    weights += ["classes weigh alike"] if declared.get("balance") else []
    decision = train.get("decision") or {}
    threshold = "" if decision.get("threshold") is None else f", from a probability of {figure(decision['threshold'])}"
    costs = "; ".join(f"{name} {figure(cost)}" for name, cost in decision.get("costs", ()))
    facts = {
        "Weights of rows": " and ".join(weights),
        "Monotone": directions,
        "Calibration": f"{train['calibration']}, learned on out-of-fold rows" if train.get("calibration") else "",
        "Decision": f"{decision['rule']}{threshold}" if decision else "",
        "Mean cost of an out-of-fold row": costs,
        "Trees grown on": train.get("device", ""),
    }
    return [(name, value) for name, value in facts.items() if value]


def mistakes(decisions: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The commonest mistakes: rows of one class that were decided to be another."""
    if decisions is None:
        return []
    names = decisions["classes"]
    found = [
        {"actual": names[actual], "decided": names[decided], "rows": rows, "share": rows / sum(counts)}
        for actual, counts in enumerate(decisions["confusion"])
        for decided, rows in enumerate(counts)
        if actual != decided and rows
    ]
    return sorted(found, key=lambda entry: -int(str(entry["rows"])))[:SHOWN_MISTAKES]


def direction_note(entry: Mapping[str, Any]) -> str:
    """What a larger value of a feature does, and of several classes to which one.

    >>> direction_note({"direction": "raises", "class": "virginica"})
    'raises virginica'
    """
    return f"{entry['direction']} {entry['class']}" if "class" in entry else str(entry["direction"])


def evidence_facts(evidence: Any) -> list[tuple[str, str]]:
    """Evidence of the leak audit as names and figures, whatever it holds; nested names are joined.

    >>> evidence_facts({"auc": {"value": 0.991, "chance": 0.5}, "rows": 1200, "columns": ["a", "b"]})
    [('auc value', '0.9910'), ('auc chance', '0.5000'), ('rows', '1,200'), ('columns', 'a, b')]
    """
    if not isinstance(evidence, Mapping):
        return [("", plain_figure(evidence))]
    found = []
    for name, value in evidence.items():
        if isinstance(value, Mapping):
            found += [(f"{name} {inner}".replace("_", " ").strip(), text) for inner, text in evidence_facts(value)]
        else:
            found.append((str(name).replace("_", " "), plain_figure(value)))
    return found


def plain_figure(value: object) -> str:
    """A number of rows or a figure as the page writes them, a list joined, anything else as it is."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return thousands(value)
    if isinstance(value, float):
        return figure(value)
    return ", ".join(map(plain_figure, value)) if isinstance(value, (list, tuple)) else str(value)


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


def plain(value: object) -> str:
    """Write an argument the way the YAML has it."""
    return f"[{', '.join(map(plain, value))}]" if isinstance(value, list) else str(value)
