"""The reference profile: cells, counts, merging, and files that are refused when a byte is another."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import CorruptionError, DataError
from tasks.drift.profile import (
    CategoryCells,
    Declared,
    Grid,
    Moments,
    NumericCells,
    OtherFormatError,
    OtherPipelineError,
    make_profile,
    merged,
    observe,
    read_profile,
    write_profile,
)
from tasks.drift.profile.cells import NUMBER_CELLS, concealed, numeric_cells
from tasks.drift.profile.making import MOST_BLOCKS
from tasks.drift.profile.survey import category_cells
from tasks.model.bundle import canonical, sha256
from tests.drift_tables import ROLES, batch, chunks, profile

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def counts_of(summary):
    return {name: counts.tolist() for name, counts in summary.counts.items()}


def slowly(values, edges):
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


# ---- cells


@given(st.lists(FINITE, min_size=1, max_size=60), st.lists(FINITE, min_size=1, max_size=60))
@settings(deadline=None)
def test_lookup_finds_the_cells_of_a_binary_search(sample, values):
    ordered = np.array(sample)
    cells = numeric_cells(ordered, min(sample), max(sample))
    seen = np.concatenate((values, sample, cells.edges, np.nextafter(cells.edges, -np.inf)))
    seen = np.where(np.abs(seen) < 2.0**-80, 0.0, seen)  # smaller ones may vanish beside a cell of 2**990
    np.testing.assert_array_equal(cells.count(seen), slowly(seen, cells.edges))


@pytest.mark.parametrize("seed", range(5))
def test_lookup_finds_the_cells_of_a_binary_search_among_many_values(seed):
    random = np.random.default_rng(seed)
    values = random.lognormal(0, 2, 5_000) * 10.0 ** random.integers(-8, 8)
    cells = numeric_cells(values, values.min(), values.max())
    np.testing.assert_array_equal(cells.count(values), slowly(values, cells.edges))


@given(st.sets(st.integers(-1000, 1000), min_size=1, max_size=NUMBER_CELLS))
def test_few_integers_have_a_cell_each(values):
    sample = np.array(sorted(values), dtype=float)
    assert set(numeric_cells(sample, sample[0], sample[-1]).count(sample).tolist()) <= {0, 1}


def test_cells_of_a_smooth_column_hold_about_equally_many_rows():
    values = np.random.default_rng(0).normal(size=100_000)
    counts = numeric_cells(values, values.min(), values.max()).count(values)
    assert counts.max() < 1.2 * len(values) / NUMBER_CELLS


def test_value_of_many_rows_has_a_cell_of_its_own():
    values = np.concatenate((np.zeros(600), np.random.default_rng(0).lognormal(0, 1, 400)))
    assert 600 <= numeric_cells(values, 0.0, values.max()).count(values).max() <= 602


def test_constant_column_tells_less_and_more():
    cells = numeric_cells(np.full(9, 1e6), 1e6, 1e6)
    assert cells.count(np.array([9.9e5, 1e6, 1e6, 1.01e6])).tolist() == [1, 2, 1]


def test_column_without_a_value_counts_what_comes():
    assert NumericCells(np.empty(0)).count(np.array([1.0, 2.0])).tolist() == [2]


def test_new_levels_are_told_from_rare_ones():
    cells = category_cells({f"level {number}": 100 - number for number in range(50)}, room=100)
    assert cells.cells_of(["level 0", "level 49", "never seen"]).tolist() == [0, 32, 33]


def test_with_too_many_levels_to_keep_none_is_called_new():
    cells = category_cells({f"level {number}": 1 for number in range(50)}, room=10)
    assert (cells.told, cells.cells_of(["never seen"]).tolist()) == (False, [32])


def test_private_levels_are_kept_as_hashes_alone():
    cells = category_cells({"Ann": 3}, room=10, private=True)
    assert cells.levels == (concealed("Ann"),)
    assert cells.cells_of(["Ann", "Bob"]).tolist() == [0, 2]


# ---- observing


def test_every_row_is_counted_once_in_each_column():
    made = profile()
    found = observe(batch(77), made.grid)
    assert {name: int(counts.sum()) for name, counts in found.counts.items()} == dict.fromkeys(ROLES, 500)


def test_counts_are_those_of_a_slow_count():
    made = profile()
    table = batch(5)
    found, edges = observe(table, made.grid).counts["fare"], made.grid.columns["fare"].edges
    fares = table.column("fare").drop_null().to_numpy()
    assert found.tolist() == [*slowly(fares, edges), table.column("fare").null_count, 0]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_order_of_rows_and_columns_changes_no_count(seed):
    made, table, random = profile(4), batch(1), np.random.default_rng(seed)
    shuffled = table.take(random.permutation(table.num_rows)).select(random.permutation(table.column_names).tolist())
    assert counts_of(observe(shuffled, made.grid)) == counts_of(observe(table, made.grid))


@given(st.lists(st.integers(0, 500), max_size=4))
@settings(max_examples=20, deadline=None)
def test_parts_add_up_to_the_whole(cuts):
    made, table = profile(4), batch(1)
    bounds = [0, *sorted(cuts), table.num_rows]
    parts = [table.slice(low, high - low) for low, high in pairwise(bounds)]
    assert counts_of(observe(parts, made.grid)) == counts_of(observe(table, made.grid))


def test_threads_change_no_count(monkeypatch):
    made, table = profile(2), pa.concat_tables([batch(seed, 40_000) for seed in range(2)])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = observe(table, made.grid)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert (counts_of(observe(table, made.grid)), observe(table, made.grid).moments) == (
        counts_of(alone),
        alone.moments,
    )


def test_moments_of_parts_are_those_of_the_whole():
    values = np.random.default_rng(0).normal(5, 2, 1_000)
    grid = Grid({"x": numeric_cells(values, values.min(), values.max())}, {"x": "feature"})
    found = observe([pa.table({"x": part}) for part in np.split(values, [100, 101, 700])], grid).moments["x"]
    assert (found.count, found.least, found.greatest) == (1_000, values.min(), values.max())
    assert (found.mean, found.sd) == pytest.approx((values.mean(), values.std(ddof=1)))


def test_nan_and_infinity_are_invalid_and_null_is_missing():
    grid = Grid({"x": numeric_cells(np.arange(5.0), 0.0, 4.0)}, {"x": "feature"})
    table = pa.table({"x": pa.array([1.0, None, float("nan"), float("inf"), -float("inf")])})
    assert observe(table, grid).counts["x"][-2:].tolist() == [1, 3]


def test_values_far_outside_are_counted():
    grid = Grid({"x": numeric_cells(np.arange(11.0), 0.0, 10.0)}, {"x": "feature"})
    assert observe(pa.table({"x": [-2.0, -0.5, 10.9, 11.5]}), grid).outside == {"x": 2}


def test_rows_per_hour_of_the_week_follow_the_columns_zone():
    stamps = pa.array([1_357_016_400], pa.timestamp("s", tz="UTC")).cast(pa.timestamp("s", tz="America/New_York"))
    grid = Grid({"x": NumericCells(np.empty(0))}, {"x": "feature"}, time="at")
    found = observe(pa.table({"x": [1], "at": stamps}), grid)
    assert np.flatnonzero(found.time_of_week).tolist() == [24]  # midnight of Tuesday, 1 January 2013, in New York
    assert found.start == found.end == 1_357_016_400


def test_rows_missing_in_two_columns_are_counted():
    grid = Grid({name: NumericCells(np.empty(0)) for name in "ab"}, dict.fromkeys("ab", "feature"))
    table = pa.table({"a": [None, None, 1, 1], "b": pa.array([None, 1, None, 1])})
    assert observe(table, grid).co_missing == {("a", "b"): 1}


def test_integers_beyond_2_to_the_53_keep_their_order():
    values = 2**60 + np.arange(0, 2**20, 2**10)
    table = pa.table({"id": values})
    made = make_profile([("a", table)], Declared("ids", {"id": "feature"}))
    np.testing.assert_array_equal(
        made.total.counts["id"][:-2], slowly(values.astype(float), made.grid.columns["id"].edges)
    )


def test_all_null_column_is_all_missing():
    made = profile(2)
    found = observe(batch(1, fare=pa.nulls(500)), made.grid)
    assert (found.counts["fare"][-2], found.breaks) == (500, {})


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("age", pa.array(["x"] * 500), "string where a number was"),
        ("age", pa.array([date(2013, 1, 1)] * 500), r"date32\[day\] where a number was"),
        ("port", pa.array([1] * 500), "int64 where a category was"),
        ("age", pa.array([[1]] * 500), r"list<\w+: int64> where a number was"),
    ],
)
def test_column_of_another_type_is_a_break(column, values, found):
    table = batch(1)
    made = profile(2)
    table = table.set_column(table.column_names.index(column), column, values)
    assert pytest.approx(500) == observe(table, made.grid).counts[column].sum()
    assert re.fullmatch(found, observe(table, made.grid).breaks[column])


def test_absent_column_is_a_break():
    made = profile(2)
    assert observe(batch(1).drop_columns(["age"]), made.grid).breaks == {"age": "no such column"}


def test_no_row_is_counted_as_none():
    made = profile(2)
    assert observe([], made.grid).rows == observe(batch(1).slice(0, 0), made.grid).rows == 0


# ---- making


def test_blocks_add_up_to_the_total():
    made = profile()
    total = sum((block.summary for block in made.blocks[1:]), made.blocks[0].summary)
    assert counts_of(total) == counts_of(made.total)


def test_reference_observed_again_is_its_total():
    made = profile()
    assert counts_of(observe((table for _, table in chunks()), made.grid)) == counts_of(made.total)


def test_profile_is_the_same_however_batches_are_cut_into_tables():
    cut = [(name, part) for name, table in chunks() for part in (table.slice(0, 123), table.slice(123))]
    made = make_profile(cut, Declared("ships", ROLES), grid=profile().grid)
    assert [counts_of(block.summary) for block in made.blocks] == [counts_of(b.summary) for b in profile().blocks]


def test_iterator_of_batches_is_gone_through_twice():
    assert counts_of(make_profile(iter(chunks()), Declared("ships", ROLES)).total) == counts_of(profile().total)


def test_block_knows_what_only_its_batch_has():
    made = make_profile(
        [*chunks(3), ("odd", batch(9, age=pa.array([17] * 499 + [500]), port=pa.array(["JFK"] * 495 + ["SWF"] * 5)))],
        Declared("ships", ROLES),
    )
    outside = [block.summary.outside for block in made.blocks if block.name == "odd"]
    assert sum(each.get("age", 0) for each in outside) == 1
    assert sum(each.get("port", 0) for each in outside) == 5


def test_batches_too_old_for_a_block_are_in_the_total():
    many = MOST_BLOCKS + 5
    made = make_profile(
        [(f"{number:04}", pa.table({"x": [float(number)]})) for number in range(many)], Declared("x", {"x": "feature"})
    )
    assert (len(made.blocks), made.total.rows, made.blocks[0].name) == (MOST_BLOCKS, many, "0005")


def test_covariance_is_that_of_the_rows():
    made = profile()
    ages = np.concatenate([table.column("age").to_numpy() for _, table in chunks()])
    place = made.covariance.columns.index("age")
    assert made.covariance.matrix[place, place] == pytest.approx(ages.var(ddof=1))


def test_sample_has_no_private_column():
    made = make_profile(chunks(2), Declared("ships", ROLES, private=frozenset({"fare"})), rows=100)
    assert (made.sample.num_rows, "fare" in made.sample.column_names) == (100, False)


def test_no_sample_where_none_is_wanted():
    assert profile(rows=0).sample is None


def test_sample_follows_from_its_seed():
    assert profile(seed=1).sample.equals(profile(seed=1).sample)
    assert not profile(seed=1).sample.equals(profile(seed=2).sample)


def test_reference_without_a_row_is_refused():
    with pytest.raises(DataError, match="no row"):
        make_profile([("a", batch(1).slice(0, 0))], Declared("ships", ROLES))


def test_reference_without_a_column_is_refused():
    with pytest.raises(DataError, match="batch 'a' has no column 'fare'"):
        make_profile([("a", batch(1).drop_columns(["fare"]))], Declared("ships", ROLES))


def test_column_of_two_types_is_refused():
    text = batch(1, fare=pa.array(["1"] * 500))
    with pytest.raises(DataError, match="'fare' is string in one batch and a number in another"):
        make_profile([("a", batch(0)), ("b", text)], Declared("ships", ROLES))


# ---- merging


def test_merging_on_one_grid_is_the_profile_of_the_union():
    whole = profile(20)
    first = make_profile(chunks(12), Declared("ships", ROLES), grid=whole.grid)
    second = make_profile(chunks(8, first=12), Declared("ships", ROLES), grid=whole.grid)
    both = merged(first, second)
    assert counts_of(both.total) == counts_of(whole.total)
    assert both.batches == whole.batches
    assert both.total.moments["age"].mean == pytest.approx(whole.total.moments["age"].mean)


@given(st.integers(1, 19))
@settings(max_examples=8, deadline=None)
def test_wherever_the_reference_is_cut_its_parts_merge_to_it(cut):
    whole = profile(20)
    parts = (chunks(cut), chunks(20 - cut, first=cut))
    both = merged(*(make_profile(part, Declared("ships", ROLES), grid=whole.grid) for part in parts))
    assert counts_of(both.total) == counts_of(whole.total)
    assert [counts_of(block.summary) for block in both.blocks] == [counts_of(b.summary) for b in whole.blocks]


def test_merging_on_two_grids_keeps_to_its_bound():
    first = make_profile(chunks(12), Declared("ships", ROLES))
    later = [
        (name, table.set_column(0, "age", pa.array(table.column("age").to_numpy() * 1.7))) for name, table in chunks(8)
    ]
    second = make_profile(later, Declared("ships", ROLES))
    both = merged(first, second)
    exact = observe((table for _, table in [*chunks(12), *later]), both.grid)
    bound = second.total.counts["age"][:-2].max()
    off = np.cumsum(both.total.counts["age"]) - np.cumsum(exact.counts["age"])
    assert np.abs(off).max() <= bound
    assert both.total.counts["port"].tolist() == exact.counts["port"].tolist()


def test_merged_samples_are_a_sample_of_both():
    first = make_profile(chunks(2), Declared("ships", ROLES), rows=400, seed=1)
    second = make_profile(chunks(2), Declared("ships", ROLES), rows=400, seed=2)
    keys = np.concatenate([made.sample.column("_key").to_numpy() for made in (first, second)])
    assert merged(first, second).sample.column("_key").to_pylist() == sorted(keys)[:400]


def test_merging_two_pipelines_is_refused():
    with pytest.raises(OtherPipelineError, match="'ships' and of 'boats'"):
        merged(profile(2), replace(profile(2), pipeline="boats"))


def test_merging_other_columns_is_refused():
    other = make_profile([("a", pa.table({"x": [1.0]}))], Declared("ships", {"x": "feature"}))
    with pytest.raises(DataError, match="not in both profiles"):
        merged(profile(2), other)


# ---- files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("profiles") / "ships"
    declared = Declared("ships", ROLES, importance={"age": 0.5}, hashes={"data": "ab"})
    write_profile(make_profile(chunks(), declared, rows=50), path)
    return path


def test_profile_read_is_the_profile_written(folder, tmp_path):
    write_profile(read_profile(folder), tmp_path / "again")
    again = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert again == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_profile_read_holds_the_same_blocks(folder):
    made, found = profile(), read_profile(folder)
    assert [counts_of(block.summary) for block in found.blocks] == [counts_of(block.summary) for block in made.blocks]
    assert [block.summary.outside for block in found.blocks] == [block.summary.outside for block in made.blocks]


@pytest.mark.parametrize("name", ["profile.json", "counts.parquet", "sample.parquet"])
@pytest.mark.parametrize("seed", range(10))
def test_flipped_bit_is_refused(folder, tmp_path, name, seed):
    tampered = copied(folder, tmp_path)
    data = bytearray((tampered / name).read_bytes())
    place = int(np.random.default_rng(seed).integers(len(data) * 8))
    data[place // 8] ^= 1 << place % 8
    (tampered / name).write_bytes(data)
    with pytest.raises(CorruptionError, match="It was not used"):
        read_profile(tampered)


def copied(folder, tmp_path):
    (tmp_path / "copy").mkdir()
    for path in folder.iterdir():
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "copy"


def test_missing_and_additional_files_are_refused(folder, tmp_path):
    tampered = copied(folder, tmp_path)
    (tampered / "sample.parquet").rename(tampered / "other.parquet")
    with pytest.raises(CorruptionError, match=r"holds counts\.parquet, other\.parquet, profile\.json"):
        read_profile(tampered)


def test_exchanged_profile_is_refused_where_its_hash_is_known(folder):
    with pytest.raises(CorruptionError, match="sha256"):
        read_profile(folder, sha256_of_json="0" * 64)


def test_profile_of_another_pipeline_is_refused(folder):
    with pytest.raises(OtherPipelineError, match="'ships' where that of 'boats' was expected"):
        read_profile(folder, pipeline="boats")


def test_profile_of_another_format_is_refused(folder, tmp_path):
    tampered = copied(folder, tmp_path)
    facts = json.loads((tampered / "profile.json").read_text())
    facts["format"] = 99
    del facts["checksum"]
    facts["checksum"] = sha256(canonical(facts))
    (tampered / "profile.json").write_bytes(canonical(facts))
    with pytest.raises(OtherFormatError, match="format 99; this Holdfast reads format 1"):
        read_profile(tampered)


def test_missing_profile_is_told(tmp_path):
    with pytest.raises(DataError, match=r"profile\.json: missing"):
        read_profile(tmp_path)


def test_profile_of_twenty_columns_is_under_a_megabyte(tmp_path):
    random = np.random.default_rng(0)
    tables = [
        (f"{number:03}", pa.table({f"x{column:02}": random.normal(size=20_000) for column in range(20)}))
        for number in range(100)
    ]
    made = make_profile(tables, Declared("wide", dict.fromkeys(tables[0][1].column_names, "feature")), rows=0)
    write_profile(made, tmp_path / "wide")
    assert len(made.blocks) == MOST_BLOCKS
    assert sum(path.stat().st_size for path in (tmp_path / "wide").iterdir()) <= 1_000_000


def test_category_cells_hold_their_own_hashes_sorted():
    cells = category_cells({f"level {number}": 1 for number in range(60)}, room=100)
    assert isinstance(cells, CategoryCells)
    assert (np.diff(cells.known.astype(object)) > 0).all()


def test_moments_of_nothing_add_nothing():
    some = Moments(2, 1.0, 2.0, 0.0, 2.0)
    assert some + Moments() == Moments() + some == some
