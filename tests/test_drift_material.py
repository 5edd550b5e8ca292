import numpy as np
import pandas as pd
import pytest

from tasks.drift.model import concept_drift, counted_means, material, observed_model
from tasks.drift.model.material import FLOOR, Material, restored_column, shares_moved
from tasks.drift.profile import CategoryCells, observe
from tasks.drift.pseudo_columns import DECISION, LOSS, PREDICTION
from tasks.drift.thresholds import Budget, Finding, Judged, judge
from tests.drift_world import BATCHES, model_of, pipeline_of, profile_of, rows_of, table_of

BUDGET = Budget(3, "month", 30.0)
NOTHING = Judged(False, None, (), 0.0, 1.0, (), 500.0, False, 0.1)


def seen(frame, task="binary"):
    """What drift is found in a batch, and what it means to the model."""
    model, pipeline, profile = model_of(task), pipeline_of(task), profile_of(task)
    said = observed_model(frame, model, pipeline)
    table = table_of(frame.drop(columns="bought"))
    for name in said.columns.column_names:
        table = table.append_column(name, said.columns.column(name))
    judged = judge(observe(table, profile.grid), profile, BUDGET)
    loss = "squared error" if task == "regression" else "log loss"
    concept = concept_drift(table.column(LOSS).to_numpy(), said.labels, counted_means(profile, LOSS), loss, 0.01)
    return judged, material(judged, profile, frame, model, said, concept=concept)


def drifted(*columns, effect=1.0):
    """A judgement that these features have drifted."""
    found = [Finding(name, "feature", "distribution", 9.0, effect, 1.0, 0.0, True, 9.0) for name in columns]
    return Judged(True, None, tuple(found), 9.0, 1.0, (), 500.0, False, 0.1)


def of_columns(frame, *columns, task="binary"):
    said = observed_model(frame, model_of(task), pipeline_of(task))
    return material(drifted(*columns), profile_of(task), frame, model_of(task), said)


def alarmed(judged):
    return {finding.column for finding in judged.findings if finding.alarmed}


def test_drift_of_an_unused_column_is_not_material():
    frame = rows_of(BATCHES)
    judged, found = seen(frame.assign(idle=frame["idle"] + 5))
    assert "idle" in alarmed(judged)
    assert not found.material
    assert found.by_column["idle"] < FLOOR / 2


@pytest.mark.parametrize(
    "broken",
    [
        lambda strong: strong * 1000,
        lambda strong: strong * 0,
        lambda strong: strong * np.nan,
        lambda strong: strong + 2,
    ],
    ids=["unit", "stuck", "missing", "shifted"],
)
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_one_dominant_column_that_broke_is_material(task, broken):
    frame = rows_of(BATCHES, task=task)
    judged, found = seen(frame.assign(strong=broken(frame["strong"])), task)
    assert "strong" in alarmed(judged)
    assert found.material
    assert next(iter(found.by_column)) == "strong"


def test_dominant_column_that_is_gone_is_material():
    _, found = seen(rows_of(BATCHES).drop(columns="strong"))
    assert found.material
    assert found.by_column["strong"] > 0.5


def test_quiet_batch_is_not_material():
    judged, found = seen(rows_of(BATCHES))
    assert not judged.alarmed
    assert found == Material(False, 0.0, {}, {}, {})


def test_changed_relation_is_material_by_its_loss_alone():
    frame = rows_of(BATCHES)
    flips = np.random.default_rng(1).random(len(frame)) < 0.3
    _, found = seen(frame.assign(bought=frame["bought"].where(~flips, ~frame["bought"])))
    assert found.material
    assert found.moved == 0.0
    assert "its mean log loss rose" in found.sentence


def test_new_mix_of_an_important_category_is_material():
    frame = rows_of(BATCHES)
    found = of_columns(frame.assign(city="Ulm"), "city")
    assert found.material
    assert found.by_column["city"] > FLOOR


def test_new_level_is_restored_to_known_ones():
    frame = rows_of(BATCHES).assign(city="Trier")
    restored = restored_column(frame["city"], "city", profile_of(), 7)
    assert set(restored) == {"Bonn", "Kiel", "Ulm"}


