"""The first look at the reference: how many rows, which ranges, which levels, and a sample to lay cells by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from configs.errors import DataError
from tasks.drift.profile.cells import (
    LEVEL_CELLS,
    CategoryCells,
    Cells,
    Grid,
    NumericCells,
    concealed,
    hashes_of,
    numeric_cells,
)
from tasks.drift.profile.profile import Declared
from tasks.drift.profile.sampling import Sample
from tasks.drift.profile.values import kind_of, levels_of, numbers_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LAID_BY = 30_000  # rows of the sample that cells are laid by
MOST_KNOWN = 40_000  # hashes of rare levels that a profile keeps, over all columns
SEVERAL = -1
TOGETHER = 0.5  # of the rows in which one of two columns is null, how many lack both, where they are missing together
TOGETHER_SHARE, FEWEST_TOGETHER = 0.005, 20  # of the sample's rows, at the least, that lack both


@dataclass
class SurveyedNumbers:
    """A numeric column: the range of each batch that has a finite value."""

    kind: str
    ranges: dict[int, tuple[float, float]] = field(default_factory=dict)

    def add(self, column: pa.ChunkedArray, batch: int) -> None:
        """Widen the batch's range."""
        for values in numbers_of(column):
            finite = values[np.isfinite(values)]
            if len(finite):
                low, high = self.ranges.get(batch, (np.inf, -np.inf))
                self.ranges[batch] = min(low, float(finite.min())), max(high, float(finite.max()))

    def range(self, without: int | None = None) -> tuple[float | None, float | None]:
        """Least and greatest value, of all batches or of all but one."""
        kept = [found for batch, found in self.ranges.items() if batch != without]
        return (min(low for low, _ in kept), max(high for _, high in kept)) if kept else (None, None)


@dataclass
class SurveyedLevels:
    """A category: rows of each level, and the batch that it is seen in, or `SEVERAL`."""

    kind: str = "category"
    rows: dict[str, int] = field(default_factory=dict)
    batch: dict[str, int] = field(default_factory=dict)

    def add(self, column: pa.ChunkedArray, batch: int) -> None:
        """Count the levels of some rows of a batch."""
        found = levels_of(column)
        for level, rows in zip(found.levels, found.rows.tolist(), strict=True):
            self.rows[level] = self.rows.get(level, 0) + rows
            self.batch[level] = batch if self.batch.get(level, batch) == batch else SEVERAL


Surveyed = SurveyedNumbers | SurveyedLevels


@dataclass
class Survey:
    """What the first look finds."""

    names: list[str]
    sample: Sample
    rows: dict[str, int] = field(default_factory=dict)
    columns: dict[str, Surveyed] = field(default_factory=dict)

    def add(self, batch: str, table: pa.Table) -> None:
        """Look at some rows of a batch."""
        self.rows[batch] = self.rows.get(batch, 0) + table.num_rows
        number = list(self.rows).index(batch)
        self.sample.add(table.select([*self.names, *self.others(table)]))
        for name in self.names:
            self.add_column(name, table.column(name), number)

    def others(self, table: pa.Table) -> list[str]:
        """Columns that are in the sample and have no cells."""
        return [name for name in table.column_names if name not in self.names]

    def add_column(self, name: str, column: pa.ChunkedArray, batch: int) -> None:
        """Look at one column."""
        kind = kind_of(column.type)
        if kind == "nothing":
            return
        if kind is None:
            raise DataError(
                f"column {name!r} is {column.type}; a profile counts numbers, moments, texts and truth values."
            )
        new = SurveyedLevels() if kind == "category" else SurveyedNumbers(kind)
        surveyed = self.columns.setdefault(name, new)
        if surveyed.kind != kind:
            raise DataError(
                f"column {name!r} is {column.type} in one batch and a {surveyed.kind} in another; type it alike."
            )
        surveyed.add(column, batch)


def survey(chunks: Iterable[tuple[str, pa.Table]], names: Iterable[str], rows: int, seed: int) -> Survey:
    """Look at all rows once.

    Raises
    ------
    DataError
        If a column is absent, or of a type that is not counted.
    """
    found = Survey(sorted(names), Sample(max(rows, LAID_BY), seed))
    for batch, table in chunks:
        absent = [name for name in found.names if table.schema.get_field_index(name) < 0]
        if absent:
            raise DataError(f"batch {batch!r} has no column {absent[0]!r}; the profile was to have it.")
        found.add(batch, table)
    return found


