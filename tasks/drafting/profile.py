"""What is known of each column of a sample: its declaration, its values, and how often they come back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.drafting.column_texts import ColumnTexts, column_texts
from tasks.drafting.column_types import decide_type
from tasks.drafting.fitting import typed_levels

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.drafting.sample import Sample

NUMBERS = ("integer", "float", "decimal")
MOMENTS = ("date", "timestamp")


@dataclass(frozen=True)
class Profile:
    """One column of the sample.

    Attributes
    ----------
    texts : ColumnTexts
    declared : dict
        Its keys in the YAML.
    remarks : tuple of str
    """

    texts: ColumnTexts
    declared: dict[str, Any]
    remarks: tuple[str, ...]

    @property
    def name(self) -> str:
        """The column's name."""
        return self.texts.name

    @property
    def type(self) -> str:
        """The declared type."""
        return str(self.declared["type"])

    @cached_property
    def level_values(self) -> pa.Array:
        """The value of each level; null where it is missing or refused."""
        return typed_levels(self.texts.levels, {**self.declared, "nulls": self.declared.get("nulls", [""])})

    @cached_property
    def values(self) -> pa.Array:
        """The value of each row."""
        import pyarrow as pa

        return self.level_values.take(pa.array(self.texts.codes))

    @cached_property
    def is_missing(self) -> NDArray[np.bool_]:
        """Which rows have no value."""
        missing = np.asarray(self.level_values.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
        return missing[self.texts.codes]

    @cached_property
    def value_counts(self) -> pa.StructArray:
        """The different values, in order of their first row, and how many rows each has: `values` and `counts`."""
        import pyarrow.compute as pc

        return pc.value_counts(self.values.drop_null())

    @property
    def rows_per_value(self) -> NDArray[np.int64]:
        """How many rows each different value has."""
        return np.asarray(self.value_counts.field("counts").to_numpy(zero_copy_only=False), dtype=np.int64)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The values as doubles, NaN where missing: moments as days since 1970, categories as the code of their level.

        The code of a level says nothing but equality.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.type in MOMENTS:
            as_number = self.level_values.cast(pa.timestamp("us")).cast(pa.int64())
            levels = to_doubles(pc.divide(as_number.cast(pa.float64(), safe=False), 86_400_000_000.0))
        elif self.type in (*NUMBERS, "boolean"):
            levels = to_doubles(self.level_values.cast(pa.float64(), safe=False))
        else:
            levels = np.where(self.level_values.is_null().to_numpy(zero_copy_only=False), np.nan, level_codes(self))
        numbers: NDArray[np.float64] = levels[self.texts.codes]
        return numbers


def to_doubles(values: pa.Array) -> NDArray[np.float64]:
    """A column of doubles, NaN where null."""
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def level_codes(profile: Profile) -> NDArray[np.float64]:
    """The position of each level."""
    return np.arange(len(profile.texts.levels), dtype=np.float64)


def profile_column(texts: ColumnTexts) -> Profile:
    """Declare one column."""
    decision = decide_type(texts)
    return Profile(texts, decision.declared, decision.remarks)


def profile_columns(sample: Sample) -> dict[str, Profile]:
    """Declare each column of a sample, in the order of the header."""
    return {
        name: profile_column(column_texts(name, sample.texts.column(number)))
        for number, name in enumerate(sample.names)
    }
