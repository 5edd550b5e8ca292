"""One way to declare each expectation of the catalogue, on rows of `ROWS`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from configs.sections.columns import Column

COLUMNS = {
    "n": Column(type="integer"),
    "m": Column(type="integer"),
    "x": Column(type="float"),
    "y": Column(type="float"),
    "flag": Column(type="boolean"),
    "word": Column(type="category"),
    "text": Column(type="text"),
    "day": Column(type="date"),
    "at": Column(type="timestamp", timezone="America/New_York"),
}
SCHEMA = pa.schema(
    {
        "n": pa.int64(),
        "m": pa.int64(),
        "x": pa.float64(),
        "y": pa.float64(),
        "flag": pa.bool_(),
        "word": pa.string(),
        "text": pa.string(),
        "day": pa.date32(),
        "at": pa.timestamp("us", tz="UTC"),
    }
)
SMALL = st.integers(-3, 3)
FLOATS = st.sampled_from([-1.5, -0.0, 0.0, 0.5, 2.0, float("nan"), float("inf")])
WORDS = st.sampled_from(["a", "b", "ab", "", "A_b", "5%", "1", "ü"])
TEXTS = st.sampled_from(["2013-01-31", "31/01/2013", '{"a": 1}', "[1]", "no", "7"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "n": SMALL,
    "m": SMALL,
    "x": FLOATS,
    "y": FLOATS,
    "flag": st.booleans(),
    "word": WORDS,
    "text": TEXTS,
    "day": st.integers(15_706, 15_710),
    "at": st.integers(0, 3).map(lambda hour: 1_357_034_400_000_000 + hour * 3_600_000_000),
}


@st.composite
def tables(draw: st.DrawFn, nulls: bool = True) -> pa.Table:
    """Tables of 1 to 12 rows, each value now and then missing."""
    rows = draw(st.integers(1, 12))
    values = {name: st.none() | each if nulls else each for name, each in VALUES.items()}
    return pa.table(
        {
            name: pa.array(draw(st.lists(each, min_size=rows, max_size=rows)), kind_of(name)).cast(
                SCHEMA.field(name).type
            )
            for name, each in values.items()
        }
    )


def kind_of(name: str) -> pa.DataType:
    """What a column's drawn values are at first: days and microseconds are whole numbers."""
    return {"day": pa.int32(), "at": pa.int64()}.get(name, SCHEMA.field(name).type)


