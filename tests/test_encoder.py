import json
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.utils.estimator_checks import check_estimator

from configs.errors import DataError
from tasks.encoding.encoder import CollidingNamesError, NotCategoricalError, TargetEncoding, shuffled_folds


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


KINDS = {"binary": ("no", "yes"), "multiclass": ("low", "mid", "top"), "continuous": None}


def target_of(kind, seed, rows=300):
    random = np.random.default_rng(seed)
    return random.normal(1e3, 5.0, rows) if kind == "continuous" else random.integers(0, len(KINDS[kind]), rows) * 1.0


@pytest.mark.parametrize("smooth", ["auto", 0.0, 1.0, 12.5])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_encodings_equal_scikit_learns(seed, kind, smooth):
    X, _, folds = sample(seed)
    y = target_of(kind, seed)
    reference = TargetEncoder(smooth=smooth, target_type=kind, cv=Folds(folds))
    encoder = TargetEncoding(("a", "b"), smooth, classes=KINDS[kind])
    new = X.assign(a=np.where(X["n"] > 1, "never seen", X["a"]))
    crossed = reference.fit_transform(X[["a", "b"]], y)
    close = {"rtol": 1e-12, "atol": 0}
    np.testing.assert_allclose(encoder.fit_transform(X, y, folds).drop(columns="n"), crossed, **close)
    np.testing.assert_allclose(encoder.transform(new).drop(columns="n"), reference.transform(new[["a", "b"]]), **close)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [int, float, object])
def test_array_of_numbers_is_encoded_as_scikit_learn_does(dtype, kind):
    random = np.random.default_rng(1)
    X, y = random.integers(0, 12, (300, 2)).astype(dtype), target_of(kind, 1)
    folds = shuffled_folds(300, 5, 1)
    reference = TargetEncoder(target_type=kind, cv=Folds(folds))
    encoder = TargetEncoding(classes=KINDS[kind])
    np.testing.assert_allclose(encoder.fit_transform(X, y, folds), reference.fit_transform(X, y), rtol=1e-12)
    np.testing.assert_allclose(encoder.transform(X), reference.transform(X), rtol=1e-12)


@pytest.mark.parametrize("smooth", ["auto", 2.0])
def test_two_classes_are_encoded_as_their_numbers(smooth):
    X, y, folds = sample(7)
    by_name = TargetEncoding(("a", "b"), smooth, classes=("no", "yes")).fit_transform(X, y, folds)
    pd.testing.assert_frame_equal(by_name, TargetEncoding(("a", "b"), smooth).fit_transform(X, y, folds), rtol=1e-13)


def test_scikit_learns_checks_pass():
    failed = [result for result in check_estimator(TargetEncoding(), on_skip=None) if result["status"] == "failed"]
    assert not failed


def test_each_class_has_a_column_of_its_own():
    X, _, folds = sample(8)
    encoder = TargetEncoding(("a",), classes=("low", "mid", "top"))
    encoded = encoder.fit_transform(X, target_of("multiclass", 8), folds)
    assert list(encoded.columns) == ["a_low", "a_mid", "a_top", "n", "b"]
    assert encoder.get_feature_names_out().tolist() == list(encoded.columns)
    assert encoded[["a_low", "a_mid", "a_top"]].sum(axis=1).tolist() == pytest.approx([1.0] * len(X), abs=0.2)


def test_class_named_as_another_column_is_refused():
    X = pd.DataFrame({"a": ["x", "y", "x"], "a_mid": [0, 1, 2]})
    with pytest.raises(CollidingNamesError, match="'a_mid'"):
        TargetEncoding(("a",), classes=("low", "mid", "top")).fit_transform(X, [0, 1, 2], [0, 1, 0])


def test_pandas_output_has_names_and_index():
    X = np.array([["x", "u"], ["y", "u"], ["x", "v"]], dtype=object)
    encoder = TargetEncoding((1,)).set_output(transform="pandas").fit(X, [0.0, 1.0, 1.0])
    encoded = encoder.transform(X)
    assert list(encoded.columns) == ["x0", "x1"]
    frame = pd.DataFrame({"a": ["x", "y", "x"]}, index=[7, 8, 9])
    assert TargetEncoding(("a",)).fit(frame, [0.0, 1.0, 1.0]).transform(frame).index.tolist() == [7, 8, 9]


@pytest.mark.parametrize("copied", [clone, lambda encoder: pickle.loads(pickle.dumps(encoder))])
def test_copy_of_the_encoder_learns_and_encodes_alike(copied):
    X, y, folds = sample(9)
    encoder = TargetEncoding(("a", "b"), 2.0)
    encoded = encoder.fit_transform(X, y, folds)
    pd.testing.assert_frame_equal(copied(encoder).fit_transform(X, y, folds), encoded, check_exact=True)


def test_pickled_encoder_keeps_what_it_learned():
    X, y, _ = sample(10)
    encoder = TargetEncoding(("a", "b")).fit(X, y)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(encoder)).transform(X), encoder.transform(X))


def test_works_in_scikit_learns_cross_validation():
    X, y, _ = sample(11, rows=600)
    model = make_pipeline(TargetEncoding(("a", "b")), LogisticRegression())
    assert np.isfinite(cross_val_score(model, X, y, cv=3, scoring="roc_auc", error_score="raise")).all()


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


@pytest.mark.parametrize("sees", [np.ones((2, 2)), np.ones((3, 2))])
def test_map_of_folds_of_another_shape_is_refused(sees):
    with pytest.raises(DataError, match=r"3 folds need `sees` of shape \(3, 3\)"):
        TargetEncoding(("a",)).fit_transform(pd.DataFrame({"a": list("xyz")}), [0.0, 1.0, 0.0], [0, 1, 2], sees)


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
    assert clone(encoder).get_params() == {"columns": ("a", "b"), "smooth": 1.5, "folds": 3, "seed": 1, "classes": None}


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


@pytest.mark.parametrize(("values", "held"), [([1, 2], "int64"), ([0.5, 1.5], "double"), (["x", 2], "several types")])
def test_declared_column_that_is_no_text_is_refused(values, held):
    with pytest.raises(NotCategoricalError, match=f"'a' holds .*{held}"):
        TargetEncoding(("a",)).fit(pd.DataFrame({"a": values}), [0.0, 1.0])


@pytest.mark.parametrize("folds", [[0, 0, 0], [0, 1]])
def test_cross_fitting_without_two_folds_for_each_row_is_refused(folds):
    with pytest.raises(DataError, match="at least two folds"):
        TargetEncoding(("a",)).fit_transform(pd.DataFrame({"a": list("xyz")}), [0.0, 1.0, 0.0], folds)


@pytest.mark.parametrize("target", [[0.0, np.nan], [0.0, np.inf], [0.0]])
def test_target_that_is_not_a_finite_number_per_row_is_refused(target):
    with pytest.raises(DataError, match="one finite target for each of 2 rows"):
        TargetEncoding(("a",)).fit(pd.DataFrame({"a": ["x", "y"]}), target)
