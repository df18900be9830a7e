"""The last line of defence, without a server around it."""

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from gateway.domain.errors import not_found
from gateway.settings import VideoSettings
from gateway.web.middleware.failures import FailuresMiddleware
from gateway.web.middleware.limits import LimitsMiddleware

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/x",
    "raw_path": b"/x",
    "query_string": b"",
    "headers": [(b"accept-language", b"en")],
}


async def no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def answers_of(app: Any, scope: dict[str, Any] | None = None, receive: Receive = no_body) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(dict(scope or SCOPE), receive, send)
    return sent


async def test_no_traceback_reaches_a_client() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret details")

    start, body = await answers_of(FailuresMiddleware(broken))
    assert start["status"] == 500
    assert b"internal_error" in body["body"]
    assert b"secret" not in body["body"]


async def test_an_answer_that_has_begun_stays_without_its_end() -> None:
    async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise not_found()

    assert [message["type"] for message in await answers_of(FailuresMiddleware(breaks_off))] == ["http.response.start"]


async def test_a_client_that_left_is_not_answered() -> None:
    async def left(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    assert await answers_of(FailuresMiddleware(left)) == []


async def test_requests_at_once_are_bounded() -> None:
    go_on = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = LimitsMiddleware(slow, settings=VideoSettings(max_connections=1))
    first = asyncio.create_task(answers_of(app))
    await asyncio.sleep(0)
    (start, _) = await answers_of(app)
    assert start["status"] == 503
    assert (b"retry-after", b"5") in start["headers"]
    go_on.set()
    assert (await first)[0]["status"] == 200
    assert (await answers_of(app))[0]["status"] == 200


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"x", "٣".encode()])
async def test_a_length_that_is_none_is_refused(length: bytes) -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("must not be reached")

    app = LimitsMiddleware(never, settings=VideoSettings())
    start = (await answers_of(app, {**SCOPE, "headers": [(b"content-length", length)]}))[0]
    assert start["status"] == 400
