"""Each fold with what its own training rows hold, several at a time, and nothing that the validated rows tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tasks.train import declared_model, fit_final
from tasks.training.cross_validation import (
    Fold,
    FoldFitError,
    SharedThreads,
    affordable,
    cross_validate,
    fit_fold,
    rounds_for_all_rows,
)
from tasks.training.matrices import fit_matrices, prepare
from tasks.training.memory import UNKNOWN, free_memory
from tasks.training.rows import balancing_weights
from tests.pipelines import make_pipeline
from tests.training import training_rows

COLUMNS = {
    "when": {"type": "timestamp"},
    "household": {"type": "category"},
    "street": {"type": "category"},
    "agent": {"type": "category"},
    "size": {"type": "float"},
    "sold": {"type": "boolean"},
}
SPLITS = {
    "stratified": {"kind": "stratified"},
    "group": {"kind": "group", "group": "household"},
    "time": {"kind": "time"},
    "time and group": {"kind": "time", "group": "household"},
}


def declared(split="stratified", known_after="0d", **sections):
    """A small pipeline of each kind of split: its household is a feature unless rows are split by it."""
    settings = {"folds": 3, **SPLITS[split], **sections.pop("split", {})}
    train = {"rounds": 40, "early_stopping_rounds": 10, "early_stopping_share": 0.3, "params": {"max_depth": 3}}
    train |= sections.pop("train", {})
    time = {"column": "when"} if settings["kind"] == "time" else {}
    target = {"name": "sold", "known_after": known_after}
    return make_pipeline(COLUMNS, split=settings, train=train, time=time, target=target, **sections)


def noise(rows, seed, *, levels=0.25):
    """Rows whose target nothing tells: households of a few rows each, streets and agents with a few rows per level."""
    random = np.random.default_rng(seed)
    texts = {
        name: np.char.add(f"{name} ", random.integers(0, max(2, int(rows * share)), rows).astype(str)).astype(object)
        for name, share in (("household", 0.2), ("street", levels), ("agent", levels / 4))
    }
    raw = pd.DataFrame({**texts, "size": random.normal(size=rows)})
    return raw, (random.random(rows) < 0.4).astype(float), random.integers(0, rows // 20, rows)


def noisy_rows(split, rows, seed, **settings):
    """Noise as a pipeline of one kind of split is given it.

    With groups, a household has one outcome and one street: whoever meets it on both sides of a fit knows the answer.
    """
    pipeline = declared(split, **settings)
    raw, target, days = noise(rows, seed)
    groups = None
    if pipeline.split.group is not None:
        groups = raw["household"].to_numpy()
        outcome = dict(zip(groups, target, strict=True))
        target = np.array([outcome[name] for name in groups])
        raw["street"] = "street of " + raw["household"]
    return training_rows(pipeline, raw[list(pipeline.input_columns)], target, days=days, groups=groups)


def prepared_of(rows):
    model = declared_model(rows.pipeline, rows.classes)
    return model, prepare(model, rows)


@pytest.fixture(scope="module")
def rows():
    """A target that two columns tell, in part."""
    raw, target, _ = noise(900, 1, levels=0.02)
    told = (raw["size"] > 0.3) | raw["street"].isin(raw["street"].unique()[:4])
    pipeline = declared()
    return training_rows(pipeline, raw[list(pipeline.input_columns)], np.where(told, 1.0, target))


def test_folds_side_by_side_are_as_one_by_one(rows):
    model, prepared = prepared_of(rows)
    alone, together = (cross_validate(prepared, model, threads) for threads in (1, 3))
    assert [fold.prediction.tolist() for fold in alone] == [fold.prediction.tolist() for fold in together]
    assert [fold.curve for fold in alone] == [fold.curve for fold in together]


def test_folds_validate_each_row_once(rows):
    model, prepared = prepared_of(rows)
    folds = cross_validate(prepared, model, 2)
    assert sorted(np.concatenate([fold.valid for fold in folds])) == list(range(len(rows.target)))
    assert min(fold.score for fold in folds) > 0.6


@pytest.mark.parametrize("split", SPLITS)
def test_validated_targets_never_reach_their_folds_model(split):
    rows = noisy_rows(split, 600, 2)
    fit = rows.plan.folds[1]
    turned = rows.target.copy()
    turned[fit.valid] = 1 - turned[fit.valid]
    folds = []
    for each in (rows, replace(rows, target=turned)):
        model, prepared = prepared_of(each)
        folds.append(fit_fold(prepared, model, fit))
    assert folds[0].prediction.tolist() == folds[1].prediction.tolist()
    assert folds[0].curve == folds[1].curve


@pytest.mark.parametrize("split", SPLITS)
def test_watched_targets_never_reach_what_the_trees_read(split):
    rows = noisy_rows(split, 600, 3)
    fit = rows.plan.folds[1]
    turned = rows.target.copy()
    turned[fit.watched] = 1 - turned[fit.watched]
    made = []
    for each in (rows, replace(rows, target=turned)):
        model, prepared = prepared_of(each)
        made.append(fit_matrices(prepared, fit, model))
    for side in ("learnt", "watched", "valid"):
        np.testing.assert_array_equal(getattr(made[0], side), getattr(made[1], side))


@pytest.mark.parametrize("split", SPLITS)
def test_own_target_never_reaches_a_learnt_rows_features(split):
    rows = noisy_rows(split, 600, 3)
    fit = rows.plan.folds[1]
    context = fit.context[rows.plan.cell]
    turned = np.where(
        fit.sees[0][rows.plan.cell], rows.target, 1 - rows.target
    )  # all that the first context is not shown
    made = []
    for each in (rows, replace(rows, target=turned)):
        model, prepared = prepared_of(each)
        made.append(fit_matrices(prepared, fit, model).learnt[context[fit.learnt] == 0])
    assert not fit.sees[0][rows.plan.cell[context == 0]].any()
    np.testing.assert_array_equal(made[0], made[1])


def test_trees_read_in_training_what_the_estimator_makes_of_new_rows(rows):
    model, prepared = prepared_of(rows)
    fit = rows.plan.final
    fit_final(prepared, model, 5)
    watched_all = replace(fit, watched=np.arange(len(rows.target)))
    matrices = fit_matrices(prepared, watched_all, model)
    served = model.features_in(rows.raw)
    assert matrices.names == list(served.columns)
    np.testing.assert_array_equal(matrices.watched, served.to_numpy(np.float32))


def test_classes_give_each_category_an_encoding_per_class():
    random = np.random.default_rng(4)
    raw = pd.DataFrame({"street": random.choice(["x", "y"], 300).astype(object), "size": random.normal(size=300)})
    columns = {name: COLUMNS[name] for name in ("street", "size")} | {"kind": {"type": "category"}}
    pipeline = make_pipeline(columns, train={"task": "multiclass", "rounds": 5}, split={"folds": 3})
    rows = training_rows(pipeline, raw, random.integers(0, 3, 300), classes=("a", "b", "c"))
    model, prepared = prepared_of(rows)
    matrices = fit_matrices(prepared, rows.plan.folds[0], model)
    assert matrices.names == ["street_a", "street_b", "street_c", "size"]
    np.testing.assert_allclose(matrices.learnt[:, :3].sum(axis=1), 1, atol=1e-3)  # each class is shrunk for itself
    prediction = fit_fold(prepared, model, rows.plan.folds[0]).prediction
    assert prediction.shape == (len(rows.plan.folds[0].valid), 3)


def test_fold_that_cannot_be_scored_is_named(rows):
    target = rows.target.copy()
    target[rows.plan.folds[1].valid] = 1.0
    constant = replace(rows, target=target)
    model, prepared = prepared_of(constant)
    with pytest.raises(FoldFitError, match=r"fold 1 of 3: roc_auc needs rows of both classes"):
        cross_validate(prepared, model, 2)


def test_last_folds_get_the_threads_of_those_that_ended():
    shared = SharedThreads(4, fits=3, side_by_side=3)
    shares = [shared()]
    for _ in range(2):
        shared.end_one()
        shares.append(shared())
    assert shares == [1, 2, 4]


def test_fewer_folds_are_side_by_side_where_memory_is_short():
    sizes = [100, 400, 300, 200]
    assert [affordable(sizes, free) for free in (10, 1399, 1400, 10**9)] == [1, 1, 2, 4]


def test_memory_is_what_the_container_leaves(tmp_path):
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    assert free_memory(tmp_path) == UNKNOWN
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    5000 kB\n")
    assert free_memory(tmp_path) == 5000 * 1024
    for name, text in (("max", "1000\n"), ("current", "900\n"), ("stat", "anon 5\ninactive_file 300\n")):
        (group / f"memory.{name}").write_text(text)
    assert free_memory(tmp_path) == 400


def test_rounds_are_the_median_of_the_folds():
    folds = [Fold(np.arange(1), np.zeros(1), 0.0, [], rounds) for rounds in (1, 40, 51, 1000)]
    assert rounds_for_all_rows(folds) == 46


def test_balanced_classes_weigh_alike():
    target = np.array([0, 0, 0, 1, 2, 2], dtype=float)
    weights = balancing_weights(target)
    assert np.bincount(target.astype(int), weights).tolist() == pytest.approx([2, 2, 2])


def test_declared_weights_and_balance_multiply(rows):
    weight = np.linspace(1, 2, len(rows.target))
    balanced = rows.pipeline.train.model_copy(update={"balance": True})
    both = replace(rows, weight=weight, pipeline=rows.pipeline.model_copy(update={"train": balanced}))
    some = np.arange(100)
    assert replace(rows, weight=weight).weights(some).tolist() == weight[:100].tolist()
    assert both.weights(some).tolist() == (weight[:100] * balancing_weights(rows.target[:100])).tolist()
    assert rows.weights(some) is None


def test_weights_reach_the_trees(rows):
    model, prepared = prepared_of(rows)
    heavy = replace(prepared, rows=replace(rows, weight=np.where(rows.target > 0, 50.0, 1.0)))
    plain, weighted = (fit_fold(each, model, rows.plan.folds[0]).prediction.mean() for each in (prepared, heavy))
    assert weighted > plain + 0.2


def test_another_seed_draws_other_rows_to_watch_in_the_same_folds(rows):
    other = rows.reseeded(8)
    assert not np.array_equal(other.plan.folds[0].watched, rows.plan.folds[0].watched)
    assert other.plan.folds[0].valid.tolist() == rows.plan.folds[0].valid.tolist()
    assert other.pipeline.train.seed == 8


def mean_auc(split, seeds, rows):
    """Mean cross-validated AUC of noise over seeds."""
    scores = []
    for seed in seeds:
        data = noisy_rows(split, rows, seed)
        model, prepared = prepared_of(data)
        scores += [fold.score for fold in cross_validate(prepared, model, 2)]
    return float(np.mean(scores))


@pytest.mark.parametrize("split", SPLITS)
def test_noise_scores_as_noise(split):
    assert mean_auc(split, range(3), 3000) == pytest.approx(0.5, abs=0.025)  # one standard error is about 0.007


@pytest.mark.campaign
@pytest.mark.parametrize("split", SPLITS)
def test_noise_of_20000_rows_scores_as_noise(split, record_property):
    auc = mean_auc(split, range(20), 20_000)
    record_property("mean AUC", round(auc, 4))
    assert 0.48 <= auc <= 0.52
