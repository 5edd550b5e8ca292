"""`custom:` under `expectations`: a function of the user's own in `configs/<pipeline>/` judges rows, or the batch."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.own_features.user_code import code_folder, load_module
from tasks.table import to_frame
from tasks.validation.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.table_chunks import Rows


class CustomError(ValueError):
    """A function of the user's own is not there, raised, or gave back something else than truths."""


class CustomCheck:
    """One `custom` expectation over one batch.

    Parameters
    ----------
    built : pair of own expectations of GX
        One judges the sums where the function judges rows, the other tells of the batch where it judges that.
    function : str
        Dotted name in `configs/<pipeline>/`.
    pipeline : str
    columns : list of str
        What the function is given.
    zones : mapping of str to str
        Zones of the timestamps among them.
    """

    alone = False

    def __init__(
        self, built: tuple[Any, Any], function: str, pipeline: str, columns: list[str], zones: Mapping[str, str]
    ) -> None:
        self.built, self.name, self.pipeline, self.needed, self.zones = built, function, pipeline, columns, zones
        self.tally: Tally | None = Tally()
        """None where the function judges the batch."""
        self.holds = False

    def take(self, rows: pa.Table) -> None:
        """Judge all rows of the batch.

        Raises
        ------
        CustomError
            Names the function, and where it raised.
        """
        answer = self.answer(user_frame(rows.select(self.needed), self.zones))
        if isinstance(answer, bool | np.bool_):
            self.holds, self.tally = bool(answer), None
            return
        holds, is_judged = row_truths(answer, rows.num_rows, self.name)
        tally = Tally()
        tally.add(
            is_judged & ~holds,
            lambda wanted: rows.select(self.needed).take(wanted).to_pylist(),
            looked_at=rows.num_rows,
            missing=int(np.count_nonzero(~is_judged)),
            judged=int(np.count_nonzero(is_judged)),
        )
        self.tally = tally

    def take_all(self, rows: Rows) -> None:
        """Judge all rows of the batch."""
        self.take(rows.whole(self.needed))

    @property
    def vacuous(self) -> bool:
        """Whether the function judged no row."""
        return self.tally is not None and not self.tally.judged

    def result(self) -> Any:
        """GX's result."""
        if self.tally is not None:
            return self.tally.judgement(self.built[0])
        return self.built[1]._build_evr(self.built[1]._validate({"holds": self.holds}))

    def answer(self, frame: pd.DataFrame) -> Any:
        """What the function says of a frame."""
        from threadpoolctl import threadpool_limits

        function = user_function(self.name, self.pipeline)
        try:
            with threadpool_limits(limits=1):  # so that no bit depends on the number of threads
                return function(frame)
        except Exception as error:  # whatever the user's code raises
            where = raised_at(error, self.pipeline)
            raise CustomError(f"{self.name} failed: {type(error).__name__}: {error}{where}") from error


def user_function(name: str, pipeline: str) -> Callable[[pd.DataFrame], Any]:
    """The function that a dotted name in `configs/<pipeline>/` means.

    Raises
    ------
    CustomError
        If its module cannot be imported or has no such function.
    """
    module_name, _, attribute = name.rpartition(".")
    try:
        module = load_module(pipeline, module_name)
    except Exception as error:  # whatever the user's code raises while it is imported
        where = raised_at(error, pipeline)
        raise CustomError(f"{name} cannot be imported: {type(error).__name__}: {error}{where}") from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise CustomError(f"{name}: {code_folder(pipeline)}/{module_name.replace('.', '/')}.py has no such function")
    found: Callable[[pd.DataFrame], Any] = function
    return found


def raised_at(error: Exception, pipeline: str) -> str:
    """Where in the user's code an error was raised, as the end of a sentence."""
    folder = str(code_folder(pipeline).resolve())
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
    return f", raised at {code_folder(pipeline)}{own[-1].filename[len(folder) :]}:{own[-1].lineno}" if own else ""


def user_frame(rows: pa.Table, zones: Mapping[str, str]) -> pd.DataFrame:
    """Rows as a user's function is given them, of which it may change a copy of its own.

    Integers and booleans are `Int64` and `boolean`, floats `float64`, text `str`, dates `datetime64`, timestamps in
    their declared zone; the index is 0 to n - 1.
    """
    import pyarrow as pa

    frame = to_frame(rows)
    for field in rows.schema:
        if pa.types.is_date(field.type):
            frame[field.name] = frame[field.name].astype("datetime64[s]")
        elif pa.types.is_timestamp(field.type) and field.type.tz is not None:
            frame[field.name] = frame[field.name].dt.tz_convert(zones[field.name])
    return frame


def row_truths(answer: Any, rows: int, name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each row meets a rule, and whether its function says so at all: it does not where its answer is missing.

    Raises
    ------
    CustomError
        If the answer is not one truth for each row, in their order.
    """
    import pandas as pd

    expected = f"one truth for each of the {rows} rows in their order, or one for the batch, was expected"
    if not isinstance(answer, pd.Series):
        if not isinstance(answer, np.ndarray) or answer.dtype != bool or answer.ndim != 1:
            raise CustomError(f"{name} gave {type(answer).__name__}; a boolean Series, {expected}")
        answer = pd.Series(answer)
    if not pd.api.types.is_bool_dtype(answer.dtype):
        raise CustomError(f"{name} gave a Series of {answer.dtype}; a boolean Series, {expected}")
    if len(answer) != rows or not np.array_equal(answer.index, np.arange(rows)):
        raise CustomError(f"{name} gave {len(answer)} truths, or under another index; {expected}")
    is_judged = answer.notna().to_numpy()
    return answer.to_numpy(dtype=bool, na_value=False), is_judged
