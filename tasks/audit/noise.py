"""What cannot predict must not: a planted column of noise, and a target whose rows were shuffled.

Both go through the same encoding, by the same plan of who may see whom, as the training does. A target that finds its
way into an encoding shows here, whatever the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tasks.audit.columns import correlation
from tasks.audit.finding import Finding
from tasks.audit.lookup import as_ranks
from tasks.audit.reconstruct import area_under
from tasks.encoding.target_cells import TargetCells
from tasks.model.boosting import BoostedTrees
from tasks.model.model_matrix import model_matrix
from tasks.splitting.folds import order_keys
from tasks.table import BATCH, LINE
from tasks.training.matrices import Prepared, fit_matrices, names_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.model.estimator import TabularModel
    from tasks.splitting.cross_fitting import Fit
    from tasks.training.matrices import FitMatrices
    from tasks.training.rows import TrainingRows

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

PLANTED, SHUFFLED, OWN = "a planted column of noise", "a shuffled target", "a row's own target in its features"
ROWS = 5000
FOLDS = 2
ROUNDS = 10
PARAMS = {"max_depth": 4, "learning_rate": 0.3}
ROWS_PER_LEVEL = 5  # of the noise
ERRORS = 5.0  # standard errors that chance may reach
LEAST = 0.05  # of concordance above a half that counts, on validated rows
OWN_LEAST = 0.1  # the same on rows that a feature was learned from, which share their levels
GAIN = 0.25  # of all gain, that noise may have beyond its share
FEWEST = 100
NOISE, PLAIN = "_planted_noise", "_plain_noise"  # no declared column may begin like this


@dataclass(frozen=True)
class Concordance:
    """How often the greater of two predictions goes with the greater target: 0.5 by chance."""

    value: float
    error: float


def concordance(prediction: Floats, target: Floats, classes: int) -> Concordance:
    """Area under the curve, its mean over classes, or by ranks of a number; with its error by chance.

    References
    ----------
    H. B. Mann, D. R. Whitney (1947), doi:10.1214/aoms/1177730491: the variance of their statistic by chance.
    """
    if classes == 1:
        return Concordance(0.5 + correlation(as_ranks(prediction), as_ranks(target)) / 2, 0.5 / np.sqrt(len(target)))
    codes = range(1, 2) if classes == 2 else range(classes)
    columns = [prediction] if prediction.ndim == 1 else list(prediction.T)
    areas, errors = [], []
    for place, code in enumerate(codes):
        is_class = (target == code).astype(np.float64)
        ones = float(is_class.sum())
        if 0 < ones < len(target):
            areas.append(signed_area(columns[place], is_class))
            errors.append(np.sqrt((len(target) + 1) / (12 * ones * (len(target) - ones))))
    if not areas:
        return Concordance(0.5, 0.5)
    return Concordance(float(np.mean(areas)), float(np.mean(errors)))


def signed_area(values: Floats, target: Floats) -> float:
    """Area under the ROC curve, below a half where greater values go with zeros."""
    area = area_under(values, target)
    return area if correlation(as_ranks(values), target) >= 0 else 1 - area


def meaningless(prepared: Prepared, model: TabularModel, threads: int) -> tuple[list[Finding], dict[str, float]]:
    """Encode and fit shuffled targets, with two columns of noise beside the features; nothing may predict.

    Parameters
    ----------
    prepared : Prepared
    model : TabularModel
        As declared; its steps are cloned.
    threads : int

    Returns
    -------
    list of Finding, dict
        The figures: of the encoded noise on rows that are learnt from and on validated ones, of the whole model on
        validated ones, and the shares of gain of both columns of noise.
    """
    some = shuffled(prepared, model)
    fits = [fit for fit in some.rows.plan.folds if min(len(fit.learnt), len(fit.valid)) >= FEWEST]
    found = [tried(some, fit, model, threads) for fit in fits]
    if not found:
        return [], {}
    facts = {name: float(np.mean([each[name][0] for each in found])) for name in found[0]}
    errors = {name: float(np.mean([each[name][1] for each in found])) for name in found[0]}
    return [finding(name, facts, errors[name]) for name in facts if is_wrong(name, facts, errors[name])], facts


def is_wrong(name: str, facts: dict[str, float], error: float) -> bool:
    """Whether a figure is beyond chance."""
    if name == "gain of encoded noise":
        return facts[name] > 3 * facts["gain of plain noise"] + GAIN
    if name == "gain of plain noise":
        return False
    least = OWN_LEAST if name.startswith(OWN) or name.endswith("learnt rows") else LEAST
    return facts[name] - 0.5 >= max(ERRORS * error, least)


def finding(name: str, facts: dict[str, float], error: float) -> Finding:
    """In words."""
    value = facts[name]
    if name.startswith(OWN):
        column = name.removeprefix(f"{OWN} ")
        text = (
            f"feature {column!r} of the declared transformer tells a shuffled target of the rows that it was fitted "
            f"on, with a concordance of {value:.3f} (0.5 by chance): it hands rows their own target. Let it learn from "
            "other rows than those it transforms (cross-fitting), or use `encode`."
        )
        return Finding(OWN, (column,), {"concordance": value, "error": error, "by_chance": 0.5}, text)
    if name == "gain of encoded noise":
        text = f"a planted column of noise, encoded, has {100 * value:.0f} % of all gain; as a plain number it has "
        text += f"{100 * facts['gain of plain noise']:.0f} %. The encoding lets targets through; see `encode`."
        return Finding(PLANTED, (), {"share_of_gain": value, "by_chance": facts["gain of plain noise"]}, text)
    probe = SHUFFLED if name.startswith("model") else PLANTED
    text = f"{probe} is predicted: {name} has a concordance of {value:.3f} +- {error:.3f} with the target (0.5 by "
    text += "chance). Targets find their way into features: see `encode` and `features.transformer`."
    return Finding(probe, (), {"concordance": value, "error": error, "by_chance": 0.5}, text)


def tried(some: Prepared, fit: Fit, model: TabularModel, threads: int) -> dict[str, tuple[float, float]]:
    """The figures of one fold, each with its error by chance."""
    rows, matrices = some.rows, fit_matrices(some, fit, model)
    classes = {"binary": 2, "multiclass": len(rows.classes or ()), "regression": 1}[rows.pipeline.task]
    learnt, valid = rows.target[fit.learnt], rows.target[fit.valid]
    trees = BoostedTrees(rows.pipeline.task, PARAMS, ROUNDS, 7, classes=rows.classes)
    predicted = trees.fit(matrices.learnt, learnt, threads=threads, names=matrices.names).scores(matrices.valid)
    places = [place for place, name in enumerate(matrices.names) if name.startswith(NOISE)]
    found = {
        "encoded noise on learnt rows": concordance(noise_of(matrices.learnt, places), learnt, classes),
        "encoded noise on validated rows": concordance(noise_of(matrices.valid, places), valid, classes),
        "model on validated rows": concordance(predicted, valid, classes),
    }
    for place, name in own_columns(some, matrices):
        found[f"{OWN} {name}"] = own_concordance(
            np.asarray(matrices.learnt[:, place], dtype=np.float64), learnt, classes
        )
    gains = shares_of_gain(trees)
    return {name: (each.value, each.error) for name, each in found.items()} | {
        "gain of encoded noise": (sum(share for name, share in gains.items() if name.startswith(NOISE)), 0.0),
        "gain of plain noise": (gains.get(PLAIN, 0.0), 0.0),
    }


def own_columns(some: Prepared, matrices: FitMatrices) -> list[tuple[int, str]]:
    """Places and names of the columns of the user's own transformer."""
    return list(enumerate(matrices.names))[len(some.names) :]


