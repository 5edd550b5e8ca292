"""Arrow arrays of texts and of NumPy's values, and back, by builders and buffers.

`pyarrow.array`, `pyarrow.scalar` and `to_numpy` import pandas, to ask whether what they are given is pandas': 0.25 s
and 40 MB in each process that reads a batch, where nothing else needs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def text_array(texts: Iterable[str | None]) -> pa.StringArray:
    """Texts as an array; None is null.

    >>> text_array(["a", None, ""]).to_pylist()
    ['a', None, '']
    """
    from pyarrow.lib import StringBuilder

    builder = StringBuilder()
    builder.append_values(texts)
    return builder.finish()


def number_array(numbers: NDArray[Any], missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """Numbers as an array of NumPy's type, which shares their memory.

    Parameters
    ----------
    numbers : array of integers or floats, shape (n,)
    missing : array of bool, shape (n,), optional
        Which of them are null.

    Examples
    --------
    >>> import numpy as np
    >>> number_array(np.array([1, 2, 3]), missing=np.array([False, True, False])).to_pylist()
    [1, None, 3]
    """
    import numpy as np
    import pyarrow as pa

    valid = None if missing is None else bits(~missing)
    content = pa.py_buffer(np.ascontiguousarray(numbers))
    return pa.Array.from_buffers(pa.from_numpy_dtype(numbers.dtype), len(numbers), [valid, content])


def flag_array(flags: NDArray[np.bool_]) -> pa.BooleanArray:
    """Flags as an array.

    >>> import numpy as np
    >>> flag_array(np.array([True, False])).to_pylist()
    [True, False]
    """
    import pyarrow as pa

    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, bits(flags)])


def flags_of(flags: pa.BooleanArray) -> NDArray[np.bool_]:
    """What an array of flags without nulls says, as NumPy's.

    >>> import pyarrow as pa
    >>> flags_of(pa.array([True, False, True])[1:]).tolist()
    [False, True]
    """
    import numpy as np
    import pyarrow as pa

    return np.from_dlpack(flags.cast(pa.uint8())).view(np.bool_)


def bits(flags: NDArray[np.bool_]) -> pa.Buffer:
    """Flags as Arrow keeps them, a bit each, that of the first one lowest."""
    import numpy as np
    import pyarrow as pa

    return pa.py_buffer(np.packbits(flags, bitorder="little"))
