"""One row to the booster's matrix without a frame: what `TabularModel.features_in` makes, bit for bit.

Making a frame of one row costs milliseconds, whatever is in it. Here each feature of the booster is one small function
of the row's typed values, made once per model from what the bundle holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.model.model_matrix import InfiniteFeatureError
from tasks.scoring.row_sql import NAN, RowExpressions
from tasks.scoring.row_values import Reader, value_reader

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from numpy.typing import NDArray

    from configs.sections.columns import Column
    from tasks.features import DerivedFeatures
    from tasks.model.estimator import TabularModel

Typed = Mapping[str, Any]
Computed = Mapping[str, float]
Make = Callable[[Typed, Computed], float]

FEATURE, CONDITION = "f ", "c "  # before the names of what SQL computes, so that the two kinds cannot meet

# As `tasks.features.PARTS` has them, of one moment.
PART_OF: dict[str, Callable[[datetime], float]] = {
    "year": lambda moment: moment.year,
    "quarter": lambda moment: (moment.month + 2) // 3,
    "month": lambda moment: moment.month,
    "week": lambda moment: moment.isocalendar()[1],
    "day": lambda moment: moment.day,
    "day_of_week": lambda moment: moment.weekday(),
    "day_of_year": lambda moment: moment.timetuple().tm_yday,
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "is_weekend": lambda moment: moment.weekday() >= 5,
}


@dataclass(frozen=True)
class RowReader:
    """What reads one row.

    Attributes
    ----------
    readers : dict of str to function
        Of each column that the model or an override reads.
    sql : RowExpressions
        The model's expressions and the overrides' conditions.
    makers : tuple of functions, or None
        Of the booster's features, in its order; None where a transformer of the user's own makes some.
    conditions : tuple of str
        The overrides, in their order, as `sql` names them.
    predict : function
        The booster's own prediction of a matrix.
    """

    readers: dict[str, Reader]
    sql: RowExpressions
    makers: tuple[Make, ...] | None
    conditions: tuple[str, ...]
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]]

    def typed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a row as their declared types, None where missing.

        Raises
        ------
        KeyError
            If the row lacks a column.
        InputError
            If a value cannot be read.
        """
        return {name: read(row[name]) for name, read in self.readers.items()}

    def computed(self, typed: Typed) -> dict[str, float]:
        """What SQL computes of a row."""
        return self.sql(typed)

    def matrix(self, typed: Typed, computed: Computed) -> NDArray[np.float32] | None:
        """What the booster reads, of shape (1, d); None where only a frame can say.

        Raises
        ------
        InfiniteFeatureError
            If a number is beyond what a 32-bit float holds.
        """
        if self.makers is None:
            return None
        made = np.array([[make(typed, computed) for make in self.makers]])
        with np.errstate(over="ignore"):
            matrix = made.astype(np.float32)
        if np.isinf(matrix).any():
            raise InfiniteFeatureError("a feature of the row is beyond 3.4e38")
        return matrix

    def first_holding(self, computed: Computed) -> int:
        """The first override that holds, -1 where none does."""
        for place, name in enumerate(self.conditions):
            if computed[name] not in (0, None) and computed[name] == computed[name]:
                return place
        return -1

    def frame(self, row: Mapping[str, Any]) -> pd.DataFrame:
        """The row as a frame, of the columns that are read."""
        import pandas as pd

        return pd.DataFrame({name: [row[name]] for name in self.readers})


def row_reader(model: TabularModel, columns: Mapping[str, Column], overrides: DerivedFeatures) -> RowReader:
    """What reads one row for a model.

    Parameters
    ----------
    model : TabularModel
    columns : mapping of str to Column
        All that a row must have.
    overrides : DerivedFeatures
        Of `tasks.scoring.overrides.conditions`.
    """
    features: DerivedFeatures = model["features"]
    expressions = {f"{FEATURE}{name}": sql for name, sql in features.sql.items()}
    expressions |= {f"{CONDITION}{name}": sql for name, sql in overrides.sql.items()}
    used = {*features.sql_columns(), *overrides.sql_columns()}
    types = {name: column.type for name, column in columns.items() if name in used}
    hides = any(columns[name].private for name in types)
    return RowReader(
        readers={name: value_reader(name, column, features.timezone) for name, column in columns.items()},
        sql=RowExpressions(expressions, types, hides=hides),
        makers=None if model.custom is not None else feature_makers(model),
        conditions=tuple(f"{CONDITION}{name}" for name in overrides.sql),
        predict=single_row_booster(model["booster"].ubj_),
    )


def feature_makers(model: TabularModel) -> tuple[Make, ...]:
    """What makes each feature of the booster, in its order."""
    derived, encode = derived_makers(model["features"]), model["encode"]
    made: dict[str, Make] = {}
    for key in encode.feature_names_in_:
        outs = encode.names_of(key, key)
        if key not in encode.encodings_:
            made[outs[0]] = derived[key]
        else:
            made |= {out: encoding_maker(encode, key, place, len(outs)) for place, out in enumerate(outs)}
    return tuple(made[name] for name in model["booster"].feature_names_in_)


def derived_makers(features: DerivedFeatures) -> dict[str, Make]:
    """What makes each derived feature, categories apart."""
    made: dict[str, Make] = {name: number_maker(name) for name in features.feature_columns}
    made |= {f"{name}_is_missing": missing_maker(name) for name in features.events()}
    for name, parts in features.parts.items():
        made |= {f"{name}_{part}": part_maker(name, part) for part in parts}
    return made | {name: sql_maker(f"{FEATURE}{name}") for name in features.sql}


def number_maker(name: str) -> Make:
    """A column as it is."""

    def make(typed: Typed, _computed: Computed) -> float:
        value = typed[name]
        return NAN if value is None else float(value)

    return make


def missing_maker(name: str) -> Make:
    """Whether a column is missing."""
    return lambda typed, _computed: float(typed[name] is None)


def part_maker(name: str, part: str) -> Make:
    """A part of a date or time."""
    part_of = PART_OF[part]

    def make(typed: Typed, _computed: Computed) -> float:
        moment = typed[name]
        return NAN if moment is None else float(part_of(moment))

    return make


def sql_maker(name: str) -> Make:
    """What SQL has computed."""
    return lambda _typed, computed: computed[name]


def encoding_maker(encode: Any, name: str, place: int, count: int) -> Make:
    """A level's encoding, of one class where there are several; of a level that was not seen the prior."""

    def of_class(encoding: Any) -> float:
        return float(encoding[place] if count > 1 else encoding)

    known = {level: of_class(encoding) for level, encoding in encode.encodings_[name].items()}
    missing, prior = of_class(encode.missing_[name]), of_class(encode.prior_)

    def make(typed: Typed, _computed: Computed) -> float:
        level = typed[name]
        return missing if level is None else known.get(level, prior)

    return make


def single_row_booster(ubj: bytes) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The booster's prediction by one thread: more would wait for each other longer than a row takes."""
    import xgboost

    booster = xgboost.Booster(model_file=bytearray(ubj))
    booster.set_param({"nthread": 1})

    def predict(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = booster.inplace_predict(matrix, validate_features=False)
        return found

    return predict
