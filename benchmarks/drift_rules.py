"""What other tools do by default, written out as rules over counts: one number per batch, larger is more alarming.

The fine cells of `drift_streams.py` stand for rows; what a cell of 1/512 of the rows hides of a largest difference is
less than a hundredth of the thresholds here.
"""

from __future__ import annotations

import numpy as np
from drift_streams import FINE_EDGES, Batches
from scipy.special import kolmogorov
from scipy.stats import chi2

MIDDLES = np.concatenate(([FINE_EDGES[0]], (FINE_EDGES[1:] + FINE_EDGES[:-1]) / 2, [FINE_EDGES[-1]]))


def p_values(batches: Batches, reference: Batches) -> np.ndarray:
    """Kolmogorov and Smirnov's p-value of numbers, chi-square's of categories; shape (columns, batches)."""
    return np.stack(
        [
            chi_square(counts[:, :-1], base[:, :-1].sum(axis=0))
            if kind == "category"
            else kolmogorov_smirnov(counts[:, :-1], base[:, :-1].sum(axis=0))
            for kind, counts, base in zip(batches.kinds, batches.counts, reference.counts, strict=True)
        ]
    )


def kolmogorov_smirnov(counts: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Of two samples, asymptotic."""
    own, other = counts.sum(axis=1), base.sum()
    apart = np.abs(np.cumsum(counts, axis=1) / own[:, None] - np.cumsum(base) / other).max(axis=1)
    return kolmogorov(np.sqrt(own * other / (own + other)) * apart)


def chi_square(counts: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Of a table of two rows."""
    own, other = counts.sum(axis=1, keepdims=True), base.sum()
    share = (counts + base) / (own + other)
    found = ((counts - own * share) ** 2 / (own * share) + (base - other * share) ** 2 / (other * share)).sum(axis=1)
    return chi2.sf(found, counts.shape[1] - 1)


def least_p(batches: Batches, reference: Batches) -> np.ndarray:
    """-log of the smallest p-value: p < 0.05 anywhere is the naive rule, p < 0.05 / columns is Bonferroni's."""
    return -np.log(np.maximum(p_values(batches, reference), 1e-300).min(axis=0))


def jensen_shannon(counts: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Distance of shares, in base 2."""
    one, other = counts / counts.sum(axis=1, keepdims=True), base / base.sum()
    middle = (one + other) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.nan_to_num(one * np.log2(one / middle)) + np.nan_to_num(other * np.log2(other / middle))
    return np.sqrt(np.maximum(parts.sum(axis=1) / 2, 0.0))


def values_of(batches: Batches) -> list[np.ndarray | None]:
    """What the counts of each column are of; None of a category, and of numbers in cells that are not fine."""
    if batches.values is not None:
        return list(batches.values)
    return [MIDDLES if counts.shape[1] == len(MIDDLES) + 1 else None for counts in batches.counts]


def binned(counts: np.ndarray, values: np.ndarray | None, bins: int = 30) -> np.ndarray:
    """Numbers in bins of equal width."""
    if values is None:
        return counts
    low, high = (-3.5, 3.5) if values is MIDDLES else (values[0], values[-1])
    place = np.clip(((values - low) / (high - low) * bins).astype(int), 0, bins - 1)
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    return np.add.reduceat(counts, starts, axis=-1)


def distances_js(batches: Batches, base: list[np.ndarray]) -> np.ndarray:
    """Jensen and Shannon's distance of each column; shape (columns, batches)."""
    return np.stack(
        [
            jensen_shannon(binned(counts[:, :-1], values), total)
            for counts, values, total in zip(batches.counts, values_of(batches), base, strict=True)
        ]
    )


def nannyml(batches: Batches, reference: Batches) -> np.ndarray:
    """Largest distance over the reference's own batches' mean, in their sd; NannyML alarms above 3."""
    pairs = zip(reference.counts, values_of(reference), strict=True)
    base = [binned(counts[:, :-1].sum(axis=0), values) for counts, values in pairs]
    own = distances_js(reference, base)
    sd = np.maximum(own.std(axis=1, keepdims=True), 1e-12)
    return ((distances_js(batches, base) - own.mean(axis=1, keepdims=True)) / sd).max(axis=0)


def evidently_scores(batches: Batches, reference: Batches) -> np.ndarray:
    """Evidently's drift score over its 0.1: Wasserstein's distance in sd, or Jensen and Shannon's."""
    found = []
    for kind, counts, values, base in zip(
        batches.kinds, batches.counts, values_of(batches), reference.counts, strict=True
    ):
        own, total = counts[:, :-1], base[:, :-1].sum(axis=0)
        found.append(jensen_shannon(own, total) if kind == "category" else wasserstein(own, total, values))
    return np.stack(found) / 0.1


def wasserstein(counts: np.ndarray, base: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """Distance in sd of the reference, which is 1 of the fine cells."""
    if values is None:
        raise ValueError("Wasserstein's distance needs the fine cells")
    shares = base / base.sum()
    sd = 1.0 if values is MIDDLES else float(np.sqrt(shares @ np.square(values - shares @ values)))
    apart = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True) - np.cumsum(shares)
    return (np.abs(apart[:, :-1]) * np.diff(values)).sum(axis=1) / sd


def evidently(batches: Batches, reference: Batches) -> np.ndarray:
    """Median score of the columns: its preset alarms when half of them are above 1 (p < 0.05 up to 1,000 rows)."""
    if batches.rows <= 1_000:
        return np.median(0.05 / np.maximum(p_values(batches, reference), 1e-300), axis=0)
    return np.median(evidently_scores(batches, reference), axis=0)


def evidently_worst(batches: Batches, reference: Batches) -> np.ndarray:
    """Largest score of a column: what its preset would see if one column were enough."""
    return evidently_scores(batches, reference).max(axis=0)


RULES = {
    "naive: any p < 0.05": (least_p, -np.log(0.05)),
    "Bonferroni": (least_p, None),  # the threshold follows from the number of columns
    "NannyML's default": (nannyml, 3.0),
    "Evidently's preset": (evidently, 1.0),
    "Evidently's scores, any column": (evidently_worst, 1.0),
}
