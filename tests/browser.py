"""Headless Chromium behind a proxy that lets nothing through and writes down who asked for what."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--component-updater=url-source=http://127.0.0.1:1/",  # what is asked for all the same
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-breakpad",
    "--no-default-browser-check",
    "--no-pings",
    "--metrics-recording-only",
    "--gcm-registration-url=http://127.0.0.1:1/",  # Chromium itself refuses port 1: it asks for nothing
    "--gaia-url=http://127.0.0.1:1/",
    "--google-base-url=http://127.0.0.1:1/",
    "--disable-features=NetworkTimeServiceQuerying,OptimizationHints,OptimizationGuideModelDownloading,Translate,"
    "PreconnectToSearch,MediaRouter,AutofillServerCommunication,CertificateTransparencyComponentUpdater,SafeBrowsing,InterestFeedContentSuggestions",
    "--disable-dev-shm-usage",
    "--proxy-bypass-list=<-loopback>",  # else 127.0.0.1 would go round the proxy
    "--virtual-time-budget=4000",  # scripts and late loads get four seconds of the page's time
)


def chromium() -> str:
    """The browser; a test that needs it is skipped where it is missing, and fails in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("chromium is not installed; `apt-get install -y chromium`")
    return found or pytest.skip("chromium is not installed")


class Refusing(BaseHTTPRequestHandler):
    """Answers each request with 403, after writing down its line."""

    def do_any(self) -> None:
        """Refuse."""
        self.server.asked.append(self.requestline)  # type: ignore[attr-defined]
        self.send_error(403)

    do_GET = do_POST = do_HEAD = do_OPTIONS = do_CONNECT = do_any  # noqa: N815 - http.server's names

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@contextmanager
def refusing_proxy() -> Iterator[tuple[int, list[str]]]:
    """A proxy on loopback: its port, and the request lines that reached it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    asked: list[str] = []
    server.asked = asked  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def open_page(page: Path, profile: Path) -> tuple[str, list[str]]:
    """Open a file as a user would: the document after its scripts ran, and all that it, or the browser, asked for."""
    with refusing_proxy() as (port, asked):
        command = [chromium(), *FLAGS, f"--proxy-server=127.0.0.1:{port}", f"--user-data-dir={profile}", "--dump-dom"]
        done = subprocess.run(
            [*command, page.resolve().as_uri()], capture_output=True, text=True, timeout=120, check=True
        )
    return done.stdout, asked