@pytest.mark.parametrize("name", ["strong", "weak", "city", "member"])
def test_restored_column_has_the_type_and_the_shares_of_the_reference(name):
    profile, frame = profile_of(), rows_of(BATCHES)
    broken = frame.assign(**{name: pd.Series([None] * len(frame), dtype=frame[name].dtype)})
    restored = restored_column(broken[name], name, profile, 7)
    assert restored.dtype == frame[name].dtype
    table = table_of(frame.assign(**{name: restored}))
    counts, wanted = observe(table, profile.grid).counts[name], profile.total.counts[name]
    assert counts / counts.sum() == pytest.approx(wanted / wanted.sum(), abs=0.01)


def test_restored_quiet_column_hardly_changes():
    frame = rows_of(BATCHES)
    changed = restored_column(frame["city"], "city", profile_of(), 7) != frame["city"]
    assert changed.mean() < 0.06


def test_time_has_nothing_to_be_restored_to():
    assert restored_column(rows_of(BATCHES)["at"], "at", profile_of(), 7) is None


def test_private_category_is_not_restored():
    profile = profile_of()
    city = profile.grid.columns["city"]
    hidden = CategoryCells(city.levels, city.known, city.told, private=True)
    grid = type(profile.grid)({**profile.grid.columns, "city": hidden}, profile.grid.roles, profile.grid.time)
    private = type(profile)("demo", grid, profile.blocks, profile.total, profile.covariance)
    assert restored_column(rows_of(BATCHES)["city"], "city", private, 7) is None


def test_columns_are_ranked_by_what_they_move():
    frame = rows_of(BATCHES)
    found = of_columns(
        frame.assign(strong=frame["strong"] + 1, idle=frame["idle"] + 9, weak=9), "idle", "weak", "strong"
    )
    assert next(iter(found.by_column)) == "strong"
    assert list(found.by_column.values()) == sorted(found.by_column.values(), reverse=True)


def test_importance_weighs_effects_that_count_up_to_one():
    frame = rows_of(BATCHES)
    found = of_columns(frame, "strong", "weak")
    assert found.weighted == pytest.approx({"strong": 0.7, "weak": 0.1})


def test_two_drifts_that_cancel_are_judged_together():
    frame = rows_of(BATCHES)
    low = frame.assign(strong=frame["strong"] - 1, city="Ulm")
    found = of_columns(low, "strong", "city")
    assert found.moved < found.by_column["strong"]


def test_same_seed_moves_the_same():
    frame = rows_of(BATCHES).assign(strong=0.0)
    assert of_columns(frame, "strong") == of_columns(frame, "strong")


def test_order_of_columns_is_of_no_matter():
    frame = rows_of(BATCHES).assign(strong=0.0)
    assert of_columns(frame, "strong") == of_columns(frame[frame.columns[::-1]], "strong")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_batch_without_rows_is_told(task):
    found = of_columns(rows_of(BATCHES, task=task).head(0), "strong", task=task)
    assert "the batch has no rows" in found.sentence


def test_one_row_is_no_error():
    assert of_columns(rows_of(BATCHES).head(1), "strong", "city").moved >= 0


def test_decisions_that_drift_are_measured_in_their_own_spread():
    cells = CategoryCells(("0", "1"))
    moved = shares_moved(pd.Series(["0"] * 80 + ["1"] * 20), cells, np.array([90, 10, 0, 0, 0]))
    assert moved == pytest.approx(0.1 / np.sqrt(0.15 * 0.85))


def test_predictions_that_drift_are_material():
    frame = rows_of(BATCHES)
    judged, found = seen(frame.assign(strong=frame["strong"] + 1.5))
    assert {PREDICTION, DECISION} <= alarmed(judged)
    assert found.shown[PREDICTION] > FLOOR


def test_nothing_in_the_batch_is_changed():
    frame = rows_of(BATCHES).assign(strong=0.0)
    before = frame.copy()
    of_columns(frame, "strong", "city")
    pd.testing.assert_frame_equal(frame, before)


def test_no_drift_is_no_matter_even_where_predictions_are_far_off():
    frame = rows_of(BATCHES).assign(strong=9.0)
    said = observed_model(frame, model_of(), pipeline_of())
    assert not material(NOTHING, profile_of(), frame, model_of(), said).material
