"""What six stages could have written about a small pipeline, for tests of the page alone."""

from __future__ import annotations

from typing import Any

from tasks.report import Written

TARGET = {"name": "late", "from": "delay", "above": 30.0, "known_after": "1d"}


def metrics() -> dict[str, Any]:
    return {
        "ingest": {"rows_in": 1000, "rows_out": 990, "rows_quarantined": 10, "reasons": {"not_an_integer": 10}},
        "validate": {"rows_in": 990, "rows_out": 950, "rows_quarantined": 40, "reasons": {"expect_x": 40}},
        "split": {
            "kind": "time",
            "rows": {"train": 600, "holdout": 300, "outside": 50, "outside_reasons": {"gap": 50}},
            "folds": [{"fold": 0, "train": 200, "valid": 200}, {"fold": 1, "train": 390, "valid": 200}],
        },
        "train": {
            "metric": "roc_auc",
            "cv": {"mean": 0.7, "std": 0.02, "folds": [0.71, 0.69]},
            "rounds": 3,
            "features": 2,
            "device": "cpu",
            "leak_audit": leak_audit(),
        },
        "evaluate": {},
    }


def leak_audit(outcome: str = "warned", name: str = "dep_delay") -> dict[str, Any]:
    finding = {
        "probe": "single_column",
        "columns": [name],
        "text": f"{name} tells the target",
        "evidence": {"auc": 0.991},
    }
    return {
        "outcome": outcome,
        "reason": f"1 finding: {name} tells the target",
        "findings": [finding],
        "probes": {"noise": {"share of gain": 0.01, "auc": {"value": 0.5, "low": 0.49}}},
    }


def ladder(metric_value: float = 0.7) -> dict[str, Any]:
    score = {"value": 0.61, "low": 0.6, "high": 0.62, "reason": None, "description": "a simpler model"}
    gain = {"gain": 0.09, "gain_low": 0.07, "gain_high": 0.11}
    step = {"step": 0.03, "step_low": 0.02, "step_high": 0.04}
    return {
        "model": {"value": metric_value, "low": 0.69, "high": 0.71, "reason": None},
        "rungs": {
            "constant": score | gain,
            "linear": score | gain | step,
            "shallow_trees": score | gain | step,
        },
        "best_rung": "shallow_trees",
        "folds": 2,
        "rows": 400,
        "unit": "day",
        "blocks": 60,
    }


def validation(name: str = "expect_column_values_to_not_be_null") -> dict[str, Any]:
    result = {
        "name": name,
        "arguments": {"column": "delay"},
        "otherwise": "quarantine",
        "success": False,
        "unexpected_count": 20,
    }
    fine = {"name": "expect_x", "arguments": {}, "otherwise": "stop", "success": True, "unexpected_count": None}
    return {"batches": [{"batch": batch, "results": [result, fine]} for batch in ("2020-01", "2020-02")]}


def evaluation(level: str = "EWR", feature: str = "hour") -> dict[str, Any]:
    score = {"value": 0.68, "low": 0.65, "high": 0.71, "reason": None}
    rung = {**score, "value": 0.6, "description": "a simpler model", "gain": 0.08, "gain_low": 0.05, "gain_high": 0.11}
    undefined = {"value": None, "low": None, "high": None, "reason": "not defined: the target takes one value only"}
    slice_ = {"column": "origin", "rows": 200, "target_mean": 0.2}
    decisions = {
        "classes": ["0", "1"],
        "confusion": [[200, 40], [20, 40]],
        "rule": "the more probable class",
        "threshold": 0.5,
        "cost_per_row": 0.4,
    }
    return {
        "pipeline": "flights",
        "task": "binary",
        "metric": "roc_auc",
        "greater_is_better": True,
        "rows": {"train": 600, "holdout": 300},
        "target_mean": {"train": 0.15, "holdout": 0.2},
        "holdout": {"roc_auc": score, "brier": {**score, "value": 0.11}},
        "ladder": ladder(),
        "spare_columns": {"columns": ["noise"], "sentence": "Removing noise costs nothing: so it was seen."},
        "classes": None,
        "decisions": decisions,
        "baselines": dict.fromkeys(("constant", "linear", "shallow_trees"), rung),
        "best_baseline": "linear",
        "beats_baselines": True,
        "verdict": "The model has earned its complexity.",
        "intervals": {"confidence": 0.95, "resamples": 1000, "seed": 7, "unit": "day", "blocks": 31},
        "slices": [{**slice_, **score, "level": level}, {**slice_, **undefined, "level": "(other)"}],
        "out_of_fold": {
            "folds": [{"fold": 0, "rows": 200, "value": 0.71}, {"fold": 1, "rows": 200, "value": 0.69}],
            "mean": 0.7,
            "std": 0.02,
            "shift": -0.02,
            "shift_in_std": -1.4,
        },
        "calibration": [{"bin": n, "rows": 30, "prediction": n / 10, "target": n / 12} for n in range(1, 11)],
        "explanation": {
            "rows": 300,
            "bias": -1.2,
            "additivity_error": 1e-6,
            "features": [{"feature": feature, "contribution": 0.3, "share": 1.0, "gain": 1.0, "direction": "raises"}],
        },
        "model": {
            "files": {"booster.ubj": "ab" * 32},
            "params": {"split": {"folds": 2}},
            "libraries": {"xgboost": "3.2.0"},
        },
        "settings": {},
    }


def written(**changes: Any) -> Written:
    facts = {
        "metrics": metrics(),
        "validation": validation(),
        "evaluation": evaluation(),
        "curves": [("fold 0", [0.6, 0.7, 0.69]), ("fold 1", [0.61, 0.65])],
    }
    return Written(**{**facts, **changes})
