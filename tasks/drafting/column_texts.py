"""One column of a sample as it stands in the file: its distinct texts, and which row has which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ColumnTexts:
    """A column of text.

    Attributes
    ----------
    name : str
    levels : array of string, shape (n_levels,)
        Distinct texts, in order of their first row.
    codes : array of int64, shape (n_rows,)
        Of each row, the position of its text in `levels`.
    """

    name: str
    levels: pa.StringArray
    codes: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows of each level."""
        return np.bincount(self.codes, minlength=len(self.levels))

    @property
    def texts(self) -> list[str]:
        """The levels as Python's own text."""
        known: list[str] = self.levels.to_pylist()
        return known


def column_texts(name: str, cells: pa.ChunkedArray) -> ColumnTexts:
    """Find the distinct texts of a column.

    Parameters
    ----------
    name : str
    cells : chunked array of string, shape (n_rows,)
        A null, as JSON lines and Parquet have, is the empty text.

    Examples
    --------
    >>> import pyarrow as pa
    >>> column_texts("size", pa.chunked_array([["S", "M", "S"]])).codes.tolist()
    [0, 1, 0]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = pc.fill_null(cells.cast(pa.string()), "").combine_chunks().dictionary_encode()
    return ColumnTexts(name, encoded.dictionary, encoded.indices.to_numpy().astype(np.int64))
