"""Outermost: request id in and out, one log line and metrics per request."""

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

ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
QUIET_ROUTES = frozenset({"/health", "/ready", "/metrics"})
CLIENT_CLOSED_REQUEST = 499

log = structlog.stdlib.get_logger("gateway.request")


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if ACCEPTED_ID.fullmatch(given) else secrets.token_hex(16)


@dataclass
class _Answer:
    """What has been answered so far; status 0: nothing."""

    status: int = 0
    size: int = 0


class RequestContextMiddleware:
    """Gives each request an id, and tells log and metrics how it ended.

    Args:
        app: what is wrapped.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        answer = _Answer()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            elif message["type"] == "http.response.body":
                answer.size += len(message.get("body", b""))
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
        path = route.path_format if isinstance(route, Route) else "none"
        method = scope["method"] if isinstance(route, Route) else "any"
        status = answer.status or CLIENT_CLOSED_REQUEST
        self._metrics.requests.labels(path, method, status).inc()
        self._metrics.request_seconds.labels(path, method).observe(seconds)
        error: GatewayError | None = scope.get("twinport.error")
        if error is not None:
            self._metrics.errors.labels(error.code).inc()
        client = scope.get("client")
        (log.debug if path in QUIET_ROUTES and status < 400 else log.info)(
            "request",
            method=scope["method"],
            path=scope["path"],
            route=path,
            status=status,
            code=error.code if error else None,
            bytes=answer.size,
            seconds=round(seconds, 4),
            client=client[0] if client else None,
        )
