"""Concept drift: what the model's predictions turned out to cost, once labels have arrived, against their history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.model.history import LEAST_STRETCHES, CountedMeans, Null

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.model.labels import Labels
    from tasks.drift.pseudo_columns import Loss

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ConceptDrift:
    """How wrong the model was on a batch, and how wrong it usually is.

    Attributes
    ----------
    loss : str
        What `value` is the mean of: log loss, squared error, absolute error.
    rows : int
        Rows whose label is known; only these are used.
    waiting, missing : int
        Rows whose label is not due yet; and that is due and not there.
    value : float or None
        Mean loss of the batch's labelled rows, counted in the profile's cells as the history is: so a single row
        that is wildly wrong counts like the reference's worst ones.
    reference : float or None
        Mean loss of the reference, by models that did not learn from its rows.
    interval : (float, float) or None
        What as many rows of the reference cost, but for a share `alpha` beyond each end.
    p_value : float or None
        How often a quiet batch would be as dear.
    alarmed : bool
        The loss is above its interval. One below it is good news, and no alarm.
    widened : str or None
        How the interval was widened where the history is too short for `alpha`.
    off : str or None
        Why nothing can be told.
    """

    loss: Loss
    rows: int
    waiting: int
    missing: int
    value: float | None = None
    reference: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    alarmed: bool = False
    widened: str | None = None
    off: str | None = None

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        counted = f"{self.rows} rows have their label, {self.waiting} wait for it, {self.missing} lack it"
        if self.off is not None or self.interval is None:
            return f"Concept drift is not tested: {self.off} ({counted})."
        low, high = self.interval
        where = "above" if self.alarmed else "within" if (self.value or 0.0) >= low else "below"
        return (
            f"The mean {self.loss} is {self.value:.4g}, {where} the {low:.4g} to {high:.4g} that as many rows of the "
            f"reference cost (mean {self.reference:.4g}; {counted})."
        )


def concept_drift(
    losses: Floats, labels: Labels, history: CountedMeans | None, loss: Loss, alpha: float
) -> ConceptDrift:
    """Compare a batch's realised loss with what stretches of the history of its size cost.

    Parameters
    ----------
    losses : array of float, shape (n,)
        Of the batch's rows (`tasks.drift.pseudo_columns.row_losses`); NaN where the label is not known.
    labels : Labels
        Says how many are not known, and why.
    history : CountedMeans or None
        Of the same loss over the reference's blocks, in order of time, by models that did not learn from those rows:
        so the interval is cross-validated. None where the profile holds none.
    loss : {"log loss", "squared error", "absolute error"}
    alpha : float, 0 to 1
        This test's share of the false alarms per batch.

    Returns
    -------
    ConceptDrift

    Notes
    -----
    A loss rises when the relation of features and target changes, and also when a batch has more of the rows that were
    always hard. `tasks.drift.model.estimate` says what the model itself expects of these rows: a realised loss that is
    dear where the expected one is not, is a changed relation.
    """
    known = losses[~np.isnan(losses)]
    found = ConceptDrift(loss, len(known), labels.waiting, labels.missing)
    if not len(known):
        return replace(found, off=labels.reason or "no row's label is known")
    if history is None:
        return replace(found, off="the profile holds no loss of the reference")
    part = history.part_like(len(known))
    deviations = history.deviations(part) * narrowed(part, len(known))
    if len(deviations) < LEAST_STRETCHES:
        return replace(
            found,
            off=f"the reference has {len(deviations)} stretches of {part} labelled rows; {LEAST_STRETCHES} are needed "
            "to know how much they differ",
        )
    told = judged(found, history.mean_of(known), history.mean, deviations, alpha)
    return told if part == len(known) else replace(told, widened=in_parts(len(known), part, told.widened))


def narrowed(part: int, rows: int) -> float:
    """By what factor the mean of a batch varies less than that of a part of the history.

    By the root of their sizes where rows know nothing of each other, not at all where a whole batch is of one kind. How
    alike neighbours are cannot be told from so short a history: half way between the two is taken, on a logarithmic
    scale, which is too wide for all that forgets within a part.

    >>> narrowed(100, 1600)
    0.5
    """
    return float((part / rows) ** 0.25)


def in_parts(rows: int, part: int, widened: str | None) -> str:
    """What is said where the history is too short to be cut into stretches of the batch's size."""
    said = (
        f"{rows} rows have their label, and the history was compared in parts of {part}: the interval is "
        f"{narrowed(part, rows) * (rows / part) ** 0.5:.1f} times as wide as for rows that know nothing of each other"
    )
    return said if widened is None else f"{said}; {widened}"


def judged(found: ConceptDrift, value: float, reference: float, deviations: Floats, alpha: float) -> ConceptDrift:
    """Tell whether a mean loss is beyond its interval."""
    above, below = Null(deviations), Null(-deviations)
    interval = reference - below.threshold(alpha), reference + above.threshold(alpha)
    return replace(
        found,
        value=value,
        reference=reference,
        interval=interval,
        p_value=above.p_value(value - reference),
        alarmed=value > interval[1],
        widened=above.widened(alpha),
    )
