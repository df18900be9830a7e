"""A file as an answer: validators, one range, HEAD; the bytes go from disk to socket in large blocks."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import GatewayError, not_found
from gateway.domain.storage import storage_errors
from gateway.web.disconnect import disconnected
from gateway.web.errors import HttpError, error_response

BLOCK = 1 << 20
WATCHED_BYTES = 8 * BLOCK
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE)


@dataclass(frozen=True)
class Span:
    """Bytes `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.end - self.start


def range_not_satisfiable() -> HttpError:
    """The range begins after the end."""
    return HttpError(
        "range_not_satisfiable", 416, zh="请求的范围超出文件末尾。", en="The range is past the end of the file."
    )


def parse_range(value: str, size: int) -> Span | None:
    """The one range of a Range header; None where the header is to be ignored (RFC 9110, 14.2).

    Raises:
        GatewayError: ``range_not_satisfiable`` (416).
    """
    match = _RANGE.fullmatch(value.strip().replace(" ", ""))
    if match is None or not any(match.groups()) or max(map(len, match.groups())) > 18:
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= end:
        raise range_not_satisfiable()
    return Span(start, end)


def _lists(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags


def _not_modified(headers: Headers, etag: str, modified: float) -> bool:
    if "if-none-match" in headers:
        return _lists(headers["if-none-match"], etag)
    return _is_since(headers.get("if-modified-since"), modified)


def _is_since(date: str | None, modified: float) -> bool:
    if date is None:
        return False
    try:
        return int(modified) <= parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return False


def _range_applies(headers: Headers, etag: str, last_modified: str) -> bool:
    return headers.get("if-range", etag) in (etag, last_modified)


class SentFile:
    """An ASGI answer that sends a file.

    Args:
        path: a regular file; a symbolic link is not followed.
        media_type: value of Content-Type.
        headers: further headers of the answer.
    """

    def __init__(self, path: Path, *, media_type: str, headers: Mapping[str, str]) -> None:
        self._path = path
        self._media_type = media_type
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with storage_errors():
                descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise not_found() from error
        try:
            await self._answer(descriptor, scope, receive, send)
        finally:
            os.close(descriptor)

    async def _answer(self, descriptor: int, scope: Scope, receive: Receive, send: Send) -> None:
        found, asked = os.fstat(descriptor), Headers(scope=scope)
        etag = f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'
        last_modified = formatdate(found.st_mtime, usegmt=True)
        headers = MutableHeaders({**self._headers, "Accept-Ranges": "bytes", "ETag": etag})
        headers["Last-Modified"] = last_modified
        if _not_modified(asked, etag, found.st_mtime):
            await _head(send, 304, headers)
            await send({"type": "http.response.body", "body": b""})
            return
        span, status = Span(0, found.st_size), 200
        try:
            partial = (
                parse_range(asked["range"], found.st_size)
                if "range" in asked and _range_applies(asked, etag, last_modified)
                else None
            )
        except GatewayError as error:
            refusal = error_response(error, scope)
            refusal.headers["Content-Range"] = f"bytes */{found.st_size}"
            scope["twinport.error"] = error
            await refusal(scope, receive, send)
            return
        if partial is not None:
            span, status = partial, 206
            headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{found.st_size}"
        headers["Content-Type"] = self._media_type
        headers["Content-Length"] = str(span.size)
        await _head(send, status, headers)
        async with _leaving(receive, span) as gone:
            await _body(descriptor, span if scope["method"] != "HEAD" else Span(0, 0), send, gone)


async def _head(send: Send, status: int, headers: MutableHeaders) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers.raw})


@asynccontextmanager
async def _leaving(receive: Receive, span: Span) -> AsyncIterator[Callable[[], bool]]:
    """Returns whether the client has disconnected; never for a short answer."""
    if span.size <= WATCHED_BYTES:
        yield lambda: False
        return
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        yield leaving.done
    finally:
        leaving.cancel()


async def _gone(receive: Receive) -> None:
    # A client that stops in the middle of an unused body counts as disconnected.
    with suppress(GatewayError):
        await disconnected(receive)


async def _body(descriptor: int, span: Span, send: Send, gone: Callable[[], bool]) -> None:
    position = span.start
    # The server accepts blocks for a client that has disconnected: the disk would be read to the file's end.
    while position < span.end and not gone():
        block = await anyio.to_thread.run_sync(os.pread, descriptor, min(BLOCK, span.end - position), position)
        if not block:  # the file was truncated: a short answer makes the server close the connection
            return
        position += len(block)
        await send({"type": "http.response.body", "body": block, "more_body": True})
    if position < span.end:
        return
    await send({"type": "http.response.body", "body": b""})
