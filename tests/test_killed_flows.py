"""kill -9 of a flow at any moment: nothing is lost or done twice, and the next run goes on where it stopped."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import prefect_server
from tasks import registry
from tests.killed import (
    LIFE,
    Kills,
    P,
    begin_life,
    finish,
    kill_at,
    live_killed,
    require_readable,
    require_sound_life,
    told,
)

pytestmark = pytest.mark.xdist_group("prefect")
RETRAINED = ["landing", "verdict", "retrain", "version", "decision", "promotion"]


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    """A server for all lives, known by the environment to the processes that are forked."""
    from prefect.settings import PREFECT_API_URL

    with prefect_server(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", PREFECT_API_URL.value() or "")
        yield


@pytest.fixture
def born(server: None, versioned_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project at the beginning of its life, as the current directory."""
    monkeypatch.chdir(tmp_path)
    return begin_life(versioned_project, tmp_path)


@pytest.fixture(scope="module")
def undisturbed(
    server: None, versioned_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[int, float], list[Any]]:
    """How long each step of a life takes that nobody kills, and what its ledger then tells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("undisturbed"))
        begin_life(versioned_project, Path.cwd())
        seconds = {}
        for place, step in enumerate(LIFE):
            step.prepare()
            seconds[place] = finish(step)
        return seconds, told()


def kill_at_each(kinds: list[str]) -> None:
    """Kill monitor, each time after it has written an event of the next kind, then let it come to its end."""
    step, before = LIFE[0], len(registry.events(P))
    step.prepare()
    for kind in kinds:
        kill_at(step, kind)
        require_readable()
    finish(step)
    require_sound_life()
    assert list(dict.fromkeys(event["kind"] for event in registry.events(P)[before:])) == RETRAINED
    assert [event["kind"] for event in registry.events(P)[before:]].count("version") == 1


def test_flow_killed_after_landing_and_after_its_version_comes_to_its_end(born: Path) -> None:
    kill_at_each(["landing", "version"])


@pytest.mark.campaign
def test_flow_killed_after_each_of_its_events_comes_to_its_end(
    born: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("kills", len(RETRAINED))
    kill_at_each(RETRAINED)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(5))
def test_life_of_killed_flows_is_told_like_an_undisturbed_one(
    born: Path,
    undisturbed: tuple[dict[int, float], list[Any]],
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    kills, (seconds, expected) = Kills(), undisturbed
    live_killed(seconds, random.Random(seed), 2, kills)
    for step, count in kills.met.items():
        record_property(f"kills of {step}", count)
    assert told() == expected