def own_concordance(values: Floats, target: Floats, classes: int) -> Concordance:
    """How well a feature tells the target, or any of its classes, whichever way it points."""
    filled = np.where(np.isfinite(values), values, np.nanmean(values) if np.isfinite(values).any() else 0.0)
    if classes <= 2:
        found = concordance(filled, target, classes)
        return Concordance(0.5 + abs(found.value - 0.5), found.error)
    each = [concordance(filled, (target == code).astype(np.float64), 2) for code in range(classes)]
    return max((Concordance(0.5 + abs(one.value - 0.5), one.error) for one in each), key=lambda one: one.value)


def noise_of(matrix: NDArray[np.float32], places: list[int]) -> Floats:
    """The encoded noise, a column per class where there are several; nothing known is 0."""
    values = np.nan_to_num(np.asarray(matrix[:, places], dtype=np.float64))
    return values[:, 0] if len(places) == 1 else values


def shares_of_gain(trees: BoostedTrees) -> dict[str, float]:
    """Each feature's share of all gain; nothing where no tree found a split."""
    gains = trees.booster.get_score(importance_type="total_gain")
    names, values = list(gains), np.array([gains[name] for name in gains], dtype=np.float64)
    return dict(zip(names, (values / np.add.reduce(values)).tolist(), strict=True)) if names else {}


def shuffled(prepared: Prepared, model: TabularModel) -> Prepared:
    """Some of the rows, their targets dealt anew by a seeded order, and two columns of noise: one to encode."""
    rows = prepared.rows
    keys = order_keys(rows.names[BATCH], rows.names[LINE], rows.pipeline.train.seed + 3)
    chosen = np.arange(len(keys), dtype=np.intp)
    if len(keys) > ROWS:
        chosen = np.sort(np.argpartition(keys, ROWS)[:ROWS])
    random = np.random.default_rng(rows.pipeline.train.seed)
    target = rows.target[chosen][random.permutation(len(chosen))]
    if rows.pipeline.task == "regression":
        target = as_ranks(target)  # no single row is to have all the gain
    levels = random.integers(0, max(len(chosen) // ROWS_PER_LEVEL, 2), len(chosen))
    features = prepared.features.iloc[chosen].reset_index(drop=True)
    features[NOISE], features[PLAIN] = [f"n{level}" for level in levels], random.random(len(chosen))
    few = fewer(rows, target, chosen)
    classes = {"binary": 2, "multiclass": len(rows.classes or ()), "regression": None}[rows.pipeline.task]
    wide = (*model["encode"].columns, NOISE)
    table = TargetCells.of(features, target, few.plan.cell, few.plan.cells, wide, classes)
    plain = np.asfortranarray(model_matrix(features.drop(columns=list(wide))))
    return Prepared(few, features, plain, table, tuple(names_of(features, table, rows.classes)))


def fewer(rows: TrainingRows, target: Floats, chosen: Positions) -> TrainingRows:
    """Some of the rows with another target, in the same cells; the last folds, which have most to learn from."""
    place = np.full(len(rows.target), -1, dtype=np.intp)
    place[chosen] = np.arange(len(chosen))
    plan = replace(
        rows.plan,
        cell=rows.plan.cell[chosen],
        folds=tuple(kept(fit, place) for fit in rows.plan.folds[-FOLDS:]),
    )
    return replace(
        rows,
        raw=rows.raw.iloc[chosen].reset_index(drop=True),
        names=rows.names.iloc[chosen].reset_index(drop=True),
        target=target,
        plan=plan,
    )


def kept(fit: Fit, place: Positions) -> Fit:
    """A fit of the rows that are left, by their new places."""
    learnt, watched, valid = (place[side][place[side] >= 0] for side in (fit.learnt, fit.watched, fit.valid))
    return replace(fit, learnt=learnt, watched=watched, valid=valid)
