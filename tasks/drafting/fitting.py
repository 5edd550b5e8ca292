"""Whether texts can be read as a type: by the very code that stage `ingest` reads them with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

Declared = Mapping[str, Any]  # a column's keys, as the YAML has them


def typed_levels(levels: pa.StringArray, declared: Declared) -> pa.Array:
    """The value of each text in a column declared so; null where `ingest` would refuse it, and for null tokens.

    Parameters
    ----------
    levels : array of string, shape (n,)
    declared : mapping
        Such as `{"type": "date", "format": "%d.%m.%Y", "nulls": ["", "-"]}`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> typed_levels(pa.array(["7", "x", "-"]), {"type": "integer", "nulls": ["-"]}).to_pylist()
    [7, None, None]
    """
    import pyarrow as pa

    from configs.sections.columns import Column
    from tasks.cells.values import type_column, without_nulls

    column = Column.model_validate({**declared, "nulls": tuple(declared.get("nulls", ()))})
    texts = without_nulls(pa.chunked_array([levels]), column.nulls)
    return type_column(texts, "sample", column, "UTC", "quarantine").values


def fits(levels: pa.StringArray, declared: Declared) -> NDArray[np.bool_]:
    """Which texts have a value in a column declared so."""
    return np.asarray(typed_levels(levels, declared).is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
