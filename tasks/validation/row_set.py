"""Which rows of a batch fail: one bit for each row, whatever their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST = 200


class RowSet:
    """Rows of a batch, told chunk by chunk in order.

    Examples
    --------
    >>> rows = RowSet()
    >>> rows.add(np.array([False, True, True]))
    >>> rows.add(np.array([True]))
    >>> len(rows), list(rows), rows.mask(2, 4)
    (3, [1, 2, 3], array([ True,  True]))
    """

    def __init__(self) -> None:
        self._pieces: list[tuple[int, int, NDArray[np.uint8]]] = []  # first row, rows, one bit for each
        self._rows = 0
        self._count = 0
        self.first: list[int] = []
        """Positions of the first 200."""

    def add(self, mask: NDArray[np.bool_]) -> None:
        """Tell of the next rows which are in the set."""
        if mask.any():
            self._pieces.append((self._rows, len(mask), np.packbits(mask)))
            self._count += int(np.count_nonzero(mask))
            wanted = FIRST - len(self.first)
            self.first += [self._rows + int(place) for place in np.flatnonzero(mask)[:wanted]]
        self._rows += len(mask)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        for start, length, bits in self._pieces:
            yield from (start + int(place) for place in np.flatnonzero(np.unpackbits(bits, count=length)))

    def mask(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Whether each of the rows from `start` up to `stop` is in the set."""
        found = np.zeros(stop - start, dtype=bool)
        for first, length, bits in self._pieces:
            low, high = max(first, start), min(first + length, stop)
            if low < high:
                piece = np.unpackbits(bits, count=length)[low - first : high - first]
                found[low - start : high - start] = piece.astype(bool)
        return found
