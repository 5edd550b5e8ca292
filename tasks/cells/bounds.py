"""Declared bounds of a column, `min` and `max`, as the least and greatest value of its Arrow type."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Any

from tasks.arrow_arrays import number_array, text_array

if TYPE_CHECKING:
    import pyarrow as pa

    from configs.sections.columns import Bound, Column

INT64 = 2**63
EXACT = Context(prec=1000, Emin=-99999, Emax=99999)


def integer_bound(bound: Bound, rounding: str) -> int:
    """The integer nearest to a bound that is not beyond it; one that no integer reaches is as good as the last one.

    >>> integer_bound(1.5, ROUND_CEILING), integer_bound(1e30, ROUND_FLOOR) == 2**63 - 1
    (2, True)
    """
    return min(max(int(Decimal(bound).to_integral_value(rounding)), -INT64), INT64 - 1)


def decimal_bound(bound: Bound, rounding: str, precision: int, scale: int) -> Decimal:
    """The decimal of a precision and scale that is nearest to a bound and not beyond it.

    >>> decimal_bound(0.125, ROUND_FLOOR, 5, 2)
    Decimal('0.12')
    """
    written = Decimal(repr(bound)) if isinstance(bound, float) else Decimal(bound)
    most = Decimal(10**precision - 1).scaleb(-scale, EXACT)
    on_grid = written.quantize(Decimal(1).scaleb(-scale), rounding, EXACT)
    return min(max(on_grid, -most), most)


def numeric_bound(bound: Bound, rounding: str, type_: Any) -> int | float | Decimal:
    """A numeric bound as a value of an Arrow type."""
    import pyarrow as pa

    if pa.types.is_integer(type_):
        return integer_bound(bound, rounding)
    if pa.types.is_decimal(type_):
        return decimal_bound(bound, rounding, type_.precision, type_.scale)
    return float(bound)


def refuse_outside(typed: pa.Table, low: Any, high: Any) -> pa.Table:
    """Take the value from texts that are outside of bounds, and say why.

    Parameters
    ----------
    typed : Table of value, reason, note
        As the queries of `tasks.cells.queries` make it.
    low, high : Scalar of the values' type, or None
        Least and greatest value that is let in; each None where there is no bound.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for bound, reason, outside in ((low, "below_min", pc.less), (high, "above_max", pc.greater)):
        if bound is None:
            continue
        values = typed.column("value")
        beyond = pc.fill_null(outside(values, bound), False)
        reasons = pc.if_else(beyond, pa.scalar(reason, pa.string()), typed.column("reason"))
        kept = pc.if_else(beyond, pa.scalar(None, values.type), values)
        typed = pa.table({"value": kept, "reason": reasons, "note": typed.column("note")})
    return typed


def numeric_bounds(column: Column, type_: Any) -> tuple[Any, Any]:
    """Least and greatest value of a numeric column as scalars of its Arrow type, None where there is no bound."""
    low, high = column.min, column.max
    return (
        None if low is None else number_scalar(numeric_bound(low, ROUND_CEILING, type_), type_),
        None if high is None else number_scalar(numeric_bound(high, ROUND_FLOOR, type_), type_),
    )


def number_scalar(number: float | Decimal, type_: Any) -> Any:
    """A number as a scalar of an Arrow type that has it.

    >>> import pyarrow as pa
    >>> number_scalar(7, pa.int64()), number_scalar(Decimal("0.10"), pa.decimal128(5, 2))
    (<pyarrow.Int64Scalar: 7>, <pyarrow.Decimal128Scalar: Decimal('0.10')>)
    """
    import numpy as np
    import pyarrow as pa

    if pa.types.is_decimal(type_):
        return text_array([f"{number:f}"]).cast(type_)[0]
    return number_array(np.array([number], type_.to_pandas_dtype()))[0]
