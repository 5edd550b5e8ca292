"""Which calendar month, ISO week or day a moment belongs to, by the clock of its zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from configs.sections.source import Period
from tasks.cells.queries import quoted
from tasks.cells.values import engine

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # of the years 1 to 9999, from 1970-01-01
LOCAL_DAYS = """
    SELECT CAST(timezone({zone}, make_timestamptz(c)) AS DATE) - DATE '1970-01-01' AS day FROM cells ORDER BY i"""


def period_names(moments: pa.ChunkedArray, period: Period, timezone: str) -> NDArray[np.object_]:
    """Name the period of each moment; names sort as the periods follow each other.

    Parameters
    ----------
    moments : ChunkedArray of date32, or of timestamp in UTC, shape (n,)
    period : {"month", "week", "day"}
    timezone : str
        Whose clock tells the day of an instant; a date is the day that it is. The zones are DuckDB's, as in typing.

    Returns
    -------
    array of str, shape (n,)
        `2013-03`, `2013-W10` or `2013-03-10`; None where the moment is missing. An instant that is in the year 0 or
        10000 on that clock, though not in UTC, belongs to the first or last day between.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from datetime import date
    >>> period_names(pa.chunked_array([[date(2012, 12, 31), None]]), "week", "UTC").tolist()
    ['2013-W01', None]
    """
    import numpy as np
    import pyarrow as pa

    given = moments.drop_null()
    days = given.cast(pa.int32()).to_numpy() if pa.types.is_date32(given.type) else local_days(given, timezone)
    distinct, place = np.unique(np.clip(days, FIRST_DAY, LAST_DAY), return_inverse=True)
    names = np.array([period_name(int(day), period) for day in distinct], dtype=object)
    found = np.full(len(moments), None, dtype=object)
    found[moments.is_valid().to_numpy()] = names[place] if len(names) else []
    return found


def local_days(instants: pa.ChunkedArray, timezone: str) -> NDArray[np.int64]:
    """Days since 1970-01-01 that the clock of a zone showed at some instants, none of them missing."""
    import numpy as np
    import pyarrow as pa

    microseconds = instants.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    engine().register("cells", pa.table({"i": np.arange(len(microseconds)), "c": microseconds}))
    try:
        days: NDArray[Any] = (
            engine().sql(LOCAL_DAYS.format(zone=quoted(timezone))).to_arrow_table().column("day").to_numpy()
        )
    finally:
        engine().unregister("cells")
    return days.astype(np.int64)


def period_name(day: int, period: Period) -> str:
    """Name the period of a day.

    >>> [period_name(15_774, period) for period in ("month", "week", "day")]
    ['2013-03', '2013-W10', '2013-03-10']
    """
    from datetime import date

    found = date.fromordinal(day - FIRST_DAY + 1)
    if period == "week":
        year, week, _ = found.isocalendar()
        return f"{year:04}-W{week:02}"
    return found.isoformat()[: len("2013-03")] if period == "month" else found.isoformat()
