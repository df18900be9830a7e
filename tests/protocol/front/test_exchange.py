"""A gateway goes and another comes: nobody who asks all the while sees it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import requests

from tests.support.front import running_front
from tests.support.raw_http import connected
from tests.support.servers import running_gateway
from tests.support.standin_gateway import Gateway


class Asking:
    """Clients that ask without a pause and note what they get."""

    def __init__(self, url: str, clients: int) -> None:
        self.url = url
        self.failures: list[str] = []
        self.answers = 0
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        with requests.Session() as session:
            while not self._stopped.is_set():
                try:
                    if number % 2:
                        answer = session.get(f"{self.url}/health", timeout=30)
                    else:
                        answer = session.post(f"{self.url}/v1/tts", json={"device_id": "d"}, timeout=30)
                except requests.RequestException as error:
                    self.failures.append(repr(error))
                else:
                    self.answers += 1
                    if answer.status_code not in (200, 400, 404):
                        self.failures.append(f"{answer.status_code} {answer.text}")


def test_a_replacement_of_gateways_loses_no_request(tmp_path: Path) -> None:
    """Twice: the second one comes up where the first one was."""
    settings = {"cosyvoice_url": "http://127.0.0.1:9", "shutdown_timeout": 5}
    with running_gateway("voice", tmp_path, **settings) as gateway:
        changed = {"voice": f"127.0.0.1:{gateway.port}", "front_address_requests_per_minute": 0}
        with running_front(tmp_path / "front", **changed) as front, Asking(front.voice, clients=8) as asking:
            for _ in range(2):
                time.sleep(1)
                before = asking.answers
                gateway.stop()
                time.sleep(2)
                gateway.restart()
                deadline = time.monotonic() + 20
                while asking.answers < before + 100 and time.monotonic() < deadline:
                    time.sleep(0.1)
                assert asking.answers >= before + 100
        assert asking.failures == []


def test_a_request_waits_for_the_gateway_that_is_coming(tmp_path: Path, gateway: Gateway) -> None:
    gateway.stop()
    with running_front(tmp_path, voice=gateway.address) as front, connected(front.voice_port) as client:
        client.send("GET /late HTTP/1.1", "Host: localhost", "Connection: close")
        time.sleep(2.5)
        gateway.start()
        status, _, body = client.answer()
    assert status == 200
    assert b"/late" in body


def test_a_gateway_that_stays_away_is_a_503_with_a_sentence(tmp_path: Path) -> None:
    with running_front(tmp_path, front_hold_seconds=2) as front:
        started = time.monotonic()
        answer = requests.post(f"{front.video}/upload", data=bytes(100_000), timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (503, "shutting_down")
    assert time.monotonic() - started < 15


def test_a_large_upload_into_a_gateway_that_dies_can_be_repeated(tmp_path: Path, gateway: Gateway) -> None:
    """Too large to be kept for a second attempt: the client is asked to come back."""
    with running_front(tmp_path, voice=gateway.address, front_hold_seconds=2) as front:
        answer = requests.post(f"{front.voice}/dies", data=bytes(1_000_000), timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (503, "shutting_down")
    assert int(answer.headers["Retry-After"]) > 0
