from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.intervals import expanded_tail, resample_counts
from tasks.gate.fairness import binned, cramers_v, groups_of, measures_of, rates_of, stand_ins
from tasks.gate.verdict import SEED, verdict_of
from tests.contests import RESAMPLES, contest, gated, window

# group, target, prediction, acted on from 0.5 on
TABLE = """
    a 1 0.9
    a 1 0.8
    a 1 0.2
    a 0 0.7
    a 0 0.1
    b 1 0.6
    b 1 0.3
    b 0 0.4
    b 0 0.2
    b 0 0.1
"""
ROWS = pd.DataFrame([line.split() for line in TABLE.split("\n") if line], columns=["group", "target", "prediction"])
GROUP, TARGET, PREDICTION = ROWS["group"], ROWS["target"].astype(float), ROWS["prediction"].astype(float)
RATES = {  # written out from the table: a acts on 3 of 5, 2 of its 3 positives, 1 of its 2 negatives
    "a": {"selection rate": 3 / 5, "true positive rate": 2 / 3, "false positive rate": 1 / 2},
    "b": {"selection rate": 1 / 5, "true positive rate": 1 / 2, "false positive rate": 0 / 3},
}
COSTS = {"false_positive": 1, "false_negative": 1}  # a threshold of 0.5


def verdict_on(table_rows, gate=None, metric="roc_auc", **evaluate):
    gate, costs = {"protected": ["group"], **(gate or {})}, evaluate.pop("costs", COSTS if metric == "roc_auc" else {})
    return verdict_of(gated(gate, metric=metric, costs=costs, **({"slice_rows": 1} | evaluate)), contest(table_rows))


def table(champion=None):
    return window(TARGET, PREDICTION, champion, group=GROUP.to_numpy())


def check_of(verdict, measure):
    return next(check for check in verdict["checks"] if check["name"] == f"fairness of group: {measure}")


def test_rates_equal_the_table_written_out():
    groups = verdict_on(table())["fairness"][0]["groups"]
    assert [(entry["group"], entry["rows"]) for entry in groups] == [("a", 5), ("b", 5)]
    for entry in groups:
        assert {name: entry[name] for name in RATES["a"]} == pytest.approx(RATES[entry["group"]])


@pytest.mark.parametrize("measure", RATES["a"])
def test_distance_is_that_of_the_written_rates(measure):
    found = check_of(verdict_on(table()), measure)["found"]["challenger"]
    assert found == pytest.approx(RATES["a"][measure] - RATES["b"][measure])


def test_threshold_is_the_share_of_ones_without_costs():
    fairness = verdict_on(table(), costs={})["fairness"][0]
    assert fairness["threshold"] == 0.5
    assert verdict_on(table(), costs={"false_positive": 1, "false_negative": 9})["fairness"][0]["threshold"] == 0.1


def test_budget_refuses_what_is_told_otherwise():
    told, kept, exceeded = (
        verdict_on(table(), {"budgets": {"fairness": budget}} if budget else {}) for budget in (None, 0.6, 0.3)
    )
    outcomes = [check_of(verdict, "selection rate")["outcome"] for verdict in (told, kept, exceeded)]
    assert outcomes == ["advisory", "passed", "failed"]
    assert (kept["outcome"], exceeded["outcome"]) == ("promoted", "refused")
    assert "groups of group are 0.4000 [" in exceeded["reason"]


def test_champions_distance_is_told_beside_it():
    found = check_of(verdict_on(table(champion=np.full(10, 0.9))), "selection rate")["found"]
    assert (found["challenger"], found["champion"]) == (pytest.approx(0.4), 0.0)


def test_one_group_has_no_distance_and_a_budget_refuses_it():
    alone = window(TARGET, PREDICTION, group=["a"] * 10)
    told = check_of(verdict_on(alone), "selection rate")
    assert (told["outcome"], told["found"]["challenger"]) == ("not assessed", None)
    assert "fewer than two groups" in told["reason"]
    assert verdict_on(alone, {"budgets": {"fairness": 0.5}})["outcome"] == "refused"


def test_group_without_positives_has_no_true_positive_rate():
    target = TARGET.where(GROUP == "a", 0.0)
    verdict = verdict_on(window(target, PREDICTION, group=GROUP.to_numpy()))
    assert verdict["fairness"][0]["groups"][1]["true positive rate"] is None
    assert check_of(verdict, "true positive rate")["outcome"] == "not assessed"
    assert check_of(verdict, "selection rate")["outcome"] == "advisory"


def many_rows(days=None):
    generator = np.random.default_rng(3)
    group = generator.choice(["a", "b", "c"], 300)
    target = (generator.random(300) < 0.4).astype(float)
    prediction = np.clip(0.3 * target + 0.2 * (group == "a") + generator.random(300) * 0.6, 0, 1)
    return window(target, prediction, days=days, group=group)


