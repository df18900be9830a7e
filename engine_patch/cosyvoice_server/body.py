"""Reading of request bodies, with bounds on size and time."""

from __future__ import annotations

import time
from typing import Any, AsyncIterator

import anyio
from starlette.requests import Request

from .errors import ClientGone, EngineError, disk_error
from .forms import Form, FormLimits, form_reader
from .scratch import Scratch


class Body:
    """A request's body as it arrives: at most `limit` bytes, no pause longer than `pause` seconds."""

    def __init__(self, request: Request, limit: int, pause: float) -> None:
        self._request = request
        self._limit = limit
        self._pause = pause
        self._finished = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises EngineError 408 or 413, and ClientGone."""
        declared = self._request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limit:
            raise self._too_large()
        size = 0
        while not self._finished:
            chunk = await self._receive(self._pause)
            size += len(chunk)
            if size > self._limit:
                raise self._too_large()
            yield chunk

    async def _receive(self, seconds: float) -> bytes:
        try:
            with anyio.fail_after(seconds):
                message = await self._request.receive()
        except TimeoutError:
            self._finished = True
            raise EngineError(408, "read_timeout", "The request's body did not arrive in time.") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._finished = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    def _too_large(self) -> EngineError:
        return EngineError(413, "too_large", "The request is larger than {} bytes.".format(self._limit))

    async def drain(self, seconds: float = 20.0, limit: int = 512 * 2**20) -> None:
        """Discard the rest, so that a client that sends everything before it reads gets its answer."""
        if self._request.headers.get("expect", "").lower() == "100-continue" and not self._started():
            return
        deadline = time.monotonic() + seconds
        while not self._finished and limit > 0 and time.monotonic() < deadline:
            try:
                limit -= len(await self._receive(deadline - time.monotonic()))
            except EngineError:
                return

    def _started(self) -> bool:
        """Whether the client was asked to send; a client that waits for `100 Continue` sends nothing before."""
        declared = self._request.headers.get("content-length", "")
        return not (declared.isdigit() and int(declared) > self._limit)


async def read_form(request: Request, scratch: Scratch, limits: FormLimits, pause: float) -> Form:
    """Read an urlencoded or multipart body. Files are written into `scratch` under names of our own.

    Raises EngineError (400, 408, 413, 415, 422, 507) and ClientGone.
    """
    body = Body(request, limits.body_bytes, pause)
    reader: Any = None
    try:
        reader = form_reader(request.headers.get("content-type", ""), scratch, limits)
        async for chunk in body.chunks():
            if chunk:
                reader.feed(chunk)
        return reader.close()  # type: ignore[no-any-return]
    except EngineError:
        await body.drain()
        raise
    except OSError as error:
        await body.drain()
        raise disk_error(error) from error
    finally:
        if reader is not None:
            reader.abandon()
