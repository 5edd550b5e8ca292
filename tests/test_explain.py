from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from tasks.evaluation.explain import (
    AdditivityError,
    direction,
    explain,
    importance_table,
    sample_rows,
    tree_contributions,
)
from tasks.model.boosting import BoostedTrees


@pytest.fixture(scope="module")
def trees():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(400, 3)), columns=["up", "down", "noise"])
    frame.loc[::7, "up"] = np.nan
    target = np.where(frame["up"].isna(), 0, frame["up"]) * 3 - frame["down"]
    return BoostedTrees("regression", {"max_depth": 3}, rounds=15).fit(frame, target), frame


def leaf_cover(node):
    return node["cover"]


def expected_margin(node, row, known):
    """What a tree says when only some features are known: unknown splits are averaged by their rows."""
    if "leaf" in node:
        return node["leaf"]
    children = {child["nodeid"]: child for child in node["children"]}
    if node["split"] in known:
        value = row[node["split"]]
        chosen = (
            node["missing"]
            if np.isnan(value)
            else node["yes"]
            if np.float32(value) < np.float32(node["split_condition"])
            else node["no"]
        )
        return expected_margin(children[chosen], row, known)
    return sum(leaf_cover(child) / leaf_cover(node) * expected_margin(child, row, known) for child in node["children"])


def slow_shapley(booster, row, features):
    """Shapley's own formula: over all orders, what a feature adds to those before it."""
    import json

    dump = [json.loads(tree) for tree in booster.get_dump(dump_format="json", with_stats=True)]
    margin = {
        known: sum(expected_margin(tree, row, known) for tree in dump)
        for size in range(len(features) + 1)
        for known in itertools.combinations(features, size)
    }
    ordered = {frozenset(known): value for known, value in margin.items()}
    orders = list(itertools.permutations(features))
    found = dict.fromkeys(features, 0.0)
    for order in orders:
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            found[name] += (ordered[before | {name}] - ordered[before]) / math.factorial(len(features))
    return found


def test_contributions_are_shapley_values(trees):
    model, frame = trees
    contributions, _ = tree_contributions(model.booster, frame.iloc[:8])
    for place in range(8):
        slow = slow_shapley(model.booster, frame.iloc[place], list(frame.columns))
        assert contributions[place, :-1] == pytest.approx(list(slow.values()), abs=1e-4)


def test_contributions_add_up_to_the_prediction(trees):
    model, frame = trees
    contributions, error = tree_contributions(model.booster, frame)
    assert contributions.sum(axis=1) == pytest.approx(model.scores(frame), abs=1e-3)
    assert error < 1e-3


class Broken:
    """A booster whose contributions miss its margin."""

    def predict(self, matrix, pred_contribs=False, output_margin=False):
        rows = matrix.num_row()
        return np.full((rows, 3), 0.5, np.float32) if pred_contribs else np.full(rows, 1.51, np.float32)


def test_contributions_that_do_not_add_up_are_refused():
    with pytest.raises(AdditivityError, match=r"miss their prediction by 0\.01"):
        tree_contributions(Broken(), pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}))


def test_directions_are_the_planted_ones(trees):
    model, frame = trees
    found = {entry["feature"]: entry for entry in explain(model.booster, frame)["features"]}
    assert (found["up"]["direction"], found["down"]["direction"]) == ("raises", "lowers")
    assert found["noise"]["share"] < 0.05


def test_unused_feature_weighs_nothing():
    frame = pd.DataFrame({"used": [1.0, 2.0, 3.0], "unused": [5.0, 1.0, 2.0]})
    table = importance_table(frame, np.array([[1.0, 0, 9], [2.0, 0, 9], [-3.0, 0, 9]]), {"used": 4.0})
    assert table[1] == {"feature": "unused", "contribution": 0.0, "share": 0.0, "gain": 0.0, "direction": "nothing"}
    assert (table[0]["contribution"], table[0]["share"], table[0]["gain"]) == (2.0, 1.0, 1.0)


def test_relation_without_order_goes_both_ways():
    values = pd.Series(np.linspace(-1, 1, 101))
    assert direction(values, values**2) == "both ways"


def test_sample_is_seeded_and_without_repetition():
    sample = sample_rows(10_000, seed=3, limit=500)
    assert len(set(sample.tolist())) == 500
    assert np.array_equal(sample, sample_rows(10_000, seed=3, limit=500))
    assert not np.array_equal(sample, sample_rows(10_000, seed=4, limit=500))


def test_several_classes_are_explained_each():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(400, 3)), columns=["a", "b", "noise"])
    target = np.where(frame["a"] > 0.5, 2.0, (frame["b"] > 0).astype(float))
    model = BoostedTrees("multiclass", {"max_depth": 3}, rounds=15).fit(frame, target)
    contributions, error = tree_contributions(model.booster, frame)
    assert contributions.shape == (400, 3, 4)
    assert error < 1e-3
    found = {entry["feature"]: entry for entry in explain(model.booster, frame, ("x", "y", "z"))["features"]}
    assert (found["a"]["class"], found["a"]["direction"]) == ("z", "raises")
    assert found["noise"]["share"] < 0.1
    assert sum(entry["share"] for entry in found.values()) == pytest.approx(1)


def test_explanation_does_not_depend_on_threads(trees, monkeypatch):
    model, frame = trees
    first = explain(model.booster, frame)
    model.booster.set_param({"nthread": 1})
    assert explain(model.booster, frame) == first
