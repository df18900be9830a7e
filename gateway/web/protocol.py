"""uvicorn's HTTP protocol with the bounds it lacks: on a head's size and time, on trailers, on connections."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.domain.errors import GatewayError, headers_too_large, overloaded

# Connections beyond the limit that get in all the same: for a 503 in the client's language, and for health checks.
SPARE_CONNECTIONS = 64
PHRASES = {431: "Request Header Fields Too Large", 503: "Service Unavailable"}


def _refusal(error: GatewayError) -> bytes:
    body = json.dumps({"message": error.zh, "code": error.code}, ensure_ascii=False).encode()
    retry_after = "" if error.retry_after is None else f"Retry-After: {error.retry_after}\r\n"
    head = (
        f"HTTP/1.1 {error.status} {PHRASES[error.status]}\r\nContent-Type: application/json\r\n"
        f"{retry_after}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


class BoundedHttpProtocol(HttpToolsProtocol):
    """Refuses a head that is too long, hangs up on one that does not arrive in time, and bounds the connections.

    Attributes:
        max_head_bytes: most bytes of a head, of a body's trailers, and of what stands between two pieces of a body.
        max_connections: connections from which on a new one takes the place of an idle one.
        head_seconds: that a head may take to arrive, the first one counted from the connection on.
    """

    max_head_bytes: ClassVar[int] = 64 * 1024
    max_connections: ClassVar[int] = 1000
    head_seconds: ClassVar[float] = 30.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_bytes = 0
        self._in_head = True
        self._gap_bytes = 0
        self._idle_since = self.loop.time()
        self._head_timer: asyncio.TimerHandle | None = None
        self._start_head_timer()
        if len(self.connections) > self.max_connections:
            self._make_room()

    def _make_room(self) -> None:
        others: Any = self.connections
        idle = [other for other in others if other is not self and other.is_idle]
        if idle:
            min(idle, key=lambda other: other.idle_since).transport.close()
        elif len(self.connections) > self.max_connections + SPARE_CONNECTIONS:
            self._refuse(overloaded())

    def _refuse(self, error: GatewayError) -> None:
        self.transport.write(_refusal(error))
        self.transport.close()

    @property
    def idle_since(self) -> float:
        """Loop time since when no request has been running."""
        return self._idle_since

    @property
    def is_idle(self) -> bool:
        """Whether nobody would miss the connection: no request is running, and no answer is under way."""
        return not (self._is_serving or self.transport.is_closing() or self.transport.get_write_buffer_size())

    @property
    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(self.head_seconds, self._head_timed_out)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_timed_out(self) -> None:
        if self._is_serving:
            # What follows a request waits for the request's answer, however long that takes.
            self._start_head_timer()
        elif self._in_head and (self._head_bytes or self.timeout_keep_alive_task is None):
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        # Behind the head it is a trailer, which nobody here reads.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = self._gap_bytes = 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._gap_bytes = 0
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            if not self._head_bytes:
                self._start_head_timer()
            self._head_bytes += len(data)
        else:
            self._gap_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._head_bytes > self.max_head_bytes:
            self._refuse(headers_too_large())
        elif not self._in_head and self._gap_bytes > self.max_head_bytes:
            self.transport.close()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._idle_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)
