import pandas as pd
import pytest

from configs.sections.columns import Target
from tasks.target import (
    InfiniteTargetError,
    NoTargetError,
    OneClassError,
    TargetError,
    TooManyClassesError,
    class_names,
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
    assert class_names(pd.DataFrame({"sold": column}), SOLD, "binary") == ("no", "yes")


def test_levels_of_a_number_are_none():
    assert class_names(pd.DataFrame({"sold": [0, 1]}), SOLD, "binary") is None


def test_regression_target_is_the_number_itself():
    pd.testing.assert_series_equal(
        values([3, None, 5], "Int64", "regression"), pd.Series([3.0, None, 5.0], name="sold")
    )


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_target_keeps_the_index_of_its_rows(task):
    frame = pd.DataFrame({"sold": [0, 1]}, index=[7, 3])
    assert target_values(frame, SOLD, task).index.tolist() == [7, 3]


@pytest.mark.parametrize(
    ("column", "dtype", "numbers", "names"),
    [
        (["red", None, "blue", "green"], "str", [2.0, None, 0.0, 1.0], ("blue", "green", "red")),
        (["10", "9", "1"], "str", [1.0, 2.0, 0.0], ("1", "10", "9")),  # in order of text
        ([10, None, 9, -1], "Int64", [2.0, None, 1.0, 0.0], ("-1", "9", "10")),  # in order of number
        ([True, None, False], "boolean", [1.0, None, 0.0], ("false", "true")),
    ],
)
def test_classes_are_numbered_in_the_order_of_their_levels(column, dtype, numbers, names):
    pd.testing.assert_series_equal(values(column, dtype, "multiclass"), pd.Series(numbers, name="sold"))
    frame = pd.DataFrame({"sold": pd.array(column, dtype=dtype)})
    assert class_names(frame, SOLD, "multiclass") == names


def test_order_of_rows_changes_no_number_of_a_class():
    frame = pd.DataFrame({"sold": [*"bcadbba"]})
    expected = target_values(frame, SOLD, "multiclass").sort_index()
    assert target_values(frame.sample(frac=1, random_state=1), SOLD, "multiclass").sort_index().equals(expected)


@pytest.mark.parametrize(
    ("column", "dtype", "target", "task", "error", "said"),
    [
        ([None, None], "float64", LATE, "binary", NoTargetError, "'arr_delay' has no value in any of 2 rows"),
        ([], "float64", LATE, "binary", NoTargetError, "0 rows"),
        ([31.0, 99.0], "float64", LATE, "binary", OneClassError, "'arr_delay' is above 30 in all 2 rows"),
        ([1.0, None, 2.0], "float64", LATE, "binary", OneClassError, "not above 30 in all 2 rows"),
        ([True, True], "boolean", SOLD, "binary", OneClassError, "'sold' is 1 in all 2 rows"),
        (["a", "a"], "str", SOLD, "binary", OneClassError, "one class only, 'a'"),
        (["a", "b", "c"], "str", SOLD, "binary", TooManyClassesError, "3 classes .'a', 'b', 'c'.*task: multiclass"),
        ([0, 1, 2], "Int64", SOLD, "binary", TooManyClassesError, "3 different numbers, among them 2.*multiclass"),
        (["a", "a"], "str", SOLD, "multiclass", OneClassError, "one class only, 'a'; a multiclass target has two"),
        ([*map(str, range(1001))], "str", SOLD, "multiclass", TooManyClassesError, "has 1001 classes; at most 1000"),
        ([1.0, 2.0, 3.0], "float64", SOLD, "multiclass", TargetError, "is float64; .* an integer or a boolean"),
        ([31.0, 3.0], "float64", LATE, "multiclass", TargetError, "is cut in two by `above: 30`"),
        ([None, None], "str", SOLD, "multiclass", NoTargetError, "no value in any of 2 rows"),
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
