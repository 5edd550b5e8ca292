"""A seed's luck is no merit: real trainings, from rows in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.gate.twins import fitted
from tasks.gate.verdict import verdict_of
from tasks.model.bundle import predictions
from tests.contests import contest, window
from tests.pipelines import make_pipeline
from tests.training import training_rows

FEATURES, FOLDS, DAYS = 6, 3, 40
TRAINED, HELD_OUT = 400, 4000  # so many held-out rows that the luck of a seed is significant on them
MODELS, CHALLENGERS = 6, 10  # per data set; each model is champion of one or two contests


def recipe(**changes):
    """A recipe as it comes by default, but small and drawing rows and columns per tree, so that its seed matters."""
    params = {"max_depth": 3, "subsample": 0.7, "colsample_bytree": 0.7}
    train = {"rounds": 200, "early_stopping_rounds": 20, "params": params, **changes}
    columns = {f"x{number}": {"type": "float"} for number in range(FEATURES)} | {"outcome": {"type": "boolean"}}
    return make_pipeline(
        columns, train=train, split={"folds": FOLDS}, evaluate={"resamples": 200}, gate={"promote": "better"}
    )


def some_rows(count, generator):
    raw = pd.DataFrame(generator.normal(size=(count, FEATURES)), columns=[f"x{number}" for number in range(FEATURES)])
    signal = raw["x0"] + raw["x1"] * raw["x2"] + 0.5 * raw["x3"]
    return raw, (generator.random(count) < 1 / (1 + np.exp(-signal))).to_numpy(float)


def rows_of(pipeline, dataset: int):
    generator = np.random.default_rng(dataset)
    raw, target = some_rows(TRAINED, generator)
    return training_rows(pipeline, raw, target, fold=generator.integers(0, FOLDS, TRAINED).astype(np.int16))


class Trainings:
    """Models of one recipe on one data set, by seed; each is trained once."""

    def __init__(self, pipeline, dataset):
        self.rows = rows_of(pipeline, dataset)
        self.raw, self.target = some_rows(HELD_OUT, np.random.default_rng([dataset, 1]))
        self.known = {}

    def prediction(self, seed):
        if seed not in self.known:
            self.known[seed] = predictions(fitted(self.rows.reseeded(seed)), self.raw)
        return self.known[seed]

    def verdict(self, challenger, champion, twins=(), gate=None):
        pipeline = self.rows.pipeline if gate is None else self.rows.pipeline.model_copy(update={"gate": gate})
        rows = window(self.target, self.prediction(challenger), self.prediction(champion), days=DAYS)
        return verdict_of(pipeline, contest(rows, twins=lambda count: [*map(self.prediction, twins)][:count]))


def contests_of(trainings: Trainings) -> list[tuple[str, str]]:
    """Let models of one recipe challenge each other: outcomes with twins, and without."""
    without = trainings.rows.pipeline.gate.model_copy(update={"twins": 0})
    found = []
    for number in range(CHALLENGERS):
        champion, challenger = number % MODELS, (number + 1 + number // MODELS) % MODELS
        twins = [seed for seed in range(MODELS) if seed not in (champion, challenger)]
        verdicts = trainings.verdict(challenger, champion, twins), trainings.verdict(challenger, champion, gate=without)
        found.append((verdicts[0]["outcome"], verdicts[1]["outcome"]))
    return found


def promoted(datasets: range) -> tuple[int, int, int]:
    """Challengers that differ from their champion by seed alone: how many, promoted ones, promoted without twins."""
    outcomes = [pair for dataset in datasets for pair in contests_of(Trainings(recipe(), dataset))]
    with_twins, without = ([pair[side] for pair in outcomes].count("promoted") for side in (0, 1))
    return len(outcomes), with_twins, without


def test_seed_alone_promotes_hardly_any_challenger():
    challengers, let_in, _ = promoted(range(4))
    assert challengers == 40
    assert let_in <= 4  # 5 % of 400 is the campaign's bound; of 40, more than 4 happen by chance once in 20


@pytest.mark.campaign
def test_seed_alone_promotes_at_most_5_percent_of_400_challengers():
    challengers, let_in, without_twins = promoted(range(40))
    print(f"{let_in} of {challengers} promoted; {without_twins} without twins")
    assert challengers == 400
    assert let_in <= 0.05 * challengers


def test_model_that_knows_more_is_promoted_against_luck():
    trainings = Trainings(recipe(), 0)
    trainings.known[-1] = 1 / (1 + np.exp(-0.5 * trainings.raw["x3"].to_numpy()))  # a champion of one weak feature
    assert trainings.verdict(1, -1, twins=[2, 3, 4, 5])["outcome"] == "promoted"


def test_twin_differs_by_its_seed_alone():
    rows = rows_of(recipe(), 0)
    other = rows.reseeded(rows.pipeline.train.seed + 1).pipeline
    assert (other.train.seed, other.split) == (8, rows.pipeline.split)
    assert other.model_copy(update={"train": rows.pipeline.train}) == rows.pipeline
