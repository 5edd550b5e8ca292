"""The gate on several classes, and on what the leak audit found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from configs.schema import Pipeline
from tasks.gate.contest import difference_of_classes
from tasks.gate.fairness import class_measures
from tasks.gate.verdict import verdict_of
from tests.contests import RESAMPLES, contest, scored_rows, window
from tests.pipelines import make_pipeline

NAMES = ("ash", "beech", "oak")


def sorted_trees(metric: str = "log_loss", costs: Any = None, **gate: Any) -> Pipeline:
    """A pipeline of three classes."""
    return make_pipeline(
        {"group": {"type": "category"}, "species": {"type": "category"}},
        train={"task": "multiclass", "metric": metric, "costs": costs or {}},
        evaluate={"resamples": RESAMPLES, "slice_rows": 20, "slices": ["group"]},
        gate=gate,
    )


def rows_of_classes(challenger: float, champion: float | None, rows: int = 400, seed: int = 0):
    """Held-out rows whose classes each side tells apart: the stronger, the better."""
    generator = np.random.default_rng(seed)
    target = generator.integers(0, 3, rows)

    def told(strength: float):
        scores = np.exp(strength * np.eye(3)[target] + generator.normal(size=(rows, 3)) * 0.5)
        return scores / scores.sum(axis=1, keepdims=True)

    group = generator.choice(["a", "b"], rows)
    held = window(target, told(challenger), None if champion is None else told(champion), group=group)
    return replace(held, classes=NAMES)


def outcomes(verdict: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["outcome"] for check in verdict["checks"]}


@pytest.mark.parametrize("metric", ["log_loss", "accuracy", "roc_auc", "brier"])
def test_better_model_of_classes_is_promoted_and_worse_refused(metric):
    pipeline = sorted_trees(metric)
    assert verdict_of(pipeline, contest(rows_of_classes(2.0, 1.0)))["outcome"] == "promoted"
    refused = verdict_of(pipeline, contest(rows_of_classes(1.0, 2.0)))
    assert (refused["outcome"], outcomes(refused)["newest window"]) == ("refused", "failed")


def test_classes_are_judged_by_slice_calibration_and_group():
    verdict = verdict_of(sorted_trees(protected=["group"]), contest(rows_of_classes(2.0, 2.0)))
    found = outcomes(verdict)
    assert {"slice group=a", "calibration", "fairness of group: accuracy"} <= {*found}
    assert "fairness of group: true positive rate of oak" in found
    assert sum(group["selection rate of ash"] for group in verdict["fairness"][0]["groups"]) > 0


def test_cost_of_decisions_between_classes_is_judged():
    costs = {"matrix": ((0.0, 1.0, 9.0), (1.0, 0.0, 1.0), (9.0, 1.0, 0.0))}
    found = outcomes(verdict_of(sorted_trees(costs=costs), contest(rows_of_classes(2.0, 1.0))))
    assert found["value"] == "passed"


def test_one_class_without_a_number_refuses():
    held = rows_of_classes(2.0, None)
    held.predictions["challenger"][3, 1] = np.nan
    verdict = verdict_of(sorted_trees(), contest(held))
    assert verdict["outcome"] == "refused"
    assert "1 predictions of the challenger are no finite numbers" in verdict["reason"]


def test_measures_of_classes_are_those_written_out():
    target, decided = np.array([0.0, 0, 1, 2]), np.array([0, 1, 1, 1])
    rates = {
        name: counted.sum() / among.sum() for name, (counted, among) in class_measures(target, decided, NAMES).items()
    }
    assert rates == {
        "accuracy": 0.5,
        "selection rate of ash": 0.25,
        "true positive rate of ash": 0.5,
        "selection rate of beech": 0.75,
        "true positive rate of beech": 1.0,
        "selection rate of oak": 0.0,
        "true positive rate of oak": 0.0,
    }


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (NAMES, NAMES, ""),
        (NAMES, ("ash", "beech"), "without 'oak'"),
        (("ash", "beech"), NAMES, "with 'oak'"),
        (NAMES, (), ""),
    ],
)
def test_champion_of_other_classes_cannot_be_compared(ours, theirs, said):
    told = difference_of_classes({"classes": list(ours)}, {"classes": list(theirs)})
    assert said in told
    assert bool(told) == bool(said)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("passed", "passed"), ("warned", "advisory"), ("off", "not assessed"), ("failed", "failed"), ("odd", "failed")],
)
def test_leak_audit_refuses_only_where_it_failed(outcome, expected):
    from tests.contests import gated

    rows = window(*scored_rows(300, 2.0, seed=0))
    audit = {"outcome": outcome, "reason": "dep_delay tells 0.99 of the target"}
    verdict = verdict_of(gated(), contest(rows, leak_audit=audit))
    check = next(check for check in verdict["checks"] if check["name"] == "leak audit")
    assert (check["outcome"], check["refuses"]) == (expected, expected == "failed")
    assert "dep_delay" in check["reason"]
    assert verdict["outcome"] == ("refused" if expected == "failed" else "promoted")
