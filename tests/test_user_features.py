from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from tasks.cells.columns import MissingColumnError
from tasks.model.bundle import canonical
from tasks.own_features.plain_state import UnkeptStateError
from tasks.own_features.user_features import ChangedTransformerError, NotRepeatableError, UserFeatures, user_features
from tasks.own_features.user_output import TransformerError
from tasks.own_features.user_transformer import UnknownTransformerError
from tests.conftest import run_python
from tests.pipelines import make_pipeline

CODE = """
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler, TargetEncoder
from .helpers import half


class Climate(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.means_ = X.groupby("town")["size"].mean()
        return self

    def transform(self, X):
        found = half(X["town"].map(self.means_).astype(float))
        return pd.DataFrame({"town_size": found, "hour": X["at"].dt.hour})


class Made(Climate):
    def transform(self, X):
        return MADE(super().transform(X), X)


scaled = ColumnTransformer(
    [("n", StandardScaler(), ["size"]), ("o", OneHotEncoder(handle_unknown="ignore"), ["town"])]
)
crossed = ColumnTransformer([("t", TargetEncoder(cv=2, target_type="continuous"), ["town"])])
nothing = 3


class Asking(Climate):
    def __init__(self, size):
        self.size = size
"""
COLUMNS = {
    "size": {"type": "float"},
    "rows": {"type": "integer", "nulls": ["", "-"]},
    "town": {"type": "category"},
    "at": {"type": "timestamp"},
    "price": {"type": "float"},
}
PIPELINE = make_pipeline(
    COLUMNS, features={"transformer": "weather.Climate"}, time={"column": "at", "timezone": "America/New_York"}
).model_copy(update={"name": "house-prices"})  # no name that Python could import by itself


