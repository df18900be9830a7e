"""Role `cosyvoice` follows the engine until it is ready: played for real, over a stand-in for the Docker CLI."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.support.played_roles import play, stand_in

pytestmark = pytest.mark.slow

# `docker exec NAME python3 -c SCRIPT URL` asks the test's server; while the file `down` is there it fails.
DOCKER = """\
#!/bin/bash
[ -e "$(dirname "$0")/down" ] && exit 1
shift 4
exec {python} -c "$1" "${{2/:50000/:{port}}}"
"""


class Engine(BaseHTTPRequestHandler):
    """Answers every request with `health`."""

    health: ClassVar[dict[str, object]] = {}

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.health).encode())

    def log_message(self, *args: object) -> None:
        """Nothing: the test's output is Ansible's."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Engine)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def docker(tmp_path: Path, port: int) -> Path:
    return stand_in(tmp_path / "bin", "docker", DOCKER.format(python=sys.executable, port=port))


def follow(docker: Path, *options: str, environment: dict[str, str] | None = None, **values: object) -> tuple[int, str]:
    """Exit code and output of the tasks that wait for the engine, asked ten times a second."""
    variables = {"_cosyvoice_poll_seconds": 0.1, **values}
    return play("cosyvoice", "await_engine.yml", variables, *options, programs=docker.parent, environment=environment)


def test_a_ready_engine_is_seen_although_the_container_has_a_proxy(docker: Path) -> None:
    Engine.health = {"state": "ready"}
    proxy = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": ""}
    code, output = follow(docker, environment=proxy, cosyvoice_download_timeout=5)
    assert code == 0, output
    assert "localhost: iic/CosyVoice-300M ready" in output
    assert "changed=0" in output


def test_a_container_that_never_stays_up_ends_with_a_sentence(docker: Path) -> None:
    (docker.parent / "down").touch()
    code, output = follow(docker, _cosyvoice_most_failures=3, cosyvoice_download_timeout=60)
    assert code == 2
    assert "was found stopped 3 times" in output


def test_an_endless_download_is_given_up(docker: Path) -> None:
    Engine.health = {"state": "downloading", "download": {"percent": 10, "bytes": 10, "total_bytes": 100}}
    code, output = follow(docker, cosyvoice_download_timeout=2)
    assert code == 2
    assert "was not ready within 2 s" in output
    assert "10 %, 10 bytes of 100 bytes" in output


def test_a_failed_load_is_reported_at_once(docker: Path) -> None:
    Engine.health = {"state": "failed", "error": {"last_line": "RuntimeError: no", "code": 3}}
    code, output = follow(docker)
    assert code == 2
    assert "RuntimeError: no (3)" in output


def test_check_mode_waits_for_nothing(docker: Path) -> None:
    Engine.health = {"state": "loading"}
    code, output = follow(docker, "--check")
    assert code == 0, output
    assert "skipped=1" in output
