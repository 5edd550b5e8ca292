"""Drift: how often changes that no single column shows are alarmed on, beside other tools' rules.

    python benchmarks/drift_power.py [--quick] [--references N] [--batches N] [--only labels|rotation]

`labels`: a share of the labels is turned over, where features and scores stay as they were. Ours is the realised loss
with 30 % of the budget beside the tests of columns with the rest; the others are NannyML's realised performance (area
under ROC, and accuracy, held against the reference's batches) and the chi-square of the target.

`rotation`: two of 20 columns, of correlation 0.8, are turned against each other; a quarter turn makes that -0.8, and
each alone is as before. Ours is the classifier with 10 % of the budget beside the tests of columns with the rest; the
others are NannyML's reconstruction by principal components (65 % of the variance) and the least p-value of a column.

The budget is one alarm in 13 batches. Each other rule's threshold is set so that it alarms as often on the same quiet
batches as we do, by looking at them, which no user can. Prints one JSON object
per planted change and, last, the least ratio of our power to the best other rule's, of those between 5 and 99.5 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import chi2_contingency, ks_2samp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tasks.drift.model import concept_drift, counted_means, domain_classifier
from tasks.drift.model.labels import Labels
from tasks.drift.profile import Declared, Profile, make_profile, observe
from tasks.drift.pseudo_columns import LOSS
from tasks.drift.thresholds import Budget, judge
from tasks.metrics import roc_auc

ALPHA = 1 / 13
ROWS = 1_000
LOSS_SHARE, ROWS_SHARE = 0.3, 0.1  # of the budget, as in tasks/drift/tested.py
EXPLAINED = 0.65  # of the variance, that NannyML's components keep by default
Make = Callable[[np.random.Generator], pa.Table]
Score = Callable[[pa.Table], float]


@dataclass(frozen=True)
class Family:
    """Batches of one kind.

    Attributes
    ----------
    history : int
        Batches of a reference.
    quiet : function of a generator to Table
    planted : dict of name to such a function
    roles : dict of column to role
    alarms : function of (batch, profile) to bool
        Ours.
    others : function of the reference's batches to rules by name, each a number that is larger the more alarming
    """

    history: int
    quiet: Make
    planted: dict[str, Make]
    roles: dict[str, str]
    alarms: Callable[[pa.Table, Profile], bool]
    others: Callable[[list[pa.Table]], dict[str, Score]]


# ---- labels that are turned over


def labelled(random: np.random.Generator, flipped: float = 0.0) -> pa.Table:
    """Calibrated scores with an area under ROC of 0.8, and what became of each row."""
    score = 1 / (1 + np.exp(-random.normal(-0.5, 1.4, ROWS)))
    bought = (random.random(ROWS) < score) ^ (random.random(ROWS) < flipped)
    loss = -np.log(np.where(bought, score, 1 - score))
    return pa.table({"(prediction)": score, "(target)": np.where(bought, "yes", "no"), LOSS: loss})


def loss_alarms(batch: pa.Table, profile: Profile) -> bool:
    """The realised loss, and the tests of columns."""
    losses, labels = batch.column(LOSS).to_numpy(), Labels(np.zeros(ROWS), 0, 0, None)
    found = concept_drift(losses, labels, counted_means(profile, LOSS), "log loss", LOSS_SHARE * ALPHA)
    return found.alarmed or column_alarms(batch, profile, LOSS_SHARE)


def performance_rules(reference: list[pa.Table]) -> dict[str, Score]:
    """A metric's distance from its mean over the reference's batches; and the target's chi-square."""
    metrics = {"NannyML's performance, roc_auc": area_of, "NannyML's performance, accuracy": accuracy_of}
    rules = {name: partial(off_mean, metric, [metric(each) for each in reference]) for name, metric in metrics.items()}
    counts = np.sum([classes_of(each) for each in reference], axis=0)
    return {**rules, "chi-square of the target": lambda batch: -chi2_contingency([classes_of(batch), counts]).pvalue}


def is_positive(batch: pa.Table) -> np.ndarray:
    """Which rows are of the positive class."""
    return np.asarray(batch.column("(target)").to_numpy(zero_copy_only=False) == "yes")


def area_of(batch: pa.Table) -> float:
    """Area under ROC of a batch."""
    return roc_auc(is_positive(batch).astype(float), batch.column("(prediction)").to_numpy())


def accuracy_of(batch: pa.Table) -> float:
    """Share of the rows whose score is on the right side of one half."""
    return float(np.mean(is_positive(batch) == (batch.column("(prediction)").to_numpy() > 0.5)))


def classes_of(batch: pa.Table) -> np.ndarray:
    """Rows of either class."""
    positive = int(is_positive(batch).sum())
    return np.array([positive, batch.num_rows - positive])


def off_mean(metric: Score, usual: list[float], batch: pa.Table) -> float:
    """Distance from the mean."""
    return abs(metric(batch) - float(np.mean(usual)))


# ---- columns that are turned against each other


def correlated(random: np.random.Generator, degrees: float = 0.0) -> pa.Table:
    """Twenty normal columns, of which the first two have a correlation of 0.8 before they are turned."""
    values, turn = random.normal(size=(ROWS, 20)), np.deg2rad(degrees)
    pair = values[:, :2] @ np.array([[1.0, 0.8], [0.0, 0.6]])
    values[:, :2] = pair @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return pa.table({f"x{place:02}": column for place, column in enumerate(values.T)})


