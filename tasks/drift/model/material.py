"""Whether a drift matters: whether the model's predictions or its loss move.

The batch is scored once as it is and once with its drifted columns restored: their values changed as little as gives
them the reference's distribution again (`restoring`). How far the predictions are apart is what the drift does to the
model. A column that the model hardly reads moves nothing, however far it drifted; one that it leans on does.

Material is a drift
1. whose drifted columns, restored together, move predictions by `FLOOR` of their standard deviation on average; or
2. where predictions or decisions themselves have drifted, by `FLOOR` of their standard deviation; or
3. where the realised loss is above its interval.

All else is reported, and is no reason to act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.drift.model.observed import columns_read, scorable, scores_of
from tasks.drift.model.restoring import (
    mean_move,
    restored_categories,
    restored_numbers,
    spread,
)
from tasks.drift.profile.cells import CategoryCells, NumericCells
from tasks.drift.pseudo_columns import DECISION, PREDICTION
from tasks.model.bundle import spread_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tasks.drift.model.concept import ConceptDrift
    from tasks.drift.model.observed import ObservedModel
    from tasks.drift.profile.profile import Profile
    from tasks.drift.thresholds import Judged
    from tasks.model.estimator import TabularModel

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

FLOOR = 0.1  # standard deviations of the prediction: what J. Cohen calls a small effect is 0.2
ROWS = 5_000  # of the batch that are scored again


@dataclass(frozen=True)
class Material:
    """Whether a drift matters to the model, and how much.

    Attributes
    ----------
    material : bool
    moved : float or None
        Mean absolute change of the batch's predictions when its drifted columns are restored together, in standard
        deviations of the prediction; 0 where none drifted that the model reads, None where there is no row.
    by_column : mapping of str to float
        The same, of each drifted feature alone; the greatest first. 0 for one that the model does not read.
    weighted : mapping of str to float
        Each drifted feature's importance times its effect, which counts up to 1: the estimate that needs no model.
    shown : mapping of str to float
        How far `(prediction)` and `(decision)` have drifted, in their own standard deviations, where they have.
    not_restored : tuple of str
        Drifted features that have no value to be restored to: dates, timestamps and private categories.
    reasons : tuple of str
        Why it matters; empty where it does not.
    """

    material: bool
    moved: float | None
    by_column: Mapping[str, float]
    weighted: Mapping[str, float]
    shown: Mapping[str, float]
    not_restored: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if self.material:
            return f"It matters to the model: {'; '.join(self.reasons)}."
        if self.moved is None:
            return "Whether it matters to the model cannot be told: the batch has no rows."
        return (
            f"It does not matter to the model: without the drift its predictions would be {self.moved:.2f} standard "
            f"deviations off on average, less than {FLOOR}, and neither they nor a known loss moved."
        )


def material(  # noqa: PLR0913  # what it is told by
    judged: Judged,
    profile: Profile,
    frame: pd.DataFrame,
    model: TabularModel,
    observed: ObservedModel,
    *,
    concept: ConceptDrift | None = None,
    seed: int = 7,
) -> Material:
    """Tell whether a drift matters to the model.

    Parameters
    ----------
    judged : Judged
        Which columns have drifted.
    profile : Profile
    frame : DataFrame, shape (n, d)
        The batch's typed rows.
    model : TabularModel
        The champion.
    observed : ObservedModel
        What it says of the batch.
    concept : ConceptDrift, optional
        Whether its realised loss is above its interval.
    seed : int
        Of the draws among rows that are alike.

    Returns
    -------
    Material
    """
    effects = drifted(judged)
    features = [name for name in effects if profile.grid.roles.get(name) == "feature"]
    moved, by_column, not_restored = moves(spread_rows(frame, ROWS), features, profile, model, seed)
    shown = {name: move_of(name, observed, profile) for name in (PREDICTION, DECISION) if name in effects}
    weighted = {name: profile.importance.get(name, 0.0) * min(1.0, abs(effects[name])) for name in features}
    reasons = tuple(why(moved, by_column, shown, concept))
    return Material(bool(reasons), moved, descending(by_column), descending(weighted), shown, not_restored, reasons)


def drifted(judged: Judged) -> dict[str, float]:
    """The largest effect of each column that alarmed."""
    found: dict[str, float] = {}
    for finding in judged.findings:
        if finding.alarmed:
            found[finding.column] = max(found.get(finding.column, 0.0), abs(finding.effect))
    return found


def why(
    moved: float | None, by_column: Mapping[str, float], shown: Mapping[str, float], concept: ConceptDrift | None
) -> list[str]:
    """The reasons why a drift matters."""
    found = []
    if moved is not None and moved >= FLOOR:
        most = max(by_column, key=lambda name: by_column[name])
        found.append(f"drifted columns move its predictions by {moved:.2f} standard deviations, {most} most")
    found += [
        f"its {name[1:-1]}s have drifted by {move:.2f} standard deviations"
        for name, move in shown.items()
        if move >= FLOOR
    ]
    if concept is not None and concept.alarmed and concept.value is not None and concept.reference is not None:
        found.append(f"its mean {concept.loss} rose from {concept.reference:.4g} to {concept.value:.4g}")
    return found


def descending(values: Mapping[str, float]) -> dict[str, float]:
    """The greatest first; equal ones by name."""
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))


def moves(
    frame: pd.DataFrame, features: list[str], profile: Profile, model: TabularModel, seed: int
) -> tuple[float | None, dict[str, float], tuple[str, ...]]:
    """How far predictions move when drifted columns are restored: together, one by one, and those that cannot be."""
    if not len(frame):
        return None, {}, ()
    readable, _ = scorable(frame, model)
    read = [name for name in features if name in columns_read(model)]
    restored = {name: restored_column(readable[name], name, profile, seed) for name in read}
    known = {name: values for name, values in restored.items() if values is not None}
    if not known:
        return 0.0, dict.fromkeys(features, 0.0), tuple(read)
    before, after = scores_of(model, readable), scores_of(model, readable.assign(**known))
    unit = spread(after)
    by_column = dict.fromkeys(features, 0.0)
    for name, values in known.items():
        alone = after if len(known) == 1 else scores_of(model, readable.assign(**{name: values}))
        by_column[name] = in_units(mean_move(before, alone), unit)
    not_restored = tuple(name for name in read if name not in known)
    return in_units(mean_move(before, after), unit), by_column, not_restored


def in_units(move: float, unit: float) -> float:
    """A move in standard deviations; without end where predictions were all alike and are not any more."""
    return move / unit if unit > 0 else float("inf") if move > 0 else 0.0


def restored_column(values: pd.Series[Any], name: str, profile: Profile, seed: int) -> pd.Series[Any] | None:
    """A column with the reference's distribution, in its own type; None where it has no value to be restored to."""
    import pandas as pd

    cells, counts = profile.grid.columns[name], profile.total.counts[name]
    if not counts.sum() or (isinstance(cells, NumericCells) and cells.kind == "time"):
        return None
    if isinstance(cells, CategoryCells):
        return None if cells.private else restored_levels(values, cells, counts, seed)
    numbers, whole = values.to_numpy(dtype=np.float64, na_value=np.nan), values.dtype.kind in "iu"
    found = numbers_again(numbers, cells, counts, seed, whole=whole)
    return pd.Series(found, index=values.index, name=name).astype("Int64" if whole else "float64")


