"""The plan of all fits against what it may not do, said once more in plain Python, row by row."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tasks.split import TRAIN, embargo, group_values, time_values
from tasks.splitting.cross_fitting import Draw, cross_fitting, cross_fitting_of
from tasks.splitting.folds import (
    TooFewRowsError,
    group_codes,
    microseconds,
    order_keys,
    strata,
    stratified_folds,
    time_and_group_folds,
    time_blocks,
)
from tasks.splitting.splitter import DeclaredSplit
from tasks.splitting.units import group_folds
from tests.test_split import SPLITS, assigned, valid_rows

KINDS = ["stratified", "group", "time", "time and group"]
INNER, SHARE, SEED = 3, 0.2, 7


def drawn(kind, task="regression", rows=60, folds=3, *, embargo=0, groups=12, instants=40, seed=0):
    """Training rows with ties in time and groups of any size, in the folds that the stage `split` would give them."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=rows) if task == "regression" else rng.permutation(np.arange(rows) % 2).astype(float)
    times = np.sort(rng.integers(0, instants, rows))
    names = np.array([f"g{number}" for number in rng.integers(0, groups, rows)], dtype=object)
    keys = order_keys(pd.Series(["b"] * rows), pd.Series(range(rows)), seed)
    if kind == "time":
        fold = time_blocks(times, folds + 1) - 1
    elif kind == "time and group":
        fold = time_and_group_folds(times, names, folds=folds, seed=seed)
    elif kind == "group":
        fold = group_folds(target, task, names, keys, folds=folds, seed=seed)
    else:
        fold = stratified_folds(strata(target, task), keys, folds)
    return Draw(
        target,
        task,
        "time" if "time" in kind else kind,
        fold,
        times if "time" in kind else None,
        names if "group" in kind else None,
        keys,
        timedelta(microseconds=embargo),
    )


def planned(draw, inner=INNER):
    return cross_fitting(draw, inner=inner, share=SHARE, seed=SEED)


def sources(plan, fit, row, *, is_learnt):
    """The rows whose targets make a row's encoding."""
    sees = fit.sees[fit.context[plan.cell[row]]] if is_learnt else fit.sees[-1]
    return [other for other in range(len(plan.cell)) if sees[plan.cell[other]]]


def is_known(draw, source, moment):
    """Whether a row's target was known at a moment, and the row is an earlier one."""
    return draw.times[source] < moment and draw.times[source] + draw.embargo // timedelta(microseconds=1) <= moment


def why_not(draw, source, row):
    """Why a row's target must make no encoding of a row that is learnt from, '' where it may."""
    if source == row:
        return "the row itself"
    if draw.kind == "time" and not is_known(draw, source, draw.times[row]):
        return "not known then"
    return "of the same group" if draw.groups is not None and draw.groups[source] == draw.groups[row] else ""


def encoding_leaks(draw, plan, fit):
    """What learnt rows are encoded by and must not be."""
    learnt = {*fit.learnt}
    for row in fit.learnt:
        seen = sources(plan, fit, row, is_learnt=True)
        yield from ((row, source, "not learnt from") for source in {*seen} - learnt)
        yield from ((row, source, why) for source in seen if (why := why_not(draw, source, row)))
    if {*sources(plan, fit, 0, is_learnt=False)} != learnt:
        yield "transform knows other rows than were learnt from"


def side_leaks(draw, before, after):
    """Rows, groups and later targets that are on both of two sides of a fit."""
    yield from {*before} & {*after}
    if draw.groups is not None:
        yield from {*draw.groups[before]} & {*draw.groups[after]}
    if draw.kind == "time" and len(after):
        first = draw.times[after].min()
        yield from (row for row in before if not is_known(draw, row, first))


def leaks(draw, plan):
    found = []
    for fit in (*plan.folds, plan.final):
        sides = [(fit.learnt, fit.watched), (fit.learnt, fit.valid), (fit.watched, fit.valid)]
        found += encoding_leaks(draw, plan, fit)
        found += [leak for before, after in sides for leak in side_leaks(draw, before, after)]
    return found


DRAWS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "task": st.sampled_from(["binary", "regression"]),
        "rows": st.integers(30, 80),
        "folds": st.integers(2, 4),
        "embargo": st.integers(0, 3),
        "groups": st.integers(6, 30),
        "instants": st.integers(8, 60),
        "seed": st.integers(0, 1000),
    }
)


def check_no_leak(declared, inner):
    try:
        draw = drawn(**declared)
        plan = planned(draw, inner)
    except TooFewRowsError:
        assume(False)
    assert leaks(draw, plan) == []
    assert [*plan.final.learnt] == [*range(len(draw.target))]
    for number, fit in enumerate(plan.folds):
        assert [*fit.valid] == [*np.flatnonzero(draw.fold == number)]


