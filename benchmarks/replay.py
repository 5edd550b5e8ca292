"""What a replay takes, and what retraining on drift comes to: a stream of 52 weeks with known shifts.

    python benchmarks/replay.py [--quick] [--flights] [--rows N] [--seed N]

The stream has 52 weekly batches of 100,000 rows; three times what sells and who comes is another (a true shift), six
times a column moves that says nothing (a harmless one). Policies: never, monthly, drift, and an oracle that is told
when the true shifts happen and retrains after each of three batches that follow. The three are played twice: the second
time no work must be done.
`--flights` replays the demo's months from April on instead (`holdfast run flights` must have made data/valid/flights).
`--quick`: 16 weeks of 2,000 rows with one true shift. Prints one JSON object per policy, and the ratios last:
`second_over_first` (wall time of the three), `drift_over_never`, `drift_over_monthly`, `drift_over_oracle` (mean loss).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tasks.replay.policies import Day, Policy, policies_of  # noqa: E402
from tasks.replay.setting import Setting, live_through, set_out  # noqa: E402
from tests.streams import HARMLESS, TRUE, stream_project  # noqa: E402

SHIFTS = {
    14: TRUE,
    27: TRUE,
    40: TRUE,
    9: HARMLESS,
    11: HARMLESS,
    19: HARMLESS,
    23: HARMLESS,
    33: HARMLESS,
    46: HARMLESS,
}
RETRAIN = "{on: [drift], persist: 2 of 3 batches, cooldown: 20d}"
GATE = "{anchor: unless_changed}"
WINDOW = "1 batch"  # enough rows to learn from; after two drifted batches, one of them held out, all of them are new
KNOWN_AFTER = "6h"
FIRST = "week-04"


@dataclass(frozen=True)
class Oracle:
    """Is told when the world changes, and retrains after each of the batches that follow."""

    dates: tuple[datetime, ...]
    name: str = "oracle"
    watches: bool = False
    patience: timedelta = timedelta(0)

    def wants(self, day: Day) -> str:
        """Whether a true shift was lately."""
        return "a true shift" if day.date in self.dates else ""


def oracle(place: Setting, shifts: Mapping[int, str]) -> Oracle:
    """Retrain after the second to fourth batch of each new world: the first one is held out, and teaches nothing."""
    from tasks.replay.history import zone_of

    wanted = {f"week-{at + later:02}" for at, kind in shifts.items() if kind == TRUE for later in (1, 2, 3)}
    zone = zone_of(place.pipeline)
    return Oracle(tuple(each.date(zone) for each in place.through if each.batch in wanted))


def played(
    place: Setting, policies: list[Policy], *, quiet: bool = False
) -> tuple[list[dict[str, Any]], tuple[float, float]]:
    """Let policies live; what each came to, and the seconds of all: on the wall, and of the processors."""
    begun, found = clocks(), []
    for policy in policies:
        began = clocks()
        each = live_through(place, policy)
        wall, cpu = since(began)
        found.append(
            {
                "bench": "replay",
                "workload": place.pipeline.name,
                "policy": policy.name,
                "loss": each.loss,
                "retrains": each.retrains,
                "promoted": each.count("promoted"),
                "alarms": [step.batch for step in each.steps if step.alarm],
                "retrained_after": [step.batch for step in each.steps if step.outcome],
                "cpu_s": round(cpu, 1),
                "wall_s": round(wall, 1),
            }
        )
        if not quiet:
            print(json.dumps(found[-1]), flush=True)
    return found, since(begun)


def clocks() -> tuple[float, float]:
    """Seconds on the wall and of the processors."""
    return time.perf_counter(), time.process_time()


def since(begun: tuple[float, float]) -> tuple[float, float]:
    """Seconds since then."""
    wall, cpu = clocks()
    return wall - begun[0], cpu - begun[1]


def bench(name: str, first: str, shifts: Mapping[int, str]) -> None:
    """Replay twice in the current directory, then the oracle; print what came of it."""
    seconds = []
    for is_second in (False, True):
        place = set_out(name, first)
        found, taken = played(place, policies_of(["never", "monthly", "drift"], place.pipeline), quiet=is_second)
        seconds.append(taken)
        made = place.kept.made
    if made:
        sys.exit(f"the second replay made {made} things again")
    if shifts:
        found += played(place, [oracle(place, shifts)])[0]
    loss = {each["policy"]: each["loss"] for each in found}
    ratios = {"second_over_first": round(seconds[1][0] / seconds[0][0], 4)}
    ratios |= {f"drift_over_{other}": round(loss["drift"] / loss[other], 4) for other in loss if other != "drift"}
    (wall, cpu), peak = zip(*seconds, strict=True), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    told = {"seconds": [round(each, 1) for each in wall], "cpu_seconds": [round(each, 1) for each in cpu]}
    print(json.dumps({"bench": "replay", **told, "peak_mb": round(peak), "ratios": ratios}))


def main() -> None:
    """Make the stream, or a copy of the flights, and replay it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="16 weeks of 2,000 rows")
    parser.add_argument("--flights", action="store_true", help="the demo's flights")
    parser.add_argument("--rows", type=int, help="of a batch of the stream")
    parser.add_argument("--seed", type=int, default=7, help="of the stream")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.flights:
            copy_flights(folder)
        else:
            batches, rows = (16, 2000) if chosen.quick else (52, 100_000)
            shifts = {9: TRUE, 6: HARMLESS} if chosen.quick else SHIFTS
            size = {"batches": batches, "rows": chosen.rows or rows, "seed": chosen.seed}
            declared = {"window": WINDOW, "known_after": KNOWN_AFTER, "retrain": RETRAIN, "gate": GATE}
            stream_project(folder, **size, shifts=shifts, **declared)
        with contextlib.chdir(folder):
            bench(*(("flights", "2013-04", {}) if chosen.flights else ("stream", FIRST, shifts)))


def copy_flights(folder: Path) -> None:
    """The demo's declaration and valid rows, in a project of their own."""
    for part in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / part, folder / part)
    shutil.copytree(ROOT / "configs", folder / "configs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data/valid/flights", folder / "data/valid/flights")


if __name__ == "__main__":
    main()
