import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.preprocessing import TargetEncoder

from configs.errors import DataError
from tasks.encoder import NotCategoricalError, TargetEncoding, level_codes, shuffled_folds


class Folds:
    """A splitter that gives scikit-learn the inner folds that we use."""

    def __init__(self, folds):
        self.folds = folds

    def split(self, X=None, y=None, groups=None):
        for fold in range(self.folds.max() + 1):
            yield np.flatnonzero(self.folds != fold), np.flatnonzero(self.folds == fold)

    def get_n_splits(self, X=None, y=None, groups=None):
        return self.folds.max() + 1


def sample(seed, rows=300, levels=20, binary=True):
    random = np.random.default_rng(seed)
    names = np.array([f"level {number}" for number in range(levels)] + [None], dtype=object)
    X = pd.DataFrame({"a": names[random.integers(0, levels + 1, rows)], "n": random.normal(size=rows)})
    X["b"] = names[random.integers(0, 3, rows)]
    y = (random.random(rows) < 0.3).astype(float) if binary else random.normal(1e3, 5.0, rows)
    return X, y, shuffled_folds(rows, 5, seed)


@pytest.mark.parametrize("smooth", ["auto", 0.0, 1.0, 12.5])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_encodings_equal_scikit_learns(seed, binary, smooth):
    X, y, folds = sample(seed, binary=binary)
    reference = TargetEncoder(smooth=smooth, target_type="binary" if binary else "continuous", cv=Folds(folds))
    encoder = TargetEncoding(("a", "b"), smooth)
    new = X.assign(a=np.where(X["n"] > 1, "never seen", X["a"]))
    crossed = reference.fit_transform(X[["a", "b"]], y)
    assert encoder.fit_transform(X, y, folds)[["a", "b"]].to_numpy() == pytest.approx(crossed, rel=1e-12)
    assert encoder.transform(new)[["a", "b"]].to_numpy() == pytest.approx(
        reference.transform(new[["a", "b"]]), rel=1e-12
    )


def test_encoding_is_the_shrunken_mean_of_its_level():
    X = pd.DataFrame({"city": ["Bonn", "Bonn", "Kiel", None]})
    encoder = TargetEncoding(("city",), smooth=2.0).fit(X, [3.0, 5.0, 10.0, 2.0])
    assert encoder.prior_ == 5.0
    assert encoder.encodings_ == {"city": {"Bonn": pytest.approx((8 + 2 * 5) / 4), "Kiel": pytest.approx(20 / 3)}}
    assert encoder.missing_ == {"city": pytest.approx(4.0)}


def test_unseen_level_gets_training_mean():
    encoder = TargetEncoding(("a",)).fit(pd.DataFrame({"a": ["x", "y", "x"]}), [0.0, 1.0, 1.0])
    assert encoder.transform(pd.DataFrame({"a": ["z", None]}))["a"].tolist() == [2 / 3, 2 / 3]


def test_level_of_other_rows_only_counts_as_unseen():
    X = pd.DataFrame({"a": pd.Categorical(["x", "y", "x", "z"])})
    encoder = TargetEncoding(("a",)).fit(X.iloc[:3], [0.0, 1.0, 1.0])
    assert encoder.encodings_["a"].keys() == {"x", "y"}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), binary=st.booleans(), fold=st.integers(0, 4), smooth=st.sampled_from(["auto", 3.0])
)
def test_own_fold_never_reaches_a_rows_encoding(seed, binary, fold, smooth):
    X, y, folds = sample(seed, rows=60, levels=8, binary=binary)
    mine = folds == fold
    before = TargetEncoding(("a", "b"), smooth).fit_transform(X, y, folds)[mine]
    after = TargetEncoding(("a", "b"), smooth).fit_transform(X, np.where(mine, y + 1e6, y), folds)[mine]
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_relabelling_levels_leaves_encodings_unchanged(seed):
    X, y, folds = sample(seed, rows=80)
    renamed = X.assign(a=X["a"].map(lambda level: level[::-1], na_action="ignore"))
    before, after = (TargetEncoding(("a",)).fit_transform(rows, y, folds)["a"] for rows in (X, renamed))
    pd.testing.assert_series_equal(before, after, check_exact=True)


