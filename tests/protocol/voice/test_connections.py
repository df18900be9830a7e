"""Many connections at once, as one client may open them on purpose."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import requests

from tests.support.servers import Server, running_gateway

MOST = 200


def held(server: Server) -> int:
    """How many connections the entry has open."""
    needle = f":{server.port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(needle) and line.split()[3] == "01" for line in lines)


def test_silent_connections_keep_nobody_out(tmp_path: Path) -> None:
    """The system's own limit on open files, often 1024, is no obstacle either."""
    with running_gateway("voice", tmp_path, cosyvoice_url="http://127.0.0.1:9", max_connections=MOST) as server:
        server.stop()
        server.command = ["prlimit", "--nofile=128:4096", *server.command]
        server.restart()
        with ExitStack() as opened:
            for _ in range(3 * MOST):
                opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            for _ in range(20):
                assert requests.get(server.url + "/health", timeout=10).status_code == 200
                listed = requests.get(server.url + "/v1/voices", params={"device_id": "d"}, timeout=10)
                assert listed.status_code == 200
            assert held(server) <= MOST
