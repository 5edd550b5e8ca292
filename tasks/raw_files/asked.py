"""What a caller asks of the columns of a text: which it needs, and in which form they are read from the bytes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class AskedColumns:
    """Columns of one file, by their alias (c1, c2, ...), and the Arrow type that each is read as.

    A column of strings, or of a dictionary of strings, holds texts as they stand in the file. A column of int64 or
    float64 holds numbers, null where the text is one of the column's null tokens; a chunk in which not all its texts
    are certainly such numbers has it as strings, and from then on all chunks have.

    Parameters
    ----------
    types : mapping of str to DataType
        A column that is not named is not read.
    nulls : mapping of str to tuple of str
        Null tokens of the columns of numbers.
    """

    def __init__(self, types: Mapping[str, pa.DataType], nulls: Mapping[str, tuple[str, ...]]) -> None:
        self._types = dict(types)
        self._nulls = dict(nulls)
        self.tokens = sorted({token for tokens in nulls.values() for token in tokens})
        """Null tokens of all columns of numbers together."""

    @property
    def types(self) -> dict[str, pa.DataType]:
        """How columns are read by now."""
        return dict(self._types)

    def also(self, types: Mapping[str, pa.DataType]) -> AskedColumns:
        """These columns and some more, of texts."""
        return AskedColumns({**self._types, **types}, self._nulls)

    def has_all_tokens(self, alias: str) -> bool:
        """Whether a null in a column of numbers is surely one of its own tokens."""
        return set(self._nulls[alias]) == set(self.tokens)

    def leave_as_text(self, aliases: Collection[str]) -> None:
        """Read columns as strings from now on."""
        import pyarrow as pa

        self._types |= dict.fromkeys(aliases, pa.string())
