"""How often the triage names the right fault, and how often it takes a change of the world for one.

    python benchmarks/drift_triage.py [--quick] [--count N] [--seed S] [--worlds tried|unseen|flights|all]
        [--only faults|shifts|others] [--no-habits]

Puts each kind of fault, in all rows, in those from a moment on and in those of one site, and each kind of real shift,
into `--count` batches of made-up tables (tests/drift_worlds.py) and of flights, each world and batch from a seed of its
own. The rules were tried on the seeds below 40 of the worlds `shop`, `sensors` and `clinic`, and mended once after a
part of a run at 100,000; the default seed is 200,000. Right is a first cause of the right kind that names the right
columns. `others` are six faults and six shifts that came up when the rules were done; three rules were made for them.
Prints one JSON object per kind, and the shares, with intervals of 95 % (Wilson), last.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import drift_faults as faults
from tests import drift_worlds as worlds

QUICK, COUNT = 3, 20
SHOWN = 4
CHOICES: dict[str, tuple[Callable[[int], worlds.World], ...]] = {
    "tried": worlds.TRIED,
    "unseen": worlds.UNSEEN,
    "flights": (worlds.flights,),
    "all": (*worlds.TRIED, *worlds.UNSEEN, worlds.flights),
}


def histories(makers: tuple[Callable[[int], worlds.World], ...], seed: int, count: int, habits: bool) -> list[Any]:
    """As many histories as injections, the worlds in turn."""
    return [
        (seed + place, faults.history_of(makers[place % len(makers)](seed + place), seed + place, habits=habits))
        for place in range(count)
    ]


def asked(of: list[Any], name: str, where: str) -> Iterator[tuple[str, Any, Any]]:
    """The world's name, the injection and the causes that were named; of worlds that can have it."""
    for turn in range(4):  # where a world cannot have a fault, others have it twice
        for seed, history in of:
            injected = faults.injected(history, name, seed + 50_000_000 * turn, where)
            if injected is not None:
                yield history.world.name, injected, faults.told(history, injected.frame)


def told_right(of: list[Any], name: str, where: str, count: int) -> dict[str, Any]:
    """How many injections of a fault were named right, and what else was said."""
    right, wrong = 0, []
    for world, injected, causes in islice(asked(of, name, where), count):
        if faults.is_right(injected, causes):
            right += 1
        else:
            wrong.append(f"{world} {', '.join(injected.columns)}: {causes[0].kind if causes else 'nothing'}")
    return {"fault": name, "where": where, "right": right, "of": count, "wrong": wrong[:SHOWN]}


def told_false(of: list[Any], name: str) -> dict[str, Any]:
    """How many real shifts of a kind were taken for a fault of the feed."""
    false, asked_, wrong = 0, 0, []
    for seed, history in of:
        frame = faults.shifted(history, name, seed)
        if frame is None:
            continue
        causes = [cause for cause in faults.told(history, frame) if cause.feed]
        asked_, false = asked_ + 1, false + bool(causes)
        wrong += [f"{history.world.name} {cause.kind} {', '.join(cause.columns)}" for cause in causes[:1]]
    return {"shift": name, "called_faults": false, "of": asked_, "wrong": wrong[:SHOWN]}


def others(of: list[Any], count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The faults and the shifts that the rules were not made for."""
    right = [told_right(of, name, faults.ALL, count) for name in faults.OTHER_FAULTS]
    false = [told_false(of, name) for name in faults.OTHER_REAL]
    for line in (*right, *false):
        print(json.dumps(line), flush=True)
    return right, false


def interval(hits: int, of: int) -> list[float]:
    """A share's interval of 95 %: E. B. Wilson (1927), doi:10.1080/01621459.1927.10502953."""
    if not of:
        return [0.0, 1.0]
    z, share = 1.96, hits / of
    middle, room = share + z * z / (2 * of), z * (share * (1 - share) / of + z * z / (4 * of * of)) ** 0.5
    return [round(max(0.0, (middle - room) / (1 + z * z / of)), 4), round((middle + room) / (1 + z * z / of), 4)]


def summed(found: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Hits of all, their share and its interval."""
    hits, of = sum(each[key] for each in found), sum(each["of"] for each in found)
    return {key: hits, "of": of, "share": round(hits / max(1, of), 4), "interval": interval(hits, of)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} injections of a kind")
    parser.add_argument("--count", type=int, default=COUNT, help="injections of a kind")
    parser.add_argument("--seed", type=int, default=200_000)
    parser.add_argument("--worlds", choices=sorted(CHOICES), default="all")
    parser.add_argument("--only", choices=["faults", "shifts", "others"], help="one part of it")
    parser.add_argument("--no-habits", action="store_true", help="without what earlier batches' rows were like")
    chosen = parser.parse_args()
    count, start = QUICK if chosen.quick else chosen.count, time.process_time()
    of = histories(CHOICES[chosen.worlds], chosen.seed, count, not chosen.no_habits)
    right, false = [], []
    for name in faults.FAULTS if chosen.only in {None, "faults"} else ():
        for where in (faults.ALL, faults.LATER, faults.SITE):
            right.append(told_right(of, name, where, count))
            print(json.dumps(right[-1]), flush=True)
    for name in faults.REAL if chosen.only in {None, "shifts"} else ():
        false.append(told_false(of, name))
        print(json.dumps(false[-1]), flush=True)
    other_right, other_false = others(of, count) if chosen.only in {None, "others"} else ([], [])
    whole = [each for each in right if each["where"] == faults.ALL]
    part = [each for each in right if each["where"] != faults.ALL]
    print(
        json.dumps(
            {
                "bench": "drift_triage",
                "seed": chosen.seed,
                "whole_batch": summed(whole, "right"),
                "part_of_batch": summed(part, "right"),
                "real_shifts": summed(false, "called_faults"),
                "other_faults": summed(other_right, "right"),
                "other_shifts": summed(other_false, "called_faults"),
                "cpu_s": round(time.process_time() - start, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
