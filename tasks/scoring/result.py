"""What scoring says of rows: one by one, and of many as a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from configs.sections.train import Task
    from tasks.scoring.reasons import Reason


class ScoredRow(NamedTuple):
    """One row, scored.

    Attributes
    ----------
    prediction : int, str, float or None
        The class that the model decides on, 0 or 1 or its name, as `predict` gives it; or the number of a regression.
        None where the row could not be scored, but the declared fallback of a regression.
    probability : float, tuple of float or None
        Calibrated: of 1, or of each class in the model's order. None of a regression.
    decision : str
        `0`, `1` or a class's name, `accept` for a regression, or `refer`.
    decided_by : str
        `model`, `low_confidence`, `unfamiliar`, `override: <name>` or `fallback`.
    unfamiliar : tuple of str
        The columns by which the row is unlike what the model was trained on.
    fault : str or None
        Why it could not be scored, such as `not_an_integer: age`.
    reasons : tuple of Reason
        Empty unless asked for.
    """

    prediction: int | str | float | None
    probability: float | tuple[float, ...] | None
    decision: str
    decided_by: str
    unfamiliar: tuple[str, ...] = ()
    fault: str | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Shape:
    """Which columns scored rows have.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
    classes : tuple of str
        Names of a multiclass target's; empty otherwise.
    reasons : int
        How many are told of each row, at the most.
    """

    task: Task
    classes: tuple[str, ...] = ()
    reasons: int = 0

    def probability_names(self) -> list[str]:
        """Names of the columns with probabilities.

        >>> Shape("multiclass", ("low", "high")).probability_names()
        ['probability_low', 'probability_high']
        """
        if self.task == "regression":
            return []
        return [f"probability_{name}" for name in self.classes] or ["probability"]

    def schema(self) -> pa.Schema:
        """Arrow types of scored rows."""
        import pyarrow as pa

        kinds = {"binary": pa.int64(), "multiclass": pa.string(), "regression": pa.float64()}
        return pa.schema(
            [
                ("prediction", kinds[self.task]),
                *((name, pa.float64()) for name in self.probability_names()),
                ("decision", pa.string()),
                ("decided_by", pa.string()),
                ("unfamiliar", pa.bool_()),
                ("unfamiliar_columns", pa.string()),
                ("fault", pa.string()),
                *((f"reason_{place}", pa.string()) for place in range(1, self.reasons + 1)),
            ]
        )


@dataclass(frozen=True)
class ScoredRows:
    """Many rows, scored: arrays of n, in order; see `ScoredRow`.

    `probabilities` has the shape (n,) or (n, C) and is NaN where there is none; `unfamiliar` holds the rows in which a
    column is unfamiliar, for each such column.
    """

    shape: Shape
    prediction: NDArray[Any]
    probabilities: NDArray[np.float64] | None
    decision: NDArray[np.object_]
    decided_by: NDArray[np.object_]
    fault: NDArray[np.object_]
    unfamiliar: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    reasons: list[tuple[Reason, ...]] | None = None

    def __len__(self) -> int:
        return len(self.decision)

    def table(self) -> pa.Table:
        """As Arrow has it; None and NaN are null."""
        import pyarrow as pa

        schema, flags = self.shape.schema(), self.unfamiliar_rows()
        scored = np.array([fault is None for fault in self.fault], dtype=np.bool_)
        columns: dict[str, Any] = {
            "prediction": pa.array(self.prediction, schema.field("prediction").type, from_pandas=True),
            "decision": self.decision,
            "decided_by": self.decided_by,
            "unfamiliar": pa.array(flags, mask=~scored),
            "unfamiliar_columns": self.unfamiliar_texts(flags),
            "fault": self.fault,
        }
        if self.probabilities is not None:
            each = self.probabilities.reshape(len(self), -1).T
            columns |= dict(zip(self.shape.probability_names(), each, strict=True))
        for place in range(self.shape.reasons):
            told = self.reasons or [()] * len(self)
            columns[f"reason_{place + 1}"] = [str(row[place]) if place < len(row) else None for row in told]
        arrays = [pa.array(columns[each.name], each.type, from_pandas=True) for each in schema]
        return pa.Table.from_arrays(arrays, schema=schema)

    def is_unfamiliar_in(self, column: str) -> NDArray[np.bool_]:
        """Which rows are unfamiliar in a column; shape (n,)."""
        return self.unfamiliar.get(column, np.zeros(len(self), dtype=np.bool_))

    def unfamiliar_rows(self) -> NDArray[np.bool_]:
        """Which rows are unfamiliar; shape (n,)."""
        found = np.zeros(len(self), dtype=np.bool_)
        for rows in self.unfamiliar.values():
            found |= rows
        return found

    def unfamiliar_texts(self, flags: NDArray[np.bool_]) -> NDArray[np.object_]:
        """For each row the columns by which it is unfamiliar, in one text; None where it is not."""
        texts = np.full(len(self), None, dtype=object)
        for place in np.flatnonzero(flags):
            texts[place] = ", ".join(name for name, rows in self.unfamiliar.items() if rows[place])
        return texts

    def take(self, order: NDArray[np.intp]) -> ScoredRows:
        """The rows in another order."""
        return replace(
            self,
            prediction=self.prediction[order],
            probabilities=None if self.probabilities is None else self.probabilities[order],
            decision=self.decision[order],
            decided_by=self.decided_by[order],
            fault=self.fault[order],
            unfamiliar={name: rows[order] for name, rows in self.unfamiliar.items()},
            reasons=None if self.reasons is None else [self.reasons[place] for place in order],
        )

    def row(self, place: int) -> ScoredRow:
        """One of the rows."""
        faulty = self.fault[place] is not None
        value = self.prediction[place]
        given = None if self.probabilities is None else self.probabilities[place]
        absent = given is None or bool(np.isnan(np.sum(given)))
        return ScoredRow(
            prediction=None if is_missing(value) else plain(value),
            probability=None if absent else plain(given),
            decision=self.decision[place],
            decided_by=self.decided_by[place],
            unfamiliar=tuple(name for name, rows in self.unfamiliar.items() if rows[place] and not faulty),
            fault=self.fault[place],
            reasons=() if self.reasons is None else self.reasons[place],
        )


def is_missing(value: Any) -> bool:
    """Whether there is no prediction."""
    return value is None or (isinstance(value, float) and bool(np.isnan(value)))


def plain(value: Any) -> Any:
    """A number, text or row of numbers as Python has it."""
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    return value.item() if isinstance(value, np.generic) else value


def joined(parts: list[ScoredRows]) -> ScoredRows:
    """Rows of several parts, in their order; at least one part."""
    if len(parts) == 1:
        return parts[0]
    names = list(dict.fromkeys(name for part in parts for name in part.unfamiliar))
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return ScoredRows(
        parts[0].shape,
        prediction=np.concatenate([part.prediction for part in parts]),
        probabilities=np.concatenate(probabilities) if probabilities else None,
        decision=np.concatenate([part.decision for part in parts]),
        decided_by=np.concatenate([part.decided_by for part in parts]),
        fault=np.concatenate([part.fault for part in parts]),
        unfamiliar={name: np.concatenate([part.is_unfamiliar_in(name) for part in parts]) for name in names},
        reasons=None if parts[0].reasons is None else [row for part in parts for row in part.reasons or ()],
    )


@dataclass
class Counts:
    """What became of rows, added up over the chunks of an input."""

    rows: int = 0
    unfamiliar: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    decided_by: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    unfamiliar_columns: Counter[str] = field(default_factory=Counter)

    def add(self, scored: ScoredRows) -> None:
        """Count some more rows."""
        self.rows += len(scored)
        self.decisions.update(scored.decision.tolist())
        self.decided_by.update(scored.decided_by.tolist())
        self.faults.update(fault for fault in scored.fault if fault is not None)
        self.unfamiliar += int(scored.unfamiliar_rows().sum())
        self.unfamiliar_columns.update({name: int(rows.sum()) for name, rows in scored.unfamiliar.items()})

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rows": self.rows,
            "decisions": dict(self.decisions),
            "decided_by": dict(self.decided_by),
            "faults": dict(self.faults),
            "unfamiliar": {"rows": self.unfamiliar, "columns": dict(self.unfamiliar_columns)},
        }
