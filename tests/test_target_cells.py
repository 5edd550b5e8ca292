import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import DataError
from tasks.encoding import cell_sums
from tasks.encoding.encoder import TargetEncoding
from tasks.encoding.levels import NotCategoricalError, any_levels, text_levels
from tasks.encoding.target_cells import TargetCells
from tasks.splitting.cross_fitting import Draw, Fit, cross_fitting

SEEDS = st.integers(0, 2**32 - 1)
KINDS = st.sampled_from([None, 2, 3])  # classes of the target
SMOOTHS = st.sampled_from(["auto", 0.0, 3.0])
NONE = np.array([], dtype=np.intp)


def table_of(seed, classes, rows=40, cells=5, levels=6):
    """Columns of text with missing values, a target and a cell for each row."""
    random = np.random.default_rng(seed)
    names = np.array([f"{number}é" for number in range(levels)] + [None], dtype=object)
    X = pd.DataFrame({"a": names[random.integers(0, levels + 1, rows)], "b": names[random.integers(0, 2, rows)]})
    y = random.normal(50.0, 9.0, rows) if classes is None else random.integers(0, classes, rows).astype(float)
    return X, y, random.integers(0, cells, rows)


def fit_of(seed, cell, cells=5, contexts=3):
    """A fit that sees cells at random, some contexts none; every row is learnt from."""
    random = np.random.default_rng(seed)
    sees = random.random((contexts + 1, cells)) < random.random()
    return Fit(np.arange(len(cell)), NONE, NONE, random.integers(0, contexts, cells), sees)


def slow_encoding(column, target, seen, level, smooth):
    """One level's encoding, by the formula, from the rows that are seen."""
    everyone = [y for y, is_seen in zip(target, seen, strict=True) if is_seen]
    own = [y for value, y, is_seen in zip(column, target, seen, strict=True) if is_seen and value == level]
    if not everyone:
        return math.nan
    prior = math.fsum(everyone) / len(everyone)
    if not own:
        return prior
    mean = math.fsum(own) / len(own)
    if smooth == "auto":
        variance = math.fsum((y - prior) ** 2 for y in everyone) / len(everyone)
        within = math.fsum((y - mean) ** 2 for y in own) / len(own)
        noise = within / len(own)
        trust = variance / (variance + noise) if variance + noise > 0 else 0.0
    else:
        trust = len(own) / (len(own) + smooth)
    return trust * mean + (1 - trust) * prior


def slow_encodings(column, y, seen_by_row, smooth, classes):
    """Every row's encoding; shape (n,) or (n, classes)."""
    column = ["missing" if pd.isna(value) else value for value in column]
    one_hot = {None: [y], 2: [y], 3: [(y == label).astype(float) for label in range(3)]}[classes]
    found = [
        [
            slow_encoding(column, target.tolist(), seen, level, smooth)
            for level, seen in zip(column, seen_by_row, strict=True)
        ]
        for target in one_hot
    ]
    return np.array(found).T if classes == 3 else np.array(found[0])


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, classes=KINDS, smooth=SMOOTHS, learnt=st.booleans())
def test_encodings_agree_with_plain_python(seed, classes, smooth, learnt):
    X, y, cell = table_of(seed, classes)
    fit = fit_of(seed, cell)
    encodings = TargetCells.of(X, y, cell, 5, ("a", "b"), classes).encoded(fit, smooth)
    contexts = fit.context[cell] if learnt else np.full(len(cell), -1)
    for name in ("a", "b"):
        slow = slow_encodings(X[name], y, fit.sees[contexts][:, cell], smooth, classes)
        np.testing.assert_allclose(encodings.column(name, fit.learnt, learnt=learnt), slow, rtol=1e-11, atol=1e-13)


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, classes=KINDS, smooth=SMOOTHS, context=st.integers(0, 3))
def test_targets_that_a_context_must_not_see_change_no_bit(seed, classes, smooth, context):
    X, y, cell = table_of(seed, classes)
    fit = fit_of(seed, cell)
    hidden = ~fit.sees[context][cell]
    moved = np.where(hidden, y + 1e6 if classes is None else (y + 1) % classes, y)
    before, after = (
        TargetCells.of(X, target, cell, 5, ("a", "b"), classes).encoded(fit, smooth) for target in (y, moved)
    )
    for name in ("a", "b"):
        assert before.tables[name][context].tobytes() == after.tables[name][context].tobytes()
    assert before.priors[context].tobytes() == after.priors[context].tobytes()


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, classes=KINDS)
def test_relabelling_levels_changes_no_bit(seed, classes):
    X, y, cell = table_of(seed, classes)
    renamed = X.assign(a=X["a"].map(lambda level: f"z{9 - int(level[0])}", na_action="ignore"))
    fit = fit_of(seed, cell)
    before, after = (TargetCells.of(rows, y, cell, 5, ("a",), classes).encoded(fit, "auto") for rows in (X, renamed))
    found = [encodings.column("a", fit.learnt, learnt=True).tobytes() for encodings in (before, after)]
    assert found[0] == found[1]


