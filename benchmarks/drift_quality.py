"""Drift: how often quiet batches alarm against the budget, and how often planted shifts do, beside other tools' rules.

    python benchmarks/drift_quality.py [--quick] [--parts rate power] [--kinds KIND ...] [--columns N ...] [--seed N]

`rate`: quiet streams (`drift_streams.py`, and of real rows `drift_flights.py`); 200 references a cell, 30 batches
judged with each, two budgets. `realised` is the mean over references, with its 95 % interval; `expected` is how many
alarms the budget would let through. It is without an effect floor, so that the threshold itself is measured;
`with_floor` is what a user gets.

`power`: one planted change in one of 20 columns. Each other rule's threshold is set so that it alarms as often as we do
on the same quiet batches, by looking at them, which no user can.

Prints one JSON object per cell and, last, the ratios: the realised rate over the budget of the worst kind of stream
(histories of 100), and the least power over the best other rule's, where that one's is between 5 and 99.5 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import drift_streams  # noqa: E402 - the clone's own code is measured
from drift_flights import FLIGHT_KINDS, FlightStream  # noqa: E402
from drift_rules import RULES  # noqa: E402
from drift_streams import KINDS, ROW_KINDS, Batches, Planted, Stream  # noqa: E402

from tasks.drift.thresholds import EffectFloor, History  # noqa: E402

ALPHAS = {"1 per quarter, weekly": 1 / 13, "1 per year, weekly": 1 / 52}
ROWS = (1_000, 20_000, 1_000_000)
HISTORIES = (10, 20, 50, 100)
JUDGED = 30
ALL_KINDS = [*KINDS, *FLIGHT_KINDS]
NO_DEFAULT = "evidently_worst"  # told, but nobody's default: Evidently's score of any column, at an ideal threshold
PLANTED = {
    "0.1 sd": Planted(shift=0.1),
    "0.25 sd": Planted(shift=0.25),
    "0.5 sd": Planted(shift=0.5),
    "mix 5 points": Planted(mix=0.05),
    "mix 10 points": Planted(mix=0.10),
    "mix 20 points": Planted(mix=0.20),
    "missing +2 points": Planted(missing=0.02),
    "missing +5 points": Planted(missing=0.05),
    "5 sd": Planted(shift=5.0),
}


def surprises(history: History, batches: Batches, floor: EffectFloor | None = None) -> np.ndarray:
    """Largest surprise of each batch; with a floor, of the tests whose effect reaches it."""
    summaries, largest = batches.summaries(), np.zeros(len(batches.days))
    ahead = np.array([history.ahead(summary) for summary in summaries])
    for null in history.tests:
        found = null.measure(summaries, ahead)
        least = np.array([floor.of(name) if floor else 0.0 for name in null.distance.names])
        surprise = np.where(found.effect >= least[:, None], null.weighed(found.p_value), 0.0)
        largest = np.maximum(largest, surprise.max(axis=0))
    return largest


def history_of(reference: Batches, judged: Batches) -> History:
    """The reference's history, ready to judge these batches."""
    return History(reference.profile(), reference.rows, judged.part(slice(0, 1)).summaries()[0])


def mean_and_interval(rates: np.ndarray) -> tuple[float, float, float]:
    """The mean over references and its 95 % interval; the references are independent."""
    mean, error = float(rates.mean()), float(rates.std(ddof=1) / len(rates) ** 0.5)
    return mean, mean - 1.96 * error, mean + 1.96 * error


# ---- how often quiet batches alarm


