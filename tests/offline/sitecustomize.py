"""Put on PYTHONPATH: every Python process below refuses, and records, a connection beyond loopback."""

import ipaddress
import os
import socket
import sys
from pathlib import Path


def is_local(host: object) -> bool:
    """Whether a host is this machine's loopback, or none at all."""
    if host in {None, "", b"", "localhost", b"localhost", socket.gethostname()}:
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def refuse_other_hosts(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: look at the host of each connection and of each name that is looked up."""
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if not is_local(host):
        with Path(os.environ["CONNECTIONS_FILE"]).open("a") as file:
            file.write(f"{event} {host!r} by {sys.argv}\n")
        raise ConnectionRefusedError(f"{event} to {host!r}: this run must not leave the machine")


sys.addaudithook(refuse_other_hosts)
