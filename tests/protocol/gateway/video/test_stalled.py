"""Downloads whose client stops reading: they end, and their place is free for others."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from tests.support.front import Front, running_front
from tests.support.video import VideoBench, video_bench

GIB = 2**30
IDLE = 1.0


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoBench]:
    """An entry of three connections with a file of 8 GiB, all of it holes."""
    folder = tmp_path_factory.mktemp("stalled")
    with video_bench(folder, start_engine=False, max_connections=3) as bench:
        with (bench.media / "avatar_huge.mp4").open("wb") as file:
            os.truncate(file.fileno(), 8 * GIB)
        yield bench


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, busy: VideoBench) -> Iterator[Front]:
    """The entry's front, which is impatient."""
    bounds = {"front_idle_timeout": int(IDLE), "front_address_requests_per_minute": 0}
    with running_front(tmp_path_factory.mktemp("front"), video=f"127.0.0.1:{busy.gateway.port}", **bounds) as running:
        yield running


def download(front: Front, opened: ExitStack) -> socket.socket:
    """A download of which no more than the head is read."""
    connection = opened.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", front.video_port))
    connection.sendall(b"GET /download?path=avatar_huge.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in connection.recv(16)
    return connection


def test_clients_that_stop_reading_free_their_places(busy: VideoBench, front: Front) -> None:
    url = busy.client.url + "/easy/tasks"
    with ExitStack() as opened:
        stalled = [download(front, opened) for _ in range(3)]
        assert requests.get(url, timeout=10).status_code == 503
        deadline = time.monotonic() + 30
        while requests.get(url, timeout=10).status_code == 503:
            assert time.monotonic() < deadline, "stalled downloads keep the entry full"
            time.sleep(0.2)
        received = 0
        with suppress(ConnectionError):
            while block := stalled[0].recv(2**20):
                received += len(block)
        assert received < GIB, "the download continues"


@pytest.mark.slow
def test_a_slow_reader_is_served_on(busy: VideoBench, front: Front) -> None:
    with ExitStack() as opened:
        slow = download(front, opened)
        until = time.monotonic() + 6 * IDLE
        while time.monotonic() < until:
            assert slow.recv(4096)
            time.sleep(0.2)
        assert requests.get(busy.client.url + "/health", timeout=10).status_code == 200
        assert slow.recv(4096)


def test_nothing_is_read_for_a_client_that_has_left(busy: VideoBench, front: Front) -> None:
    def bytes_read() -> int:
        lines = Path(f"/proc/{busy.gateway.pid}/io").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("rchar")).split()[1])

    with ExitStack() as opened:
        download(front, opened)
    time.sleep(0.5)
    before = bytes_read()
    time.sleep(1)
    assert bytes_read() - before < 64 * 2**20
