from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.intervals import Interval, Score, expanded_tail, resample_counts
from tasks.gate.paired import CHALLENGER, CHAMPION, Resampling, adder, independent, widened
from tasks.gate.verdict import SEED, verdict_of
from tasks.metrics import greater_is_better, score
from tasks.model.bundle import canonical
from tasks.model.decision import EMPIRICAL, Decision
from tests.contests import RESAMPLES, contest, gated, scored_rows, window

ROWS = 600


def judge(newest, gate=None, metric="roc_auc", evaluate=None, costs=None, **changes):
    return verdict_of(gated(gate, metric=metric, costs=costs, **(evaluate or {})), contest(newest, **changes))


def row_of(verdict, name):
    return next(check for check in verdict["checks"] if check["name"] == name)


def outcomes(verdict):
    return {check["name"]: check["outcome"] for check in verdict["checks"]}


def two_models(better: float, worse: float, seed: int = 0, days: int | None = None, **columns):
    """Rows on which the challenger's score tells more of the target than the champion's."""
    target, challenger = scored_rows(ROWS, better, seed)
    champion = scored_rows(ROWS, worse, seed)[1]  # the same noise: the models are alike but for their strength
    return window(target, challenger, champion, days, **columns)


# ---- the interval of a gain


def slow_gain(rows, metric):
    """Copy each resample's rows out, score both models, take the expanded percentiles of the differences."""
    sign = 1 if greater_is_better(metric) else -1
    sides = [rows.predictions[side] for side in (CHALLENGER, CHAMPION)]
    gains = []
    for counts in resample_counts(rows.blocks.count, RESAMPLES, SEED):
        drawn = np.concatenate([np.flatnonzero(rows.blocks.code == b) for b, n in enumerate(counts) for _ in range(n)])
        challenger, champion = (score(metric, rows.target[drawn], side[drawn]) for side in sides)
        gains.append(sign * (challenger - champion))
    tail = expanded_tail(0.95, rows.blocks.count)
    return np.quantile(gains, [tail, 1 - tail])


@pytest.mark.parametrize("metric", ["roc_auc", "brier", "rmse", "mae"])
@pytest.mark.parametrize("days", [None, 15])
def test_paired_interval_equals_copied_rows(metric, days):
    rows = two_models(1.5, 1.0, days=days)
    found = row_of(judge(rows, metric=metric), "newest window")["found"]
    assert [found["low"], found["high"]] == pytest.approx(slow_gain(rows, metric), abs=1e-12)


def test_gain_is_positive_where_an_error_falls():
    target = np.arange(100.0)
    found = row_of(judge(window(target, target + 1, target + 2), metric="rmse"), "newest window")["found"]
    assert (found["challenger"], found["champion"], found["gain"]) == pytest.approx((1, 2, 1))


def test_days_make_a_wider_interval_than_rows():
    target = np.zeros(600)
    by_day = np.repeat(np.random.default_rng(0).normal(size=20), 30)
    alone, together = (
        row_of(judge(window(target, by_day, by_day * 1.1, days), metric="mae"), "newest window")["found"]
        for days in (None, 20)
    )
    assert together["high"] - together["low"] > 3 * (alone["high"] - alone["low"])


# ---- better, no worse


def test_better_challenger_is_promoted_under_better():
    verdict = judge(two_models(2.0, 1.0), {"promote": "better", "twins": 0})
    assert verdict["outcome"] == "promoted"
    assert verdict["reason"].startswith("promoted, against the champion v1.2.0: roc_auc 0.9")


@pytest.mark.parametrize(("promote", "outcome"), [("better", "refused"), ("not_worse", "promoted")])
def test_equal_challenger_passes_only_as_not_worse(promote, outcome):
    assert judge(two_models(1.0, 1.0), {"promote": promote})["outcome"] == outcome


@pytest.mark.parametrize("promote", ["better", "not_worse"])
def test_worse_challenger_is_refused(promote):
    assert judge(two_models(1.0, 2.0), {"promote": promote})["outcome"] == "refused"


def test_small_loss_that_is_sure_is_refused_within_the_margin():
    target = np.arange(100.0)
    verdict = judge(window(target, target + 1.05, target + 1), {"margin": 0.1}, metric="mae")
    assert row_of(verdict, "newest window")["found"]["high"] < 0
    assert verdict["outcome"] == "refused"


