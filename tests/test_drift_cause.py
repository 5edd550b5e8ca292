from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.cause import BatchContext, habits_of, triage
from tasks.drift.cause.conversions import CONVERSIONS, thought_of
from tasks.drift.cause.distribution import Distribution, distance, rounding, share_below
from tasks.drift.cause.duplicate_load import overlap
from tasks.drift.cause.encoding_break import redecoded, spaced
from tasks.drift.cause.habits import from_plain, run_in, to_plain
from tasks.drift.cause.segments import best_stretch, marked
from tasks.drift.cause.time_zone_slip import weekly_rates
from tasks.drift.cause.viewing import view_of
from tasks.drift.profile import Declared, make_profile, observe
from tasks.drift.thresholds import Budget, judge
from tests import drift_faults as faults
from tests import drift_worlds as worlds

SEED = 3
WORLDS = {make.__name__: make for make in (worlds.shop, worlds.sensors, worlds.clinic, worlds.rides, worlds.loans)}


@pytest.fixture(scope="module")
def histories():
    """Each world's history, made when it is first asked for."""
    made = {}

    def history(world):
        if world not in made:
            made[world] = faults.history_of(WORLDS[world](SEED), SEED)
        return made[world]

    return history


@pytest.mark.parametrize("world", ["shop", "clinic", "rides"])
@pytest.mark.parametrize("fault", sorted(faults.FAULTS))
def test_fault_is_named_with_its_columns(histories, world, fault):
    injected = faults.injected(histories(world), fault, SEED)
    causes = faults.told(histories(world), injected.frame)
    assert faults.is_right(injected, causes), (injected.kinds, injected.columns, causes)


@pytest.mark.parametrize("world", ["shop", "rides"])
@pytest.mark.parametrize(
    "fault", ["decimal_comma_lost", "half_again", "milliseconds", "one_level_in_capitals", "stale_rows"]
)
def test_fault_that_came_up_later_is_named_with_its_columns(histories, world, fault):
    injected = faults.injected(histories(world), fault, SEED)
    causes = faults.told(histories(world), injected.frame)
    assert faults.is_right(injected, causes), (injected.kinds, injected.columns, causes)


@pytest.mark.parametrize("world", ["shop", "clinic", "rides"])
@pytest.mark.parametrize("shift", sorted(faults.OTHER_REAL))
def test_real_shift_that_came_up_later_is_no_fault(histories, world, shift):
    causes = faults.told(histories(world), faults.shifted(histories(world), shift, SEED))
    assert not [cause for cause in causes if cause.feed]


@pytest.mark.parametrize("world", sorted(WORLDS))
@pytest.mark.parametrize("shift", sorted(faults.REAL))
def test_real_shift_is_no_fault(histories, world, shift):
    frame = faults.shifted(histories(world), shift, SEED)
    causes = () if frame is None else faults.told(histories(world), frame)
    assert not [cause for cause in causes if cause.feed]


def test_large_real_shift_is_the_world(histories):
    causes = faults.told(histories("shop"), faults.shifted(histories("shop"), "large_jump", SEED))
    assert [cause.kind for cause in causes] == ["world"]
    assert "median" in causes[0].evidence


def test_world_is_named_for_the_columns_that_alarmed(histories):
    history = histories("clinic")
    table = faults.as_table(faults.shifted(history, "large_jump", SEED))
    batch = observe(table, history.profile.grid)
    judged = judge(batch, history.profile, Budget(1, "quarter", 13))
    alarmed = {finding.column for finding in judged.findings if finding.alarmed}
    cause = triage(batch, table, history.profile, judged, history.context)[0]
    assert (cause.kind, {*cause.columns}) == ("world", alarmed)


def test_quiet_batch_has_no_cause(histories):
    history = histories("clinic")
    table = faults.as_table(faults.next_batch(history, SEED))
    batch = observe(table, history.profile.grid)
    judged = judge(batch, history.profile, Budget(1, "quarter", 13))
    assert triage(batch, table, history.profile, judged, history.context) == ()


def later_fault(history, name):
    injected = faults.injected(history, name, SEED, faults.LATER)
    return injected, faults.told(history, injected.frame)[0]


@pytest.mark.parametrize("fault", ["unit_change", "empty_column", "category_recode"])
def test_fault_from_the_middle_has_its_beginning(histories, fault):
    history = histories("shop")
    clean = faults.next_batch(history, SEED)
    injected, cause = later_fault(history, fault)
    column = injected.columns[0]
    differs = ~((clean[column] == injected.frame[column]) | (clean[column].isna() & injected.frame[column].isna()))
    began = clean["ordered_at"][differs.to_numpy().argmax()]
    assert abs(pd.Timestamp(cause.time) - began) < pd.Timedelta("12h")


