"""The encodings of every fit of a cross-validation, from one pass over the rows.

Each row belongs to a cell, and a fit says which cells' targets may make which encodings
(`tasks.splitting.cross_fitting`). The table of sums per cell and level is made once; each fit is handed what the cells
that it sees add up to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from configs.errors import DataError
from tasks.encoding.cell_sums import CellSums, Items, merged
from tasks.encoding.levels import any_levels, text_levels, united
from tasks.encoding.moments import shrunken_means

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.splitting.cross_fitting import Fit

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

BLOCK = 65_536  # rows that are encoded at a time: few enough for the processor's cache


@dataclass(frozen=True)
class ColumnCells:
    """One column's levels and the target's sums per cell and level. It holds no row, so partitions can send it.

    Attributes
    ----------
    levels : Arrow array of text
        In order; the sums have one level more, a missing value.
    sums : CellSums
    """

    levels: pa.Array
    sums: CellSums

    def rows(self, seen: NDArray[np.bool_]) -> Floats:
        """Rows of each level in the cells that are seen, the missing level last."""
        found = [moments.rows for _, _, moments in self.sums.moments(seen[None], spread=False)]
        return np.concatenate(found)


@dataclass(frozen=True)
class TargetCells:
    """Sums of the target per cell and level of each column, and each row's level.

    Attributes
    ----------
    cell : array of int, shape (n,)
    columns : dict of column to ColumnCells
    codes : dict of column to array of int32, shape (n,)
        Each row's level; a missing value is the last one.
    totals : CellSums
        Over all rows of each cell.
    names : tuple of str
        All columns of the table that this was made from.
    """

    cell: Positions
    columns: dict[Any, ColumnCells]
    codes: dict[Any, NDArray[np.int32]]
    totals: CellSums
    names: tuple[Any, ...]

    @classmethod
    def of(  # noqa: PLR0913, PLR0917  # a table of rows, and how to read it
        cls,
        X: pd.DataFrame,
        y: Any,
        cell: Any,
        cells: int,
        columns: Sequence[Any] | None,
        classes: int | None = None,
    ) -> TargetCells:
        """Add up the target in one pass over each column.

        Parameters
        ----------
        X : DataFrame, shape (n, d)
        y : array of float, shape (n,)
            Numbers; 0 to `classes` - 1 where there are classes.
        cell : array of int, shape (n,)
            0 to `cells` - 1.
        cells : int
        columns : sequence of str, or None
            Those to encode, of text. None encodes all, whatever they hold.
        classes : int, optional
            Of the target, 2 or more. Sums are then counts, exact in any order.

        Raises
        ------
        DataError
            If a target or cell is missing or out of range.
        NotCategoricalError
            If a column holds something else than text.
        """
        target, number = as_target(y, len(X), classes), as_cells(cell, len(X), cells)
        bins = number if classes is None else target.astype(np.intp) * cells + number
        items = Items(np.zeros(len(X), dtype=np.int32), bins, sums=target if classes is None else None)
        totals = CellSums.of(items, 1, cells, classes)
        found, codes = {}, {}
        for name in X.columns if columns is None else columns:
            levels = any_levels(X[name]) if columns is None else text_levels(X[name])
            sums = CellSums.of(items._replace(level=levels.codes), len(levels.names) + 1, cells, classes)
            found[name], codes[name] = ColumnCells(levels.names, sums), levels.codes
        return cls(number, found, codes, totals, tuple(X.columns))

    @classmethod
    def merged(cls, parts: Sequence[TargetCells]) -> TargetCells:
        """Put partitions of a table together, in their order.

        Of classes, the outcome is that of the whole table to the last bit. Of numbers, it differs from that by
        rounding (about 1e-15 of the largest target), and is the same to the last bit for the same partitions in the
        same order, whoever made them when.
        """
        columns, codes = {}, {}
        for name in parts[0].columns:
            levels, places = united([part.columns[name].levels for part in parts])
            sums = merged([part.columns[name].sums for part in parts], places, len(levels) + 1)
            columns[name] = ColumnCells(levels, sums)
            codes[name] = np.concatenate([place[part.codes[name]] for part, place in zip(parts, places, strict=True)])
        only = np.zeros(1, dtype=np.int32)
        totals = merged([part.totals for part in parts], [only] * len(parts), 1)
        return cls(np.concatenate([part.cell for part in parts]), columns, codes, totals, parts[0].names)

    def tables(self, sees: NDArray[np.bool_], smooth: float | Literal["auto"]) -> dict[Any, Floats]:
        """Encoding of each column's levels in each context.

        Parameters
        ----------
        sees : array of bool, shape (contexts, cells)
        smooth : float >= 0, or "auto"

        Returns
        -------
        dict of column to array of float, shape (contexts, levels + 1) or (contexts, levels + 1, classes)
            The last level is a missing value. A level without a row that the context sees has the context's prior; a
            context that sees no row has NaN.
        """
        spread = smooth == "auto"
        everything = {context: moments for context, _, moments in self.totals.moments(sees, spread=spread)}
        found = {}
        for name, column in self.columns.items():
            table = np.empty((len(sees), column.sums.levels, self.outputs))
            for context, levels, moments in column.sums.moments(sees, spread=spread):
                table[context, levels] = shrunken_means(moments, everything[context], smooth).T
            found[name] = table if self.is_multiclass else table[..., 0]
        return found

    def priors(self, sees: NDArray[np.bool_]) -> Floats:
        """Mean of the target in each context, NaN where it sees no row; shape (contexts,) or (contexts, classes)."""
        means = np.empty((len(sees), self.outputs))
        for context, _, moments in self.totals.moments(sees, spread=False):
            means[context] = moments.mean[:, 0] if moments.rows[0] else np.nan
        return means if self.is_multiclass else means[:, 0]

    def encoded(self, fit: Fit, smooth: float | Literal["auto"]) -> Encodings:
        """Encodings of one fit."""
        return Encodings(self, fit.context, self.tables(fit.sees, smooth), self.priors(fit.sees))

    @property
    def is_multiclass(self) -> bool:
        """Whether each column is encoded by several numbers, one per class."""
        return (self.totals.classes or 1) > 2

    @property
    def outputs(self) -> int:
        """How many numbers encode a column."""
        return self.totals.classes or 1 if self.is_multiclass else 1


@dataclass(frozen=True)
class Encodings:
    """The encodings of one fit.

    Attributes
    ----------
    table : TargetCells
    context : array of int, shape (cells,)
        Row of `tables` for the learnt rows of a cell.
    tables : dict of column to array of float, shape (contexts + 1, levels + 1) or (contexts + 1, levels + 1, classes)
        The last context is that of rows that are not learnt from; the last level a missing value.
    priors : array of float, shape (contexts + 1,) or (contexts + 1, classes)
        Encoding of a level that the context does not see.
    """

    table: TargetCells
    context: Positions
    tables: dict[Any, Floats]
    priors: Floats

    def column(self, name: Any, rows: Positions, *, learnt: bool) -> Floats:
        """Encode some rows of one column; shape (m,) or (m, classes).

        Parameters
        ----------
        name : str
        rows : array of int, shape (m,)
            Positions in the table.
        learnt : bool
            Whether the model learns from them: then each is encoded without what its own cell may not see. Watched and
            validated rows are encoded by all learnt rows.
        """
        context = self.context[self.table.cell[rows]] if learnt else -1
        found: Floats = self.tables[name][context, self.table.codes[name][rows]]
        return found

    def write(self, matrix: NDArray[np.floating[Any]], places: Sequence[int], rows: Positions, *, learnt: bool) -> None:
        """Encode some rows of all columns into a matrix of 32 or 64 bit, without an array of them in between.

        Parameters
        ----------
        matrix : array of float, shape (m, d)
            Changed in place.
        places : sequence of int
            For each column, in order of `tables`, where in the matrix its encoding goes; its first class, where there
            are several.
        rows, learnt
            As of `column`.
        """
        context = np.where(self.context < 0, len(self.priors) - 1, self.context)
        plans = []
        for name, place in zip(self.tables, places, strict=True):
            table = (self.tables[name] if learnt else self.tables[name][-1:]).astype(matrix.dtype)
            outputs = table.reshape(-1, self.table.outputs).T.copy()  # one after the other, so that each is dense
            plans.append((place, self.table.codes[name], table.shape[1], outputs))
        for start in range(0, len(rows), BLOCK):
            some = rows[start : start + BLOCK]
            seen = context.take(self.table.cell.take(some)) if learnt else None
            for place, codes, width, outputs in plans:
                code = codes.take(some) if seen is None else seen * width + codes.take(some)
                for number, values in enumerate(outputs, start=place):
                    values.take(code, out=matrix[start : start + BLOCK, number], mode="clip")  # by itself it copies


def as_target(y: Any, rows: int, classes: int | None = None) -> Floats:
    """The target as a vector of finite numbers, one per row.

    Raises
    ------
    DataError
        If it is empty, of another length, a value is missing or infinite, or no class.
    """
    target = np.asarray(y, dtype=np.float64)
    finite = int(np.count_nonzero(np.isfinite(target)))
    if target.shape != (rows,) or not rows or finite < rows:
        raise DataError(f"a fit needs one finite target for each of {rows} rows; {finite} of {target.size} are finite.")
    if classes is not None:
        strange = target[(target < 0) | (target >= classes) | (target != np.floor(target))]
        if len(strange):
            raise DataError(f"a target of {classes} classes is 0 to {classes - 1}; {strange[0]:g} was found.")
    return target


def as_cells(cell: Any, rows: int, cells: int) -> Positions:
    """The cell of each row.

    Raises
    ------
    DataError
        If there is not one for each row, or one is out of range.
    """
    numbers = np.asarray(cell, dtype=np.intp)
    if numbers.shape != (rows,) or (rows and not 0 <= numbers.min() <= numbers.max() < cells):
        raise DataError(f"each of {rows} rows needs a cell from 0 to {cells - 1}; {numbers.size} were given.")
    return numbers