def parts_of(X, y, cell, classes, cuts):
    """The table in partitions."""
    edges = [0, *sorted(cuts), len(X)]
    return [TargetCells.of(X.iloc[a:b], y[a:b], cell[a:b], 5, ("a", "b"), classes) for a, b in pairwise(edges) if a < b]


def bytes_of(table, smooth="auto"):
    """All that a table says, as bytes."""
    sees = np.tril(np.ones((5, 5), dtype=np.bool_))
    tables = table.tables(sees, smooth)
    return {name: (table.columns[name].levels.to_pylist(), values.tobytes()) for name, values in tables.items()}


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, classes=st.sampled_from([2, 3]), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_classes_of_partitions_are_those_of_the_whole_to_the_bit(seed, classes, cuts):
    X, y, cell = table_of(seed, classes)
    whole, parts = TargetCells.of(X, y, cell, 5, ("a", "b"), classes), parts_of(X, y, cell, classes, cuts)
    assert bytes_of(TargetCells.merged(parts)) == bytes_of(whole)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_numbers_of_partitions_are_those_of_the_whole_to_rounding(seed, cuts):
    X, y, cell = table_of(seed, None)
    whole, merged = TargetCells.of(X, y, cell, 5, ("a", "b")), TargetCells.merged(parts_of(X, y, cell, None, cuts))
    sees = ~np.eye(5, dtype=np.bool_)
    for name, table in whole.tables(sees, "auto").items():
        np.testing.assert_allclose(merged.tables(sees, "auto")[name], table, rtol=1e-13)
        assert merged.codes[name].tolist() == whole.codes[name].tolist()


def test_partitions_made_by_threads_give_the_same_bits():
    X, y, cell = table_of(1, None, rows=5000)
    spans = [slice(start, start + 500) for start in range(0, 5000, 500)]

    def made(span):
        return TargetCells.of(X.iloc[span], y[span], cell[span], 5, ("a", "b"))

    with ThreadPoolExecutor(4) as pool:
        backwards = list(pool.map(made, spans[::-1]))[::-1]
    assert bytes_of(TargetCells.merged(backwards)) == bytes_of(TargetCells.merged([made(span) for span in spans]))


@pytest.mark.parametrize("classes", [None, 2, 3])
def test_ranges_of_levels_change_no_bit(monkeypatch, classes):
    X, y, cell = table_of(2, classes, rows=2000, levels=1500)
    whole = TargetCells.of(X, y, cell, 5, ("a",), classes)
    monkeypatch.setattr(cell_sums, "LEAST_BINS", 1)
    ranged = TargetCells.of(X, y, cell, 5, ("a",), classes)
    assert len(ranged.columns["a"].sums.blocks) > 1
    assert bytes_of(ranged) == bytes_of(whole)
    assert bytes_of(TargetCells.merged([ranged, ranged])) == bytes_of(TargetCells.merged([whole, whole]))


@pytest.mark.parametrize("classes", [2, 3])
def test_order_of_rows_changes_no_bit_of_classes(classes):
    X, y, cell = table_of(3, classes)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = TargetCells.of(X.iloc[order], y[order], cell[order], 5, ("a", "b"), classes)
    assert bytes_of(shuffled) == bytes_of(TargetCells.of(X, y, cell, 5, ("a", "b"), classes))


