"""Pandas objects, sparse matrices and splines as plain JSON, and back: for `tasks.own_features.plain_state`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.interpolate import BSpline

if TYPE_CHECKING:
    from tasks.own_features.plain_state import Plain, Reader, Writer

MASKED = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean")
TEXT = ("str", "string")
ZONED = re.compile(r"datetime64\[(s|ms|us|ns), ([\w/+:-]+)\]")
SPARSE = ("csr_matrix", "csr_array", "csc_matrix", "csc_array")


def write_column(writer: Writer, values: Any, path: str) -> Plain:
    """Write the values of a Series or an Index: an array, and the type that pandas adds to it."""
    from tasks.own_features.plain_state import refused

    name = str(values.dtype)
    if isinstance(values.dtype, np.dtype):
        return {"dtype": "", "values": writer.plain(values.to_numpy(), path)}
    if name in MASKED or name in TEXT:
        listed = np.array([None if pd.isna(each) else each for each in values], dtype=object)
        return {"dtype": name, "values": writer.plain(listed, path)}
    if ZONED.fullmatch(name):
        return {"dtype": name, "values": writer.plain(values.to_numpy(dtype=f"datetime64[{values.dtype.unit}]"), path)}
    raise refused(path, values, f"holds the type {name}; keep an array of numbers or texts instead")


def read_column(reader: Reader, plain: Plain) -> Any:
    """Read what `write_column` wrote; shape (n,)."""
    values, name = reader.value(plain["values"]), plain["dtype"]
    if name in MASKED or name in TEXT:
        return pd.array(values.tolist(), dtype=name)
    if zoned := ZONED.fullmatch(name):
        return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(zoned[2])
    return values


def write_index(writer: Writer, value: pd.Index[Any], path: str) -> Plain:
    """Write an index."""
    return {"name": writer.plain(value.name, f"{path}.name"), **write_column(writer, value, path)}


def write_range_index(writer: Writer, value: pd.RangeIndex, path: str) -> Plain:
    """Write an index of numbers in steps."""
    return {"name": writer.plain(value.name, f"{path}.name"), "items": [value.start, value.stop, value.step]}


def write_multi_index(writer: Writer, value: pd.MultiIndex, path: str) -> Plain:
    """Write an index of several levels."""
    levels = [write_column(writer, value.get_level_values(place), path) for place in range(value.nlevels)]
    return {"names": writer.plain(list(value.names), f"{path}.names"), "levels": levels}


def read_multi_index(reader: Reader, plain: Plain) -> pd.MultiIndex:
    """Read an index of several levels."""
    levels = [read_column(reader, each) for each in plain["levels"]]
    return pd.MultiIndex.from_arrays(levels, names=reader.value(plain["names"]))


def write_series(writer: Writer, value: pd.Series[Any], path: str) -> Plain:
    """Write a Series with its index."""
    index = writer.plain(value.index, f"{path}.index")
    return {"name": writer.plain(value.name, f"{path}.name"), "index": index, **write_column(writer, value, path)}


def read_series(reader: Reader, plain: Plain) -> pd.Series[Any]:
    """Read a Series."""
    return pd.Series(read_column(reader, plain), reader.value(plain["index"]), name=reader.value(plain["name"]))


def write_frame(writer: Writer, value: pd.DataFrame, path: str) -> Plain:
    """Write a frame column by column, with its index."""
    columns = [write_column(writer, value.iloc[:, place], f"{path}[{place}]") for place in range(value.shape[1])]
    names, index = writer.plain(value.columns, f"{path}.columns"), writer.plain(value.index, f"{path}.index")
    return {"names": names, "index": index, "columns": columns}


def read_frame(reader: Reader, plain: Plain) -> pd.DataFrame:
    """Read a frame."""
    index = reader.value(plain["index"])
    columns = {place: read_column(reader, each) for place, each in enumerate(plain["columns"])}
    made = pd.DataFrame({place: pd.Series(values, index) for place, values in columns.items()}, index)
    made.columns = reader.value(plain["names"])
    return made


def write_timestamp(writer: Writer, value: pd.Timestamp, path: str) -> Plain:
    """Write an instant, in its unit and zone."""
    zone = None if value.tz is None else str(value.tz)
    return {"instant": writer.plain(value.to_datetime64(), path), "zone": zone}


def read_timestamp(reader: Reader, plain: Plain) -> pd.Timestamp:
    """Read an instant."""
    instant = pd.Timestamp(reader.value(plain["instant"]))
    return instant if plain["zone"] is None else instant.tz_localize("UTC").tz_convert(plain["zone"])


def write_sparse(writer: Writer, value: Any, path: str) -> Plain:
    """Write a sparse matrix in rows or columns."""
    parts = {name: writer.plain(getattr(value, name), f"{path}.{name}") for name in ("data", "indices", "indptr")}
    return {"class": type(value).__name__, "shape": [int(size) for size in value.shape], **parts}


def read_sparse(reader: Reader, plain: Plain) -> Any:
    """Read a sparse matrix."""
    import scipy.sparse

    kind = getattr(scipy.sparse, SPARSE[SPARSE.index(plain["class"])])
    return kind(tuple(reader.value(plain[name]) for name in ("data", "indices", "indptr")), shape=tuple(plain["shape"]))


def write_spline(writer: Writer, value: BSpline, path: str) -> Plain:
    """Write a spline, as SplineTransformer learns it."""
    return {
        name: writer.plain(getattr(value, name), f"{path}.{name}") for name in ("t", "c", "k", "extrapolate", "axis")
    }


def read_spline(reader: Reader, plain: Plain) -> BSpline:
    """Read a spline."""
    knots, coefficients, degree, extrapolate, axis = (
        reader.value(plain[name]) for name in ("t", "c", "k", "extrapolate", "axis")
    )
    return BSpline.construct_fast(knots, coefficients, degree, extrapolate, axis)


def sparse_types() -> tuple[type, ...]:
    """Classes of the sparse matrices that are kept."""
    import scipy.sparse

    return tuple(getattr(scipy.sparse, name) for name in SPARSE)


FRAME_KINDS: dict[str, tuple[type, ...]] = {
    "index": (pd.Index, pd.DatetimeIndex),
    "range_index": (pd.RangeIndex,),
    "multi_index": (pd.MultiIndex,),
    "series": (pd.Series,),
    "frame": (pd.DataFrame,),
    "timestamp": (pd.Timestamp,),
    "sparse": sparse_types(),
    "spline": (BSpline,),
}
FRAME_WRITERS: dict[str, Callable[[Writer, Any, str], Plain]] = {
    "index": write_index,
    "range_index": write_range_index,
    "multi_index": write_multi_index,
    "series": write_series,
    "frame": write_frame,
    "timestamp": write_timestamp,
    "sparse": write_sparse,
    "spline": write_spline,
}
FRAME_READERS: dict[str, Callable[[Reader, Plain], Any]] = {
    "index": lambda reader, plain: pd.Index(read_column(reader, plain), name=reader.value(plain["name"])),
    "range_index": lambda reader, plain: pd.RangeIndex(range(*plain["items"]), name=reader.value(plain["name"])),
    "multi_index": read_multi_index,
    "series": read_series,
    "frame": read_frame,
    "timestamp": read_timestamp,
    "sparse": read_sparse,
    "spline": read_spline,
}
