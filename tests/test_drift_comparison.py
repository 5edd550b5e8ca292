"""What of a column is shown beside its reference: every row once, in few enough ranges or levels."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.drift.comparison import SHOWN, compared, compared_cells, starts_of
from tasks.drift.profile import Declared, make_profile, observe

NUMBERS = st.lists(st.one_of(st.none(), st.integers(-50, 50).map(float)), min_size=1, max_size=60)


def profile_of(values):
    table = pa.table({"x": values})
    return make_profile([("one", table)], Declared("demo", {"x": "feature"}), rows=0)


def rows_of(reference, batch):
    profile = profile_of(reference)
    return compared(profile, observe(pa.table({"x": batch}), profile.grid))["x"]


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_every_row_is_shown_once(reference, batch):
    shown = rows_of(pa.array(reference, pa.float64()), pa.array(batch, pa.float64()))
    assert sum(cell.reference for cell in shown) == pytest.approx(1)
    assert sum(cell.batch for cell in shown) == pytest.approx(1)


def test_ranges_are_about_equally_frequent():
    shown = rows_of(np.arange(1000.0), np.arange(500.0))
    assert len(shown) == SHOWN
    assert all(0.05 < cell.reference < 0.16 for cell in shown)
    assert [cell.batch > 0 for cell in shown] == [True] * 5 + [False] * 5 or shown[5].batch < 0.05


def test_many_levels_are_summed_up():
    levels = [f"l{number:02}" for number in range(40) for _ in range(40 - number)]
    shown = rows_of(levels, ["l00", "l39", "neu", None])
    assert [cell.name for cell in shown[-3:]] == ["other levels", "new levels", "missing"]
    assert len(shown) == SHOWN + 3
    assert {cell.name: cell.batch for cell in shown}["new levels"] == 0.25


def test_level_that_only_the_batch_has_often_is_shown():
    levels = [f"l{number:02}" for number in range(30) for _ in range(30 - number)]
    shown = {cell.name: cell.batch for cell in rows_of(levels, ["l29"] * 10)}
    assert shown["l29"] == 1.0


def test_missing_is_not_shown_where_nothing_is():
    assert "missing" not in [cell.name for cell in rows_of([1.0, 2.0], [1.0])]


def test_column_without_a_value_is_shown():
    assert [(cell.name, cell.reference) for cell in rows_of(pa.nulls(4, pa.float64()), [1.0]) if cell.reference] == [
        ("missing", 1.0)
    ]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_ranges_begin_at_the_first_cell_and_are_few(shares):
    found = starts_of(np.array(shares))
    assert found[0] == 0
    assert len(found) <= SHOWN
    assert np.all(np.diff(found) > 0)


def test_empty_batch_is_shown_with_nothing_in_it():
    cells = profile_of(["a", "b"]).grid.columns["x"]
    assert all(cell.batch == 0 for cell in compared_cells(cells, np.array([1, 1, 0, 0, 0]), np.zeros(5, dtype=int)))
