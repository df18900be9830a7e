"""The outermost layer: request id in and out, one log line and metrics per request."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.errors import GatewayError
from gateway.web.metrics import Metrics
from gateway.web.operation import operation_of

ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
SWITCHING_PROTOCOLS = 101
CLIENT_CLOSED_REQUEST = 499

log = structlog.stdlib.get_logger("gateway.request")


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if ACCEPTED_ID.fullmatch(given) else secrets.token_hex(16)


@dataclass
class _Answer:
    """The state of the answer; status 0: not begun."""

    status: int = 0
    size: int = 0


class RequestContextMiddleware:
    """Gives each request an id, and reports to log and metrics how it ended.

    Args:
        app: the wrapped application.
        metrics: count the requests.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        answer = _Answer()

        async def send_with_id(message: Message) -> None:
            kind = message["type"].removeprefix("websocket.")
            if kind in ("http.response.start", "accept"):
                answer.status = message.get("status", SWITCHING_PROTOCOLS)
                message.setdefault("headers", [])
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            elif kind in ("http.response.body", "send"):
                answer.size += len(message.get("body") or message.get("bytes") or b"")
            await send(message)

        started = time.perf_counter()
        self._metrics.in_flight.inc()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._metrics.in_flight.dec()
            self._record(scope, answer, time.perf_counter() - started)

    def _record(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        route = scope.get("route")
        path = route.path_format if isinstance(route, Route) else operation_of(scope).path or "none"
        method = scope["method"] if isinstance(route, Route) else "any"
        status = answer.status or CLIENT_CLOSED_REQUEST
        self._metrics.requests.labels(path, method, status).inc()
        self._metrics.request_seconds.labels(path, method).observe(seconds)
        error: GatewayError | None = scope.get("twinport.error")
        if error is not None:
            self._metrics.errors.labels(error.code).inc()
        client = scope.get("client")
        (log.debug if operation_of(scope).quiet and status < 400 else log.info)(
            "request",
            method=scope.get("method", "WEBSOCKET"),
            path=scope["path"],
            route=path,
            status=status,
            code=error.code if error else None,
            bytes=answer.size,
            seconds=round(seconds, 4),
            client=client[0] if client else None,
        )
