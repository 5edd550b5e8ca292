"""A Prefect server for the length of one run, where none is configured.

Prefect would start one by itself, but only when the flow begins, and it would import its whole server into this process
first. Started here it comes up while this process imports Prefect, and the stages' workers their libraries.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import IO

from configs.errors import HoldfastError

STARTUP_SECONDS = 180  # 17 on an idle machine with two slow cores
POLL_SECONDS = 0.1


class ServerStartError(HoldfastError):
    """Prefect's server did not come up."""


@contextlib.contextmanager
def prefect_server() -> Iterator[bool]:
    """Run the block against the configured Prefect server, or else against one that lives as long as the block.

    Yields
    ------
    bool
        Whether it goes with the block, so that nobody else runs what is left to it.

    Raises
    ------
    ServerStartError
        If the server ends or does not answer within `STARTUP_SECONDS`.
    """
    if os.environ.get("PREFECT_API_URL") or is_within_a_block():
        yield False
        return
    with tempfile.TemporaryFile("w+") as log, started_server(log) as (server, url):
        from prefect.settings import PREFECT_API_URL, temporary_settings

        if PREFECT_API_URL.value():  # a profile or a file names one
            server.terminate()
            yield False
            return
        wait_until_healthy(server, url, log)
        with temporary_settings({PREFECT_API_URL: url}):
            try:
                yield True
            finally:
                send_what_is_queued()


def is_within_a_block() -> bool:
    """Whether this process knows a server already; Prefect is not imported to ask, since that takes seconds."""
    if "prefect" not in sys.modules:
        return False
    from prefect.settings import PREFECT_API_URL

    return bool(PREFECT_API_URL.value())


def send_what_is_queued() -> None:
    """Send the log lines that Prefect still holds; at the end of the process the server would be gone."""
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()


@contextlib.contextmanager
def started_server(log: IO[str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start `prefect server start` on a free loopback port; end it, by its own process id, with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "flows.tethered",  # it ends with this process, also where that is killed
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    environment = {**os.environ, "PREFECT_UI_ENABLED": "false", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True
    )
    try:
        yield server, f"http://127.0.0.1:{port}/api"
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
        if server.stdin is not None:
            server.stdin.close()


def wait_until_healthy(server: subprocess.Popen[bytes], url: str, log: IO[str]) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{url}/health", timeout=5).close()  # noqa: S310  (a URL of our own, on loopback)
            return
        time.sleep(POLL_SECONDS)
    log.seek(0)
    said = log.read().strip().splitlines()[-3:]
    raise ServerStartError(
        f"Prefect's temporary server did not answer at {url} within {STARTUP_SECONDS} s"
        f"{': ' + ' / '.join(said) if said else ''}. Start one with `prefect server start` and set PREFECT_API_URL."
    )
