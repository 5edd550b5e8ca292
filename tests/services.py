"""A Prefect server and `holdfast serve` as processes that can be killed and started again, and runs on them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.killed import P

PATIENCE_SECONDS = 500.0
RUN_OF = b"PREFECT__FLOW_RUN_ID="


@dataclass
class Services:
    """A server with a database of its own, and what serves the current directory's deployments."""

    folder: Path
    port: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        """Variables of all processes."""
        ours = {"PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.folder), "PREFECT_RUNNER_POLL_FREQUENCY": "2"}
        return {**os.environ, **ours, "PREFECT_UI_ENABLED": "false", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

    def start(self, name: str, *words: str) -> None:
        """Start one, in a process group of its own."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", *words], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_server(self) -> None:
        """Start the server, and wait until it answers."""
        self.start("server", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port))
        wait_for(self.answers)

    def start_serving(self) -> None:
        """Start `holdfast serve`."""
        self.start("serve", "flows.cli", "serve")

    def answers(self) -> bool:
        """Whether the server does."""
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
            return True
        return False

    def kill(self, name: str) -> None:
        """Kill one by its pid, and nothing that it has started."""
        self.running[name].kill()
        self.running[name].wait()

    def mend(self) -> None:
        """Start again what does not run any more."""
        if self.running["server"].poll() is not None:
            self.start_server()
        if self.running["serve"].poll() is not None:
            self.start_serving()


@contextlib.contextmanager
def services(folder: Path) -> Iterator[Services]:
    """Both, serving the current directory, until the end of the block; Prefect's clients ask this server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.deployed import is_deployed

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    both = Services(folder, port)
    try:
        with temporary_settings({PREFECT_API_URL: both.url}):
            both.start_server()
            both.start_serving()
            wait_for(lambda: is_deployed("monitor", P))
            yield both
    finally:
        for process in both.running.values():
            process.kill()
            process.wait()
        for pid in flow_processes(both):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def flow_processes(of: Services) -> list[int]:
    """Processes that were started for a flow run on this server."""
    url, found = f"PREFECT_API_URL={of.url}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            variables = path.read_bytes().split(b"\0")
            if url in variables and any(each.startswith(RUN_OF) for each in variables):
                found.append(int(path.parent.name))
    return found


def wait_for(condition: Callable[[], Any]) -> Any:
    """What a question answers once that is true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.3)
    raise TimeoutError


# ---- runs


def begin_monitoring() -> Any:
    """Start monitor as the button in Prefect's UI does; the run's id."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"monitor/{P}")
        return client.create_flow_run_from_deployment(deployment.id).id


def end_of(run: Any) -> str:
    """The type of the state that a run ends in."""
    from prefect.client.orchestration import get_client

    def ended() -> str | None:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run).state
        return state.type.value if state is not None and state.is_final() else None

    return str(wait_for(ended))


def begun() -> list[str]:
    """Runs that the server takes to be under way."""
    from flows.abandoned import begun_runs

    return [f"{run.name}: {run.state.name}" for run in begun_runs()]
