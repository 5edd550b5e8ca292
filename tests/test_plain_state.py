from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomTreesEmbedding
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)

from tasks.model.bundle import canonical
from tasks.own_features.plain_state import UnkeptStateError, UnknownClassError, from_plain, to_plain

OWN = "tests.test_plain_state"  # this module plays the pipeline's own code


class Own:
    """A class of the pipeline's own."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


class Hidden:
    """A class whose instances keep nothing in a dict."""

    __slots__ = ("value",)


class Listed(list):
    """A class that keeps its members in compiled code."""


def half(value):
    """A function of the pipeline's own."""
    return value / 2


def again(value):
    return from_plain(json.loads(canonical(to_plain(value, OWN))), OWN, import_module)


def rows():
    generator = np.random.default_rng(0)
    return generator.normal(size=(60, 3)), generator.normal(size=60)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        2**80,
        -0.0,
        float("inf"),
        "text",
        b"bytes",
        [1, (2.5, {"a": None, 3: [()]})],
        {"b": 1, "a": 2},
        {(2, 3)},
        frozenset({1}),
        slice(0, None, 2),
        range(1, 9, 3),
        date(2020, 1, 31),
        datetime(2020, 1, 31, 12, tzinfo=UTC),
        timedelta(days=1, microseconds=1),
        np.float32(0.1),
        np.datetime64("2020-01-01"),
        np.str_("text"),
        np.dtype("float32"),
        np.float64,
        int,
        np.log1p,
        half,
        f_regression,
        pd.Timestamp("2020-01-31 12:00", tz="America/New_York"),
    ],
)
def test_value_comes_back_as_it_was(value):
    found = again(value)
    assert (type(found), found, repr(found)) == (type(value), value, repr(value))


@given(arrays(scalar_dtypes(), array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
@settings(max_examples=40, deadline=None)
def test_array_comes_back_bit_for_bit(array):
    if array.dtype.kind not in "biufcmM":
        return
    found = again(array)
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.tuples(inner))
)
@settings(max_examples=40, deadline=None)
def test_nested_values_come_back(value):
    assert repr(again(value)) == repr(value)


def test_set_is_written_in_one_order():
    assert to_plain({"b", "a", "c"}, OWN)["items"] == ["a", "b", "c"]


def test_array_keeps_its_order_in_memory():
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert again(array).flags.f_contiguous


@pytest.mark.parametrize(
    "array", [np.array(["a", None], dtype=object), np.array(["ab", "c"]), np.array([[1, 2.5]], object)]
)
def test_array_of_objects_and_texts_comes_back(array):
    found = again(array)
    assert (found.dtype, found.tolist()) == (array.dtype, array.tolist())


SERIES = pd.Series([1.5, None], index=pd.Index(["a", None], name="town"), name="size")


@pytest.mark.parametrize(
    "value",
    [
        SERIES,
        SERIES.index,
        pd.Series([1, None], dtype="Int64"),
        pd.Series(["a", None], dtype="str"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series(pd.to_datetime(["2020-01-31", None]).tz_localize("America/New_York")),
        pd.Series([1, 2], index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["town", None])),
        pd.Series([1, 2], index=pd.date_range("2020-01-01", periods=2)),
        pd.RangeIndex(1, 7, 2, name="row"),
        pd.DataFrame({"a": [1.5, 2.5], "b": ["x", None]}, index=[3, 4]),
        pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="town")),
    ],
)
def test_pandas_object_comes_back(value):
    compare = {
        pd.Series: pd.testing.assert_series_equal,
        pd.DataFrame: pd.testing.assert_frame_equal,
    }.get(type(value), pd.testing.assert_index_equal)
    compare(again(value), value, check_freq=False) if isinstance(value, pd.Series) else compare(again(value), value)


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array"])
def test_sparse_matrix_comes_back(kind):
    matrix = getattr(scipy.sparse, kind)(np.array([[0, 1.5], [2, 0]]))
    found = again(matrix)
    assert type(found) is type(matrix)
    assert (found != matrix).nnz == 0


numbers = make_pipeline(SimpleImputer(), StandardScaler())


