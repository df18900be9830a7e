"""A gateway's own troubles are read from its health, and nothing that it does not mean as one becomes a line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from doctor import entry_http
from doctor.containers import Container, parse_inspect
from doctor.entry_http import entry_state


@pytest.fixture
def answer() -> dict[str, Any]:
    """What the gateway says; a test changes it."""
    return {"storage": None, "clock": {"deletion_held": False}}


@pytest.fixture
def gateway(answer: dict[str, Any], inspected: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    """A container whose address is this machine's, where something answers ``/health``."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer["raw"] if "raw" in answer else json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    monkeypatch.setattr(entry_http, "PORTS", (1, server.server_address[1]))
    inspected["NetworkSettings"]["Networks"]["net"]["IPAddress"] = "127.0.0.1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield parse_inspect(inspected)
    server.shutdown()
    server.server_close()


def test_a_gateway_without_trouble_says_nothing(gateway: Container) -> None:
    assert entry_state(gateway) == ""


def test_storage_and_clock_are_lines(gateway: Container, answer: dict[str, Any]) -> None:
    answer.update(storage={"code": "storage_full", "message": "…"}, clock={"deletion_held": True})
    assert entry_state(gateway) == "entry storage=storage_full\nentry clock deletion_held=true"


@pytest.mark.parametrize(
    "strange",
    [
        {"storage": {"code": "storage_full\ndocker missing"}},
        {"storage": {"code": ["storage_full"]}},
        {"storage": "storage_full", "clock": "true"},
        {"clock": {"deletion_held": "true"}},
        {"raw": b"[1]"},
        {"raw": b"\xff"},
        {"raw": b""},
        {"raw": b"[" * 5000},
    ],
)
def test_what_is_not_meant_as_trouble_is_none(
    gateway: Container, answer: dict[str, Any], strange: dict[str, Any]
) -> None:
    answer.update(strange)
    assert entry_state(gateway) == ""


def test_a_gateway_that_answers_nothing_says_nothing(container: Container) -> None:
    assert entry_state(container) == ""
