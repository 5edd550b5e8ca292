import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.model import concept_drift, counted_means, known_labels, observed_model
from tasks.drift.model.history import CountedMeans, Null, cell_values, joined
from tasks.drift.model.labels import Labels
from tasks.drift.pseudo_columns import LOSS
from tests.drift_world import BATCHES, model_of, pipeline_of, profile_of, rows_of

ALPHA = 0.1


def drift_of(frame, task="binary", alpha=ALPHA, as_of=None):
    said = observed_model(frame, model_of(task), pipeline_of(task), as_of=as_of)
    losses = said.columns.column(LOSS).to_numpy(zero_copy_only=False)
    loss = "squared error" if task == "regression" else "log loss"
    return concept_drift(losses, said.labels, counted_means(profile_of(task), LOSS), loss, alpha)


def flipped(frame, share):
    random = np.random.default_rng(5)
    flips = random.random(len(frame)) < share
    return frame.assign(bought=frame["bought"].where(~flips, ~frame["bought"]))


def labels(rows, waiting=0, reason=None):
    return Labels(np.full(rows, np.nan), waiting, rows - waiting, reason)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=30, unique=True), st.floats(0.01, 0.9), st.floats(-1, 2))
def test_value_of_a_small_p_value_is_beyond_its_threshold(values, alpha, found):
    null = Null(np.array(values))
    assert null.p_value(found) > alpha - 1e-6 or found > null.threshold(alpha) - 1e-9


def test_rank_threshold_alarms_in_its_share_of_exchangeable_draws():
    random = np.random.default_rng(3)
    draws = random.normal(size=(4000, 20))
    alarms = [row[0] > Null(row[1:]).threshold(0.1) for row in draws]
    assert np.mean(alarms) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("draw", ["normal", "gumbel", "logistic"])
def test_tail_threshold_alarms_at_most_in_its_share(draw):
    draws = getattr(np.random.default_rng(3), draw)(size=(10_000, 13))
    alarms = [row[0] > Null(row[1:]).threshold(0.02) for row in draws]
    assert 0.4 * 0.02 < np.mean(alarms) <= 1.2 * 0.02


def test_short_history_is_widened_and_told():
    null = Null(np.array([0.1, 0.2, 0.3]))
    assert null.threshold(0.01) > 0.3
    assert "3 stretches of history cannot show what happens once in 100 batches" in null.widened(0.01)


def test_long_history_is_not_widened():
    assert Null(np.arange(20.0)).widened(0.1) is None


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 20))
def test_joined_blocks_are_long_enough_and_none_is_used_twice(rows, wanted):
    found = joined(np.array(rows), np.array(rows, dtype=float), wanted)
    assert (found[:, 0] >= max(wanted - 4.5, 1)).all()
    assert found[:, 0].sum() <= sum(rows)


@given(st.integers(0, 2**32))
def test_counted_cells_keep_the_mean_of_the_reference(seed):
    losses = np.random.default_rng(seed).exponential(size=500)
    edges = np.quantile(losses, np.arange(1, 8) / 8)
    counts = np.bincount(np.searchsorted(edges, losses, side="right"), minlength=8)
    values = cell_values(edges, counts, float(losses.min()), float(losses.mean()))
    assert (counts * values).sum() / 500 == pytest.approx(losses.mean(), rel=0.02)


def test_blocks_longer_than_the_batch_are_stretched_to_its_spread():
    random = np.random.default_rng(3)
    values = random.integers(0, 2, (400, 100))
    rows = np.stack([100 - values.sum(axis=1), values.sum(axis=1)], axis=1)
    means = CountedMeans(np.array([1.0]), np.array([0.0, 1.0]), rows)
    assert means.deviations(25).std() == pytest.approx(0.5 / 5, rel=0.15)


def test_quiet_batch_is_within_its_interval():
    assert not any(drift_of(rows_of(BATCHES + batch)).alarmed for batch in range(4))


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_changed_relation_is_seen_in_the_loss(task):
    frame = rows_of(BATCHES, task=task)
    changed = flipped(frame, 0.25) if task == "binary" else frame.assign(bought=frame["bought"] + 1.0)
    found = drift_of(changed, task)
    assert found.alarmed
    assert found.value > found.interval[1] > found.reference


def test_loss_that_falls_is_no_alarm():
    frame = rows_of(BATCHES)
    sure = frame.assign(bought=model_of().scores(frame) > 0.5)
    found = drift_of(sure)
    assert found.value < found.interval[0]
    assert not found.alarmed


def test_flipped_labels_that_are_not_due_alarm_nobody():
    frame = flipped(rows_of(BATCHES), 0.5)
    found = drift_of(frame, as_of=frame["at"].iloc[-1].to_pydatetime())
    assert (found.rows, found.waiting) == (0, 500)
    assert found.off == "no row's label is known"
    assert not found.alarmed


def test_only_rows_with_a_due_label_are_used():
    frame = rows_of(BATCHES)
    late = frame["at"].iloc[250] + np.timedelta64(1, "D")
    wrong_later = frame.assign(bought=frame["bought"].where(frame["at"] <= frame["at"].iloc[250], ~frame["bought"]))
    assert not drift_of(wrong_later, as_of=late.to_pydatetime()).alarmed


@pytest.mark.parametrize("rows", [0, 1])
def test_tiny_batch_has_a_defined_result(rows):
    found = drift_of(rows_of(BATCHES).head(rows))
    assert not found.alarmed
    assert (found.off is None) == (rows == 1)


def test_batch_that_the_history_holds_too_seldom_is_compared_in_parts_and_the_interval_is_wider():
    found, like_the_history = drift_of(rows_of(BATCHES, rows=3000)), drift_of(rows_of(BATCHES))
    assert found.off is None
    assert found.widened.startswith("3000 rows have their label, and the history was compared in parts of")
    assert "times as wide as for rows that know nothing of each other" in found.widened
    assert found.interval[1] - found.reference > (500 / 3000) ** 0.5 * (like_the_history.interval[1] - found.reference)
    assert drift_of(flipped(rows_of(BATCHES, rows=3000), 0.5)).alarmed


def test_history_of_two_blocks_is_not_tested():
    history = CountedMeans(np.array([0.5]), np.array([0.25, 0.75]), np.array([[40, 10], [35, 15]]))
    found = concept_drift(np.full(200, 0.6), labels(200), history, "log loss", ALPHA)
    assert "are needed to know how much they differ" in found.off


def test_profile_without_losses_is_told():
    found = concept_drift(np.ones(5), labels(5), None, "log loss", ALPHA)
    assert found.sentence.startswith("Concept drift is not tested: the profile holds no loss of the reference")


def test_column_that_is_no_target_is_the_reason():
    frame = rows_of(BATCHES, 20).assign(bought=range(20))
    assert "20 different numbers" in drift_of(frame).off


def test_sentence_counts_the_labels():
    frame = rows_of(BATCHES)
    found = drift_of(frame.assign(bought=frame["bought"].where(frame.index >= 100)))
    assert "400 rows have their label, 0 wait for it, 100 lack it" in found.sentence


def test_known_labels_and_losses_agree():
    frame = rows_of(BATCHES)
    assert known_labels(frame, model_of(), pipeline_of()).known == drift_of(frame).rows == 500
