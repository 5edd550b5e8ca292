"""What the trees read: one float32 matrix per side of a fit, filled from what is made once for all fits.

Features are derived row by row, so all rows have them at once. Encodings come from one table of cells, of which each
fit is handed those that it may see. Only a transformer of the user's own is fitted anew, on each fit's learnt rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from tasks.allocation import give_memory_back
from tasks.encoding.target_cells import TargetCells
from tasks.model.model_matrix import NoFeatureError, model_matrix

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tasks.encoding.target_cells import Encodings
    from tasks.model.estimator import TabularModel
    from tasks.own_features.user_features import UserFeatures
    from tasks.splitting.cross_fitting import Fit
    from tasks.training.rows import TrainingRows

    Matrix = NDArray[np.float32]
    Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Prepared:
    """What all fits share, made once.

    Attributes
    ----------
    rows : TrainingRows
    features : DataFrame, shape (n, d)
        Derived of all rows; columns to encode are categories.
    plain : array of float32, shape (n, p)
        The features that are no categories, as the trees read them, in the features' order.
    table : TargetCells
        Sums of the target per cell of rows and level.
    names : tuple of str
        What the trees read: the features in their order, an encoded one once per class where there are several, and
        after them the columns of a transformer of the user's own, whose names are known once it is fitted.
    """

    rows: TrainingRows
    features: pd.DataFrame
    plain: Matrix
    table: TargetCells
    names: tuple[str, ...]


@dataclass(frozen=True)
class FitMatrices:
    """One fit's features, as the trees read them; each array's shape is (rows, d), its columns lie contiguous.

    Attributes
    ----------
    learnt, watched, valid : array of float32
        Of the rows that `Fit` lists under these names, in its order.
    names : list of str
        Of the columns.
    custom : UserFeatures or None
        The user's own transformer, fitted on the learnt rows; None where none is declared.
    """

    learnt: Matrix
    watched: Matrix
    valid: Matrix
    names: list[str]
    custom: UserFeatures | None

    def without_learnt(self) -> FitMatrices:
        """The same without the floats of the learnt rows: most of the memory, and nobody needs them once binned."""
        return replace(self, learnt=self.learnt[:0].copy())


def prepare(model: TabularModel, rows: TrainingRows) -> Prepared:
    """Derive the features of all rows and add up the target per cell: all that fits can share.

    Parameters
    ----------
    model : TabularModel
        As declared; its row-wise step `features` is fitted in place.
    rows : TrainingRows

    Raises
    ------
    NoFeatureError
        If the pipeline declares no feature.
    InfiniteFeatureError
        Names each column with infinite values.
    """
    encode, pipeline = model["encode"], rows.pipeline
    features: pd.DataFrame = model["features"].fit_transform(rows.raw)
    if features.shape[1] == 0 and model.custom is None:
        raise NoFeatureError(
            "no feature is left to learn from; at least one was expected. See `columns`, `drop` and `features`."
        )
    if model.custom is not None:
        model.custom.require_repeatable(rows.raw, rows.target)  # all: some transformers sample where rows are many
    plain = model_matrix(features.drop(columns=list(encode.columns)))
    classes = {"binary": 2, "multiclass": len(rows.classes or ()), "regression": None}[pipeline.task]
    table = TargetCells.of(features, rows.target, rows.plan.cell, rows.plan.cells, encode.columns, classes)
    made = Prepared(rows, features, np.asfortranarray(plain), table, tuple(names_of(features, table, rows.classes)))
    give_memory_back()  # what deriving features took: an eighth of what a fit of the flights holds
    return made


def names_of(features: pd.DataFrame, table: TargetCells, classes: tuple[str, ...] | None) -> list[str]:
    """What the encoder calls the features once they are encoded: one of a category has a name per class."""
    several = [f"_{label}" for label in classes or ()] if table.is_multiclass else [""]
    return [f"{name}{end}" for name in features for end in (several if name in table.columns else [""])]


def fit_matrices(prepared: Prepared, fit: Fit, model: TabularModel) -> FitMatrices:
    """Make what one fit learns from, watches and validates; nothing that is shared is changed.

    Parameters
    ----------
    prepared : Prepared
    fit : Fit
    model : TabularModel
        As declared; a transformer of the user's own is cloned, and fitted on the learnt rows alone.
    """
    encodings = prepared.table.encoded(fit, model["encode"].smooth)
    custom, own = own_features(prepared.rows, fit, model)
    learnt = filled(prepared, encodings, fit.learnt, own[0], learnt=True)
    watched, valid = (
        filled(prepared, encodings, chosen, extra, learnt=False)
        for chosen, extra in ((fit.watched, own[1]), (fit.valid, own[2]))
    )
    names = [*prepared.names, *([] if custom is None else custom.get_feature_names_out())]
    return FitMatrices(learnt, watched, valid, names, custom)


def filled(prepared: Prepared, encodings: Encodings, chosen: Positions, own: Matrix | None, *, learnt: bool) -> Matrix:
    """Copy the plain features of some rows, encode the others, and put the user's own after them."""
    shared = len(prepared.names)
    matrix = np.empty((len(chosen), shared + (0 if own is None else own.shape[1])), dtype=np.float32, order="F")
    firsts = places_of(prepared)
    encoded = {place for first in firsts for place in range(first, first + prepared.table.outputs)}
    plain = [place for place in range(shared) if place not in encoded]
    for source, place in enumerate(plain):
        np.take(prepared.plain[:, source], chosen, out=matrix[:, place])
    encodings.write(matrix, firsts, chosen, learnt=learnt)
    if own is not None:
        matrix[:, shared:] = own
    return matrix


def places_of(prepared: Prepared) -> list[int]:
    """Where the encoding of each column of the table begins in a matrix."""
    wide, place, found = {*prepared.table.columns}, 0, {}
    for name in prepared.features:
        found[name] = place
        place += prepared.table.outputs if name in wide else 1
    return [found[name] for name in prepared.table.columns]


def own_features(rows: TrainingRows, fit: Fit, model: TabularModel) -> tuple[UserFeatures | None, list[Matrix | None]]:
    """Fit the user's own transformer on the learnt rows, and apply it to the three sides of a fit."""
    if model.custom is None:
        return None, [None, None, None]
    custom = clone(model.custom)
    learnt = custom.fit_transform(rows.raw.iloc[fit.learnt], rows.target[fit.learnt])
    others = [custom.transform(rows.raw.iloc[chosen]) for chosen in (fit.watched, fit.valid) if len(chosen)]
    found = [model_matrix(frame) for frame in (learnt, *others)]
    nothing = np.empty((0, found[0].shape[1]), dtype=np.float32)
    return custom, [*found, *[nothing] * (3 - len(found))]