@pytest.mark.parametrize("fault", ["stuck_sensor", "empty_column"])
def test_fault_of_one_site_names_the_site(histories, fault):
    history = histories("clinic")
    injected = faults.injected(history, fault, SEED, faults.SITE)
    clean = faults.next_batch(history, SEED)
    column = injected.columns[0]
    differs = ~((clean[column] == injected.frame[column]) | (clean[column].isna() & injected.frame[column].isna()))
    site = clean["ward"][differs.to_numpy().argmax()]
    assert repr(site) in faults.told(history, injected.frame)[0].where


def test_unit_of_one_site_names_the_site(histories):
    frame = faults.next_batch(histories("clinic"), SEED)
    at_site = (frame["ward"] == "north").to_numpy()
    causes = faults.told(
        histories("clinic"), frame.assign(height=np.where(at_site, frame["height"] / 2.54, frame["height"]))
    )
    assert (causes[0].kind, causes[0].where) == ("unit_change", "rows of ward 'north'")


def test_cause_goes_to_the_owner_of_its_column(histories):
    history = histories("shop")
    history = replace(history, context=replace(history.context, owners={"price": "prices@example.org"}))
    frame = faults.next_batch(history, SEED)
    cause = faults.told(history, frame.assign(price=frame["price"] * 1000))[0]
    assert (cause.kind, cause.owner) == ("unit_change", "prices@example.org")


def test_cause_without_an_owner_of_its_column_goes_to_that_of_the_drift(histories):
    frame = faults.next_batch(histories("shop"), SEED)
    assert faults.told(histories("shop"), frame.assign(price=frame["price"] * 1000))[0].owner == "ops@example.org"


def test_order_of_columns_changes_no_cause(histories):
    injected = faults.injected(histories("shop"), "shuffled_columns", SEED)
    turned = injected.frame[injected.frame.columns[::-1]]
    assert faults.told(histories("shop"), turned) == faults.told(histories("shop"), injected.frame)


def test_order_of_rows_changes_no_cause_where_time_is_known(histories):
    injected = faults.injected(histories("rides"), "unit_change", SEED, faults.LATER)
    mixed = injected.frame.sample(frac=1, random_state=1)
    kinds = [
        [(cause.kind, cause.columns, cause.time) for cause in faults.told(histories("rides"), frame)]
        for frame in (injected.frame, mixed)
    ]
    assert kinds[0] == kinds[1]


def test_declared_unit_rules_other_quantities_out(histories):
    history = histories("rides")
    history = replace(history, context=replace(history.context, units={"duration": "seconds"}))
    frame = faults.next_batch(history, SEED)
    causes = faults.told(history, frame.assign(duration=frame["duration"] * 0.45359237))
    assert "unit_change" not in {cause.kind for cause in causes}


def test_known_long_runs_of_zeros_are_no_stuck_sensor():
    random = np.random.default_rng(1)

    def batch():
        wet = np.repeat(random.random(20) < 0.3, 50)
        return pa.table({"rain": np.where(wet, random.gamma(1, 2, 1000).round(2), 0.0)})

    tables = [(str(number), batch()) for number in range(8)]
    profile = make_profile(tables, Declared("demo", {"rain": "feature"}))
    context = BatchContext(habits=tuple(habits_of(*each) for each in tables))
    rows = batch()
    assert triage(observe(rows, profile.grid), rows, profile, None, context) == ()


def test_earlier_batch_loaded_again_is_named(histories):
    history = histories("shop")
    cause = faults.told(history, history.frames[4])[0]
    assert cause.kind == "duplicate_load"
    assert "'week-04'" in cause.evidence


def test_duplicates_are_found_without_habits(histories):
    history = faults.without_habits(histories("clinic"))
    frame = faults.next_batch(history, SEED)
    assert faults.told(history, pd.concat([frame, frame]))[0].kind == "duplicate_load"


def test_refused_rows_are_a_broken_type(histories):
    history = histories("shop")
    history = replace(history, context=replace(history.context, quarantined={"not_a_number": 900}, raw_rows=2000))
    causes = faults.told(history, faults.next_batch(history, SEED))
    assert "900 of 2000 raw rows were refused" in causes[0].evidence


@pytest.mark.parametrize("rows", [0, 1])
def test_batch_of_hardly_a_row_is_late(histories, rows):
    frame = faults.next_batch(histories("shop"), SEED).iloc[:rows]
    assert faults.told(histories("shop"), frame)[0].kind == "late_partition"


@pytest.mark.parametrize("column", ["price", "town"])
def test_column_all_null_is_empty(histories, column):
    frame = faults.next_batch(histories("shop"), SEED)
    cause = faults.told(histories("shop"), frame.assign(**{column: None}))[0]
    assert (cause.kind, cause.columns) == ("empty_column", (column,))


