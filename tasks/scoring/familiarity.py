"""Is a row like the rows that the model was trained on? Column by column, by what the bundle holds.

A row is unfamiliar where a category has a level that the encoder has not seen, where a number lies outside the range of
training beyond a margin, or where a value is missing and never was. Dates are not judged: time goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.cells.columns import cell_text, distinct, read_columns
from tasks.features import as_float

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.sections.columns import Column
    from tasks.model.estimator import TabularModel


@dataclass(frozen=True)
class Familiarity:
    """What training has seen.

    Attributes
    ----------
    levels : dict of str to frozenset of str
        Of the encoded columns.
    ranges : dict of str to (low, high)
        Of numbers, the margin added on both sides; a private column has none.
    always_there : frozenset of str
        Columns that were never missing; empty of a bundle that was made before this was kept.
    """

    levels: dict[str, frozenset[str]]
    ranges: dict[str, tuple[float, float]]
    always_there: frozenset[str]

    def of_row(self, typed: Mapping[str, Any]) -> tuple[str, ...]:
        """The columns by which one row is unfamiliar, in order of declaration.

        Parameters
        ----------
        typed : mapping of str to value
            None where missing.
        """
        return tuple(name for name, value in typed.items() if self.is_strange(name, value))

    def is_strange(self, name: str, value: Any) -> bool:
        """Whether training has seen no such value in a column."""
        if value is None:
            return name in self.always_there
        if name in self.levels:
            return value not in self.levels[name]
        if name not in self.ranges:
            return False
        low, high = self.ranges[name]
        return not low <= value <= high

    def of_frame(self, rows: pd.DataFrame, columns: Mapping[str, Column], zone: str) -> dict[str, NDArray[np.bool_]]:
        """For each column in which some row is unfamiliar, which rows are; shape (n,) each.

        Parameters
        ----------
        rows : DataFrame, shape (n, d)
            Typed, or as `read_columns` takes them.
        columns : mapping of str to Column
            Those that the model reads.
        zone : str
            Of timestamps without an offset.
        """
        judged = {
            name: column
            for name, column in columns.items()
            if name in self.levels or name in self.ranges or name in self.always_there
        }
        others = {name: column for name, column in judged.items() if name not in self.levels}
        read = read_columns(rows, others, zone)
        strange = {
            name: self.strange_levels(rows[name], column)
            if name in self.levels
            else self.strange_values(name, read[name])
            for name, column in judged.items()
        }
        return {name: rows_ for name, rows_ in strange.items() if rows_.any()}

    def strange_levels(self, values: pd.Series, column: Column) -> NDArray[np.bool_]:
        """Which rows have a level that the encoder has not seen; each distinct text is looked up once."""
        name = str(values.name)
        codes, levels = distinct(values)
        texts = [cell_text(level, column, name) for level in levels]
        flags = [self.is_strange(name, None if text in column.nulls else text) for text in texts]
        return np.array(flags, dtype=np.bool_)[codes]

    def strange_values(self, name: str, values: pd.Series) -> NDArray[np.bool_]:
        """Which rows have a number outside the range, or a missing value that never was."""
        if name not in self.ranges:
            return np.asarray(values.isna(), dtype=np.bool_) & (name in self.always_there)
        numbers, (low, high) = as_float(values), self.ranges[name]
        missing = np.isnan(numbers)
        return np.where(missing, name in self.always_there, (numbers < low) | (numbers > high))


def familiarity(
    model: TabularModel, columns: Mapping[str, Column], seen: Mapping[str, Any], margin: str
) -> Familiarity:
    """What a bundle says of its training rows.

    Parameters
    ----------
    model : TabularModel
        Its encoder holds the levels.
    columns : mapping of str to Column
        Those that the model reads.
    seen : mapping
        `seen` of the bundle's manifest (`tasks.model.seen`); empty of an older bundle.
    margin : str
        A share of each number's range, such as `10%`, that a value may lie beyond it.

    Examples
    --------
    >>> with_margin((10.0, 30.0), "10%")
    (8.0, 32.0)
    """
    known = model["encode"].encodings_
    levels = {name: frozenset(map(str, known[name])) for name in columns if name in known}
    ranges = {
        name: with_margin(tuple(seen["ranges"][name]), margin) for name in columns if name in seen.get("ranges", ())
    }
    missing = {*seen["missing"]} if seen else {*columns}
    return Familiarity(levels, ranges, frozenset(name for name in columns if name not in missing))


def with_margin(bounds: tuple[float, float], margin: str) -> tuple[float, float]:
    """A range, wider on both sides by a share of its length."""
    low, high = bounds
    room = (high - low) * float(margin.removesuffix("%")) / 100
    return low - room, high + room
