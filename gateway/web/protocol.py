"""uvicorn's HTTP protocol with the bounds it lacks: on heads, trailers, readers that stand still, and connections."""

from __future__ import annotations

import asyncio
import fcntl
import json
import struct
import termios
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.domain.errors import GatewayError, headers_too_large, not_http, overloaded

# Connections beyond the limit that get in all the same: for a 503 in the client's language, and for health checks.
SPARE_CONNECTIONS = 64


def _refusal(error: GatewayError) -> bytes:
    body = json.dumps({"message": error.zh, "code": error.code}, ensure_ascii=False).encode()
    retry_after = "" if error.retry_after is None else f"Retry-After: {error.retry_after}\r\n"
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\nContent-Type: application/json\r\n"
        f"{retry_after}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


class BoundedHttpProtocol(HttpToolsProtocol):
    """Refuses a head that is too long, hangs up on heads and readers that stand still, and bounds the connections.

    Attributes:
        max_head_bytes: most bytes of a head, of a body's trailers, and of what stands between two pieces of a body.
        max_connections: connections from which on a new one takes the place of an idle one.
        head_seconds: that a head may take to arrive, the first one counted from the connection on.
        unread_seconds: that a client may take none of an answer that waits for it; noticed at the latest after twice
            as long.
    """

    max_head_bytes: ClassVar[int] = 64 * 1024
    max_connections: ClassVar[int] = 1000
    head_seconds: ClassVar[float] = 30.0
    unread_seconds: ClassVar[float] = 60.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_bytes = 0
        self._in_head = True
        self._gap_bytes = 0
        self._idle_since = self.loop.time()
        self._head_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._unread = 0
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

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does with a request that it can't read."""
        if self._is_serving:
            self.transport.close()
        else:
            self._refuse(not_http())

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
            self._head_bytes += len(data)
        else:
            self._gap_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._head_bytes and self._head_timer is None:
            # Most heads come in one piece and need no timer.
            self._start_head_timer()
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
        if self.transport.get_write_buffer_size():
            self._watch_reader()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def _watch_reader(self) -> None:
        # The timer stays when the client reads on: setting and clearing one for every block would cost more.
        if self._reader_timer is None:
            self._unread = self._count_unread()
            self._reader_timer = self.loop.call_later(self.unread_seconds, self._look_at_reader)

    def _look_at_reader(self) -> None:
        self._reader_timer = None
        before = self._unread
        if not self.transport.get_write_buffer_size():
            return
        self._watch_reader()
        if self._unread == before:
            # Closing would wait until all is read.
            self.transport.abort()

    def _count_unread(self) -> int:
        """Bytes of answers that the client's machine has not taken, those in the kernel included.

        The kernel tells of room only when a third of its buffer is free, which takes a slow client minutes.
        """
        waiting: int = self.transport.get_write_buffer_size()
        try:
            in_kernel = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError, AttributeError):
            return waiting
        return waiting + int(struct.unpack("i", in_kernel)[0])

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        if self._reader_timer is not None:
            self._reader_timer.cancel()
        super().connection_lost(exc)
