"""Local times far from any change of the clock: their instants by the day's offset, without asking for each of them.

Asking DuckDB what a zone's clock showed costs a microsecond per time; a year has 365 days. A day is calm where the
offset from UTC is the same one day before it begins and one day after it ends; on the days around a change, and for
texts in other than the plainest ISO 8601, the query of `tasks.cells.queries` decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.arrow_arrays import number_array
from tasks.cells.queries import FIRST_INSTANT, quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

DAY = 86_400_000_000  # microseconds
DATE_LENGTH = 10
LENGTHS = (DATE_LENGTH, 16, 19, *range(21, 27))  # with minutes, with seconds, with up to six digits behind the point
OFFSETS = """
    SELECT epoch_us(early) - epoch_us(timezone('UTC', timezone({zone}, early))) AS before,
        epoch_us(late) - epoch_us(timezone('UTC', timezone({zone}, late))) AS after
    FROM (SELECT i, make_timestamp((c - 1) * 86400000000) AS early, make_timestamp((c + 2) * 86400000000) AS late
          FROM cells) ORDER BY i"""


def wall_times(texts: pa.Array) -> NDArray[Any] | None:
    """Microseconds since 1970 on the wall's clock of each text; None where one is not plain ISO 8601 without an offset.

    Arrow also reads an hour without minutes, which has the length of no accepted text, and the year 0.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pc.all(pc.is_in(pc.binary_length(texts), value_set=number_array(np.array(LENGTHS, np.int32)))).as_py():
        return None
    try:
        walls = texts.cast(pa.timestamp("us")).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    found: NDArray[Any] = np.from_dlpack(walls)
    return found if len(found) == 0 or found.min() >= FIRST_INSTANT else None


def utc_times(texts: pa.Array) -> NDArray[Any] | None:
    """Microseconds since 1970 of each text; None where one is not plain ISO 8601 with a time of day and `Z`."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = number_array(np.array([length + 1 for length in LENGTHS if length > DATE_LENGTH], np.int32))
    is_utc = pc.and_(pc.ends_with(texts, "Z"), pc.is_in(pc.binary_length(texts), value_set=lengths))
    if not pc.all(is_utc).as_py():
        return None
    return wall_times(pc.binary_slice(texts.cast(pa.binary()), 0, -1).cast(pa.string()))


def calm_instants(walls: NDArray[Any], zone: str, engine: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Instants of local times on calm days.

    Parameters
    ----------
    walls : array of int64, shape (n,)
        Microseconds since 1970 on the clock of `zone`.
    zone : str
    engine : DuckDBPyConnection

    Returns
    -------
    instants : array of int64, shape (n,)
        Microseconds since 1970 in UTC; meaningless where the day is not calm.
    calm : array of bool, shape (n,)
    """
    import numpy as np
    import pyarrow as pa

    days = walls // DAY
    first = int(days.min())
    there = np.zeros(int(days.max()) - first + 1, dtype=bool)
    there[days - first] = True
    distinct = np.flatnonzero(there) + first
    engine.register("cells", pa.table({"i": number_array(np.arange(len(distinct))), "c": number_array(distinct)}))
    try:
        offsets = engine.sql(OFFSETS.format(zone=quoted(zone))).to_arrow_table()
    finally:
        engine.unregister("cells")
    before, after = (np.from_dlpack(offsets.column(name).combine_chunks()) for name in ("before", "after"))
    place = np.cumsum(there) - 1
    day = place[days - first]
    return walls - before[day], (before == after)[day]
