"""The answer with speech."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import anyio
from starlette.requests import Request
from starlette.responses import Response

from .errors import ClientGone, EngineError, StreamCut, explain_failure, last_line
from .jobs import Job

log = logging.getLogger(__name__)


async def client_gone(request: Request) -> None:
    """Returns when the client has closed its connection; await it after the body is read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def first_chunk(job: Job, gone: asyncio.Future[None]) -> bytes:
    """The first samples, which decide the status line. Raises EngineError where the model makes none."""
    chunk = await job.next(gone)
    if chunk is None:
        raise EngineError(422, "text_empty", "The model found nothing to speak in tts_text.")
    return bytes(chunk)


class PcmResponse(Response):
    """Sends chunks as they are made. At the end, `clean_up` is called and the job cancelled in every case."""

    def __init__(
        self,
        first: bytes,
        job: Job,
        gone: asyncio.Future[None],
        clean_up: Callable[[], None],
        headers: Mapping[str, str],
        send_timeout: float,
    ) -> None:
        super().__init__(headers=headers)
        self._first = first
        self._job = job
        self._gone = gone
        self._clean_up = clean_up
        self._send_timeout = send_timeout
        # Starlette declares an empty body; this one's length is not known yet.
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            if scope.get("http_version") == "1.0":
                await self._send_whole(send)
            else:
                await self._send_chunks(send)
        except ClientGone:
            log.info("request=%s the client left", scope.get("state", {}).get("request_id", "-"))
        finally:
            self._job.cancel()
            self._gone.cancel()
            self._clean_up()

    async def _send_chunks(self, send: Any) -> None:
        await self._send(send, self._start(self.raw_headers))
        chunk: Optional[bytes] = self._first
        while chunk is not None:
            more = not self._job.exhausted
            await self._send(send, {"type": "http.response.body", "body": chunk, "more_body": more})
            if not more:
                return
            try:
                chunk = await self._job.next(self._gone)
            except ClientGone:
                raise
            except Exception as error:
                log.exception("the model failed within the answer")
                raise StreamCut(last_line(error)) from error
        await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_whole(self, send: Any) -> None:
        """HTTP/1.0 has no chunks, so a cut would look like the end: send everything, with its length."""
        body = bytearray()
        chunk: Optional[bytes] = self._first
        while chunk is not None:
            body += chunk
            try:
                chunk = await self._job.next(self._gone)
            except ClientGone:
                raise
            except Exception as error:
                log.exception("the model failed within the answer")
                raise explain_failure(error) from error
        headers = [*self.raw_headers, (b"content-length", str(len(body)).encode("ascii"))]
        await self._send(send, self._start(headers))
        await self._send(send, {"type": "http.response.body", "body": bytes(body), "more_body": False})

    def _start(self, headers: List[Tuple[bytes, bytes]]) -> Dict[str, Any]:
        return {"type": "http.response.start", "status": self.status_code, "headers": headers}

    async def _send(self, send: Any, message: Dict[str, Any]) -> None:
        """Send, with a time limit: a client that stops reading is cut off."""
        try:
            with anyio.fail_after(self._send_timeout):
                await send(message)
        except TimeoutError:
            raise StreamCut("the client stopped reading") from None
        except OSError:
            raise ClientGone from None
