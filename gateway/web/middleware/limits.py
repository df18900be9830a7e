"""Bounds on headers, bodies, pauses and requests at once.

An early refusal still lets the client finish sending and read it: closing a connection with unread bytes would reset
it, and the client would see a network error in place of the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.errors import (
    GatewayError,
    body_too_large,
    headers_too_large,
    invalid_request,
    overloaded,
    request_timeout,
)
from gateway.web.errors import error_response
from gateway.web.health import PROBE_PATHS

DRAIN_SECONDS = 60.0
DRAIN_IDLE_SECONDS = 5.0
# What a form may hold besides its file.
FORM_BYTES = 1 << 20


class LimitsMiddleware:
    """Refuses what is too large, too slow or too much.

    Args:
        app: what is wrapped.
        body_bytes: most bytes of a body.
        upload_bytes: largest file by exact path; its form may be a little larger.
        header_bytes: most bytes of the address and all headers.
        idle_seconds: longest pause within a body.
        requests: requests served at once; the probes of health and readiness are served besides.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_bytes: int,
        upload_bytes: Mapping[str, int],
        header_bytes: int,
        idle_seconds: float,
        requests: int,
    ) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._upload_bytes = dict(upload_bytes)
        self._header_bytes = header_bytes
        self._idle_seconds = idle_seconds
        self._requests = requests
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self._upload_bytes.get(scope["path"], self._body_bytes)
        exchange = _Exchange(
            receive, send, limit=limit, idle_seconds=self._idle_seconds, complete=not _has_body(headers)
        )
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
        if size > self._header_bytes:
            return headers_too_large()
        declared = headers.get("content-length", "0")
        if not declared.isdecimal():
            return invalid_request("Content-Length 无效。", "Content-Length is not valid.", param="content-length")
        if int(declared) > limit + FORM_BYTES:
            return body_too_large(limit)
        if self._running > self._requests and scope["path"] not in PROBE_PATHS:
            return overloaded()
        return None


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class _Exchange:
    """One request's body, counted, and its answer, whose end waits until the client has finished sending."""

    def __init__(self, receive: Receive, send: Send, *, limit: int, idle_seconds: float, complete: bool) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._received = 0
        self._complete = complete

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout(self._idle_seconds):
                message = await self._receive()
        except TimeoutError as error:
            raise request_timeout() from error
        self._note(message)
        if self._received > self._limit + FORM_BYTES:
            raise body_too_large(self._limit)
        return message

    def _note(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._complete = True
        else:
            self._received += len(message.get("body", b""))
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