def test_loss_beyond_the_margin_is_refused_however_unsure():
    generator = np.random.default_rng(1)
    target = np.zeros(40)
    worse = window(target, generator.normal(size=40) * 1.1 + 0.2, generator.normal(size=40))
    verdict = judge(worse, {"margin": 0.001}, metric="mae")
    found = row_of(verdict, "newest window")["found"]
    assert found["gain"] < -0.001 < 0 < found["high"]
    assert verdict["outcome"] == "refused"


def test_sure_gain_below_the_margin_is_no_better():
    target = np.arange(100.0)
    rows = window(target, target + 1, target + 1.05)
    assert judge(rows, {"promote": "better", "margin": 0.1}, metric="mae")["outcome"] == "refused"
    assert judge(rows, {"promote": "better", "margin": 0.01, "twins": 0}, metric="mae")["outcome"] == "promoted"


# ---- what cannot be assessed refuses


@pytest.mark.parametrize("side", [CHALLENGER, CHAMPION])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_prediction_that_is_no_number_refuses(side, value):
    rows = two_models(2.0, 1.0)
    rows.predictions[side][3] = value
    verdict = judge(rows)
    assert verdict["outcome"] == "refused"
    assert f"1 predictions of the {side} are no finite numbers" in verdict["reason"]


def test_undefined_metric_refuses():
    verdict = judge(window(np.ones(50), np.linspace(0, 1, 50), np.linspace(0, 1, 50)))
    assert verdict["outcome"] == "refused"
    assert outcomes(verdict)["newest window"] == "not assessed"
    assert "takes one value only" in verdict["reason"]


def test_no_row_left_to_judge_by_refuses():
    verdict = judge(window([], [], []), rows={"newest": 0, "left_out": 50, "anchor": 0}, seconds={})
    assert verdict["outcome"] == "refused"
    assert "the champion was trained on all 50" in verdict["reason"]


def test_champion_of_another_target_refuses():
    verdict = judge(two_models(2.0, 1.0), incomparable="the champion predicts another target")
    assert verdict["reason"] == "refused, newest window: the champion predicts another target"


def test_one_block_is_no_ground_for_better():
    verdict = judge(two_models(2.0, 1.0, days=1), {"promote": "better"})
    assert verdict["outcome"] == "refused"
    assert "all rows belong to one block" in verdict["reason"]


# ---- the first version


def test_first_version_is_promoted_by_its_own_figures():
    target, prediction = scored_rows(ROWS, 1.0, 0)
    verdict = judge(window(target, prediction), evaluate={"slices": ["group"]})
    assert (verdict["outcome"], verdict["champion"]) == ("promoted", None)
    assert "there is no champion yet: roc_auc 0.7" in verdict["reason"]


def test_first_version_without_a_metric_is_refused():
    assert judge(window(np.ones(50), np.linspace(0, 1, 50)))["outcome"] == "refused"


def test_first_version_keeps_to_the_budgets():
    target, prediction = scored_rows(ROWS, 1.0, 0)
    verdict = judge(window(target, prediction), {"budgets": {"size": 0.5}})
    assert "size: the bundle has 1.000 MB (<= 0.5 MB was asked for)" in verdict["reason"]


# ---- approval


def test_manual_approval_waits_for_a_person():
    assert judge(two_models(2.0, 1.0), {"approval": "manual"})["outcome"] == "awaits approval"


def test_refused_challenger_awaits_no_approval():
    assert judge(two_models(1.0, 2.0), {"approval": "manual"})["outcome"] == "refused"


# ---- slices


def sliced_contest(seed: int):
    """A challenger that wins by 1 % or more over all rows, and loses 5 % or more in the smaller of two groups."""
    generator = np.random.default_rng(seed)
    size = int(generator.integers(60, 150))
    group = np.repeat(["large", "small"], [ROWS - size, size])
    target, noise = (generator.random(ROWS) < 0.5).astype(float), generator.normal(size=ROWS)
    strength = np.where(group == "large", generator.uniform(1.7, 2.2), generator.uniform(0, 0.4))
    rows = window(target, strength * target + noise, 1.2 * target + noise, group=group)
    small = group == "small"
    overall, lost = (
        score("roc_auc", target[mask], rows.predictions[CHALLENGER][mask])
        - score("roc_auc", target[mask], rows.predictions[CHAMPION][mask])
        for mask in (small | True, small)
    )
    return rows if overall >= 0.01 and lost <= -0.05 else None