@pytest.mark.parametrize("learnt", [True, False])
@pytest.mark.parametrize("classes", [None, 2, 3])
def test_matrix_is_filled_with_the_columns(classes, learnt):
    X, y, cell = table_of(4, classes)
    fit, wide = fit_of(4, cell), 3 if classes == 3 else 1
    encodings = TargetCells.of(X, y, cell, 5, ("a", "b"), classes).encoded(fit, "auto")
    rows = np.array([7, 3, 3, 20])
    matrix = np.full((4, 2 + 2 * wide), -1.0, dtype=np.float32)
    encodings.write(matrix, (1, 2 + wide), rows, learnt=learnt)
    a, b = (encodings.column(name, rows, learnt=learnt).reshape(4, wide) for name in ("a", "b"))
    gap = np.full((4, 1), -1.0)
    np.testing.assert_array_equal(matrix, np.hstack([gap, a, gap, b]).astype(np.float32))


@pytest.mark.parametrize("classes", [None, 2, 3])
def test_estimator_alone_gives_the_numbers_of_the_shared_table(classes):
    X, y, cell = table_of(5, classes, rows=80)
    sees = np.array([[0, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]], dtype=np.bool_)
    learnt, valid = np.flatnonzero(cell < 3), np.flatnonzero(cell >= 3)
    fit = Fit(learnt, NONE, valid, np.array([0, 1, 2, -1, -1]), sees)
    table = TargetCells.of(X, y, cell, 5, ("a", "b"), classes)
    shared = table.encoded(fit, "auto")
    alone = TargetEncoding(("a", "b"), classes=None if classes is None else list("uvw")[:classes])
    crossed = alone.fit_transform(X.iloc[learnt], y[learnt], cell[learnt]).to_numpy()
    for encoded, rows, is_learnt in (
        (crossed, learnt, True),
        (alone.transform(X.iloc[valid]).to_numpy(), valid, False),
    ):
        columns = [shared.column(name, rows, learnt=is_learnt).reshape(len(rows), -1) for name in ("a", "b")]
        np.testing.assert_allclose(encoded, np.hstack(columns), rtol=1e-13)
    again = TargetEncoding(("a", "b"), classes=alone.classes).fit_cells(table, fit)
    pd.testing.assert_frame_equal(again.transform(X), alone.transform(X), rtol=1e-13)


def test_estimator_takes_which_folds_see_which():
    X, y, cell = table_of(6, None)
    sees = np.tril(np.ones((5, 5), dtype=np.bool_), -1)  # each fold the earlier ones
    fit = Fit(np.arange(40), NONE, NONE, np.arange(5), np.vstack([sees, np.ones(5, dtype=np.bool_)]))
    encoded = TargetEncoding(("a", "b")).fit_transform(X, y, cell, sees)
    shared = TargetCells.of(X, y, cell, 5, ("a", "b")).encoded(fit, "auto")
    np.testing.assert_array_equal(encoded["a"], shared.column("a", fit.learnt, learnt=True))
    assert encoded["a"].isna().tolist() == (cell == 0).tolist()


@pytest.mark.parametrize("kind", ["stratified", "group", "time"])
def test_targets_of_validated_and_watched_rows_change_no_bit_of_a_fit(kind):
    random = np.random.default_rng(11)
    X, y, _ = table_of(11, 2, rows=400)
    times = np.sort(random.integers(0, 300, 400)) * 86_400_000_000
    draw = Draw(
        target=y,
        task="binary",
        kind=kind,
        fold=np.searchsorted([100, 200, 300], np.arange(400), side="right") - 1
        if kind == "time"
        else np.arange(400) % 4,
        times=times if kind == "time" else None,
        groups=np.arange(400) % 40 if kind == "group" else None,
        keys=random.permutation(400).astype(np.uint64),
        embargo=timedelta(days=2),
    )
    plan = cross_fitting(draw, inner=3, share=0.2, seed=1)
    for fit in plan.folds:
        moved = y.copy()
        moved[[*fit.valid, *fit.watched]] = 1 - moved[[*fit.valid, *fit.watched]]
        found = [
            TargetCells.of(X, target, plan.cell, plan.cells, ("a", "b"), 2).encoded(fit, "auto").tables["a"].tobytes()
            for target in (y, moved)
        ]
        assert found[0] == found[1]


