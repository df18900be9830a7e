"""The load: what it asks, and what it notes, against a real server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import ClassVar

import pytest

from bench.load import UNIQUE, Answers, Plan, Request, apply


class Slow(BaseHTTPRequestHandler):
    """Echoes the body's length; the second half comes a tenth of a second after the first."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(body)
        text = json.dumps(len(body)).encode().ljust(8)
        self.send_response(503 if self.path == "/busy" else 200)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(text[:4])
        time.sleep(0.1)
        self.wfile.write(text[4:])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_first_byte_and_last_byte_are_distinguished(port: int) -> None:
    answers = apply(Plan(port, [Request.of("POST", "/", b"12345")], clients=2, count=6))
    assert answers.status == [200] * 6
    assert answers.size == [8] * 6
    assert all(0 < first < total for first, total in zip(answers.first_byte, answers.total, strict=True))


def test_each_request_has_its_own_text_where_it_is_asked_for(port: int) -> None:
    Slow.seen.clear()
    body = f"text={UNIQUE};".encode()
    assert apply(Plan(port, [Request.of("POST", "/", body)], clients=2, count=6)).errors == 0
    assert len(set(Slow.seen)) == 6
    assert {len(text) for text in Slow.seen} == {len(body)}
    assert all(text.startswith(b"text=") and text.endswith(b";") for text in Slow.seen)


def test_answers_name_their_request_and_errors_are_counted(port: int) -> None:
    answers = apply(Plan(port, [Request.of("POST", "/"), Request.of("POST", "/busy")], clients=1, count=4))
    assert dict(zip(answers.request, answers.status, strict=True)) == {0: 200, 1: 503}
    assert answers.errors == 2


def test_a_rate_is_kept_though_answers_are_slow(port: int) -> None:
    answers = apply(Plan(port, [Request.of("POST", "/")], clients=1, rate=20, count=10))
    assert len(answers.sent) == 10
    sent = sorted(answers.sent)
    assert [round(later - earlier, 6) for earlier, later in pairwise(sent)] == [0.05] * 9


ROWS = [(0.0, 0.1, 1.0, 200, 1, 0), (1.0, 0.1, 1.0, 200, 1, 0), (1.0, 0.1, 0.5, 503, 0, 0)]


def test_throughput_of_a_number_of_requests_counts_good_answers_from_first_question_to_last_answer() -> None:
    assert Answers.of(ROWS, Plan(1, [], count=3)).per_second == 1.0
    assert Answers.of([], Plan(1, [], count=3)).per_second == 0.0


@pytest.mark.parametrize("seconds_each", [0.1, 0.5, 2.0])
def test_throughput_over_a_time_does_not_depend_on_how_long_an_answer_takes(seconds_each: float) -> None:
    """Ten answers end in each second, however many are under way at a time."""
    ends = [number / 10 + 0.05 for number in range(80)]
    rows = [(end - seconds_each, 0.0, seconds_each, 200, 1, 0) for end in ends if end >= seconds_each]
    answers = Answers.of(rows, Plan(1, [], seconds=6.0, warm_up=2.0))
    assert answers.per_second == pytest.approx(10.0)


def test_the_warm_up_is_left_out(port: int) -> None:
    answers = apply(Plan(port, [Request.of("POST", "/")], clients=2, seconds=1.0, warm_up=0.5))
    assert min(answers.sent) >= 0.5
    assert answers.per_second == pytest.approx(len(answers.sent) / 0.5, rel=0.5)