def refused_in_slice(seed: int) -> bool | None:
    rows = sliced_contest(seed)
    if rows is None:
        return None
    verdict = judge(rows, {"slice_margin": 0.02}, evaluate={"slices": ["group"]})
    return verdict["outcome"] == "refused" and outcomes(verdict) | {"slice group=small": "failed"} == outcomes(verdict)


def count_refused(seeds: range) -> tuple[int, int]:
    found = [refused for seed in seeds if (refused := refused_in_slice(seed)) is not None]
    return len(found), sum(found)


def test_gain_overall_never_pays_for_a_loss_in_a_slice():
    contests, refused = count_refused(range(40))
    assert contests >= 30
    assert refused == contests


@pytest.mark.campaign
def test_gain_overall_never_pays_for_a_loss_in_a_slice_in_400_contests():
    contests, refused = count_refused(range(500))
    assert contests >= 400
    assert refused == contests


def test_loss_in_a_slice_is_told_without_a_margin():
    verdict = judge(next(filter(None, map(sliced_contest, range(9)))), evaluate={"slices": ["group"]})
    assert verdict["outcome"] == "promoted"
    assert row_of(verdict, "slice group=small")["found"]["gain"] < -0.05
    assert outcomes(verdict)["slice group=small"] == "advisory"


def test_slice_of_one_class_is_not_assessed_and_refuses_nobody():
    rows = two_models(2.0, 1.0, group=np.repeat(["a", "b"], [ROWS - 50, 50]))
    rows.target[-50:] = 0
    verdict = judge(rows, {"slice_margin": 0.01}, evaluate={"slices": ["group"]})
    assert outcomes(verdict)["slice group=b"] == "not assessed"
    assert verdict["outcome"] == "promoted"


# ---- older rows


def test_forgetting_that_is_sure_refuses():
    verdict = judge(two_models(2.0, 1.0), anchor=two_models(0.2, 2.0, seed=1))
    assert outcomes(verdict)["anchor window"] == "failed"
    assert verdict["outcome"] == "refused"


UNLESS = {"anchor": "unless_changed"}


def test_forgetting_a_world_that_is_gone_is_told_only_where_that_is_declared():
    gone = {"newest": two_models(2.0, 0.2), "anchor": two_models(0.2, 2.0, seed=1)}
    assert outcomes(judge(**gone))["anchor window"] == "failed"
    verdict = judge(gate=UNLESS, **gone)
    assert (outcomes(verdict)["anchor window"], verdict["outcome"]) == ("advisory", "promoted")


def test_forgetting_refuses_where_the_champion_is_no_worse_than_it_was():
    verdict = judge(two_models(2.5, 2.0), UNLESS, anchor=two_models(0.2, 2.0, seed=1))
    assert (outcomes(verdict)["anchor window"], verdict["outcome"]) == ("failed", "refused")


def test_forgetting_refuses_where_the_challenger_is_no_better_in_the_new_world():
    verdict = judge(two_models(0.2, 0.2), UNLESS, anchor=two_models(0.2, 2.0, seed=1))
    assert (outcomes(verdict)["anchor window"], verdict["outcome"]) == ("failed", "refused")


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32))
def test_sums_per_block_add_up_to_the_bits_of_a_plain_sum(blocks, levels, seed):
    random = np.random.default_rng(seed)
    sums = random.normal(size=(blocks, levels)) * (random.random((blocks, levels)) < 0.5)
    counts = random.integers(0, 4, blocks)
    plain = np.zeros(levels)
    for count, row in zip(counts, sums, strict=True):
        plain += count * row
    assert adder(sums)(counts).tolist() == plain.tolist()


def test_other_rows_are_resampled_independently():
    drawn = Score(1.0, np.arange(5.0), 5)
    assert (independent(drawn).resampled == drawn.resampled).sum() == 0
    assert sorted(independent(drawn).resampled) == sorted(drawn.resampled)


def test_small_loss_on_older_rows_refuses_nobody():
    verdict = judge(two_models(2.0, 1.0), {"margin": 0.05}, anchor=two_models(1.0, 1.05, seed=1))
    assert outcomes(verdict)["anchor window"] == "passed"


