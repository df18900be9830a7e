"""Connections that say nothing, too little or too much: they cost others nothing."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import requests

from tests.support.front import Front, running_front
from tests.support.raw_http import PATIENCE, Client, connected, until
from tests.support.standin_gateway import Gateway

HEAD = ("GET / HTTP/1.1", "Host: localhost")
UPLOAD = ("POST /upload HTTP/1.1", "Host: localhost", "Content-Length: 1000000")
OFFICE, OTHER = "127.0.0.2", "127.0.0.3"


def is_served(front: Front, source: str) -> bool:
    """Whether an honest client at this address gets its answer."""
    with connected(front.voice_port, source) as client:
        return client.send(*HEAD, "Connection: close").answer()[0] == 200


def test_a_silent_connection_is_closed(tmp_path: Path, gateway: Gateway) -> None:
    with running_front(tmp_path, voice=gateway.address, front_head_timeout=1) as front:
        with connected(front.voice_port) as client:
            assert client.is_closed()
        with connected(front.voice_port) as client:
            client.socket.sendall(b"\r\n\r\n")
            assert client.is_closed()
        with connected(front.voice_port) as client:
            client.socket.sendall(b"GET / HT")
            assert client.is_closed()


def test_a_head_that_drips_is_closed(tmp_path: Path, gateway: Gateway) -> None:
    with (
        running_front(tmp_path, voice=gateway.address, front_head_timeout=1) as front,
        connected(front.voice_port) as client,
    ):
        client.socket.sendall(b"GET / HTTP/1.1\r\nX: ")
        client.socket.settimeout(0.1)
        deadline = time.monotonic() + PATIENCE
        with suppress(ConnectionError):
            while not client.is_closed():
                client.socket.sendall(b"x")
                assert time.monotonic() < deadline


def test_a_connection_is_kept_between_two_requests(tmp_path: Path, gateway: Gateway) -> None:
    with (
        running_front(tmp_path, voice=gateway.address, front_head_timeout=1) as front,
        requests.Session() as session,
    ):
        for _ in range(2):
            assert session.get(front.voice, timeout=10).status_code == 200
            time.sleep(1.5)


def test_an_answer_may_take_longer_than_a_client_may_pause(tmp_path: Path, gateway: Gateway) -> None:
    bounds = {"front_head_timeout": 1, "front_idle_timeout": 1, "front_keep_alive": 1}
    with running_front(tmp_path, voice=gateway.address, **bounds) as front:
        with connected(front.voice_port) as client:
            client.send("GET /slow?3 HTTP/1.1", "Host: localhost", "Connection: close")
            assert client.answer()[0] == 200
        assert requests.get(f"{front.voice}/pieces?1.5", timeout=20).status_code == 200


def test_an_upload_that_does_not_get_going_never_reaches_the_gateway(tmp_path: Path, gateway: Gateway) -> None:
    with running_front(tmp_path, voice=gateway.address, front_body_timeout=1) as front, ExitStack() as opened:
        for _ in range(100):
            opened.enter_context(connected(front.voice_port, OFFICE)).send(*UPLOAD, body=b"a")
        with connected(front.voice_port) as client:
            status, _, body = client.send(*UPLOAD, "Accept-Language: en", body=b"a").answer()
        assert (status, json.loads(body)["code"]) == (408, "request_timeout")
        assert json.loads(body)["message"].startswith("The upload stopped arriving")
        assert gateway.requests == 0


def test_an_upload_that_stops_in_the_middle_is_ended(tmp_path: Path, gateway: Gateway) -> None:
    """HAProxy 3 sees that the client pauses; HAProxy 2.6 only that the gateway does not answer."""
    bounds = {"front_idle_timeout": 1, "front_answer_timeout": 3}
    with running_front(tmp_path, voice=gateway.address, **bounds) as front:
        with connected(front.voice_port) as client:
            status, _, body = client.send(*UPLOAD, body=bytes(100_000)).answer()
            assert (status, json.loads(body)["code"]) in [(408, "request_timeout"), (504, "gateway_timeout")]
        until(lambda: gateway.running == 0)


def test_a_whole_upload_arrives(tmp_path: Path, gateway: Gateway) -> None:
    with running_front(tmp_path, voice=gateway.address) as front:
        for size in (0, 1, 16_384, 5_000_000):
            assert requests.post(f"{front.voice}/upload", data=bytes(size), timeout=20).json()["body"] == size


def test_a_stalled_reader_is_disconnected(tmp_path: Path, gateway: Gateway) -> None:
    with (
        running_front(tmp_path, voice=gateway.address, front_idle_timeout=1) as front,
        connected(front.voice_port) as client,
    ):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send("GET /much?50000000 HTTP/1.1", "Host: localhost")
        until(lambda: gateway.cut == 1)


def test_silent_connections_of_one_address_do_not_block_others(tmp_path: Path, gateway: Gateway) -> None:
    bounds = {"front_max_connections": 200, "front_address_connections": 50, "front_address_spare": 20}
    with running_front(tmp_path, voice=gateway.address, **bounds) as front, ExitStack() as opened:
        for _ in range(600):
            with suppress(OSError):
                client = Client(front.voice_port, OFFICE)
                opened.callback(client.socket.close)
        for _ in range(20):
            assert is_served(front, OTHER)


def test_an_office_is_served_up_to_its_bound_and_then_gets_a_sentence(tmp_path: Path, gateway: Gateway) -> None:
    bounds = {"front_address_connections": 30, "front_address_spare": 5}
    with running_front(tmp_path, voice=gateway.address, **bounds) as front, ExitStack() as opened:
        for _ in range(30):
            opened.enter_context(connected(front.voice_port, OFFICE)).send("GET /slow?15 HTTP/1.1", "Host: localhost")
        until(lambda: gateway.running == 30)
        with connected(front.voice_port, OFFICE) as client:
            status, headers, body = client.send(*HEAD, "Connection: close").answer()
        assert (status, json.loads(body)["code"], headers["retry-after"]) == (503, "overloaded", "5")
        assert is_served(front, OTHER)


def test_thirty_clients_of_one_office_fit(tmp_path: Path, gateway: Gateway) -> None:
    """Each with the six connections of a browser or of a busy desktop client."""
    with running_front(tmp_path, voice=gateway.address) as front, ExitStack() as opened:
        clients = [opened.enter_context(connected(front.voice_port, OFFICE)) for _ in range(30 * 6)]
        for client in clients:
            client.send(*HEAD, "Connection: close")
        assert {client.answer()[0] for client in clients} == {200}


def test_too_many_requests_of_one_address_wait(tmp_path: Path, gateway: Gateway) -> None:
    with running_front(tmp_path, voice=gateway.address, front_address_requests_per_minute=10) as front:
        statuses = [requests.get(front.voice, timeout=10).status_code for _ in range(20)]
        assert statuses[:10] == [200] * 10
        assert statuses[-1] == 503
        refused = requests.get(front.voice, timeout=10)
        assert (refused.json()["code"], refused.headers["Retry-After"]) == ("rate_limited", "10")
        assert requests.get(f"{front.voice}/v1/models", timeout=10).status_code == 429
        assert is_served(front, OTHER)