PARTITION = {"values": ["a", "b", "ab"], "weights": [0.4, 0.4, 0.2]}
EXAMPLES: dict[str, dict[str, Any]] = {
    "expect_column_distinct_values_to_be_in_set": {"column": "word", "value_set": ["a", "b"]},
    "expect_column_distinct_values_to_contain_set": {"column": "n", "value_set": [1, 2]},
    "expect_column_distinct_values_to_equal_set": {"column": "word", "value_set": ["a"]},
    "expect_column_kl_divergence_to_be_less_than": {"column": "word", "partition_object": PARTITION, "threshold": 0.5},
    "expect_column_max_to_be_between": {"column": "n", "max_value": 2},
    "expect_column_mean_to_be_between": {"column": "n", "min_value": 0},
    "expect_column_median_to_be_between": {"column": "n", "min_value": 0},
    "expect_column_min_to_be_between": {"column": "n", "min_value": 0},
    "expect_column_most_common_value_to_be_in_set": {"column": "word", "value_set": ["a"], "ties_okay": True},
    "expect_column_pair_values_a_to_be_greater_than_b": {"column_A": "n", "column_B": "m", "or_equal": True},
    "expect_column_pair_values_to_be_equal": {"column_A": "x", "column_B": "y"},
    "expect_column_pair_values_to_be_in_set": {
        "column_A": "n",
        "column_B": "word",
        "value_pairs_set": [[1, "a"], [2, "b"]],
    },
    "expect_column_proportion_of_non_null_values_to_be_between": {"column": "n", "min_value": 0.5},
    "expect_column_proportion_of_unique_values_to_be_between": {"column": "n", "min_value": 0.5},
    "expect_column_quantile_values_to_be_between": {
        "column": "n",
        "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]},
    },
    "expect_column_stdev_to_be_between": {"column": "n", "max_value": 1},
    "expect_column_sum_to_be_between": {"column": "n", "min_value": 0},
    "expect_column_to_exist": {"column": "n", "column_index": 0},
    "expect_column_type_to_be": {"column": "n", "type_": "Int64"},
    "expect_column_unique_value_count_to_be_between": {"column": "n", "min_value": 2},
    "expect_column_value_lengths_to_be_between": {"column": "word", "min_value": 1, "max_value": 2, "strict_max": True},
    "expect_column_value_lengths_to_equal": {"column": "word", "value": 1},
    "expect_column_value_z_scores_to_be_less_than": {"column": "n", "threshold": 1, "double_sided": True},
    "expect_column_values_to_be_between": {"column": "n", "min_value": -1, "strict_min": True, "max_value": 2},
    "expect_column_values_to_be_dateutil_parseable": {"column": "text"},
    "expect_column_values_to_be_decreasing": {"column": "n"},
    "expect_column_values_to_be_in_set": {"column": "word", "value_set": ["a", "ab", "ü"]},
    "expect_column_values_to_be_in_type_list": {"column": "n", "type_list": ["Int64Dtype", "int64"]},
    "expect_column_values_to_be_increasing": {"column": "x", "strictly": True},
    "expect_column_values_to_be_json_parseable": {"column": "text"},
    "expect_column_values_to_be_null": {"column": "x"},
    "expect_column_values_to_be_of_type": {"column": "x", "type_": "float64"},
    "expect_column_values_to_be_unique": {"column": "word"},
    "expect_column_values_to_match_json_schema": {"column": "word", "json_schema": {"type": "integer"}},
    "expect_column_values_to_match_like_pattern": {"column": "word", "like_pattern": "a%"},
    "expect_column_values_to_match_like_pattern_list": {
        "column": "word",
        "like_pattern_list": ["a%", "_b"],
        "match_on": "all",
    },
    "expect_column_values_to_match_regex": {"column": "n", "regex": "^-?[12]$"},
    "expect_column_values_to_match_regex_list": {"column": "word", "regex_list": ["a", "b"], "match_on": "all"},
    "expect_column_values_to_match_strftime_format": {"column": "text", "strftime_format": "%Y-%m-%d"},
    "expect_column_values_to_not_be_in_set": {"column": "day", "value_set": ["2013-01-02"]},
    "expect_column_values_to_not_be_null": {"column": "word"},
    "expect_column_values_to_not_be_outliers": {"column": "n", "multiplier": 0.5},
    "expect_column_values_to_not_match_like_pattern": {"column": "word", "like_pattern": r"5\%", "escape": "\\"},
    "expect_column_values_to_not_match_like_pattern_list": {"column": "word", "like_pattern_list": ["a%", "1"]},
    "expect_column_values_to_not_match_regex": {"column": "x", "regex": "5"},
    "expect_column_values_to_not_match_regex_list": {"column": "word", "regex_list": ["^a$", "1"]},
    "expect_compound_columns_to_be_unique": {"column_list": ["word", "n"]},
    "expect_multicolumn_sum_to_equal": {"column_list": ["n", "m"], "sum_total": 1},
    "expect_multicolumn_values_to_be_equal": {"column_list": ["n", "m"]},
    "expect_select_column_values_to_be_unique_within_record": {"column_list": ["n", "m", "x"]},
    "expect_table_column_count_to_be_between": {"min_value": 3},
    "expect_table_column_count_to_equal": {"value": 9},
    "expect_table_columns_to_match_ordered_list": {"column_list": list(COLUMNS)},
    "expect_table_columns_to_match_set": {"column_set": list(COLUMNS), "exact_match": True},
    "expect_table_row_count_to_be_between": {"min_value": 3, "max_value": 9},
    "expect_table_row_count_to_equal": {"value": 5},
    "unexpected_rows_expectation": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE n > m"},
}