def test_what_no_budget_limits_need_not_be_measured():
    few = judge(two_models(2.0, 1.0), told_only=False)
    assert "calibration" not in outcomes(few)
    assert "calibration" in outcomes(judge(two_models(2.0, 1.0), {"budgets": {"calibration": 0.5}}, told_only=False))
    assert few["outcome"] == judge(two_models(2.0, 1.0))["outcome"]


def test_missing_anchor_is_told_with_its_reason():
    anchor = row_of(judge(two_models(2.0, 1.0)), "anchor window")
    assert (anchor["outcome"], anchor["reason"]) == ("not assessed", "0 older rows are there")


# ---- the luck of a seed


def test_twins_are_trained_only_for_a_winner():
    judge(two_models(1.0, 2.0), {"promote": "better"})
    judge(two_models(2.0, 1.0), {"promote": "not_worse"})
    with pytest.raises(AssertionError, match="4 twins"):
        judge(two_models(2.0, 1.0), {"promote": "better"})


def test_gain_within_the_luck_of_seeds_is_refused():
    rows = two_models(1.3, 1.0)
    twins = [scored_rows(ROWS, strength, 0)[1] for strength in (0.8, 1.0, 1.2, 1.4)]
    verdict = judge(rows, {"promote": "better"}, twins=lambda _count: twins)
    plain = judge(rows, {"promote": "better", "twins": 0})
    assert (verdict["outcome"], plain["outcome"]) == ("refused", "promoted")
    assert "seeds alone make up to" in verdict["reason"]


def test_gain_beyond_the_luck_of_seeds_is_promoted():
    rows = two_models(3.0, 1.0)
    twins = [scored_rows(ROWS, strength, 0)[1] for strength in (2.95, 3.0, 3.05, 3.02)]
    assert judge(rows, {"promote": "better"}, twins=lambda _count: twins)["outcome"] == "promoted"


def test_twin_without_a_score_lets_nobody_through():
    rows = two_models(3.0, 1.0)
    verdict = judge(rows, {"promote": "better"}, metric="brier", twins=lambda _count: [np.full(ROWS, np.nan)] * 4)
    assert json.loads(canonical(verdict))["outcome"] == "refused"
    assert row_of(verdict, "newest window")["outcome"] == "not assessed"


def test_gain_of_another_seed_alone_is_luck():
    rows = two_models(3.0, 1.0)
    verdict = judge(rows, {"promote": "better"}, seed_alone=True)
    assert verdict["outcome"] == "refused"
    assert "differ by their seed alone" in verdict["reason"]
    assert judge(rows, {"promote": "not_worse"}, seed_alone=True)["outcome"] == "promoted"


def test_luck_is_students_half_width_of_a_difference():
    from scipy import stats

    scores = [0.70, 0.71, 0.72, 0.69, 0.70]
    expected = stats.t.ppf(0.975, 4) * np.std(scores, ddof=1) * 2**0.5
    assert Resampling(100, 0.95, 7).luck(scores) == pytest.approx(expected)


def test_independent_doubts_add_up_as_squares():
    found = widened(Interval(1.0, -2.0, 4.0), 4.0)
    assert (found.value, found.low, found.high) == pytest.approx((1.0, -4.0, 6.0))


# ---- what budgets refuse


def test_bad_calibration_is_told_and_refused_by_a_budget():
    target, champion = scored_rows(ROWS, 2.0, 0)
    rows = window(target, champion**4, champion)  # the same order of rows, other probabilities
    assert outcomes(judge(rows))["calibration"] == "advisory"
    assert outcomes(judge(rows, {"budgets": {"calibration": 0.02}}))["calibration"] == "failed"


def slow_calibration_error(target, prediction):
    order = np.argsort(prediction, kind="stable")
    parts = np.array_split(order, 10)
    return sum(abs(prediction[part].mean() - target[part].mean()) * len(part) for part in parts) / len(target)


def test_calibration_error_equals_bins_written_out():
    target, prediction = scored_rows(ROWS, 2.0, 0)
    found = row_of(judge(window(target, prediction, prediction)), "calibration")["found"]["challenger"]
    assert found == pytest.approx(slow_calibration_error(target, prediction))


COSTS = {"false_positive": 1, "false_negative": 9}  # so a row is acted on from 0.1 on