def test_column_that_is_absent_is_named(histories):
    frame = faults.next_batch(histories("shop"), SEED).drop(columns="weight")
    cause = faults.told(histories("shop"), frame)[0]
    assert (cause.kind, cause.columns) == ("empty_column", ("weight",))


def test_absent_column_of_time_is_named(histories):
    frame = faults.next_batch(histories("shop"), SEED).drop(columns="ordered_at")
    assert ("empty_column", ("ordered_at",)) in {
        (cause.kind, cause.columns) for cause in faults.told(histories("shop"), frame)
    }


@pytest.mark.parametrize("values", ["12", 12.5])
def test_column_of_another_type_is_a_broken_type(histories, values):
    column = "price" if values == "12" else "town"
    frame = faults.next_batch(histories("shop"), SEED).assign(**{column: values})
    cause = faults.told(histories("shop"), frame)[0]
    assert (cause.kind, cause.columns) == ("type_break", (column,))


def test_constant_columns_of_the_reference_are_no_fault():
    rows = pa.table({"one": np.ones(300), "word": ["a"] * 300})
    profile = make_profile([("a", rows), ("b", rows)], Declared("demo", dict.fromkeys(("one", "word"), "feature")))
    assert triage(observe(rows, profile.grid), rows, profile, None, BatchContext()) == ()


def test_private_level_is_not_shown():
    random = np.random.default_rng(2)
    tables = [
        (str(number), pa.table({"name": random.choice(["Zoë", "Bob", "Ann"], 400), "x": random.normal(size=400)}))
        for number in range(5)
    ]
    roles = {"name": "feature", "x": "feature"}
    profile = make_profile(tables, Declared("demo", roles, private=frozenset(["name"])))
    rows = pa.table({"name": random.choice(["ZoÃ«", "Bob", "Ann"], 400), "x": random.normal(size=400)})
    causes = triage(observe(rows, profile.grid), rows, profile, None, BatchContext())
    assert causes[0].kind == "encoding_break"
    assert "Zo" not in causes[0].evidence


def test_habits_survive_json(histories):
    habits = histories("shop").context.habits[0]
    assert from_plain(json.loads(json.dumps(to_plain(habits)))) == habits


def test_content_is_the_same_in_any_order(histories):
    frame = histories("shop").frames[0]
    contents = {
        habits_of("a", faults.as_table(each), "ordered_at").content
        for each in (frame, frame.sample(frac=1, random_state=2), frame[frame.columns[::-1]])
    }
    assert len(contents) == 1


@given(st.lists(st.sampled_from([1.0, 2.0, np.nan]), max_size=30), st.integers(0, 2**30))
def test_longest_run_is_that_of_a_plain_loop(values, bits):
    codes = np.array([bits >> place & 1 for place in range(len(values))], dtype=np.intp)
    longest = 0
    for code in (0, 1):
        run, before = 0, None
        for value in (value for value, of in zip(values, codes, strict=True) if of == code and not np.isnan(value)):
            run = run + 1 if value == before else 1
            before, longest = value, max(longest, run)
    assert run_in(np.array(values, dtype=float), codes)[0] == longest


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=25))
def test_best_stretch_is_that_of_all_stretches(scores):
    values = np.array(scores, dtype=float)
    every = [values[start : end + 1].sum() for start in range(len(values)) for end in range(start, len(values))]
    first, last, score = best_stretch(values)
    assert score == max(every) == values[first : last + 1].sum()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_distance_is_that_of_counting_below_each_edge(one, other):
    edges = np.arange(1.0, 10.0)
    values, reference = np.array(one, dtype=float), np.array(other, dtype=float)
    slow = max(abs(np.mean(values < edge) - np.mean(reference < edge)) for edge in edges)
    assert distance(share_below(values, edges), share_below(reference, edges)[0]) == pytest.approx(slow)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=20), st.integers(0, 4))
def test_rounding_is_half_of_the_last_decimal(numbers, decimals):
    values = np.array([*numbers, 1]) / 10**decimals
    assert rounding(values) == pytest.approx(0.5 / 10**decimals)


def test_density_integrates_to_one():
    edges = np.array([1.0, 2.0, 4.0])
    found = Distribution(edges, np.array([10, 20, 30, 40]), 0.0, 8.0)
    assert np.sum(np.exp(found.log_densities) * np.diff(found.bounds)) == pytest.approx(1.0)


def test_each_conversion_but_those_that_are_their_own_inverse_has_one():
    for each in CONVERSIONS:
        slope, intercept = 1 / each.slope, -each.intercept / each.slope
        assert any(np.allclose((other.slope, other.intercept), (slope, intercept), rtol=1e-6) for other in CONVERSIONS)


def test_unknown_unit_leaves_all_conversions():
    assert {each.quantity for each in thought_of("parsecs")} == {each.quantity for each in CONVERSIONS}