def laid_grid(found: Survey, declared: Declared) -> Grid:
    """Lay the cells of each column by what was surveyed."""
    sample = found.sample.rows(LAID_BY)
    room = MOST_KNOWN // max(1, sum(isinstance(column, SurveyedLevels) for column in found.columns.values()))
    columns = {
        name: laid_cells(
            found.columns.get(name),
            sample and sample.column(name),
            room,
            private=name in declared.private,
            summed=declared.roles[name] == "loss",
        )
        for name in found.names
    }
    together = missing_together(sample, [name for name in columns if declared.roles[name] == "feature"])
    return Grid(columns, {name: declared.roles[name] for name in columns}, declared.time, together)


def missing_together(sample: pa.Table | None, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of columns most of whose missing values are in the same rows; each column but once as the later one.

    Examples
    --------
    >>> import pyarrow as pa
    >>> x = pa.array([1, None] * 50)
    >>> missing_together(pa.table({"a": x, "b": x, "c": x}), ["a", "b", "c"])
    (('a', 'b'), ('a', 'c'))
    """
    if sample is None or not sample.num_rows:
        return ()
    nulls = {name: sample.column(name).is_null().to_numpy() for name in names if sample.column(name).null_count}
    pairs = []
    for place, other in enumerate(nulls):
        shares = {one: common_share(nulls[one], nulls[other]) for one in list(nulls)[:place]}
        best = max(shares, key=lambda one: shares[one], default=None)
        if best is not None and shares[best] >= TOGETHER:
            pairs.append((best, other))
    return tuple(pairs)


def common_share(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Of the rows that are in either, how many are in both; 0 where these are too few to tell."""
    both = int((one & other).sum())
    return both / int((one | other).sum()) if both >= max(FEWEST_TOGETHER, TOGETHER_SHARE * len(one)) else 0.0


def laid_cells(
    found: Surveyed | None, sample: pa.ChunkedArray | None, room: int, *, private: bool, summed: bool
) -> Cells:
    """Lay the cells of one column; one without a value has no edges.

    Of a column that is `summed`, the mean of a batch is to be read off its cells (`tasks.drift.model.concept`).
    """
    if isinstance(found, SurveyedLevels):
        return category_cells(found.rows, room, private)
    if found is None or sample is None:
        return NumericCells(np.empty(0))
    values = np.concatenate([np.empty(0), *numbers_of(sample)])
    values = values[np.isfinite(values)]
    return numeric_cells(with_tails(values) if summed else values, *found.range(), kind=found.kind)


def with_tails(values: Floats) -> Floats:
    """As many of these values, in order, half of them where the squared distance from the mean lies.

    Most of what a mean loss varies by lies in a few dear rows; cells that are laid by these values lose 3 % of it to
    rounding, where such as hold as many rows each lose 9 %.

    >>> with_tails(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0])).tolist()
    [0.0, 0.0, 0.0, 0.0, 8.0, 8.0, 8.0, 8.0]
    """
    ordered = np.sort(values)
    apart = (ordered - ordered.mean()) ** 2 if len(ordered) else ordered
    if not len(ordered) or not 0 < apart.sum() < np.inf:
        return np.asarray(ordered)
    until = np.cumsum(0.5 / len(ordered) + 0.5 * apart / apart.sum())
    wanted = (np.arange(len(ordered)) + 0.5) / len(ordered)
    return np.asarray(ordered[np.minimum(np.searchsorted(until, wanted), len(ordered) - 1)])


def category_cells(rows: Mapping[str, int], room: int, private: bool = False) -> CategoryCells:
    """Cells for the most frequent levels; of the others, the hashes of at most `room` are kept, else of none.

    >>> category_cells({"a": 1, "b": 5}, room=10).levels
    ('b', 'a')
    """
    ordered = sorted(rows, key=lambda level: (-rows[level], level))
    frequent, rare = ordered[:LEVEL_CELLS], ordered[LEVEL_CELLS:]
    told = len(rare) <= room
    shown = tuple(concealed(level) for level in frequent) if private else tuple(frequent)
    return CategoryCells(shown, np.sort(hashes_of(rare if told else [])), told, private)