@pytest.fixture
def code(tmp_path, monkeypatch):
    """`configs/house-prices/weather.py` of a project that is the current directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "configs/house-prices"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "helpers.py").write_text("def half(x):\n    return x / 2\n")
    (folder / "weather.py").write_text(CODE)
    return folder / "weather.py"


def rows(count=60, seed=0):
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": generator.normal(size=count),
            "rows": pd.array(generator.integers(0, 9, count), dtype="Int64"),
            "town": generator.choice(["a", "b", None], count),
            "at": pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(generator.integers(0, 99, count), unit="h"),
        },
        index=np.arange(count) + 7,
    )
    return frame, generator.normal(size=count)


def declared(name="Climate"):
    return user_features(PIPELINE).set_params(transformer=f"weather.{name}")


def making(code, made):
    """The transformer, when what it makes goes through a function first."""
    code.write_text(code.read_text().replace("MADE", f"({made})"))
    return declared("Made")


def again(step):
    return UserFeatures.from_state(json.loads(canonical(step.state())))


def test_features_are_what_the_transformer_learned(code):
    X, y = rows()
    found = declared().fit(X, y).transform(X)
    expected = X["town"].map(X.groupby("town")["size"].mean()).astype(float) / 2
    pd.testing.assert_series_equal(found["town_size"], expected, check_names=False)


def test_timestamps_have_the_declared_zone(code):
    X, y = rows()
    assert declared().fit_transform(X, y)["hour"].tolist() == X["at"].dt.tz_convert("America/New_York").dt.hour.tolist()


def test_index_of_the_rows_is_kept(code):
    X, y = rows()
    assert declared().fit_transform(X, y).index.equals(X.index)


def test_nothing_is_learned_of_rows_to_transform(code):
    (X, y), (others, _) = rows(), rows(seed=1)
    step = declared().fit(X, y)
    state = canonical(step.state())
    step.transform(others)
    assert canonical(step.state()) == state


def test_raw_text_is_read_as_declared(code):
    X, y = rows()
    step, raw = declared("scaled").fit(X, y), X.astype({"rows": "object"})
    raw["at"], raw["rows"] = raw["at"].dt.strftime("%Y-%m-%d %H:%M:%SZ"), "-"
    pd.testing.assert_frame_equal(step.transform(raw), step.transform(X))


def test_missing_column_is_refused(code):
    X, y = rows()
    with pytest.raises(MissingColumnError, match="column 'town' is missing"):
        declared().fit(X.drop(columns="town"), y)


def test_object_is_cloned(code):
    X, y = rows()
    found = declared("scaled").fit_transform(X, y)
    assert [*found.columns] == ["n__size", "o__town_a", "o__town_b", "o__town_None"]


def test_learnt_rows_are_cross_fitted_where_the_transformer_does(code):
    X, y = rows()
    step = declared("crossed")
    assert not np.array_equal(step.fit_transform(X, y), step.transform(X))


@pytest.mark.parametrize("name", ["Climate", "scaled", "crossed"])
def test_state_gives_the_same_features(code, name):
    (X, y), (others, _) = rows(), rows(seed=1)
    step = declared(name).fit(X, y)
    pd.testing.assert_frame_equal(again(step).transform(others), step.transform(others))


def test_pickle_clone_and_joblib_work(code, tmp_path):
    X, y = rows()
    step = declared().fit(X, y)
    joblib.dump(step, tmp_path / "step.joblib")
    for each in (pickle.loads(pickle.dumps(step)), joblib.load(tmp_path / "step.joblib"), clone(step).fit(X, y)):
        pd.testing.assert_frame_equal(each.transform(X), step.transform(X))


def test_another_process_learns_and_does_the_same(code, tmp_path):
    """Of another hash seed, with another number of threads."""
    X, y = rows()
    step = declared("scaled").fit(X, y)
    joblib.dump((step, X, y), tmp_path / "step.joblib")
    told = (
        "import joblib; from tasks.model.bundle import canonical; step, X, y = joblib.load('step.joblib');"
        "print(step.transform(X).to_numpy().tobytes().hex(), canonical(step.fit(X, y).state()).hex())"
    )
    path = str(Path(__file__).parents[1])
    found = run_python(tmp_path, "-c", told, PYTHONPATH=path, PYTHONHASHSEED="5", OMP_NUM_THREADS="2")
    assert found.stdout.split() == [step.transform(X).to_numpy().tobytes().hex(), canonical(step.state()).hex()]


def test_linear_algebra_runs_in_one_thread(code):
    asked = "lambda made, X: made.assign(threads=max(pool['num_threads'] for pool in threadpool_info()))"
    code.write_text(f"from threadpoolctl import threadpool_info\n{code.read_text()}")
    step = making(code, asked)
    with threadpool_limits(2):
        assert set(step.fit_transform(*rows())["threads"]) == {1}


def test_no_bytecode_is_written(code, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    declared().fit(*rows())
    assert not list(code.parent.rglob("__pycache__"))


def test_code_that_changes_is_imported_anew(code):
    X, y = rows()
    before = declared().fit_transform(X, y)["town_size"]
    (code.parent / "helpers.py").write_text("def half(x):\n    return x / 1\n")  # of the same length
    assert declared().fit_transform(X, y)["town_size"].equals(before * 2)


def test_two_projects_have_code_of_their_own(code, tmp_path_factory, monkeypatch):
    X, y = rows()
    before = declared().fit(X, y)
    other = tmp_path_factory.mktemp("other") / "configs/house-prices"
    other.mkdir(parents=True)
    (other / "weather.py").write_text(CODE.replace("from .helpers import half", "half = abs"))
    monkeypatch.chdir(other.parents[1])
    assert not declared().fit(X, y).transform(X).equals(before.transform(X))


@pytest.mark.parametrize("changed", ["weather.py", "helpers.py"])
def test_model_of_other_code_is_refused(code, changed):
    X, y = rows()
    state = declared().fit(X, y).state()
    file = code.parent / changed
    file.write_text(file.read_text() + "\n")
    with pytest.raises(ChangedTransformerError, match=f"configs/house-prices/{changed}: changed since the model was"):
        UserFeatures.from_state(state).transform(X)


def test_module_beside_may_change(code):
    X, y = rows()
    state = declared().fit(X, y).state()
    (code.parent / "another.py").write_text("raise SystemExit\n")
    assert len(UserFeatures.from_state(state).transform(X)) == len(X)


def test_no_transformer_is_no_step():
    assert user_features(make_pipeline({"size": {"type": "float"}, "price": {"type": "float"}})) is None


# ---- what is refused


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("wether.Climate", r"configs/house-prices/wether.py: there is no such file; did you mean 'weather'\?"),
        (
            "weather.Climte",
            r"there is no 'Climte'; did you mean 'Climate'\?; transformers there are 'Asking', 'Climate'",
        ),
        ("weather.nothing", "'nothing' is no transformer of scikit-learn"),
        ("weather.half", "'half' is no transformer of scikit-learn"),
        ("weather.Asking", "'Asking' cannot be made without arguments"),
    ],
)
def test_name_that_is_no_transformer_is_refused(code, name, told):
    with pytest.raises(UnknownTransformerError, match=told):
        user_features(PIPELINE).set_params(transformer=name).fit(*rows())


def test_error_while_importing_is_told(code):
    code.write_text("import nowhere_at_all\n")
    with pytest.raises(
        UnknownTransformerError, match="cannot be imported: ModuleNotFoundError: No module named 'nowhe"
    ):
        declared().fit(*rows())


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("lambda made, X: made.iloc[:-1]", "made 59 rows of 60"),
        ("lambda made, X: made.iloc[::-1]", "gave the rows back under another index"),
        ("lambda made, X: made.assign(town=X['town'])", "made 'town', which the model has already"),
        ("lambda made, X: made.assign(price=1)", "made 'price', which the model has already"),
        (
            "lambda made, X: made.assign(words=X['town'])",
            "made the column 'words' of type object; numbers were expected",
        ),
        ("lambda made, X: made.assign(when=X['at'])", r"made the column 'when' of type datetime64\[us"),
        ("lambda made, X: made.set_axis(['a', 'a'], axis=1)", "made 'a' more than once"),
        ("lambda made, X: made.set_axis([0, 1], axis=1)", "made a column named 0; a text was expected"),
        ("lambda made, X: made.set_axis(['a<b', 'c'], axis=1)", "made a column named 'a<b'"),
        ("lambda made, X: made[[]]", "made no column"),
        ("lambda made, X: made.to_numpy()[0]", "made ndarray of 1 dimensions"),
        (
            "lambda made, X: 1 / 0",
            r"failed: ZeroDivisionError: division by zero, raised at configs/house-prices/weather",
        ),
    ],
)
def test_what_is_no_feature_is_refused(code, made, told):
    with pytest.raises(TransformerError, match=told) as caught:
        making(code, made).fit(*rows())
    assert caught.value.key == ("features", "transformer")


@pytest.mark.parametrize("made", ["lambda made, X: made.to_numpy()", "lambda made, X: made['hour']"])
def test_array_and_series_are_features(code, made):
    X, y = rows()
    names = [*making(code, made).fit_transform(X, y).columns]
    assert names in (["made0", "made1"], ["hour"])


def test_state_that_cannot_be_kept_is_refused(code):
    code.write_text(code.read_text().replace('["size"].mean()', '["size"].mean(); self.rows_ = iter(X)'))
    with pytest.raises(
        UnkeptStateError, match=r"features.transformer: weather.Climate: attribute rows_ \(builtins.generator\)"
    ):
        declared().fit(*rows())


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("lambda made, X: made + np.random.normal()", "gives other features when the same rows are transformed again"),
        ("lambda made, X: made - made.mean()", "gives a row other features when other rows are transformed with it"),
    ],
)
def test_features_that_are_not_repeatable_are_refused(code, made, told):
    with pytest.raises(NotRepeatableError, match=told):
        making(code, made).require_repeatable(*rows())


def test_fit_that_is_not_repeatable_is_refused(code):
    code.write_text(code.read_text().replace('["size"].mean()', '["size"].mean() + np.random.normal()'))
    with pytest.raises(NotRepeatableError, match="gives other features when it is fitted again on the same rows"):
        declared().require_repeatable(*rows())


@pytest.mark.parametrize("name", ["Climate", "scaled"])
def test_repeatable_transformer_passes(code, name):
    declared(name).require_repeatable(*rows())


@pytest.mark.parametrize("place", ["type(self)", "half"])
def test_what_is_learned_outside_of_attributes_is_noticed(code, place):
    text = code.read_text().replace("return self\n", f"{place}.learnt = self.means_ * 2\n        return self\n")
    code.write_text(text.replace("map(self.means_)", f"map(getattr({place}, 'learnt', self.means_))"))
    with pytest.raises(
        NotRepeatableError, match="gives other features where it was not fitted; keep what it learns in"
    ):
        declared().require_repeatable(*rows())
