"""An object's learned attributes as plain JSON, and back: without pickle, so that reading can run no one's code.

Numbers, text, containers, arrays, frames and sparse matrices are written as values, bit for bit. An object is written
as its class and its attributes, and made again without `__init__`; its class must be an estimator of scikit-learn, or
stand in the code of the pipeline itself. Nothing else is ever imported, whatever the JSON names.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from configs.errors import CorruptionError, DataError
from tasks.own_features.plain_frames import FRAME_KINDS, FRAME_READERS, FRAME_WRITERS

Plain = Any  # what JSON can hold
Load = Callable[[str], ModuleType]

ATOMS = (type(None), bool, int, str)
HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class that Python code has made; its instances hide nothing in C
LIBRARY = re.compile(r"sklearn(\.(?!tests?\b|conftest|externals|_build)[a-z_0-9]+)+")
SCORERS = re.compile(r"sklearn\.feature_selection\._(univariate_selection|mutual_info)")
TYPES = {each.__name__: each for each in (bool, float, int, object, str)}


class UnkeptStateError(DataError):
    """An attribute holds something that plain values cannot say."""


class UnknownClassError(CorruptionError):
    """A kept state names a class that no state of this pipeline may name."""


def to_plain(value: Any, own: str) -> Plain:
    """Write a value as what JSON holds exactly.

    Parameters
    ----------
    value : object
        Such as a fitted transformer.
    own : str
        Package of the pipeline's own code, `configs.<pipeline>`, whose classes and functions are kept by name.

    Returns
    -------
    None, bool, int, float, str, list or dict
        The same for the same value in every process.

    Raises
    ------
    UnkeptStateError
        Names the attribute and the class of what cannot be kept.

    Examples
    --------
    >>> to_plain({"mean": 0.1, "levels": ("a", "b")}, "configs.demo")
    {'is': 'dict', 'items': [['mean', 0.1], ['levels', {'is': 'tuple', 'items': ['a', 'b']}]]}
    """
    return Writer(own).plain(value, "")


def from_plain(plain: Plain, own: str, load: Load) -> Any:
    """Make a value again from what `to_plain` wrote, as JSON gave it back.

    Parameters
    ----------
    plain : what JSON holds
    own : str
        As it was for `to_plain`.
    load : callable
        Gives the module of a dotted name in the package `own`; it is asked for no other one.

    Raises
    ------
    UnknownClassError
        If a class or function is named that no state may name; it is not imported.
    """
    return Reader(own, load).value(plain)


def bytes_text(data: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(data).decode()


@dataclass
class Writer:
    """Writes a value, and knows on which path it is, so that an object that holds itself is refused."""

    own: str
    around: list[int] = field(default_factory=list)

    def plain(self, value: Any, path: str) -> Plain:
        """Write a value that stands at a path."""
        if type(value) in ATOMS:
            return value
        if type(value) is float:
            return value if np.isfinite(value) else {"is": "float", "text": repr(value)}
        if id(value) in self.around:
            raise refused(path, value, "holds itself")
        self.around.append(id(value))
        try:
            return self.tagged(value, path)
        finally:
            self.around.pop()

    def tagged(self, value: Any, path: str) -> Plain:
        """Write a value that JSON has no form of."""
        kind = next((tag for tag, types in KINDS.items() if type(value) in types), None)
        if kind is not None:
            return {"is": kind, **WRITERS[kind](self, value, path)}
        if isinstance(value, np.generic):
            return {"is": "scalar", **write_array(self, np.asarray(value), path)}
        if isinstance(value, np.dtype):
            return {"is": "dtype", "name": value.str}
        if isinstance(value, (type, FunctionType, np.ufunc)):
            return self.named(value, path)
        return self.instance(value, path)

    def named(self, value: Any, path: str) -> Plain:
        """Write a type of numbers, a universal function of NumPy or a function by its name."""
        name = str(getattr(value, "__qualname__", None) or getattr(value, "__name__", ""))
        module = str(getattr(value, "__module__", ""))
        if isinstance(value, np.ufunc) and getattr(np, name, None) is value:
            return {"is": "ufunc", "name": name}
        if TYPES.get(name) is value or (isinstance(value, type) and issubclass(value, np.generic)):
            return {"is": "type", "name": name}
        if isinstance(value, FunctionType) and "<" not in name and (SCORERS.fullmatch(module) or self.is_own(module)):
            return {"is": "function", "module": module, "name": name}
        raise refused(path, value, f"is {module}.{name}, which no plain value stands for")

    def instance(self, value: Any, path: str) -> Plain:
        """Write an object as its class and attributes."""
        kind = type(value)
        if not is_kept(kind, self.own):
            raise refused(path, value, "is of no class that can be kept")
        if not hasattr(value, "__dict__") or any(not each.__flags__ & HEAP_TYPE for each in kind.__mro__[:-1]):
            raise refused(path, value, "keeps its state in compiled code or slots, where it cannot be read")
        attributes = {name: self.plain(each, f"{path}.{name}") for name, each in vars(value).items()}
        return {"is": "object", "module": kind.__module__, "class": kind.__qualname__, "attributes": attributes}

    def is_own(self, module: str) -> bool:
        """Whether a module is code of the pipeline itself."""
        return is_inside(module, self.own)


@dataclass(frozen=True)
class Reader:
    """Makes values again; nothing is imported that may not be named."""

    own: str
    load: Load

    def value(self, plain: Plain) -> Any:
        """Make one value."""
        if isinstance(plain, dict):
            return READERS[plain["is"]](self, plain)
        return plain

    def found(self, module: str, name: str) -> Any:
        """Find a class or function of the pipeline's own code or of scikit-learn by its name."""
        is_own = is_inside(module, self.own)
        if not is_own and not LIBRARY.fullmatch(module):
            raise UnknownClassError(f"a model's state names {module}.{name}, which no state may name; nothing was run.")
        try:
            found = getattr(self.load(module) if is_own else import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UnknownClassError(f"a model's state names {module}.{name}, which is not there.") from error
        if getattr(found, "__module__", None) != module:  # what a module has merely imported is not its own
            raise UnknownClassError(f"a model's state names {module}.{name}, which is defined elsewhere.")
        return found


def is_inside(module: str, package: str) -> bool:
    """Whether a module is a package or stands in it."""
    return module == package or module.startswith(f"{package}.")


def is_kept(kind: type, own: str) -> bool:
    """Whether objects of a class may be kept: own code, and scikit-learn's estimators."""
    if is_inside(kind.__module__, own):
        return "." not in kind.__qualname__  # found by name again
    return LIBRARY.fullmatch(kind.__module__) is not None and issubclass(kind, BaseEstimator)


def refused(path: str, value: Any, why: str) -> UnkeptStateError:
    """Say which attribute cannot be kept."""
    kind = type(value)
    where = f"attribute {path.lstrip('.')}" if path else "the object itself"
    return UnkeptStateError(
        f"{where} ({kind.__module__}.{kind.__qualname__}) {why}. A model is kept without pickle: as numbers, text, "
        "lists, dicts, arrays, pandas objects, and estimators of scikit-learn or of the pipeline's own code."
    )


# ---- how each kind is written


def write_array(writer: Writer, value: np.ndarray[Any, Any], path: str) -> Plain:
    """Write an array: its bytes, or its items where they are objects."""
    shape, order = list(value.shape), "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    if value.dtype.kind == "O":
        items = [writer.plain(each, f"{path}[{place}]") for place, each in enumerate(value.ravel().tolist())]
        return {"dtype": "|O", "shape": shape, "order": order, "items": items}
    if value.dtype.kind not in "biufcSUmM" or value.dtype.names:
        raise refused(path, value, f"has the type {value.dtype}, whose bytes alone do not say it")
    return {"dtype": value.dtype.str, "shape": shape, "order": order, "data": bytes_text(value.tobytes("C"))}


def write_items(writer: Writer, value: Any, path: str) -> Plain:
    """Write a list or tuple."""
    return {"items": [writer.plain(each, f"{path}[{place}]") for place, each in enumerate(value)]}


def write_set(writer: Writer, value: Any, path: str) -> Plain:
    """Write a set, in the order of its members' JSON: its own follows the hash seed."""
    items = [writer.plain(each, f"{path}{{}}") for each in value]
    return {"items": sorted(items, key=lambda each: json.dumps(each, sort_keys=True))}


def write_dict(writer: Writer, value: dict[Any, Any], path: str) -> Plain:
    """Write a dict as pairs, in its order."""
    return {
        "items": [[writer.plain(k, f"{path} (a key)"), writer.plain(v, f"{path}[{k!r}]")] for k, v in value.items()]
    }


def write_random_state(writer: Writer, value: np.random.RandomState, path: str) -> Plain:
    """Write the state of a generator of random numbers."""
    return {"state": writer.plain(value.get_state(legacy=True), path)}


KINDS: dict[str, tuple[type, ...]] = {
    "list": (list,),
    "tuple": (tuple,),
    "set": (set,),
    "frozenset": (frozenset,),
    "dict": (dict,),
    "array": (np.ndarray,),
    "bytes": (bytes,),
    "slice": (slice,),
    "range": (range,),
    "date": (date,),
    "datetime": (datetime,),
    "timedelta": (timedelta,),
    "random_state": (np.random.RandomState,),
    "missing": (type(pd.NA), type(pd.NaT)),
    **FRAME_KINDS,
}
WRITERS: dict[str, Callable[[Writer, Any, str], Plain]] = {
    "list": write_items,
    "tuple": write_items,
    "set": write_set,
    "frozenset": write_set,
    "dict": write_dict,
    "array": write_array,
    "bytes": lambda _writer, value, _path: {"data": bytes_text(value)},
    "slice": lambda writer, value, path: write_items(writer, (value.start, value.stop, value.step), path),
    "range": lambda writer, value, path: write_items(writer, (value.start, value.stop, value.step), path),
    "date": lambda _writer, value, _path: {"text": value.isoformat()},
    "datetime": lambda _writer, value, _path: {"text": value.isoformat()},
    "timedelta": lambda _writer, value, _path: {"items": [value.days, value.seconds, value.microseconds]},
    "random_state": write_random_state,
    "missing": lambda _writer, value, _path: {"text": "NA" if value is pd.NA else "NaT"},
    **FRAME_WRITERS,
}


# ---- and read


def read_array(reader: Reader, plain: Plain) -> Any:
    """Read an array; it can be written to, as one that was just learned."""
    shape, order = tuple(plain["shape"]), plain["order"]
    if plain["dtype"] == "|O":
        made = np.empty(len(plain["items"]), dtype=object)
        made[:] = [reader.value(each) for each in plain["items"]]
        return made.reshape(shape, order="C").copy(order)
    data = np.frombuffer(base64.b64decode(plain["data"]), dtype=np.dtype(plain["dtype"]))
    return data.reshape(shape, order="C").copy(order)


def read_items(reader: Reader, plain: Plain) -> list[Any]:
    """Read the members of a list, tuple, set, slice or range."""
    return [reader.value(each) for each in plain["items"]]


def read_type(_reader: Reader, plain: Plain) -> type:
    """Read a type of numbers."""
    name = plain["name"]
    found = TYPES.get(name, getattr(np, name, None))
    if not isinstance(found, type) or not (name in TYPES or issubclass(found, np.generic)):
        raise UnknownClassError(f"a model's state names the type {name!r}, which no state may name.")
    return found


def read_ufunc(_reader: Reader, plain: Plain) -> np.ufunc:
    """Read a universal function of NumPy."""
    found = getattr(np, plain["name"], None)
    if not isinstance(found, np.ufunc):
        raise UnknownClassError(f"a model's state names numpy.{plain['name']}, which is no universal function.")
    return found


def read_function(reader: Reader, plain: Plain) -> FunctionType:
    """Read a function of the pipeline's own code, or a score of scikit-learn's feature selection."""
    module, name = plain["module"], plain["name"]
    if not (is_inside(module, reader.own) or SCORERS.fullmatch(module)):
        raise UnknownClassError(f"a model's state names {module}.{name}, which no state may name; nothing was run.")
    found = reader.found(module, name)
    if not isinstance(found, FunctionType):
        raise UnknownClassError(f"a model's state names {module}.{name}, which is no function.")
    return found


def read_object(reader: Reader, plain: Plain) -> Any:
    """Read an object: made without its `__init__`, its attributes put back."""
    kind = reader.found(plain["module"], plain["class"])
    if not isinstance(kind, type) or not is_kept(kind, reader.own):
        raise UnknownClassError(f"a model's state names {plain['module']}.{plain['class']}, which is no kept class.")
    made: Any = object.__new__(kind)
    vars(made).update({name: reader.value(each) for name, each in plain["attributes"].items()})
    return made


def read_random_state(reader: Reader, plain: Plain) -> np.random.RandomState:
    """Read a generator of random numbers."""
    made = np.random.RandomState()
    made.set_state(reader.value(plain["state"]))
    return made


READERS: dict[str, Callable[[Reader, Plain], Any]] = {
    "float": lambda _reader, plain: float(plain["text"]),
    "list": read_items,
    "tuple": lambda reader, plain: tuple(read_items(reader, plain)),
    "set": lambda reader, plain: set(read_items(reader, plain)),
    "frozenset": lambda reader, plain: frozenset(read_items(reader, plain)),
    "dict": lambda reader, plain: {reader.value(k): reader.value(v) for k, v in plain["items"]},
    "array": read_array,
    "scalar": lambda reader, plain: read_array(reader, plain)[()],
    "bytes": lambda _reader, plain: base64.b64decode(plain["data"]),
    "slice": lambda reader, plain: slice(*read_items(reader, plain)),
    "range": lambda reader, plain: range(*read_items(reader, plain)),
    "date": lambda _reader, plain: date.fromisoformat(plain["text"]),
    "datetime": lambda _reader, plain: datetime.fromisoformat(plain["text"]),
    "timedelta": lambda _reader, plain: timedelta(*plain["items"]),
    "random_state": read_random_state,
    "missing": lambda _reader, plain: pd.NA if plain["text"] == "NA" else pd.NaT,
    "dtype": lambda _reader, plain: np.dtype(plain["name"]),
    "type": read_type,
    "ufunc": read_ufunc,
    "function": read_function,
    "object": read_object,
    **FRAME_READERS,
}