def test_value_is_the_cost_matrix_written_out():
    target, challenger, champion = np.array([0.0, 0, 1, 1]), [0.05, 0.2, 0.05, 0.9], [0.2, 0.2, 0.2, 0.2]
    found = row_of(judge(window(target, challenger, champion), costs=COSTS), "value")["found"]
    assert (found["challenger"], found["champion"]) == ((0 + 1 + 9 + 0) / 4, (1 + 1 + 0 + 0) / 4)


def test_value_is_what_each_model_decides():
    target, prediction = np.array([0.0, 0, 1, 1]), [0.05, 0.2, 0.05, 0.9]
    decisions = {CHALLENGER: Decision(EMPIRICAL, 0.5, None), CHAMPION: Decision(EMPIRICAL, 0.04, None)}
    rows = window(target, prediction, prediction, decisions=decisions)
    found = row_of(judge(rows, costs=COSTS), "value")["found"]
    assert (found["challenger"], found["champion"]) == ((0 + 0 + 9 + 0) / 4, (1 + 1 + 0 + 0) / 4)


def test_dearer_challenger_is_refused_when_that_is_sure():
    target, champion = scored_rows(ROWS, 2.0, 0)
    verdict = judge(window(target, champion * 0.1, champion), costs=COSTS)  # misses rows; the order is the same
    assert outcomes(verdict)["newest window"] == "passed"
    assert outcomes(verdict)["value"] == "failed"


def test_regression_pays_for_over_and_under_prediction():
    target = np.full(4, 10.0)
    rows = window(target, [12.0, 12, 9, 10], target)
    found = row_of(judge(rows, costs={"over": 1, "under": 3}, metric="rmse"), "value")["found"]
    assert found["challenger"] == (2 + 2 + 3 + 0) / 4


def test_rise_of_cost_beyond_its_margin_is_refused_however_unsure():
    rows = window(np.full(4, 10.0), [12.0, 10, 10, 10], [10.0, 11, 10, 10])
    costs = {"over": 1, "under": 3}
    assert outcomes(judge(rows, costs=costs, metric="rmse"))["value"] == "passed"
    assert outcomes(judge(rows, {"cost_margin": 0.1}, costs=costs, metric="rmse"))["value"] == "failed"


@pytest.mark.parametrize(
    ("budget", "check", "changes"),
    [
        ({"explanation": 0.2}, "explanation", {"explanation": 0.3}),
        ({"size": 2}, "size", {"sizes": {CHALLENGER: 2_000_001, CHAMPION: 1}}),
        ({"latency": 1.5}, "latency", {"seconds": {CHALLENGER: 0.031, CHAMPION: 0.02}}),
    ],
)
def test_measure_is_told_and_refused_by_a_budget(budget, check, changes):
    rows = two_models(2.0, 1.0)
    told, kept, exceeded = (
        judge(rows, **changes),
        judge(rows, {"budgets": budget}),
        judge(rows, {"budgets": budget}, **changes),
    )
    assert [outcomes(verdict)[check] for verdict in (told, kept, exceeded)] == ["advisory", "passed", "failed"]
    assert [verdict["outcome"] for verdict in (told, kept, exceeded)] == ["promoted", "promoted", "refused"]


def test_failed_leak_audit_refuses():
    rows = two_models(2.0, 1.0)
    leaking = judge(rows, leak_audit={"outcome": "failed", "reason": "dep_delay tells 0.99 of the target"})
    assert leaking["reason"].startswith("refused, leak audit: dep_delay tells 0.99 of the target")
    assert judge(rows, leak_audit={"outcome": "passed"})["outcome"] == "promoted"


# ---- the verdict as a whole


def test_verdict_is_plain_values_without_nan():
    rows = two_models(2.0, 1.0, group=np.repeat(["a", "b"], [ROWS - 50, 50]))
    rows.target[-50:] = 0
    verdict = judge(rows, {"protected": ["group"]}, evaluate={"slices": ["group"]}, costs=COSTS, anchor=rows)
    assert json.loads(canonical(verdict)) == verdict


def test_verdict_is_the_same_twice():
    rows = two_models(2.0, 1.0)
    assert canonical(judge(rows)) == canonical(judge(replace(rows)))


def test_every_reason_of_a_refusal_is_in_its_sentence():
    verdict = judge(two_models(1.0, 2.0), {"budgets": {"size": 0.5, "explanation": 0.1}}, explanation=0.4)
    assert all(name in verdict["reason"] for name in ("newest window:", "size:", "explanation:"))
