import pandas as pd
import pytest

from configs.schema import Target
from tasks.target import (
    InfiniteTargetError,
    NoTargetError,
    OneClassError,
    TargetError,
    TooManyClassesError,
    target_levels,
    target_values,
)

LATE = Target.model_validate({"name": "late", "from": "arr_delay", "above": 30.0})
SOLD = Target(name="sold")


def values(column, dtype, task="binary", target=SOLD):
    frame = pd.DataFrame({target.from_ or target.name: pd.array(column, dtype=dtype)})
    return target_values(frame, target, task)


def test_target_is_one_strictly_above_and_missing_where_its_source_is():
    found = values([30.0, 30.5, None, -5.0], "Float64", target=LATE)
    expected = pd.Series([0.0, 1.0, None, 0.0], name="late")
    pd.testing.assert_series_equal(found, expected)


def test_target_from_an_integer_column_keeps_missing_rows():
    assert values([31, None, 3], "Int64", target=LATE).isna().tolist() == [False, True, False]


def test_boolean_target_is_one_where_true():
    pd.testing.assert_series_equal(values([True, None, False], "boolean"), pd.Series([1.0, None, 0.0], name="sold"))


def test_second_level_in_order_of_text_is_one():
    column = ["yes", None, "no", "yes"]
    assert values(column, "str").tolist()[2:] == [0.0, 1.0]
    assert target_levels(pd.DataFrame({"sold": column}), SOLD, "binary") == ("no", "yes")


def test_levels_of_a_number_are_none():
    assert target_levels(pd.DataFrame({"sold": [0, 1]}), SOLD, "binary") is None


def test_regression_target_is_the_number_itself():
    pd.testing.assert_series_equal(
        values([3, None, 5], "Int64", "regression"), pd.Series([3.0, None, 5.0], name="sold")
    )


def test_target_keeps_the_index_of_its_rows():
    frame = pd.DataFrame({"sold": [0, 1]}, index=[7, 3])
    assert target_values(frame, SOLD, "binary").index.tolist() == [7, 3]


@pytest.mark.parametrize(
    ("column", "dtype", "target", "task", "error", "said"),
    [
        ([None, None], "float64", LATE, "binary", NoTargetError, "'arr_delay' has no value in any of 2 rows"),
        ([], "float64", LATE, "binary", NoTargetError, "0 rows"),
        ([31.0, 99.0], "float64", LATE, "binary", OneClassError, "'arr_delay' is above 30 in all 2 rows"),
        ([1.0, None, 2.0], "float64", LATE, "binary", OneClassError, "not above 30 in all 2 rows"),
        ([True, True], "boolean", SOLD, "binary", OneClassError, "'sold' is 1 in all 2 rows"),
        (["a", "a"], "str", SOLD, "binary", OneClassError, "one class only, 'a'"),
        (["a", "b", "c"], "str", SOLD, "binary", TooManyClassesError, "3 classes .'a', 'b', 'c'."),
        ([0, 1, 2], "Int64", SOLD, "binary", TooManyClassesError, "3 different numbers, among them 2"),
        ([1.0, float("inf")], "float64", LATE, "binary", InfiniteTargetError, "1 infinite values"),
        ([1.0, float("-inf")], "float64", SOLD, "regression", InfiniteTargetError, "1 infinite values"),
        (["a", "b"], "str", SOLD, "regression", TargetError, "a number was expected"),
    ],
)
def test_target_is_refused_in_words_of_the_yaml(  # noqa: PLR0917  # a table with six columns
    column, dtype, target, task, error, said
):
    with pytest.raises(error, match=said):
        values(column, dtype, task, target)