def numbers_again(numbers: Floats, cells: NumericCells, counts: Counts, seed: int, *, whole: bool = False) -> Floats:
    """Numbers with the distribution that a profile has of them; whole ones where the column holds such only."""
    least, greatest = cells.least or 0.0, cells.greatest or 0.0
    bounds = least, greatest + whole  # a whole number stands for all that is cut down to it
    found = restored_numbers(numbers, cells.edges, counts.astype(np.float64), bounds, seed)
    return np.minimum(np.floor(found), greatest) if whole else found


def restored_levels(values: pd.Series[Any], cells: CategoryCells, counts: Counts, seed: int) -> pd.Series[Any]:
    """A category or a truth value with the shares that a profile has of it."""
    import pandas as pd

    from tasks.target import level_texts

    texts = level_texts(values).astype(object)
    codes, levels = pd.factorize(texts)
    missing = len(cells.levels) + 2
    places = np.append(cells.cells_of([str(level) for level in levels]), missing)
    own = places[codes].astype(np.int64)  # a missing one has the code -1, the last
    movable = [True] * len(cells.levels) + [False, False, True]
    after = restored_categories(own, counts.astype(np.float64), movable, seed)
    named = np.array([*cells.levels, None, None, None], dtype=object)
    found = np.where(after == own, texts.where(texts.notna(), None).to_numpy(), named[after])
    return as_truth(found, values) if values.dtype.kind == "b" else pd.Series(found, values.index, dtype=values.dtype)


def as_truth(texts: NDArray[np.object_], values: pd.Series[Any]) -> pd.Series[Any]:
    """Texts of truth values as truth values."""
    import pandas as pd

    return pd.Series(texts, index=values.index).map({"true": True, "false": False}).astype("boolean")


def move_of(name: str, observed: ObservedModel, profile: Profile) -> float:
    """How far predictions or decisions are from the reference's, in their own standard deviations."""
    cells, counts = profile.grid.columns[name], profile.total.counts[name]
    column = observed.columns.column(name)
    if not len(column) or not counts.sum():
        return 0.0
    if isinstance(cells, NumericCells):
        numbers = column.to_numpy()
        before = numbers_again(numbers, cells, counts, seed=0)
        return in_units(mean_move(before, numbers), spread(before))
    return shares_moved(column.to_pandas(), cells, counts)


def shares_moved(decisions: pd.Series[Any], cells: CategoryCells, counts: Counts) -> float:
    """The largest change of a class's share, in standard deviations of being of that class."""
    levels, rows = np.unique(decisions.to_numpy().astype(str), return_counts=True)
    found = np.bincount(cells.cells_of(levels.tolist()), rows, minlength=cells.size) / len(decisions)
    share = counts / counts.sum()
    pooled = (found + share) / 2  # a class that is new has no spread of its own
    return float(np.max(np.abs(found - share) / np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12))))