@pytest.mark.parametrize(
    "transformer",
    [
        make_pipeline(numbers, PCA(2)),
        FeatureUnion([("a", numbers), ("b", "passthrough")]),
        ColumnTransformer(
            [("n", numbers, [0]), ("o", OneHotEncoder(handle_unknown="ignore"), [1])], remainder="passthrough"
        ),
        SplineTransformer(),
        QuantileTransformer(n_quantiles=9, random_state=0),
        PowerTransformer(),
        KBinsDiscretizer(quantile_method="averaged_inverted_cdf"),
        KNNImputer(),
        KMeans(3, random_state=np.random.RandomState(0)),
        SelectKBest(f_regression, k=1),
        Nystroem(n_components=4, random_state=0),
        FunctionTransformer(np.tanh),
        FunctionTransformer(half),
        Ridge(),
    ],
    ids=lambda transformer: type(transformer).__name__,
)
def test_fitted_estimator_does_the_same_again(transformer):
    X, y = rows()
    transformer.fit(X, y)
    ask = "transform" if hasattr(transformer, "transform") else "predict"
    found, expected = (getattr(each, ask)(X) for each in (again(transformer), transformer))
    assert np.array_equal(*(each.toarray() if scipy.sparse.issparse(each) else each for each in (found, expected)))


def test_order_of_attributes_changes_no_byte():
    assert canonical(to_plain(Own(a=1, b=2), OWN)) == canonical(to_plain(Own(b=2, a=1), OWN))


def test_object_that_is_there_twice_is_kept_twice():
    shared = [1]
    assert again(Own(a=shared, b=shared)).b == [1]


def holding_itself():
    own = Own()
    own.inner = [own]
    return own


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Own(booster_=[object()]), r"attribute booster_\[0\] \(builtins.object\) is of no class that can be kept"),
        (Own(f=lambda value: value), r"attribute f .* is tests.test_plain_state.<lambda>"),
        (Own(f=json.loads), "attribute f .* is json.loads"),
        (Own(module=json), r"attribute module \(builtins.module\)"),
        (Own(open=sys.stdout), "attribute open "),
        (Own(hidden=Hidden()), "attribute hidden .* keeps its state in compiled code or slots"),
        (Own(listed=Listed()), "attribute listed .* keeps its state in compiled code or slots"),
        (
            Own(levels={"a": pd.Series(["x"], dtype="category")}),
            r"attribute levels\['a'\] .* holds the type category",
        ),
        (Own(structure=np.zeros(1, dtype="i4,f8")), "attribute structure .* has the type"),
        (holding_itself(), r"attribute inner\[0\] .* holds itself"),
        (object(), "the object itself "),
        (RandomTreesEmbedding(2).fit(rows()[0]), r"attribute estimators_\[0\].tree_ \(sklearn.tree._tree.Tree\)"),
    ],
)
def test_what_plain_values_cannot_say_is_refused(value, told):
    with pytest.raises(UnkeptStateError, match=told):
        to_plain(value, OWN)


def forged(module, name, **more):
    return {"is": "object", "module": module, "class": name, "attributes": {}, **more}


@pytest.mark.parametrize(
    "plain",
    [
        forged("os", "_Environ"),
        forged("subprocess", "Popen"),
        forged("tests.test_plain_states", "Own"),
        forged("sklearn", "BaseEstimator"),
        forged("sklearn.tests.test_base", "MyEstimator"),
        forged("sklearn.externals.array_api_extra", "at"),
        forged("sklearn.datasets", "fetch_openml"),
        forged("sklearn.utils", "Bunch"),
        forged("sklearn.utils._bunch", "Bunch"),  # scikit-learn's own, but no estimator
        forged("sklearn.model_selection._split", "KFold"),
        forged("sklearn.pipeline", "sparse"),
        forged("sklearn.nowhere", "Estimator"),
        forged("sklearn.pipeline", "FunctionTransformer"),  # imported there, defined elsewhere
        forged(OWN, "import_module"),
        forged(OWN, "Own.__init__"),
        {"is": "function", "module": "os", "name": "system"},
        {"is": "function", "module": "sklearn.datasets._openml", "name": "fetch_openml"},
        {"is": "function", "module": OWN, "name": "Own"},
        {"is": "type", "name": "ndarray"},
        {"is": "type", "name": "eval"},
        {"is": "ufunc", "name": "load"},
    ],
    ids=lambda plain: f"{plain.get('module', '')}.{plain.get('class', plain.get('name'))}",
)
def test_forged_state_makes_nothing(plain):
    with pytest.raises(UnknownClassError):
        from_plain(plain, OWN, import_module)


@pytest.mark.parametrize("module", ["antigravity", "sklearn.tests.test_base", "tests.test_plain_states"])
def test_forged_module_is_not_imported(module):
    sys.modules.pop(module, None)
    with pytest.raises(UnknownClassError):
        from_plain(forged(module, "Anything"), OWN, import_module)
    assert module not in sys.modules


def test_object_is_made_without_its_init():
    found = from_plain(forged(OWN, "Own", attributes={"size": 3}), OWN, import_module)
    assert vars(found) == {"size": 3}
