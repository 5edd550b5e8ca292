"""How far predictions are from what happens on average: the expected calibration error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.slices import BINS, top_class
from tasks.gate.paired import Asked, Window, adder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


def prediction_bins(prediction: Floats, bins: int = BINS) -> Integers:
    """Number the bin of each row: equally many rows by prediction; equal predictions stay together.

    >>> prediction_bins(np.array([0.3, 0.1, 0.1, 0.3]), bins=2).tolist()
    [1, 0, 0, 1]
    """
    ranked = np.sort(prediction)
    cuts = {float(ranked[len(ranked) * cut // bins]) for cut in range(1, bins)} - {float(ranked[0])}
    return np.searchsorted(np.array(sorted(cuts)), prediction, side="right").astype(np.int64)


def calibration_error(window: Window, prediction: Floats) -> Asked:
    """Ask for the mean distance of mean prediction and mean target over bins of the prediction, weighted by rows.

    Bins are cut once, on all rows. In the target's unit; a share for a binary task. Of several classes: how probable
    the most probable class was said to be, and how often it was the actual one.

    References
    ----------
    M. P. Naeini, G. F. Cooper, M. Hauskrecht (2015), "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    AAAI, with bins of equally many rows.
    """
    target, said = top_class(window.target, prediction) if prediction.ndim == 2 else (window.target, prediction)
    code = prediction_bins(said)
    levels = int(code.max()) + 1
    residuals = adder(window.sums(code, levels, said - target))
    rows = window.sums(code, levels, np.ones(window.rows)).sum(axis=1)
    return window.asked(lambda counts: float(np.abs(residuals(counts)).sum() / (counts * rows).sum()))
