"""Limits of headers, bodies, their rate and concurrent requests; the front handles pauses and slow heads.

An early refusal still lets the client finish sending and read it: closing a connection with unread bytes would reset
it, and the client would see a network error in place of the answer.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.errors import (
    GatewayError,
    body_too_large,
    invalid_request,
    overloaded,
)
from gateway.settings import CommonSettings
from gateway.web.errors import error_response, headers_too_large, upload_too_slow
from gateway.web.operation import operation_of

DRAIN_SECONDS = 60.0
DRAIN_IDLE_SECONDS = 5.0
# A body's rate is looked at each time that its client has been waited for so long.
RATE_SECONDS = 60.0
# The limit of a form without its file.
FORM_BYTES = 1 << 20


class LimitsMiddleware:
    """Rejects requests that are too large or too many.

    Args:
        app: the wrapped application.
        settings: bounds of headers, pauses and requests at once; what a body may hold follows from them and from the
            operation. Probes are served besides.
    """

    def __init__(self, app: ASGIApp, *, settings: CommonSettings) -> None:
        self._app = app
        self._settings = settings
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = operation_of(scope).body_bytes(self._settings)
        bounds = _Bounds(limit, self._settings.min_upload_rate)
        exchange = _Exchange(receive, send, bounds=bounds, complete=not _has_body(headers))
        self._running += 1
        try:
            refusal = self._refusal(scope, headers, limit)
            if refusal is None:
                await self._app(scope, exchange.receive, exchange.send)
            else:
                scope["twinport.error"] = refusal
                await error_response(refusal, scope)(scope, exchange.receive, exchange.send)
        finally:
            self._running -= 1

    def _refusal(self, scope: Scope, headers: Headers, limit: int) -> GatewayError | None:
        size = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        size += sum(len(name) + len(value) for name, value in headers.raw)
        if size > self._settings.max_header_bytes:
            return headers_too_large()
        declared = headers.get("content-length", "0")
        if not declared.isdecimal():
            return invalid_request("Content-Length 无效。", "Content-Length is not valid.", param="content-length")
        if int(declared) > limit + FORM_BYTES:
            return body_too_large(limit)
        if self._running > self._settings.max_connections and not operation_of(scope).probe:
            return overloaded()
        return None


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


@dataclass(frozen=True)
class _Bounds:
    """How many bytes a body may have, and how few a second may bring."""

    most_bytes: int
    least_rate: int


class _Exchange:
    """One request's body, counted, and its answer, whose end waits until the client has finished sending."""

    def __init__(self, receive: Receive, send: Send, *, bounds: _Bounds, complete: bool) -> None:
        self._receive = receive
        self._send = send
        self._bounds = bounds
        self._received = 0
        self._complete = complete
        # Since the rate was looked at last; only the client's time counts, not ours.
        self._waited = 0.0
        self._fresh = 0

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        asked = time.monotonic()
        message = await self._receive()
        self._waited += time.monotonic() - asked
        self._note(message)
        if self._received > self._bounds.most_bytes + FORM_BYTES:
            raise body_too_large(self._bounds.most_bytes)
        if self._waited > RATE_SECONDS and not self._complete:
            self._require_rate()
        return message

    def _require_rate(self) -> None:
        if self._fresh < self._bounds.least_rate * self._waited:
            raise upload_too_slow()
        self._waited, self._fresh = 0.0, 0

    def _note(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._complete = True
        else:
            size = len(message.get("body", b""))
            self._received += size
            self._fresh += size
            self._complete = not message.get("more_body", False)

    async def send(self, message: Message) -> None:
        if self._complete:
            await self._send(message)
            return
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
        if message["type"] != "http.response.body" or message.get("more_body", False):
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._drain()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        try:
            while not self._complete:
                left = deadline - time.monotonic()
                async with asyncio.timeout(max(0.0, min(DRAIN_IDLE_SECONDS, left))):
                    self._note(await self._receive())
        except TimeoutError:
            return