def row_alarms(batch: pa.Table, profile: Profile) -> bool:
    """The classifier, and the tests of columns."""
    return domain_classifier(batch, profile, alpha=ROWS_SHARE * ALPHA).alarmed or column_alarms(
        batch, profile, ROWS_SHARE
    )


def column_alarms(batch: pa.Table, profile: Profile, taken: float) -> bool:
    """The tests of columns, with what others leave of the budget."""
    return judge(observe(batch, profile.grid), profile, Budget((1 - taken) * ALPHA * 13, "quarter", 13)).alarmed


def row_rules(reference: list[pa.Table]) -> dict[str, Score]:
    """The mean error of rows that are put together again from principal components; and the least p-value."""
    rows = np.concatenate([matrix(each) for each in reference])
    mean, sd = rows.mean(axis=0), rows.std(axis=0)
    variance, axes = np.linalg.eigh(np.cov(((rows - mean) / sd).T))
    kept = axes[:, ::-1][:, : 1 + int(np.searchsorted(np.cumsum(variance[::-1]) / variance.sum(), EXPLAINED))]

    def error(batch: pa.Table) -> float:
        scaled = (matrix(batch) - mean) / sd
        return float(np.linalg.norm(scaled - scaled @ kept @ kept.T, axis=1).mean())

    usual, some = [error(each) for each in reference], rows[:: max(1, len(rows) // 20_000)]
    return {
        "NannyML's reconstruction": partial(off_mean, error, usual),
        "least p-value": lambda batch: (
            -min(ks_2samp(*pair, method="asymp").pvalue for pair in zip(matrix(batch).T, some.T, strict=True))
        ),
    }


def matrix(batch: pa.Table) -> np.ndarray:
    """All columns, shape (rows, columns)."""
    return np.column_stack([column.to_numpy() for column in batch.columns])


# ---- all of it

LABELS = Family(
    100,
    labelled,
    {f"{share:.0%} of the labels turned over": partial(labelled, flipped=share) for share in (0.02, 0.05, 0.1)},
    {"(prediction)": "prediction", "(target)": "target", LOSS: "loss"},
    loss_alarms,
    performance_rules,
)
ROTATION = Family(
    20,
    correlated,
    {f"two columns turned by {degrees} degrees": partial(correlated, degrees=degrees) for degrees in (10, 15, 90)},
    {f"x{place:02}": "feature" for place in range(20)},
    row_alarms,
    row_rules,
)
FAMILIES = {"labels": LABELS, "rotation": ROTATION}


def profile_of(family: Family, reference: list[pa.Table]) -> Profile:
    """The profile of some batches; their rows are numbered, as typed rows are."""
    lines = pa.array(np.arange(ROWS))
    chunks = [
        (f"{number:03}", each.append_column("_batch", pa.array([f"{number:03}"] * ROWS)).append_column("_line", lines))
        for number, each in enumerate(reference)
    ]
    return make_profile(chunks, Declared("power", family.roles))  # type: ignore[arg-type]


def measured(family: Family, references: int, batches: int) -> list[dict[str, Any]]:
    """Power against each planted change."""
    kinds = {"quiet": family.quiet, **family.planted}
    ours: dict[str, list[bool]] = {name: [] for name in kinds}
    theirs: dict[str, dict[str, list[float]]] = {}
    for number in range(references):
        random = np.random.default_rng([7, number])
        reference = [family.quiet(random) for _ in range(family.history)]
        profile, rules = profile_of(family, reference), family.others(reference)
        for name, make in kinds.items():
            judged = [make(random) for _ in range(batches)]
            ours[name] += [family.alarms(each, profile) for each in judged]
            for rule, score in rules.items():
                theirs.setdefault(rule, {}).setdefault(name, []).extend(score(each) for each in judged)
    realised = float(np.mean(ours["quiet"]))
    limits = {rule: np.quantile(found["quiet"], 1 - realised) for rule, found in theirs.items()}
    return [
        {
            "planted": name,
            "batches": len(ours[name]),
            "false_alarms": round(realised, 4),
            "power": round(float(np.mean(ours[name])), 4),
            "others": {rule: round(float(np.mean(found[name] > limits[rule])), 4) for rule, found in theirs.items()},
        }
        for name in family.planted
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small counts, within a minute: figures are rough")
    parser.add_argument("--references", type=int, default=20)
    parser.add_argument("--batches", type=int, default=20, help="of each kind, a reference")
    parser.add_argument("--only", choices=sorted(FAMILIES))
    options = parser.parse_args()
    if options.quick:
        options.references, options.batches = 2, 5
    found = []
    for name in [options.only] if options.only else FAMILIES:
        for line in measured(FAMILIES[name], options.references, options.batches):
            print(json.dumps(line), flush=True)
            found.append((line["power"], max(line["others"].values())))
    ratios = [power / best for power, best in found if 0.05 < best < 0.995]
    print(json.dumps({"bench": "drift_power", "ratios": {"power_over_best": round(min(ratios, default=1.0), 3)}}))


if __name__ == "__main__":
    main()
