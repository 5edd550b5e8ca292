"""How figures and verdicts are put into words, in one way wherever they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}


def figure(value: float | None) -> str:
    """Write a score: four decimals up to 1, two below 1000, none above; a dash for none.

    >>> figure(0.60834), figure(55.318), figure(12345.6), figure(None)
    ('0.6083', '55.32', '12,346', '-')
    """
    if value is None:
        return "-"
    size = abs(value)
    return f"{value:.4f}" if size <= 1 else f"{value:.2f}" if size < 1000 else f"{value:,.0f}"


def thousands(value: int) -> str:
    """Write a number of rows.

    >>> thousands(336776)
    '336,776'
    """
    return f"{value:,}"


def verdict(metric: str, value: float | None, best: Mapping[str, Any], name: str, confidence: float) -> str:
    """Say in one plain sentence whether the model has earned its complexity.

    Parameters
    ----------
    metric : str
    value : float or None
        The model's, on the holdout; None where it is not defined.
    best : mapping
        Of the best baseline: `value`, `gain`, `gain_low`, `gain_high` (how much better the model is, and the bounds).
    name : str
        The best baseline's.
    confidence : float
        Level of the intervals.

    Examples
    --------
    >>> linear = {"value": 0.6, "gain": 0.1, "gain_low": 0.05, "gain_high": 0.15}
    >>> verdict("roc_auc", 0.7, linear, "linear", 0.95).split(":")[0]
    'The model has earned its complexity'
    """
    if value is None or best["gain_low"] is None:
        return f"Whether the model has earned its complexity is open: {NAMES[metric]} has no interval on these rows."
    gain, low, high = best["gain"], best["gain_low"], best["gain_high"]
    measured = f"{NAMES[metric]} {figure(value)} against {figure(best['value'])} for the best baseline"
    against = f"{measured} ({name.replace('_', ' ')})"
    if low > 0:
        between = f"{confidence:.0%} interval {figure(low)} to {figure(high)}"
        return f"The model has earned its complexity: {against}, better by {figure(gain)} ({between})."
    if high < 0:
        between = f"{confidence:.0%} interval {figure(-high)} to {figure(-low)}"
        return f"The model has not earned its complexity: {against}, worse by {figure(-gain)} ({between})."
    between = f"{figure(gain)}, {confidence:.0%} interval {figure(low)} to {figure(high)}"
    return f"The model has not earned its complexity: {against}, a difference that may be chance ({between})."


def headline(evaluation: Mapping[str, Any], cv: Mapping[str, Any]) -> str:
    """Say in one sentence how good the model is.

    Parameters
    ----------
    evaluation : mapping
        reports/<pipeline>/evaluation.json.
    cv : mapping
        `mean`, `std` and `folds` of metrics/<pipeline>/train.json.
    """
    metric = evaluation["metric"]
    held, within = evaluation["holdout"][metric], ""
    if held["low"] is not None:
        confidence = evaluation["intervals"]["confidence"]
        within = f" ({confidence:.0%} interval {figure(held['low'])} to {figure(held['high'])})"
    rows = thousands(evaluation["rows"]["holdout"])
    folds = f"{figure(cv['mean'])} ± {figure(cv['std'])} over {len(cv['folds'])} folds"
    return f"{NAMES[metric]} {figure(held['value'])}{within} on {rows} rows that training never saw, and {folds}."


def shift_sentence(folds: Mapping[str, Any], greater_is_better: bool) -> str:
    """Compare the holdout with the folds in words: a holdout far off is data that have moved.

    >>> shift_sentence({"shift": -0.066, "shift_in_std": -1.73}, greater_is_better=True)
    'The holdout scores worse than the folds, by 1.7 of their standard deviations.'
    """
    if folds["shift"] is None or folds["shift_in_std"] is None:
        return "The holdout cannot be compared with the folds: one of them has no score, or the folds do not differ."
    distance = abs(folds["shift_in_std"])
    side = "better" if (folds["shift"] > 0) == greater_is_better else "worse"
    if distance < 1:
        return "The holdout scores as the folds do: within one standard deviation of their mean."
    return f"The holdout scores {side} than the folds, by {distance:.1f} of their standard deviations."
