"""The load: a process that sends requests over kept connections and records the times of first and last bytes.

``python -m bench.load`` reads one ``Plan`` as JSON from standard input and writes one JSON list of answers
``[sent at, seconds to first byte, seconds in all, status, bytes, number of the request]``, those of the warm-up
included. Status 0: it was cut off.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from typing import Any, cast

import httptools
import uvloop

from bench.measure import percentile
from tests.support.servers import ROOT

# Stands in a body for what no other request has: sixteen hexadecimal digits, new for each.
UNIQUE = "<unique-in-body>"


@dataclass(frozen=True)
class Request:
    """One HTTP request; the body in base64, since plans travel as JSON. ``UNIQUE`` in it is another text each time."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    @classmethod
    def of(cls, method: str, path: str, body: bytes = b"", **headers: str) -> Request:
        """A request; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(method, path, named, base64.b64encode(body).decode("ascii"))

    def wire(self, host: str) -> bytes:
        """The bytes to send."""
        body = base64.b64decode(self.body)
        headers = {"Host": host, "Content-Length": str(len(body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass(frozen=True)
class Plan:
    """The requests to send, and their rate.

    Attributes:
        port: on 127.0.0.1.
        requests: sent in turn.
        clients: connections; each sends its next request as soon as it has an answer.
        seconds: duration; requests in progress are finished.
        count: total number of requests, instead of ``seconds``.
        rate: requests a second, sent when due whether or not earlier ones are answered; 0: as fast as answers arrive.
        warm_up: seconds at the start that are not counted; closed-loop clients begin spread over them, since clients
            in the field are not in step either.
    """

    port: int
    requests: Sequence[Request]
    clients: int = 1
    seconds: float = 0.0
    count: int = 0
    rate: float = 0.0
    warm_up: float = 0.0


@dataclass(frozen=True)
class Answers:
    """The answers: one entry per request, in the order of the answers' ends; times in seconds.

    Attributes:
        per_second: good answers a second. Where the load lasted for a time, those that ended within it, the warm-up
            left out: what was under way at its start and at its end would count against those who take longer.
            Otherwise from the first question to the last answer.
    """

    sent: list[float]
    first_byte: list[float]
    total: list[float]
    status: list[int]
    size: list[int]
    request: list[int]
    per_second: float

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]], plan: Plan) -> Answers:
        """The answers of the load process's output rows."""
        counted = [row for row in rows if row[0] >= plan.warm_up]
        columns: list[Any] = [list(column) for column in zip(*counted, strict=True)] or [[] for _ in range(6)]
        begin, end = (plan.warm_up, plan.seconds) if plan.seconds else _span(rows)
        good = sum(begin <= sent + total <= end for sent, _, total, status, *_ in rows if status == 200)
        return cls(*columns, per_second=good / (end - begin) if good else 0.0)

    def count(self, status: int) -> int:
        """The number of answers with this status."""
        return self.status.count(status)

    @property
    def errors(self) -> int:
        """Answers that were not 200."""
        return len(self.status) - self.count(200)

    def summary(self) -> dict[str, float]:
        """The usual metrics; times in milliseconds."""
        return {
            "first p50": percentile(self.first_byte, 50) * 1e3,
            "first p99": percentile(self.first_byte, 99) * 1e3,
            "total p50": percentile(self.total, 50) * 1e3,
            "total p99": percentile(self.total, 99) * 1e3,
            "per second": self.per_second,
            "errors": float(self.errors),
        }


def _span(rows: Sequence[Sequence[float]]) -> tuple[float, float]:
    """From the first question to the last answer."""
    return min((row[0] for row in rows), default=0.0), max((row[0] + row[2] for row in rows), default=0.0)


_UNIQUE = UNIQUE.encode()
# Letters only: a text's numbers would be read out in words, which is work of its own.
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def _unique() -> bytes:
    return secrets.token_hex(len(_UNIQUE) // 2).translate(_LETTERS).encode()


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._answer: asyncio.Future[None] | None = None
        self.status = 0
        self.size = 0
        self.first = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, wire: bytes) -> asyncio.Future[None]:
        assert self.transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.size, self.first = 0, 0, 0.0
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(wire)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self.first:
            self.first = time.perf_counter()
        self.size += len(body)

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.closed = not self._parser.should_keep_alive()
        self._done()

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        self._done()

    def _done(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)


class _Load:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._wires = cycle(enumerate([request.wire(f"127.0.0.1:{plan.port}") for request in plan.requests]))
        self._left: Iterator[None] = iter([None] * plan.count) if plan.count else iter(lambda: None, 0)
        self.rows: list[tuple[float, float, float, int, int, int]] = []

    async def run(self) -> None:
        self._started = time.perf_counter()
        self._end = self._started + self._plan.seconds if self._plan.seconds else float("inf")
        if self._plan.rate:
            await self._open_loop()
        else:
            step = self._plan.warm_up / self._plan.clients
            await asyncio.gather(*(self._client(number * step) for number in range(self._plan.clients)))

    async def _client(self, delay: float) -> None:
        connection = await self._connect()
        await asyncio.sleep(delay)
        while time.perf_counter() < self._end and next(self._left, self) is None:
            if connection.closed:
                connection = await self._connect()
            await self._ask(connection, time.perf_counter())
        if connection.transport is not None:
            connection.transport.close()

    async def _open_loop(self) -> None:
        """A wait that the server causes counts as its latency: the clock starts when a request was due."""
        idle = [await self._connect() for _ in range(self._plan.clients)]
        running: set[asyncio.Task[None]] = set()
        due = time.perf_counter()
        while due < self._end and next(self._left, self) is None:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self._borrow(idle, due))
            running.add(task)
            task.add_done_callback(running.discard)
            due += 1 / self._plan.rate
        await asyncio.gather(*running)

    async def _borrow(self, idle: list[_Connection], due: float) -> None:
        connection = idle.pop() if idle else await self._connect()
        if connection.closed:
            connection = await self._connect()
        await self._ask(connection, due)
        idle.append(connection)

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._plan.port)
        return connection

    async def _ask(self, connection: _Connection, start: float) -> None:
        number, wire = next(self._wires)
        await connection.ask(wire.replace(_UNIQUE, _unique()))
        end = time.perf_counter()
        first = (connection.first or end) - start
        self.rows.append((start - self._started, first, end - start, connection.status, connection.size, number))


@dataclass(frozen=True)
class Running:
    """A running load in a second process."""

    plan: Plan
    process: subprocess.Popen[str]


def start(plan: Plan) -> Running:
    """Begin the load in a second process; ``collect`` waits for it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(plan)))
    process.stdin.close()
    return Running(plan, process)


def collect(running: Running) -> Answers:
    """The answers of a load that was started."""
    process = running.process
    assert process.stdout is not None
    with process:
        text = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the load process ended with {process.returncode}")
    return Answers.of(json.loads(text), running.plan)


def apply(plan: Plan) -> Answers:
    """Load a server from a second process and wait for the end."""
    return collect(start(plan))


def main() -> int:
    """The second process."""
    given = json.load(sys.stdin)
    plan = Plan(**{**given, "requests": [Request(**request) for request in given["requests"]]})
    load = _Load(plan)
    uvloop.run(load.run())
    json.dump(load.rows, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
