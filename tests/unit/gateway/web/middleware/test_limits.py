"""A body that trickles in is ended, however long its pauses are; one that is merely slow is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway.web.errors import HttpError
from gateway.web.middleware import limits
from gateway.web.middleware.limits import LimitsMiddleware
from gateway.web.operation import Operation, note_operation

PAUSE = 0.02


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RATE_SECONDS", PAUSE * 2)


async def read(pieces: Sequence[bytes], *, rate: int, work: float = 0.0) -> bytes:
    """What an application behind the middleware gets of a body that comes in pieces, a pause before each."""
    got = b""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal got
        more = True
        while more:
            message = await receive()
            got += message["body"]
            more = message["more_body"]
            await asyncio.sleep(work)

    coming = list(pieces)

    async def receive() -> Message:
        await asyncio.sleep(PAUSE)
        body = coming.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(coming)}

    async def send(message: Message) -> None:
        raise AssertionError("nothing is answered here")

    settings: Any = SimpleNamespace(max_header_bytes=1000, max_connections=10, min_upload_rate=rate, max_upload_bytes=0)
    scope: Scope = {"type": "http", "query_string": b"", "headers": [(b"transfer-encoding", b"chunked")]}
    note_operation(scope, Operation("POST", "/upload"))
    await LimitsMiddleware(app, settings=settings)(scope, receive, send)
    return got


async def test_a_body_that_trickles_is_ended() -> None:
    with pytest.raises(HttpError) as refused:
        await read([b"x"] * 100, rate=1000)
    assert (refused.value.status, refused.value.code) == (408, "request_timeout")


async def test_a_slow_body_arrives() -> None:
    assert await read([b"x" * 1000] * 10, rate=1000) == b"x" * 10_000


async def test_a_body_that_hurries_at_first_must_go_on() -> None:
    with pytest.raises(HttpError):
        await read([b"x" * 100_000] + [b"x"] * 100, rate=1000)


async def test_the_time_that_we_take_is_not_the_clients() -> None:
    assert await read([b"x" * 200] * 4, rate=1000, work=0.3) == b"x" * 800


async def test_no_rate_is_asked_for_where_none_is_set() -> None:
    assert await read([b"x"] * 10, rate=0) == b"x" * 10
