"""Why a row was predicted so: the features that moved its margin most, by exact TreeSHAP; no value of the row is told.

A feature that is made of a private column is never named: how far it moved a row says something of its value.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.scoring.inputs import sources_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tasks.model.estimator import TabularModel


class Reason(NamedTuple):
    """A feature, and what it added to the margin: log-odds, or the target's unit; of classes, the predicted one's."""

    feature: str
    contribution: float

    def __str__(self) -> str:
        return f"{self.feature} {self.contribution:+.3g}"


def hidden_features(model: TabularModel) -> frozenset[str]:
    """The features that are made of a private column."""
    private = {*(model["features"].private or ())}
    return frozenset(name for name, columns in sources_of(model).items() if not private.isdisjoint(columns))


def top_reasons(
    model: TabularModel, features: pd.DataFrame, predicted: NDArray[np.intp], count: int, hidden: Collection[str] = ()
) -> list[tuple[Reason, ...]]:
    """The features that moved each row most, the strongest first; fewer where others moved nothing.

    Parameters
    ----------
    model : TabularModel
    features : DataFrame of float, shape (n, d)
        What the booster reads (`TabularModel.features_in`).
    predicted : array of int, shape (n,)
        The class whose margin is told of, where there are several.
    count : int, >= 1
    hidden : collection of str
        Features that are not to be named.
    """
    from tasks.evaluation.explain import tree_contributions

    names = model["booster"].feature_names_in_.tolist()
    contributions, _ = tree_contributions(model.booster, features[names])
    if contributions.ndim == 3:
        contributions = contributions[np.arange(len(contributions)), predicted]
    shown = np.array([place for place, name in enumerate(names) if name not in hidden], dtype=np.intp)
    told = contributions[:, shown]
    strongest = np.argsort(-np.abs(told), axis=1, kind="stable")[:, :count]
    return [
        tuple(Reason(str(names[shown[place]]), float(row[place])) for place in order if row[place])
        for row, order in zip(told, strongest, strict=True)
    ]