def rate_cell(stream: Stream | FlightStream, history: int, references: int) -> list[dict[str, Any]]:
    """Realised rates of one kind of stream and length of history, for each budget."""
    ours = {name: np.empty((references, 2)) for name in ALPHAS}
    others: dict[str, list[np.ndarray]] = {}
    widened = dict.fromkeys(ALPHAS, 0)
    for number in range(references):
        made = stream.batches(number, history + JUDGED, quiet=history)
        reference, judged = made.part(slice(0, history)), made.part(slice(history, None))
        known = history_of(reference, judged)
        plain, floored = surprises(known, judged), surprises(known, judged, EffectFloor())
        for name, alpha in ALPHAS.items():
            threshold = known.threshold(alpha)
            ours[name][number] = (plain > threshold.value).mean(), (floored > threshold.value).mean()
            widened[name] += threshold.widened is not None
        for rule, alarms in other_alarms(judged, reference):
            others.setdefault(rule, []).append(alarms)
    theirs = {rule: round(float(np.mean(found)), 4) for rule, found in others.items()}
    cell = {"part": "rate", "stream": stream.kind, "columns": stream.columns, "rows": stream.rows, "history": history}
    return [
        {**cell, **rate_facts(name, ours[name]), "widened": round(widened[name] / references, 3), "others": theirs}
        for name in ALPHAS
    ]


def other_alarms(judged: Batches, reference: Batches) -> Iterator[tuple[str, np.ndarray]]:
    """Share of the batches that each rule alarms on, with its own threshold; those that the cells suffice for."""
    fine = judged.counts[0].shape[1] > 100
    for rule, (score, limit) in RULES.items():
        if fine or not rule.startswith("Evidently"):
            bound = -np.log(0.05 / len(judged.kinds)) if limit is None else limit
            yield rule, (score(judged, reference) > bound).mean()


def rate_facts(budget: str, rates: np.ndarray) -> dict[str, Any]:
    """Realised rates over a budget; `rates` of each reference, without and with a floor, shape (references, 2)."""
    alpha = ALPHAS[budget]
    mean, low, high = mean_and_interval(rates[:, 0])
    return {
        "budget": budget,
        "alpha": round(alpha, 4),
        "references": len(rates),
        "expected": round(alpha * len(rates) * JUDGED),
        "realised": round(mean, 4),
        "over_budget": round(mean / alpha, 3),
        "interval": [round(low / alpha, 3), round(high / alpha, 3)],
        "with_floor": round(float(rates[:, 1].mean()) / alpha, 3),
    }


# ---- how often planted changes alarm


def power_cell(stream: Stream, history: int, references: int, batches: int) -> list[dict[str, Any]]:
    """Power against each planted change at our realised rate of false alarms."""
    alpha = ALPHAS["1 per quarter, weekly"]
    quiet, planted = [], {name: [] for name in PLANTED}
    for number in range(references):
        made = stream.batches(number, history + batches, quiet=history)
        reference, judged = made.part(slice(0, history)), made.part(slice(history, None))
        known = history_of(reference, judged)
        threshold = known.threshold(alpha).value
        quiet.append(scores(known, threshold, judged, reference))
        for name, plant in PLANTED.items():
            changed = stream.batches(number, history + batches, plant, history).part(slice(history, None))
            planted[name].append(scores(known, threshold, changed, reference))
    still = np.stack(quiet)
    realised = float((still[:, 0] > 0).mean())
    limits = [0.0, *(np.quantile(still[:, rule], 1 - realised) for rule in range(1, still.shape[1]))]
    cell = {"part": "power", "stream": stream.kind, "columns": stream.columns, "rows": stream.rows, "history": history}
    return [
        {**cell, "planted": name, "false_alarms": round(realised, 4), **power_facts(np.stack(found), limits)}
        for name, found in planted.items()
    ]


def scores(known: History, threshold: float, judged: Batches, reference: Batches) -> np.ndarray:
    """Our surprise over the threshold, and each other rule's number; shape (rules + 1, batches)."""
    ours = surprises(known, judged, EffectFloor()) - threshold
    different = dict.fromkeys(score for score, _ in RULES.values())
    return np.stack([ours, *(score(judged, reference) for score in different)])


