"""kill -9 of server, `holdfast serve` or a flow at random moments: nothing is lost, and the next run goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks import monitoring, registry
from tests.killed import P, begin_life, drop_batch, require_readable, require_sound_life
from tests.services import Services, begin_monitoring, begun, end_of, flow_processes, services, wait_for

pytestmark = [pytest.mark.campaign, pytest.mark.xdist_group("prefect")]
USUAL_SECONDS = 25.0  # a run of monitor, its process included; the moment of a kill is drawn from it


@pytest.fixture
def served(versioned_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A project on drift's watch, its server, and what serves it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site").mkdir()
    begin_life(versioned_project, tmp_path / "site")
    with services(tmp_path / "prefect") as both:
        yield both


def kill_one(served: Services, dice: random.Random, who: str) -> bool:
    """Kill server, serve, or the process of the flow; whether there was one."""
    if who != "flow":
        served.kill(who)
        return True
    found = flow_processes(served)
    if found:
        os.kill(dice.choice(found), signal.SIGKILL)
    return bool(found)


def kill_while_it_monitors(served: Services, seed: int) -> str:
    """Drop a batch, begin a run, kill, start again what died, and run to the end; who was killed."""
    dice = random.Random(seed)
    drop_batch(f"diabetes-{seed + 10}.csv", seed, heavier=seed % 3 == 2)
    begin_monitoring()
    time.sleep(dice.uniform(0, USUAL_SECONDS))
    who = ("server", "serve", "flow")[seed % 3]
    met = kill_one(served, dice, who)
    require_readable()
    served.mend()
    assert end_of(begin_monitoring()) == "COMPLETED"
    wait_for(lambda: not is_called_for() and not begun())
    return who if met else "nothing"


def is_called_for() -> bool:
    """Whether a retrain was decided on and has not come to its end."""
    try:
        monitoring.standing_call(P)
    except monitoring.NoCallError:
        return False
    return True


@pytest.mark.parametrize("start", [0, 4, 8])
def test_services_killed_at_random_moments_go_on(
    served: Services, start: int, record_property: Callable[[str, object], None]
) -> None:
    for seed in range(start, start + 4):
        record_property(f"kills of {kill_while_it_monitors(served, seed)}", 1)
        require_sound_life()
    assert {event["signal"]["batch"] for event in registry.events(P) if event["kind"] == "verdict"} >= {
        f"diabetes-{seed + 10}.csv" for seed in range(start, start + 4)
    }
