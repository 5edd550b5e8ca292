from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.model import known_labels, observed_model
from tasks.drift.pseudo_columns import COST, DECISION, LOSS, PREDICTION, TARGET, loss_of, pseudo_columns, row_losses
from tasks.metrics import score
from tests.drift_world import model_of, numbers_of, pipeline_of, rows_of

TASKS = ["binary", "multiclass", "regression"]


def observed(frame, task="binary", as_of=None, **train):
    return observed_model(frame, model_of(task), pipeline_of(task, **train), as_of=as_of)


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        ("binary", "log_loss"),
        ("binary", "brier"),
        ("multiclass", "log_loss"),
        ("multiclass", "brier"),
        ("regression", "mae"),
    ],
)
def test_mean_loss_is_the_metric(task, metric):
    frame = rows_of(1, task=task)
    scores, target = model_of(task).scores(frame), numbers_of(frame, task)
    assert row_losses(loss_of(metric), scores, target).mean() == pytest.approx(score(metric, target, scores))


def test_rank_metrics_are_watched_by_log_loss():
    assert {loss_of(metric) for metric in ("roc_auc", "average_precision", "accuracy", "log_loss")} == {"log loss"}


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("binary", [PREDICTION, DECISION, TARGET, LOSS]),
        ("multiclass", [PREDICTION, DECISION, TARGET, LOSS]),
        ("regression", [PREDICTION, TARGET, LOSS]),
    ],
)
def test_batch_has_the_columns_of_its_task(task, names):
    assert observed(rows_of(1, task=task), task).columns.column_names == names


@pytest.mark.parametrize("task", TASKS)
def test_columns_keep_the_order_of_the_rows(task):
    frame = rows_of(1, 50, task)
    backwards = observed(frame.iloc[::-1], task).columns.to_pylist()
    assert observed(frame, task).columns.to_pylist() == backwards[::-1]


def test_classes_are_told_by_name():
    columns = observed(rows_of(1, task="multiclass"), "multiclass").columns
    assert set(columns.column(DECISION).to_pylist()) == {"no", "some", "yes"}


def test_declared_costs_are_a_column():
    frame = rows_of(1)
    costs = observed(frame, costs={"false_positive": 1, "false_negative": 9}).columns.column(COST).to_numpy()
    decided, bought = model_of().scores(frame) >= 0.1, frame["bought"].to_numpy(bool)  # Elkan's threshold is 1 / 10
    assert costs.tolist() == np.where(decided & ~bought, 1.0, np.where(~decided & bought, 9.0, 0.0)).tolist()


def test_row_without_label_has_no_loss_and_a_prediction():
    frame = rows_of(1, 5)
    frame.loc[2, "bought"] = pd.NA
    columns = observed(frame).columns
    assert [columns.column(name).null_count for name in (PREDICTION, DECISION, TARGET, LOSS)] == [0, 0, 1, 1]


@given(st.integers(0, 47))
def test_label_is_used_from_when_it_is_due(hours):
    frame = rows_of(0, 40)
    as_of = datetime(2024, 1, 2, tzinfo=UTC) + pd.Timedelta(hours=hours)
    labels = known_labels(frame, model_of(), pipeline_of(), as_of)
    due = [at + pd.Timedelta(days=1) <= as_of for at in frame["at"]]
    assert (~np.isnan(labels.target)).tolist() == due


def test_labels_are_counted_by_why_they_are_not_used():
    frame = rows_of(0, 40)
    frame.loc[:9, "bought"] = pd.NA
    frame.loc[30:, "at"] += pd.Timedelta(days=9)
    labels = known_labels(frame, model_of(), pipeline_of(), datetime(2024, 1, 5, tzinfo=UTC))
    assert (labels.known, labels.waiting, labels.missing) == (20, 10, 10)


def test_without_a_moment_every_label_that_is_there_counts():
    assert known_labels(rows_of(0, 40), model_of(), pipeline_of()).known == 40


def test_batch_of_one_class_keeps_its_numbers():
    frame = rows_of(0, 40, "multiclass")
    frame = frame[frame["bought"] == "yes"]
    assert set(known_labels(frame, model_of("multiclass"), pipeline_of("multiclass")).target) == {2.0}


def test_class_that_the_model_does_not_know_is_a_missing_label():
    frame = rows_of(0, 40, "multiclass").assign(bought="perhaps")
    labels = known_labels(frame, model_of("multiclass"), pipeline_of("multiclass"))
    assert (labels.known, labels.missing) == (0, 40)


def test_column_that_is_no_target_is_told():
    frame = rows_of(0, 5).assign(bought=[0, 1, 2, 3, 4])
    labels = known_labels(frame, model_of(), pipeline_of())
    assert labels.known == 0
    assert "5 different numbers" in labels.reason


def test_batch_without_the_target_has_no_label():
    labels = known_labels(rows_of(0, 5).drop(columns="bought"), model_of(), pipeline_of())
    assert (labels.known, labels.missing, labels.reason) == (
        0,
        5,
        "the batch has no column 'bought', which the target is in",
    )


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("task", TASKS)
def test_tiny_batch_is_observed(task, rows):
    assert observed(rows_of(0, 1, task).head(rows), task).columns.num_rows == rows


def test_missing_column_is_scored_as_missing():
    frame = rows_of(0, 50)
    without = observed(frame.drop(columns="strong"))
    assert without.scores.tolist() == observed(frame.assign(strong=np.nan)).scores.tolist()
    assert list(without.unreadable) == ["strong"]


def test_column_of_another_type_is_scored_as_missing():
    frame = rows_of(0, 50)
    broken = observed(frame.assign(strong="high"))
    assert broken.scores.tolist() == observed(frame.assign(strong=np.nan)).scores.tolist()
    assert "'strong'" in broken.unreadable["strong"]


def test_infinite_numbers_are_scored_as_missing():
    frame = rows_of(0, 50)
    infinite, missing = frame.copy(), frame.copy()
    infinite.loc[:9, "strong"], missing.loc[:9, "strong"] = np.inf, np.nan
    assert observed(infinite).scores.tolist() == observed(missing).scores.tolist()


def test_column_without_a_value_is_observed():
    frame = rows_of(0, 20).assign(city=None, weak=pd.array([None] * 20, dtype="Int64"))
    assert observed(frame).columns.column(PREDICTION).null_count == 0


def test_reading_changes_nothing_in_the_batch():
    frame = rows_of(0, 20).drop(columns="strong")
    before = frame.copy()
    observed(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_pseudo_columns_of_no_label_are_null():
    model, frame = model_of(), rows_of(0, 3)
    said = pseudo_columns(model.scores(frame), np.full(3, np.nan), model, pipeline_of())
    assert said.column(TARGET).to_pylist() == said.column(LOSS).to_pylist() == [None] * 3
    assert said.schema.field(TARGET).type == pa.string()