@given(DRAWS, st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_no_target_reaches_an_encoding_that_must_not_see_it(declared, inner):
    check_no_leak(declared, inner)


@pytest.mark.campaign
@given(DRAWS, st.integers(2, 6))
@settings(max_examples=2000, deadline=None)
def test_no_target_reaches_any_encoding_that_must_not_see_it(declared, inner):
    check_no_leak(declared, inner)


@pytest.mark.parametrize("embargo", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_few_instants_are_no_history_of_each_other(kind, embargo):
    draw = drawn(kind, rows=60, instants=14, folds=2, embargo=embargo)
    assert leaks(draw, planned(draw)) == []


@pytest.mark.parametrize("pipeline", [SPLITS[0], SPLITS[4], SPLITS[7], SPLITS[8]])
def test_plan_of_a_declared_split_lets_nothing_through(pipeline):
    frame = valid_rows()
    table = assigned(frame, pipeline)
    kept = frame[table["part"] == TRAIN]
    times, groups = time_values(kept, pipeline), group_values(kept, pipeline)
    target = (kept["delay"] > 30).to_numpy(dtype=float)
    plan = cross_fitting_of(pipeline, kept[["_batch", "_line"]], target, times, groups, table["fold"][kept.index].array)
    draw = Draw(
        target, pipeline.task, pipeline.split_kind, None, None if times is None else microseconds(times), groups, None,
        embargo(pipeline),
    )  # fmt: skip
    assert leaks(draw, plan) == []


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("kind", KINDS)
def test_order_of_rows_changes_no_plan(kind, task):
    draw = drawn(kind, task, rows=200, embargo=2)
    turned = np.random.default_rng(3).permutation(200)
    per_row = ("target", "fold", "times", "groups", "keys")
    values = {name: getattr(draw, name) for name in per_row}
    shuffled = replace(draw, **{name: value if value is None else value[turned] for name, value in values.items()})
    one, other = planned(draw), planned(shuffled)
    np.testing.assert_array_equal(one.cell[turned], other.cell)
    for here, there in zip((*one.folds, one.final), (*other.folds, other.final), strict=True):
        np.testing.assert_array_equal(here.sees, there.sees)
        np.testing.assert_array_equal(here.context, there.context)
        for side in ("learnt", "watched", "valid"):
            np.testing.assert_array_equal(getattr(here, side), np.sort(turned[getattr(there, side)]))


@pytest.mark.parametrize("kind", KINDS)
def test_folds_learn_and_watch_what_the_splitter_trains_on(kind):
    draw = drawn(kind, rows=300, embargo=0)
    splitter = DeclaredSplit(draw.fold, draw.times, draw.embargo, draw.groups)
    for fit, (train, valid) in zip(planned(draw).folds, splitter.split(), strict=True):
        used = np.union1d(fit.learnt, fit.watched)
        np.testing.assert_array_equal(fit.valid, valid)
        assert np.isin(used, train).all()
        if kind != "time and group":  # there, some earlier rows of watched groups are of no use
            np.testing.assert_array_equal(used, train)


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_watches_about_its_share(kind):
    draw = drawn(kind, rows=2000, groups=150, instants=500)
    splitter = DeclaredSplit(draw.fold, draw.times, draw.embargo, draw.groups)
    for fit, (train, _) in zip(planned(draw).folds, splitter.split(), strict=True):
        assert abs(len(fit.watched) / len(train) - SHARE) < 0.05


def test_rows_are_encoded_by_all_other_inner_folds():
    plan = planned(drawn("stratified", rows=300), inner=5)
    fit = plan.folds[0]
    seen = [len(sources(plan, fit, row, is_learnt=True)) for row in fit.learnt[:50]]
    assert np.allclose(np.array(seen) / len(fit.learnt), 4 / 5, atol=0.02)


def test_inner_folds_hold_the_classes_alike():
    draw = drawn("stratified", "binary", rows=600)
    plan = planned(draw, inner=4)
    shares = [draw.target[plan.final.context[plan.cell] == number].mean() for number in range(4)]
    np.testing.assert_allclose(shares, 0.5, atol=0.02)


def test_rows_are_watched_along_the_whole_range_of_the_target():
    draw = drawn("stratified", rows=400)
    fit = planned(draw).folds[1]
    assert abs(draw.target[fit.watched].mean() - draw.target[fit.learnt].mean()) < 0.05


@pytest.mark.parametrize("inner", [2, 5])
def test_training_part_of_each_fold_has_enough_blocks_of_time(inner):
    plan = planned(drawn("time", rows=1000, instants=1000), inner=inner)
    for fit in (*plan.folds, plan.final):
        sizes = np.bincount(fit.context[plan.cell[fit.learnt]])
        assert len(sizes) >= inner
        assert sizes.max() <= 1.1 * len(fit.learnt) / inner


def test_first_block_of_time_has_no_history_and_the_last_has_most():
    plan = planned(drawn("time", rows=400, instants=400))
    seen = plan.final.sees[:-1].sum(axis=1)
    assert seen[0] == 0
    assert (np.diff(seen) > 0).all()


def test_target_known_late_is_no_history_until_it_is_known():
    late, prompt = (planned(drawn("time", rows=400, instants=400, embargo=days)) for days in (30, 0))
    seen = [sum(len(sources(plan, plan.final, row, is_learnt=True)) for row in range(400)) for plan in (late, prompt)]
    assert seen[0] < seen[1] - 400 * 20


def test_few_groups_are_spread_over_learning_and_watching():
    draw = drawn("group", rows=60, folds=5, groups=5)
    for fit in planned(draw, inner=5).folds:
        assert [len({*draw.groups[side]}) for side in (fit.learnt, fit.watched)] in ([2, 2], [3, 1])


def test_group_larger_than_the_share_is_not_watched_where_there_are_others():
    draw = drawn("group", rows=400, groups=40)
    draw.groups[:] = np.where(np.arange(400) < 200, "giant", draw.groups)
    draw = replace(draw, fold=group_folds(draw.target, draw.task, draw.groups, draw.keys, folds=3, seed=0))
    assert all("giant" not in draw.groups[fit.watched] for fit in planned(draw).folds)


def test_group_folds_hold_rows_and_classes_alike():
    rng = np.random.default_rng(2)
    groups = np.array([f"g{number}" for number in rng.zipf(1.6, 4000) % 300], dtype=object)
    target = (rng.random(4000) < 0.1 + 0.8 * (group_codes(groups) % 10 == 0)).astype(float)
    keys = np.arange(4000, dtype=np.uint64)
    fold = group_folds(target, "binary", groups, keys, folds=4, seed=1)
    largest = np.bincount(group_codes(groups)).max()
    assert np.ptp(np.bincount(fold)) <= largest
    small = fold != fold[groups == groups[np.argmax(np.bincount(group_codes(groups))[group_codes(groups)])]][0]
    assert np.ptp([target[small & (fold == number)].mean() for number in np.unique(fold[small])]) < 0.05


def test_rare_class_is_learnt_and_watched_in_every_fold():
    draw = drawn("stratified", "binary", rows=300)
    target = np.zeros(300)
    target[[3, 50, 120, 199, 250]] = 1.0
    draw = replace(draw, target=target, fold=stratified_folds(strata(target, "binary"), draw.keys, 3))
    for fit in planned(draw).folds:
        assert {*target[fit.learnt]} == {*target[fit.watched]} == {0.0, 1.0}


def test_classes_of_many_are_held_apart_like_two():
    draw = drawn("stratified", rows=120)
    target = np.arange(120) % 4.0
    draw = replace(draw, task="multiclass", target=target, fold=stratified_folds(target.astype(int), draw.keys, 3))
    counts = np.bincount(target[planned(draw).folds[0].watched].astype(int))
    assert (counts == 4).all()


def refused(draw):
    with pytest.raises(TooFewRowsError) as caught:
        planned(draw)
    return f"{caught.value.key}: {caught.value}"


def test_fold_that_lacks_a_class_to_learn_from_is_refused_by_name():
    draw = drawn("stratified", rows=60)
    target = np.where(np.arange(60) == 7, 2.0, np.arange(60) % 2)
    said = refused(replace(draw, task="multiclass", target=target))
    assert "none of class '2', are left" in said
    assert said.startswith("('train', 'early_stopping_share')")


def test_delay_that_leaves_nothing_to_learn_from_is_refused():
    assert "fold 0: 0 rows of 0 instants" in refused(drawn("time", embargo=30))


def test_fold_that_validates_no_row_is_refused():
    draw = drawn("time")
    assert "fold 1 of 3 validates no row" in refused(replace(draw, fold=np.where(draw.fold == 1, -1, draw.fold)))


def test_rows_of_one_inner_fold_are_refused():
    draw = drawn("group", rows=40, folds=2, groups=3)
    assert refused(draw).startswith("('encode', 'folds')")


def test_two_groups_cannot_be_watched_learnt_and_encoded_apart():
    assert refused(drawn("time and group", folds=2, groups=3)).startswith("('split', 'group')")


def test_class_that_a_fit_lacks_is_named():
    draw = drawn("time", rows=60, folds=2)
    numbers = np.where(draw.times == draw.times.max(), 2.0, np.arange(60) % 2)
    with pytest.raises(TooFewRowsError, match="none of class 'snow', are left to learn from"):
        planned(replace(draw, target=numbers, task="multiclass", classes=("fog", "rain", "snow")))