def test_context_that_sees_no_row_encodes_by_nan():
    X, y, cell = table_of(7, None)
    fit = Fit(np.arange(40), NONE, NONE, np.zeros(5, dtype=np.intp), np.array([[False] * 5, [True] * 5]))
    encodings = TargetCells.of(X, y, cell, 5, ("a",)).encoded(fit, "auto")
    assert np.isnan(encodings.column("a", fit.learnt, learnt=True)).all()
    assert np.isfinite(encodings.column("a", fit.learnt, learnt=False)).all()


def test_large_targets_do_not_cancel():
    random = np.random.default_rng(8)
    X = pd.DataFrame({"a": np.array(list("uvwx"), dtype=object)[random.integers(0, 4, 200)]})
    y, cell = random.normal(0.0, 1.0, 200), random.integers(0, 5, 200)
    fit = fit_of(3, cell)
    small, large = (TargetCells.of(X, target, cell, 5, ("a",)).encoded(fit, "auto") for target in (y, y + 1e8))
    np.testing.assert_allclose(large.tables["a"] - 1e8, small.tables["a"], atol=1e-6)


def test_sums_of_a_column_hold_no_row_and_travel():
    X, y, cell = table_of(9, None, rows=20_000)
    column = TargetCells.of(X, y, cell, 5, ("a",)).columns["a"]
    sent = pickle.dumps(column)
    assert len(sent) < 5000
    assert pickle.loads(sent).rows(np.ones(5, dtype=np.bool_)).sum() == 20_000


def test_memory_does_not_grow_with_levels_times_cells():
    rows, cells = 20_000, 300
    random = np.random.default_rng(10)
    X = pd.DataFrame({"id": [f"{number}" for number in random.permutation(rows)]})
    table = TargetCells.of(X, random.normal(size=rows), random.integers(0, cells, rows), cells, ("id",))
    held = sum(values.nbytes for block in table.columns["id"].sums.blocks for values in (block.place, *block.sums))
    assert held <= rows * 28
    assert len(table.columns["id"].sums.blocks) > 1


@pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
def test_levels_are_in_order_of_text_for_every_kind_of_text(dtype):
    column = pd.Series(["b", None, "é", "a", "B", "b"], dtype=dtype)
    levels = text_levels(column)
    assert levels.names.to_pylist() == ["B", "a", "b", "é"]
    assert levels.codes.tolist() == [2, 4, 3, 1, 0, 2]


def test_categories_in_another_order_are_put_in_order():
    column = pd.Series(pd.Categorical(["x", "a", None], categories=["x", "unused", "a"]))
    levels = text_levels(column)
    assert [[*levels.names.to_pylist(), None][code] for code in levels.codes] == ["x", "a", None]
    assert levels.names.to_pylist() == ["a", "unused", "x"]


@pytest.mark.parametrize("values", [[7, 10, 7], [7.0, 10.0, 7.0], np.array([7, 10, 7], dtype=object)])
def test_whole_numbers_are_the_same_levels_as_integers_and_floats(values):
    levels = any_levels(pd.Series(values))
    assert levels.names.to_pylist() == ["10", "7"]
    assert levels.codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize("categories", [[1, 2], [0.5, 1.5]])
def test_categorical_of_numbers_is_refused(categories):
    with pytest.raises(NotCategoricalError, match="'a' holds"):
        text_levels(pd.Series(pd.Categorical(categories), name="a"))


@pytest.mark.parametrize(
    ("target", "found"), [([0.0, 2.0], "2 was"), ([0.5, 1.0], r"0\.5 was"), ([-1.0, 0.0], "-1 was")]
)
def test_target_that_is_no_class_is_refused(target, found):
    with pytest.raises(DataError, match=f"2 classes is 0 to 1; {found}"):
        TargetCells.of(pd.DataFrame({"a": ["x", "y"]}), target, [0, 0], 1, ("a",), 2)


@pytest.mark.parametrize("cell", [[0], [0, 2], [-1, 0]])
def test_cell_out_of_range_is_refused(cell):
    with pytest.raises(DataError, match="each of 2 rows needs a cell from 0 to 1"):
        TargetCells.of(pd.DataFrame({"a": ["x", "y"]}), [0.0, 1.0], cell, 2, ("a",))