def test_conversions_have_one_name_each():
    names = sorted(each.name for each in CONVERSIONS)
    assert all(one != other or one.startswith(("miles", "mph")) for one, other in pairwise(names))


@given(st.text(min_size=1, max_size=8))
def test_text_decoded_wrongly_is_decoded_back(text):
    try:
        wrong = text.encode().decode("cp1252")
    except UnicodeError:
        return
    assert redecoded(wrong, "cp1252", "utf-8") == text


@given(st.text(max_size=8))
def test_spacing_away_is_idempotent(text):
    assert spaced(spaced(text)) == spaced(text)


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_overlap_of_sketches_is_near_the_share_of_common_rows(seed, share):
    random = np.random.default_rng(seed)
    every = np.unique(random.integers(0, 2**64, 3000, dtype=np.uint64))
    common = random.random(len(every)) < share
    sketch, other = (tuple(int(each) for each in part[:512]) for part in (every, every[common]))
    assert overlap(sketch, other) == pytest.approx(common.mean(), abs=0.12)


def test_marked_rows_of_one_level_are_told_from_all():
    codes = np.tile([0, 1, 2, 3], 100)
    segment = marked(codes == 2, np.ones(400, dtype=bool), {"site": (codes, ("a", "b", "c", "d"))})
    assert segment.level == ("site", "c")
    assert np.array_equal(segment.rows, codes == 2)


def reference_until(last_day: int, random: np.random.Generator) -> tuple[Declared, list[tuple[str, pa.Table]]]:
    """Rows at any hour alike, from a Monday on until a day of the first or second week."""
    weeks = [(0, min(7, last_day)), (7, last_day)][: 1 + (last_day > 7)]
    batches = [(f"week {number}", at_any_hour(*days, random)) for number, days in enumerate(weeks)]
    return Declared("demo", {"x": "feature"}, "at"), batches


def at_any_hour(first: int, last: int, random: np.random.Generator) -> pa.Table:
    """Rows at any hour alike, from a day on until another begins, 1,400 a day."""
    seconds = np.sort(random.uniform(first * 86_400, last * 86_400, 1_400 * (last - first)))
    at = pa.array(((1_704_067_200 + seconds) * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC"))
    return pa.table({"at": at, "x": random.normal(size=len(seconds)), "_line": np.arange(len(seconds))})


@pytest.mark.parametrize("last_day", [4, 6, 9, 13])
def test_reference_that_ends_within_a_week_has_no_fewer_rows_on_the_days_it_lacks(last_day):
    random = np.random.default_rng(SEED)
    declared, batches = reference_until(last_day, random)
    profile, table = make_profile(batches, declared, seed=SEED), at_any_hour(21, 28, random)
    rates = weekly_rates(view_of(observe(table, profile.grid), table, profile, BatchContext(time="at")))
    assert rates.reshape(7, -1).mean(axis=1) == pytest.approx(np.ones(7), abs=0.1)


def delays(number, rows=2_000, filled=None):
    """A batch of whole delays of which 3 % are missing, or have a number in their place."""
    random = np.random.default_rng(number)
    values, gone = random.normal(0, 15, rows).round(), random.random(rows) < 0.03
    return pd.DataFrame({"delay": np.where(gone, np.nan if filled is None else filled, values)})


def told_of_delays(frame):
    tables = [(f"{number:02}", faults.as_table(delays(number))) for number in range(8)]
    profile = make_profile(tables, Declared("delays", {"delay": "feature"}))
    table = faults.as_table(frame)
    return triage(observe(table, profile.grid), table, profile, None, BatchContext())


def test_common_number_that_fills_the_gaps_is_a_null_token():
    causes = told_of_delays(delays(99, filled=-1.0))
    assert [(cause.kind, cause.columns) for cause in causes] == [("null_token", ("delay",))]
    assert "0.0% are missing, where each reference batch lacked" in causes[0].evidence


def test_column_that_lacks_nothing_any_more_has_no_null_token():
    assert told_of_delays(delays(99).assign(delay=np.random.default_rng(1).normal(0, 15, 2_000).round())) == ()


def test_heavy_tail_is_no_other_unit():
    random = np.random.default_rng(0)
    tables = [("a", pa.table({"x": random.lognormal(0, 0.5, 2_000)})) for _ in range(1)]
    profile = make_profile(tables * 4, Declared("tails", {"x": "feature"}))
    tail = random.lognormal(0, 0.5, 2_000) * np.where(random.random(2_000) < 0.2, random.lognormal(3, 1.5, 2_000), 1)
    table = pa.table({"x": tail})
    assert [
        each for each in triage(observe(table, profile.grid), table, profile, None, BatchContext()) if each.feed
    ] == []
