"""The scorer: a model and what its pipeline declares of decisions; many rows as a frame, or one row as a mapping.

Both ways give the same bits as the estimator's own `predict_proba`: many rows go through the estimator, and one row
through `tasks.scoring.one_row`, which reads the same learned state without a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from configs.errors import DataError
from tasks.cells.columns import MissingColumnError, UnreadableValueError
from tasks.model.boosting import as_scores
from tasks.scoring.familiarity import Familiarity, familiarity
from tasks.scoring.inputs import model_columns
from tasks.scoring.one_row import RowReader, row_reader
from tasks.scoring.overrides import conditions, first_holding, require_known_decisions
from tasks.scoring.policy import FALLBACK, MODEL, OVERRIDE, REFER, UNFAMILIAR, UNSURE, Policy, policy_of
from tasks.scoring.reasons import Reason, hidden_features, top_reasons
from tasks.scoring.result import ScoredRow, ScoredRows, Shape, joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from configs.sections.columns import Column
    from tasks.features import DerivedFeatures
    from tasks.model.estimator import TabularModel
    from tasks.scoring.serving import Served

    Floats = NDArray[np.float64]

FAULTS = {  # of rows that the estimator refuses: the error's class, and what it is called in the output
    "InfiniteFeatureError": "infinite_feature",
    "InfiniteValueError": "infinite_value",
    "ExpressionValueError": "expression_failed",
    "TransformerError": "transformer_failed",
}
OTHER_FAULT = "not_scored"


class Scorer:
    """A model that scores and decides.

    Parameters
    ----------
    served : Served
        The model, verified, and where it came from.
    pipeline : Pipeline
        Its section `score` says when a row is referred, overridden or given a fallback.

    Raises
    ------
    ExpressionError
        If the condition of an override is refused.
    UnknownDecisionError
        If an override or the fallback decides for a class that the model has not.

    Notes
    -----
    `one` may be called by several threads at once.
    """

    def __init__(self, served: Served, pipeline: Pipeline) -> None:
        self.served = served
        self.model: TabularModel = served.model
        self.declared = pipeline.score
        self.zone: str = self.model["features"].timezone
        self.overrides: DerivedFeatures = conditions(pipeline)
        self.policy: Policy = policy_of(self.model, self.declared.refer)
        if self.model.task == "multiclass":
            require_known_decisions(pipeline, self.policy.decisions)
        own = model_columns(self.model)
        wanted = {*self.overrides.sql_columns()} - {*own}
        self.model_columns: dict[str, Column] = own
        self.columns: dict[str, Column] = {
            **own,
            **{name: self.overrides.column(name) for name in self.overrides.columns if name in wanted},
        }
        self.familiarity: Familiarity = familiarity(
            self.model, own, served.manifest.get("seen", {}), self.declared.margin
        )

    @cached_property
    def reader(self) -> RowReader:
        """What reads one row without a frame."""
        return row_reader(self.model, self.columns, self.overrides)

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Features that no reason names."""
        return hidden_features(self.model)

    # ---- one row

    def one(self, row: Mapping[str, Any], reasons: int = 0) -> ScoredRow:
        """Score one row.

        Parameters
        ----------
        row : mapping of str to value
            The columns that the model and the overrides read, as Python values or as text that is read as ingest does;
            None or NaN where missing. More columns are ignored.
        reasons : int, >= 0
            How many features to name that moved the prediction most; costs about a millisecond.

        Returns
        -------
        ScoredRow
            With `fault` and the declared fallback where a value cannot be read or the row cannot be scored.

        Raises
        ------
        MissingColumnError
            If the row lacks a column.
        """
        reader = self.reader
        try:
            typed = reader.typed(row)
            computed = reader.computed(typed)
            matrix = reader.matrix(typed, computed)
        except KeyError as error:
            raise missing_column(str(error.args[0]), row) from None
        except DataError as error:
            return self.refused_row(fault_of(error), reasons)
        if matrix is None or reasons:  # a transformer of the user's own is given frames
            return self.frame(reader.frame(row), reasons).row(0)
        scores = self.model.calibrated(as_scores(reader.predict(matrix)))
        decided = int(self.model.decided(scores)[0]) if self.model.task != "regression" else 0
        strange = self.familiarity.of_row({name: typed[name] for name in self.model_columns})
        by, decision = self.judged(scores, decided, bool(strange), reader.first_holding(computed))
        return ScoredRow(
            prediction=self.prediction_of(scores, decided),
            probability=None if self.model.task == "regression" else plain_probability(scores),
            decision=decision,
            decided_by=by,
            unfamiliar=strange,
        )

    def judged(self, scores: Floats, decided: int, is_strange: bool, override: int) -> tuple[str, str]:
        """Who decides on one row, and what."""
        if override >= 0:
            each = self.declared.overrides[override]
            return f"{OVERRIDE}: {each.name or each.when}", each.decide
        if is_strange and self.declared.refer.unfamiliar:
            return UNFAMILIAR, REFER
        if self.policy.is_strict and self.policy.unsure(scores, np.array([decided]))[0]:
            return UNSURE, REFER
        return MODEL, self.policy.decisions[decided]

    def prediction_of(self, scores: Floats, decided: int) -> int | str | float:
        """The prediction of one row."""
        if self.model.task == "regression":
            return float(scores[0])
        return decided if self.model.task == "binary" else self.policy.decisions[decided]

    def refused_row(self, fault: str, reasons: int = 0) -> ScoredRow:
        """The fallback of one row."""
        return self.fallback([fault], reasons).row(0)

    # ---- many rows

    def frame(self, rows: pd.DataFrame, reasons: int = 0) -> ScoredRows:
        """Score the rows of a frame.

        Parameters
        ----------
        rows : DataFrame, shape (n, d)
            Typed rows, or rows as `pd.read_csv` gives them, with more columns than are read, in any order.
        reasons : int, >= 0
            How many features to name that moved each row's prediction most.

        Returns
        -------
        ScoredRows
            One per row, in order; with `fault` and the declared fallback where a row cannot be scored.

        Raises
        ------
        MissingColumnError
            If the frame lacks a column.
        """
        if lacking := [name for name in self.columns if name not in rows.columns]:
            raise missing_column(lacking[0], rows.columns)
        try:
            return self.scored(rows, reasons)
        except MissingColumnError:  # a column that is there twice
            raise
        except DataError as error:
            if len(rows) == 1:
                return self.fallback([fault_of(error)], reasons)
            middle = len(rows) // 2
            return joined([self.frame(rows.iloc[:middle], reasons), self.frame(rows.iloc[middle:], reasons)])

    def scored(self, rows: pd.DataFrame, reasons: int) -> ScoredRows:
        """Score rows of which none is refused.

        Raises
        ------
        DataError
            If one cannot be read or computed.
        """
        model, rows = self.model, with_levels_told_apart(rows, self.familiarity.levels)
        features = model.features_in(rows)
        scores = model.calibrated(model["booster"].scores(features))
        decided = np.zeros(len(rows), dtype=np.intp)
        if model.task != "regression":
            decided = model.decided(scores).astype(np.intp)
        strange = self.familiarity.of_frame(rows, self.model_columns, self.zone)
        by, decision = self.decisions(rows, scores, decided, strange)
        told = top_reasons(model, features, decided, reasons, self.hidden) if reasons else None
        return ScoredRows(
            self.shape(reasons),
            prediction=self.predictions(scores, decided),
            probabilities=None if model.task == "regression" else scores,
            decision=decision,
            decided_by=by,
            fault=np.empty(len(rows), dtype=object),  # holds None
            unfamiliar=strange,
            reasons=told,
        )

    def predictions(self, scores: Floats, decided: NDArray[np.intp]) -> NDArray[Any]:
        """The predictions of many rows."""
        if self.model.task == "regression":
            return scores
        return decided.astype(np.float64) if self.model.task == "binary" else self.named(decided)

    def named(self, decided: NDArray[np.intp]) -> NDArray[np.object_]:
        """Decisions by their names."""
        return np.array(self.policy.decisions, dtype=object)[decided]

    def decisions(
        self, rows: pd.DataFrame, scores: Floats, decided: NDArray[np.intp], strange: Mapping[str, NDArray[np.bool_]]
    ) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        """Who decides on each row, and what: an override before a person, a person before the model."""
        decision = self.named(decided)
        by = np.full(len(decided), MODEL, dtype=object)
        if self.policy.is_strict:
            unsure = self.policy.unsure(scores, decided)
            decision[unsure], by[unsure] = REFER, UNSURE
        if self.declared.refer.unfamiliar:
            for flags in strange.values():
                decision[flags], by[flags] = REFER, UNFAMILIAR
        if self.declared.overrides:
            holds = first_holding(self.overrides.transform(rows))
            for place, each in enumerate(self.declared.overrides):
                decision[holds == place], by[holds == place] = each.decide, f"{OVERRIDE}: {each.name or each.when}"
        return by, decision

    def fallback(self, faults: list[str], reasons: int = 0) -> ScoredRows:
        """What rows get that cannot be scored, each with its fault."""
        shape, declared, count = self.shape(reasons), self.declared.fallback, len(faults)
        value = np.nan if declared.value is None else declared.value
        is_regression = shape.task == "regression"
        probabilities: Floats | None = None if is_regression else np.full(count, value)
        if shape.task == "multiclass":
            probabilities = np.full((count, len(shape.classes)), np.nan)
        missing = np.full(count, None, dtype=object) if shape.task == "multiclass" else np.full(count, np.nan)
        return ScoredRows(
            shape,
            prediction=np.full(count, value) if is_regression else missing,
            probabilities=probabilities,
            decision=np.full(count, declared.decision, dtype=object),
            decided_by=np.full(count, FALLBACK, dtype=object),
            fault=np.array(faults, dtype=object),
            reasons=[()] * count if reasons else None,
        )

    def shape(self, reasons: int) -> Shape:
        """The columns of the result."""
        task = self.model.task
        return Shape(task, self.policy.decisions if task == "multiclass" else (), reasons)


def with_levels_told_apart(rows: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The rows with columns of text as categoricals, so that each step which reads levels need not look for them."""
    found = {name: rows[name] for name in names if isinstance(getattr(rows[name], "dtype", None), pd.StringDtype)}
    return rows.assign(**{name: values.astype("category") for name, values in found.items()}) if found else rows


def fault_of(error: DataError) -> str:
    """What is told of a row that the estimator refuses: never its text, which may hold a value."""
    if isinstance(error, UnreadableValueError):
        return f"{error.reason}: {error.column}"
    return next((FAULTS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in FAULTS), OTHER_FAULT)


def missing_column(name: str, given: Any) -> MissingColumnError:
    """Say which column is not there, and the nearest that is."""
    from configs.wording import hint, listed

    known = [str(each) for each in given]
    return MissingColumnError(
        f"column {name!r} is missing; the model or an override reads it{hint(name, known)}. Given are {listed(known)}"
    )


def plain_probability(scores: Floats) -> float | tuple[float, ...]:
    """The probability of 1, or of each class, of one row."""
    return float(scores[0]) if scores.ndim == 1 else tuple(scores[0].tolist())


__all__ = ["Reason", "ScoredRow", "ScoredRows", "Scorer"]
