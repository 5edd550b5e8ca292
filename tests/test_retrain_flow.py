"""The retrain flow on a real Prefect server, from the command line: a person has the last word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import prefect_server
from tasks import registry
from tests.registered import declare, state_of_user
from tests.test_train_flow import newest_run, tasks_of

pytestmark = pytest.mark.xdist_group("prefect")
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that lives as long as this module's tests."""
    with prefect_server():
        from prefect.settings import PREFECT_API_URL

        yield PREFECT_API_URL.value()


def paused_run() -> Any:
    """The flow run that waits for an answer, when it does."""
    from prefect.exceptions import ObjectNotFound

    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            found = newest_run()
        except (IndexError, ObjectNotFound):
            found = None
        if found is not None and found.state.is_paused():
            return found
        time.sleep(0.3)
    raise TimeoutError


def test_flow_waits_for_a_person_and_does_as_they_say(registered: Path, server: str) -> None:
    from prefect.flow_runs import resume_flow_run

    declare("gate: {promote: better}", "gate: {margin: 100, approval: manual}")
    before = state_of_user()
    words = ["-m", "flows.cli", "retrain", "diabetes", "--reason", "other rules", "--wait", "--json"]
    environment = {**os.environ, "PREFECT_API_URL": server}
    with subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            waiting = paused_run()
        except TimeoutError:
            process.kill()  # it would wait for an answer for days
            raise
        resume_flow_run(waiting.id, run_input={"approve": True, "reason": "looked at it"})
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    decision = json.loads(printed)
    assert (process.returncode, decision["version"], decision["outcome"]) == (0, "v1.2.0", "promoted")
    last = registry.promotions("diabetes")[-1]
    assert (str(last.version.number), last.reason) == ("v1.2.0", "looked at it")
    names = {name.partition("-")[0] for name in tasks_of(waiting)}
    assert {"sync", "bring", "land", "judge", "register", "decide", "publish"} <= names
    assert state_of_user() == before
