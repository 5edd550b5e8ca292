"""Whether day and month have changed places in a column: the declared way some dates are none, the other way all are.

The days up to the twelfth would be read without a complaint, each as another day. So a few refused rows are no small
matter, and no setting lives with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from configs.sections.columns import EPOCHS, Column

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_REFUSED = 3  # rows whose date is none as declared; one or two may be misspelled
ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(.*)", re.DOTALL)


class Swapped(NamedTuple):
    """Dates of one column: rows that are none as declared, whether all are the other way round, and one of them."""

    refused: int
    reads_all: bool
    text: str

    def joined(self, other: Swapped) -> Swapped:
        """Those of two chunks together."""
        return Swapped(self.refused + other.refused, self.reads_all and other.reads_all, self.text)

    @property
    def is_told(self) -> bool:
        """Whether day and month have changed places."""
        return self.reads_all and self.refused >= LEAST_REFUSED


@dataclass(frozen=True)
class OtherWay:
    """A column's texts and declaration with day and month the other way round."""

    texts: pa.Array
    column: Column


def other_way(texts: pa.Array, column: Column) -> OtherWay | None:
    """Swap day and month in the format, or, of ISO 8601, in the texts; None where a format has not both as numbers.

    >>> import pyarrow as pa
    >>> other_way(pa.array(["2013-31-01 05:00"]), Column(type="timestamp")).texts.to_pylist()
    ['2013-01-31 05:00']
    >>> other_way(pa.array(["1/31/2013"]), Column(type="date", format="%d/%m/%Y")).column.format
    '%m/%d/%Y'
    """
    import pyarrow as pa

    if column.format is None:
        turned = [ISO.sub(r"\1-\3-\2\4", text) for text in texts.to_pylist()]
        return OtherWay(pa.array(turned, pa.string()), column)
    if column.format in EPOCHS or not ("%d" in column.format and "%m" in column.format):
        return None
    form = column.format.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    return OtherWay(texts, column.model_copy(update={"format": form}))