def test_pure_noise_correlates_with_its_encoding_no_more_than_by_chance():
    random = np.random.default_rng(0)
    X, y = pd.DataFrame({"id": [f"{number:04}" for number in random.integers(0, 2000, 6000)]}), random.normal(size=6000)
    crossed = TargetEncoding(("id",)).fit_transform(X, y)["id"]
    naive = TargetEncoding(("id",)).fit(X, y).transform(X)["id"]
    chance, leak = abs(np.corrcoef(crossed, y)[0, 1]), np.corrcoef(naive, y)[0, 1]
    assert chance < 0.05
    assert leak > 0.4


def test_state_goes_to_json_and_back_exactly():
    X, y, folds = sample(1, binary=False)
    encoder = TargetEncoding(("a", "b"))
    encoder.fit_transform(X, y, folds)
    state = (encoder.prior_, encoder.encodings_, encoder.missing_)
    assert json.loads(json.dumps(state)) == list(state)


def test_other_columns_pass_through_in_order():
    X, y, folds = sample(2)
    encoded = TargetEncoding(("a", "b")).fit_transform(X, y, folds)
    assert list(encoded.columns) == ["a", "n", "b"]
    assert encoded["n"].equals(X["n"])


def test_input_is_left_as_it_was():
    X, y, folds = sample(3)
    copy = X.copy()
    TargetEncoding(("a", "b")).fit_transform(X, y, folds)
    pd.testing.assert_frame_equal(X, copy)


def test_names_of_features_are_those_of_the_fit():
    X, y, _ = sample(4)
    encoder = TargetEncoding(("a", "b"), smooth=1.5, folds=3, seed=1).fit(X, y)
    assert encoder.get_feature_names_out().tolist() == ["a", "n", "b"]
    assert clone(encoder).get_params() == {"columns": ("a", "b"), "smooth": 1.5, "folds": 3, "seed": 1}


def test_column_of_missing_values_is_encoded_by_the_mean():
    X = pd.DataFrame({"a": [None, None, None]})
    encoder = TargetEncoding(("a",)).fit(X, [0.0, 1.0, 1.0])
    assert encoder.encodings_ == {"a": {}}
    assert encoder.transform(X)["a"].tolist() == pytest.approx([2 / 3] * 3)


def test_constant_target_encodes_all_levels_alike():
    X, _, folds = sample(5)
    encoded = TargetEncoding(("a",)).fit_transform(X, np.full(len(X), 4.0), folds)
    assert encoded["a"].unique().tolist() == [4.0]


def test_text_and_categorical_columns_encode_alike():
    X, y, folds = sample(6)
    as_text = TargetEncoding(("a",)).fit_transform(X.astype({"a": "str"}), y, folds)["a"]
    as_codes = TargetEncoding(("a",)).fit_transform(X.astype({"a": "category"}), y, folds)["a"]
    pd.testing.assert_series_equal(as_text, as_codes, check_exact=True)


def test_numeric_column_is_refused():
    with pytest.raises(NotCategoricalError, match="'a' holds int64"):
        level_codes(pd.Series([1, 2], name="a"))


@pytest.mark.parametrize("folds", [[0, 0, 0], [0, 1]])
def test_cross_fitting_without_two_folds_for_each_row_is_refused(folds):
    with pytest.raises(DataError, match="at least two folds"):
        TargetEncoding(("a",)).fit_transform(pd.DataFrame({"a": list("xyz")}), [0.0, 1.0, 0.0], folds)


@pytest.mark.parametrize("target", [[0.0, np.nan], [0.0, np.inf], [0.0]])
def test_target_that_is_not_a_finite_number_per_row_is_refused(target):
    with pytest.raises(DataError, match="one finite target for each of 2 rows"):
        TargetEncoding(("a",)).fit(pd.DataFrame({"a": ["x", "y"]}), target)
