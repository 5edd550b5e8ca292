"""What the model reads of a row: declared columns as they are, parts of dates, SQL expressions. Nothing is learned.

`DerivedFeatures` takes typed rows and a user's raw frame alike, so that training and scoring share one transform.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from configs.errors import ConfigError
from configs.sections.columns import Column
from tasks.cells.columns import InputError, read_columns
from tasks.sql import check_expression, evaluate_expressions, readable_columns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from configs.schema import Pipeline

# Each part as pandas knows it, of local time; weeks are those of ISO 8601, and a week starts on Monday, day 0.
PARTS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "year": lambda local: local.dt.year,
    "quarter": lambda local: local.dt.quarter,
    "month": lambda local: local.dt.month,
    "week": lambda local: local.dt.isocalendar().week,
    "day": lambda local: local.dt.day,
    "day_of_week": lambda local: local.dt.day_of_week,
    "day_of_year": lambda local: local.dt.day_of_year,
    "hour": lambda local: local.dt.hour,
    "minute": lambda local: local.dt.minute,
    "is_weekend": lambda local: (local.dt.day_of_week >= 5).where(local.notna()),
}

# Keys of a column's declaration, beside null tokens, format and time zone, by which a text becomes a value. Bounds and
# levels are not among them: they say which rows are let in, not how one is read.
READING = ("missing", "decimal", "thousands", "scale", "precision", "ambiguous", "nonexistent")


class DuplicateFeatureError(ConfigError):
    """Two features have one name."""


class DerivedFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Raw rows to the model's columns, row by row: nothing is learned, so no fold can leak through it.

    Parameters
    ----------
    columns : dict of name to declared type
        integer, float, decimal, boolean, category, text, date or timestamp.
    feature_columns : tuple of str
        The declared columns that are features as they are: numbers become float64, a category stays text.
    parts : dict of column to parts
        Parts of dates and timestamps, in local time: ``<column>_<part>``.
    sql : dict of feature to expression
        `tasks.sql` says what an expression may be and how columns are presented to it.
    timezone : str
        IANA name of the zone of timestamps without an offset and of date parts.
    nulls, formats, zones : dict of column to value, optional
        Where a column's declaration differs: its null tokens (`("",)` is the default), the strptime format of its text
        (ISO 8601 is), its own time zone (`timezone` is).
    private : tuple of str, optional
        Columns whose values stand in no error.

    Notes
    -----
    Input is a DataFrame: typed rows (`tasks.table.to_frame`) or rows as `pd.read_csv` gives them, with more columns
    than are read, in any order. Read categories with ``dtype=str``: pandas makes 501 of '00501', which nothing can
    undo. Output is a DataFrame with the input's index: `feature_columns`, then parts, then SQL, in declared order;
    float64, NaN where missing, except categories: object, str or None.

    Examples
    --------
    >>> import pandas as pd
    >>> raw = pd.DataFrame({"at": ["2013-01-05 23:30:00", None], "n": ["2", "3"]})
    >>> types = {"at": "timestamp", "n": "integer"}
    >>> derived = DerivedFeatures(types, ("n",), {"at": ("hour", "is_weekend")}, {"twice": "n * 2"}, "UTC")
    >>> derived.fit_transform(raw).to_dict("list")
    {'n': [2.0, 3.0], 'at_hour': [23.0, nan], 'at_is_weekend': [1.0, nan], 'twice': [4.0, 6.0]}
    """

    def __init__(  # noqa: PLR0913  # scikit-learn's estimators take their parameters one by one
        self,
        columns: dict[str, str],
        feature_columns: tuple[str, ...],
        parts: dict[str, tuple[str, ...]],
        sql: dict[str, str],
        timezone: str,
        *,
        nulls: dict[str, tuple[str, ...]] | None = None,
        formats: dict[str, str] | None = None,
        zones: dict[str, str] | None = None,
        readings: dict[str, dict[str, Any]] | None = None,
        private: tuple[str, ...] | None = None,
    ) -> None:
        self.columns = columns
        self.feature_columns = feature_columns
        self.parts = parts
        self.sql = sql
        self.timezone = timezone
        self.nulls = nulls
        self.formats = formats
        self.zones = zones
        self.readings = readings
        self.private = private

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Check the declarations; nothing is learned of the rows."""
        self.get_feature_names_out()
        self.sql_columns()
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The model's columns for each row.

        Parameters
        ----------
        X : DataFrame, shape (n_rows, n_columns)

        Returns
        -------
        DataFrame, shape (n_rows, n_features)

        Raises
        ------
        MissingColumnError, UnreadableValueError, InfiniteValueError
            If the rows are not what is declared; all are `InputError`.
        ExpressionError, ExpressionValueError
            If an SQL expression is refused, or cannot be computed for a row.
        """
        import pandas as pd

        if not isinstance(X, pd.DataFrame):
            raise InputError(f"rows are {type(X).__name__}; a pandas DataFrame with the declared columns was expected.")
        used = self.sql_columns()
        needed = {*self.feature_columns, *self.parts, *used}
        read = read_columns(X, {name: self.column(name) for name in self.columns if name in needed}, self.timezone)
        features: dict[str, Any] = {
            name: read[name] if self.columns[name] == "category" else as_float(read[name])
            for name in self.feature_columns
        }
        features |= {f"{name}_is_missing": read[name].isna().astype("float64") for name in self.events()}
        for name, parts in self.parts.items():
            local = self.as_local(name, read[name])
            features |= {f"{name}_{part}": as_float(PARTS[part](local)) for part in parts}
        if self.sql:
            hides = not {*used}.isdisjoint(self.private or ())
            features |= evaluate_expressions(self.sql, self.as_table({name: read[name] for name in used}), hides=hides)
        return pd.DataFrame(features, index=X.index, columns=list(self.get_feature_names_out()))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Names of the model's columns, in order."""
        parts = [f"{name}_{part}" for name, parts in self.parts.items() for part in parts]
        indicators = [f"{name}_is_missing" for name in self.events()]
        names = [*self.feature_columns, *indicators, *parts, *self.sql]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DuplicateFeatureError(
                f"features: {', '.join(map(repr, twice))} would be made twice; rename one of them"
            )
        return np.array(names, dtype=object)

    def events(self) -> tuple[str, ...]:
        """The feature columns whose missing values the model is told of."""
        readings = self.readings or {}
        return tuple(name for name in self.feature_columns if readings.get(name, {}).get("missing") == "event")

    def sql_columns(self) -> tuple[str, ...]:
        """The columns that SQL reads, in order of declaration; every expression is checked."""
        used = {
            name
            for feature, sql in self.sql.items()
            for name in check_expression(sql, self.columns, key=f"features.sql.{feature}")
        }
        return tuple(name for name in self.columns if name in used)

    def column(self, name: str) -> Column:
        """How a column is declared."""
        return Column(
            type=self.columns[name],  # type: ignore[arg-type]  # pydantic checks it
            nulls=tuple((self.nulls or {}).get(name, ("",))),
            format=(self.formats or {}).get(name),
            timezone=(self.zones or {}).get(name),
            **(self.readings or {}).get(name, {}),
            private=name in (self.private or ()),
        )

    def as_local(self, name: str, values: pd.Series) -> pd.Series:
        """A timestamp on the clock of its zone, without the zone; a date as it is."""
        if self.columns[name] == "date":
            return values
        local: pd.Series = values.dt.tz_convert((self.zones or {}).get(name, self.timezone)).dt.tz_localize(None)
        return local

    def as_table(self, read: dict[str, pd.Series]) -> pa.Table:
        """Columns as SQL sees them; missing is NULL, never NaN, which SQL holds for the greatest number."""
        import pyarrow as pa

        arrow = {
            "integer": pa.int64(),
            "float": pa.float64(),
            "decimal": pa.float64(),
            "boolean": pa.bool_(),
            "date": pa.date32(),
            "timestamp": pa.timestamp("us"),
        }
        types = {name: arrow.get(self.columns[name], pa.string()) for name in read}
        local = {
            name: self.as_local(name, values) if self.columns[name] == "timestamp" else values
            for name, values in read.items()
        }
        return pa.table({name: pa.array(values, types[name], from_pandas=True) for name, values in local.items()})

    def __sklearn_is_fitted__(self) -> bool:
        """Always: there is nothing to learn."""
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def as_float(values: pd.Series) -> NDArray[np.float64]:
    """Numbers, truth values and parts as float64, NaN where missing."""
    numbers: NDArray[np.float64] = values.to_numpy(dtype="float64", na_value=np.nan)
    return numbers


def derived_features(pipeline: Pipeline) -> DerivedFeatures:
    """The transformer that a pipeline declares; it holds plain values only, no part of the pipeline.

    The target and what it is made from are unknown to it, so that neither a feature nor an expression can read them.
    """
    types = readable_columns(pipeline)
    declared = {name: pipeline.columns[name] for name in types}
    return DerivedFeatures(
        columns=types,
        feature_columns=pipeline.feature_columns,
        parts=dict(pipeline.features.parts),
        sql=dict(pipeline.features.sql),
        timezone=pipeline.time.timezone,
        nulls={name: column.nulls for name, column in declared.items() if column.nulls != ("",)},
        formats={name: column.format for name, column in declared.items() if column.format is not None},
        zones={name: column.timezone for name, column in declared.items() if column.timezone is not None},
        readings={name: other for name, column in declared.items() if (other := other_readings(column))},
        private=tuple(name for name, column in declared.items() if column.private) or None,
    )


def other_readings(column: Column) -> dict[str, Any]:
    """The keys of `READING` that a column declares otherwise than by default."""
    return {key: getattr(column, key) for key in READING if getattr(column, key) != Column.model_fields[key].default}
