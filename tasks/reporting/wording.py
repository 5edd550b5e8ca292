"""How figures and verdicts are put into words, in one way wherever they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "accuracy": "Accuracy",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}

NEARLY_PERFECT = 0.005  # what is left of the constant's loss
SHOWN = 0.00005  # least size that four decimals show


def figure(value: float | None) -> str:
    """Write a score: four decimals up to 1, two below 1000, none above; one digit of what four do not show; a dash.

    >>> figure(0.60834), figure(55.318), figure(12345.6), figure(-0.000032), figure(-0.0), figure(None)
    ('0.6083', '55.32', '12,346', '-3e-05', '0.0000', '-')
    """
    if value is None:
        return "-"
    size = abs(value)
    if size < SHOWN:
        return f"{value:.0e}" if size else "0.0000"
    return f"{value:.4f}" if size <= 1 else f"{value:.2f}" if size < 1000 else f"{value:,.0f}"


def thousands(value: int) -> str:
    """Write a number of rows.

    >>> thousands(336776)
    '336,776'
    """
    return f"{value:,}"


@dataclass(frozen=True)
class Comparison:
    """The model beside the best simpler one, on some rows.

    Attributes
    ----------
    where : str
        "over 5 folds", "on the holdout".
    value : float or None
        The model's score.
    best : mapping
        The simpler one's `value`; `gain`, `gain_low`, `gain_high`: how much better the model is.
    name : str
        The simpler one's.
    """

    where: str
    value: float | None
    best: Mapping[str, Any]
    name: str

    def told(self, confidence: float) -> str:
        """In words, with the interval."""
        best, low, high = self.best, self.best["gain_low"], self.best["gain_high"]
        against = f"{figure(self.value)} against {figure(best['value'])} for the {rung(self.name)} {self.where}"
        if low is None:
            return f"{against}, without an interval"
        if high < 0:
            low, high = -high, -low
        within = f"{confidence:.0%} interval {figure(low)} to {figure(high)}"
        if best["gain_low"] > 0 or best["gain_high"] < 0:
            return f"{against}, {'better' if best['gain'] > 0 else 'worse'} by {figure(abs(best['gain']))} ({within})"
        return f"{against}, a difference that may be chance ({figure(best['gain'])}, {within})"


def rung(name: str) -> str:
    """Name a rung of the ladder as a model.

    >>> rung("shallow_trees"), rung("linear")
    ('shallow trees', 'linear model')
    """
    return name.replace("_", " ") if name.endswith("trees") else f"{name} model"


def verdict(metric: str, earned: bool | None, comparisons: Sequence[Comparison], confidence: float) -> str:
    """Say in one plain sentence whether the model has earned its complexity.

    Parameters
    ----------
    metric : str
    earned : bool or None
        `tasks.evaluation.ladder.has_earned`.
    comparisons : sequence of Comparison
        With the best simpler model over the folds, and on the holdout.
    confidence : float
        Level of the intervals.

    Examples
    --------
    >>> linear = {"value": 0.6, "gain": 0.1, "gain_low": 0.05, "gain_high": 0.15}
    >>> print(verdict("roc_auc", True, [Comparison("over 5 folds", 0.7, linear, "linear")], 0.95))
    The model has earned its complexity: ROC AUC 0.7000 against 0.6000 for the linear model over 5 folds, better by \
0.1000 (95% interval 0.0500 to 0.1500).
    """
    if earned is None:
        return f"Whether the model has earned its complexity is open: {NAMES[metric]} has no interval on these rows."
    told = "; ".join(comparison.told(confidence) for comparison in comparisons)
    return f"The model has {'' if earned else 'not '}earned its complexity: {NAMES[metric]} {told}."


def too_good(value: float | None, constant: float | None, *, greater_is_better: bool) -> str:
    """Say that held-out rows are predicted nearly perfectly, which is a leak more often than not; nothing where not.

    Parameters
    ----------
    value, constant : float or None
        The model's metric, and that of a model that predicts the same of every row.
    greater_is_better : bool
        Whether 1 is perfect; else 0 is.

    Examples
    --------
    >>> too_good(0.9712, 0.5, greater_is_better=True), too_good(0.35, 1.1, greater_is_better=False)
    ('', '')
    >>> print(too_good(0.0014, 1.02, greater_is_better=False))
    It is nearly perfect, as honest data seldom allow: see that no columns, alone or together, tell the outcome.
    """
    if value is None or constant is None or constant == float(greater_is_better):
        return ""
    left = (1 - value) / (1 - constant) if greater_is_better else value / constant
    if left > NEARLY_PERFECT:
        return ""
    return (
        "It is nearly perfect, as honest data seldom allow: see that no columns, alone or together, tell the outcome."
    )


def spare_sentence(spare: Mapping[str, Any], metric: str, confidence: float) -> str:
    """Name the columns whose removal costs nothing, and what was seen without them.

    Parameters
    ----------
    spare : mapping
        `tasks.evaluation.spare_columns.judge_trial`'s.
    metric : str
    confidence : float

    Examples
    --------
    >>> none = {"tried": [], "columns": [], "reason": None}
    >>> spare_sentence(none, "rmse", 0.95)
    'No column was found whose removal costs nothing: each helps to predict held-out rows.'
    """
    if not spare["tried"] and spare["reason"] is not None:
        return f"No column was tried to be left out: {spare['reason']}."
    if not spare["tried"]:
        return "No column was found whose removal costs nothing: each helps to predict held-out rows."
    named = listed(spare["tried"])
    if spare["reason"] is not None:
        return f"Whether removing {named} costs anything is open: {spare['reason']}."
    within = f"{confidence:.0%} interval {figure(spare['gain_low'])} to {figure(spare['gain_high'])}"
    seen = f"{NAMES[metric]} {figure(spare['value_without'])} against {figure(spare['value'])} with"
    trial = f"{seen}, a gain of {figure(spare['gain'])} ({within}) on {thousands(spare['rows'])} held-out rows"
    if spare["columns"]:
        return f"Removing {named} costs nothing: fitted anew without, the model has {trial}."
    missed = (
        "a sure loss" if spare["gain_high"] < 0 else f"which leaves room for a loss beyond {figure(spare['allowed'])}"
    )
    return f"No column was proven to cost nothing: fitted anew without {named}, the model has {trial}, {missed}."


def listed(names: Sequence[str]) -> str:
    """Names in one line.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


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