def power_facts(found: np.ndarray, limits: list[float]) -> dict[str, Any]:
    """Shares of batches alarmed on; the interval of the ratio is a bootstrap over references.

    `found` are numbers of rules, ours first, shape (references, rules, batches), and `limits` what they must pass.
    """
    alarms = (found > np.array(limits)[None, :, None]).mean(axis=2)
    rules = list(dict.fromkeys(score.__name__ for score, _ in RULES.values()))
    defaults = [1 + place for place, name in enumerate(rules) if name != NO_DEFAULT]
    best = defaults[int(alarms[:, defaults].mean(axis=0).argmax())]
    random = np.random.default_rng(1)
    drawn = alarms[random.integers(0, len(alarms), (1_000, len(alarms)))].mean(axis=1)
    ratio = drawn[:, 0] / np.maximum(drawn[:, best], 1e-9)
    return {
        "power": round(float(alarms[:, 0].mean()), 4),
        "others": {rule: round(float(power), 4) for rule, power in zip(rules, alarms[:, 1:].mean(axis=0), strict=True)},
        "over_best": round(float(alarms[:, 0].mean() / max(alarms[:, best].mean(), 1e-9)), 3),
        "interval": [round(float(bound), 3) for bound in np.quantile(ratio, [0.025, 0.975])],
    }


# ---- all of it


def streams(options: argparse.Namespace) -> Iterator[tuple[Stream | FlightStream, int]]:
    """Each kind of stream, number of columns, size of batch and length of history."""
    for kind in FLIGHT_KINDS.keys() & options.kinds:
        for history in options.histories:
            yield FlightStream(FLIGHT_KINDS[kind]), history
    for kind in [kind for kind in options.kinds if kind in KINDS]:
        for rows in options.rows:
            for columns in options.columns:
                for history in options.histories:
                    yield Stream(kind, columns, rows, options.pool), history


def printed(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print lines as they are found."""
    for line in facts:
        print(json.dumps(line), flush=True)
    return facts


def best_default(line: dict[str, Any]) -> float:
    """The greatest power of the other tools' defaults."""
    return max(power for rule, power in line["others"].items() if rule != NO_DEFAULT)


def ratios(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that the issue names."""
    long = [line for line in found if line["part"] != "power" and line["history"] >= 100]
    short = [line for line in found if line["part"] != "power" and line["history"] < 100]
    power = [line for line in found if line["part"] == "power" and 0.05 < best_default(line) < 0.995]
    broken = [line["power"] for line in found if line.get("planted") == "5 sd"]
    worst = max(long, key=lambda line: abs(line["over_budget"] - 1), default={})
    return {
        "realised_over_budget": worst.get("over_budget"),
        "shorter_over_budget": max((line["over_budget"] for line in short), default=None),
        "power_over_best": min((line["over_best"] for line in power), default=None),
        "dominant_column_caught": min(broken, default=None),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small counts, within a minute: figures are rough")
    parser.add_argument("--parts", nargs="+", default=["rate", "power"], choices=["rate", "power"])
    parser.add_argument("--kinds", nargs="+", default=ALL_KINDS, choices=ALL_KINDS)
    parser.add_argument("--columns", nargs="+", type=int, default=[20, 200])
    parser.add_argument("--rows", nargs="+", type=int, default=list(ROWS))
    parser.add_argument("--histories", nargs="+", type=int, default=list(HISTORIES))
    parser.add_argument("--references", type=int, default=200)
    parser.add_argument("--pool", type=int, default=100_000, help="batches of a column that are drawn from")
    parser.add_argument("--seed", type=int, default=drift_streams.SEED, help="of the simulated streams")
    options = parser.parse_args()
    drift_streams.SEED = options.seed
    if options.quick:
        options.kinds, options.columns, options.rows = ["independent", "ar09", "weekly"], [20], [1_000]
        options.histories, options.references, options.pool = [20, 100], 40, 10_000
    found = []
    if "rate" in options.parts:
        for stream, history in streams(options):
            found += printed(rate_cell(stream, history, options.references))
    if "power" in options.parts:
        for kind, rows in (("independent", 1_000), ("ar05", 1_000), ("ar09", 20_000)):
            if kind in ROW_KINDS and kind in options.kinds and rows in options.rows:
                stream = Stream(kind, 20, rows, options.pool)
                found += printed(power_cell(stream, 100, options.references, 20))
    print(json.dumps({"bench": "drift_quality", "ratios": ratios(found)}))


if __name__ == "__main__":
    main()