@pytest.mark.parametrize("days", [None, 20])
def test_interval_equals_copied_rows(days):
    rows = many_rows(days)
    group, prediction, gaps = rows.frame["group"].to_numpy(), rows.predictions["challenger"], []
    for counts in resample_counts(rows.blocks.count, RESAMPLES, SEED):
        drawn = np.concatenate([np.flatnonzero(rows.blocks.code == b) for b, n in enumerate(counts) for _ in range(n)])
        rates = [(prediction[drawn][group[drawn] == name] >= 0.5).mean() for name in "abc"]
        gaps.append(max(rates) - min(rates))
    tail = expanded_tail(0.95, rows.blocks.count)
    found = check_of(verdict_on(rows), "selection rate")["found"]
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(gaps, [tail, 1 - tail]).tolist())


def test_regression_groups_are_compared_by_error():
    target, prediction = np.array([10.0, 10, 10, 10]), np.array([12.0, 10, 9, 9])
    rows = window(target, prediction, group=["a", "a", "b", "b"])
    verdict = verdict_on(rows, metric="rmse")
    assert verdict["fairness"][0]["groups"][0]["mean error"] == 1.0
    assert check_of(verdict, "mean error")["found"]["challenger"] == pytest.approx(2.0)  # +1 and -1
    assert check_of(verdict, "mean absolute error")["found"]["challenger"] == pytest.approx(0.0)


# ---- groups


def test_rare_levels_form_one_group():
    assert groups_of(pd.Series(["a"] * 5 + ["b", None]), least_rows=2).names == ("(other)", "a")


def test_missing_values_are_a_group():
    assert groups_of(pd.Series(["a", None, "a", None]), least_rows=2).names == ("(missing)", "a")


@pytest.mark.parametrize("dtype", ["float64", "Int64"])
def test_number_of_many_values_forms_quarters(dtype):
    ages = pd.Series([*range(20, 60), None], dtype=dtype)
    groups = groups_of(ages, least_rows=1)
    assert groups.names == ("(missing)", "20 to 29", "30 to 39", "40 to 49", "50 to 59")
    assert np.bincount(groups.code).tolist() == [1, 10, 10, 10, 10]


def test_number_of_few_values_keeps_them():
    assert binned(pd.Series([1, 2, 2, 3]), bins=4).tolist() == [1, 2, 2, 3]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_equal_numbers_share_a_quarter(values):
    column = pd.Series(values, dtype="float64")
    assert (binned(column, 4).groupby(column).nunique() == 1).all()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 1)), min_size=2, max_size=40))
def test_groups_rates_add_up_to_all_rows(rows):
    group, target, prediction = (np.array(column) for column in zip(*rows, strict=True))
    groups = groups_of(pd.Series(group), least_rows=1)
    table = rates_of(groups, measures_of("binary", target.astype(float), prediction, 0.5))
    acted = sum(entry["selection rate"] * entry["rows"] for entry in table)
    assert acted == pytest.approx((prediction >= 0.5).sum())


# ---- columns that stand in


def slow_cramers_v(first, second):
    """Bergsma's correction, cell by cell."""
    n, rows, columns = len(first), sorted(set(first)), sorted(set(second))
    phi = -1.0
    for a in rows:
        for b in columns:
            both = sum(x == a and y == b for x, y in zip(first, second, strict=True))
            phi += both**2 / (list(first).count(a) * list(second).count(b))
    r, k = len(rows), len(columns)
    phi = max(0.0, phi - (r - 1) * (k - 1) / (n - 1))
    return (phi / min(r - (r - 1) ** 2 / (n - 1) - 1, k - (k - 1) ** 2 / (n - 1) - 1)) ** 0.5


@pytest.mark.parametrize("seed", range(5))
def test_association_equals_cells_written_out(seed):
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 3, 80)
    second = np.where(generator.random(80) < 0.5, first, generator.integers(0, 4, 80))
    assert cramers_v(first, second) == pytest.approx(slow_cramers_v(first, second))


def test_many_levels_that_mean_nothing_stand_in_for_nothing():
    generator = np.random.default_rng(0)
    assert cramers_v(generator.integers(0, 2, 2000), generator.integers(0, 800, 2000)) < 0.15


def test_stand_ins_are_the_closest_inputs_first():
    generator = np.random.default_rng(1)
    group = generator.choice(["f", "m"], 500)
    frame = pd.DataFrame(
        {
            "group": group,
            "height": np.where(group == "m", 178, 165) + generator.normal(size=500) * 5,
            "title": np.where(group == "m", "Mr", "Ms"),
            "noise": generator.normal(size=500),
            "constant": 1.0,
        }
    )
    found = stand_ins(frame, "group", ("group", "noise", "height", "constant", "title"), least_rows=20)
    assert [entry["column"] for entry in found] == ["title", "height", "noise"]
    assert found[0]["association"] == pytest.approx(1.0)
    assert found[1]["association"] > 0.7
    assert found[2]["association"] < 0.2
