"""HTTP client of one Duix engine: its two routes, with validated answers, and other requests that are passed on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp
import httpx

from gateway.domain.video.engine import (
    EngineFaultError,
    EngineTask,
    FaultKind,
    ForwardedAnswer,
    ForwardedCall,
    Stage,
    Submission,
    SubmitAnswer,
)

MAX_ANSWER_BYTES = 64 * 1024
MAX_FORWARDED_BYTES = 16 << 20
CONNECT_SECONDS = 5.0
TIMEOUT = httpx.Timeout(10.0, connect=CONNECT_SECONDS)
# The aiohttp transport reports a refused or cut connection as ConnectTimeout, and passes on other errors of aiohttp.
CONNECTION_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError)
PROBE_CODE = "twinport-probe"  # an unused code: the engine answers 10004 and deletes nothing


class DuixEngine:
    """One engine.

    Args:
        http: shared by all engines.
        url: its address.
        forward_seconds: time limit for a call that is passed on.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, *, forward_seconds: float = 30.0) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._forward_timeout = httpx.Timeout(forward_seconds, connect=CONNECT_SECONDS)

    @property
    def url(self) -> str:
        """Its address, which identifies it in the record of tasks."""
        return self._url

    async def probe(self) -> None:
        """Query a task that does not exist.

        Raises:
            EngineFaultError: no meaningful answer.
        """
        await self.query(PROBE_CODE)

    async def submit(self, *, code: str, audio: str, video: str, options: Mapping[str, object]) -> SubmitAnswer:
        """Offer a task. Busy comes with ``success: true``, so only the code counts.

        Raises:
            EngineFaultError: no meaningful answer; the task may have been accepted all the same.
        """
        request = {**options, "audio_url": audio, "video_url": video, "code": code}
        body = await self._call("POST", "/easy/submit", content=json.dumps(request))
        match body["code"]:
            case 10000:
                return SubmitAnswer(Submission.ACCEPTED)
            case 10001:
                return SubmitAnswer(Submission.BUSY)
            case 9999 | 10003:
                raise EngineFaultError(FaultKind.SYSTEM_ERROR, str(body.get("msg", ""))[:200])
        return SubmitAnswer(Submission.REFUSED, str(body.get("msg", ""))[:200])

    async def query(self, code: str) -> EngineTask:
        """Query a task. **A final answer is given once**: the caller must record it.

        Raises:
            EngineFaultError: no meaningful answer.
        """
        body = await self._call("GET", "/easy/query", params={"code": code})
        if body["code"] == 10004:
            return EngineTask(Stage.UNKNOWN)
        data = body.get("data")
        if body["code"] != 10000 or not isinstance(data, dict):
            raise EngineFaultError(FaultKind.SYSTEM_ERROR, str(body.get("msg", ""))[:200])
        return _task_of(data)

    async def forward(self, call: ForwardedCall) -> ForwardedAnswer:
        """Pass a client's call on, and the answer back, both unchanged.

        Raises:
            EngineFaultError: no whole answer, or one of more than 16 MiB.
            ValueError: the address is too long for HTTP.
        """
        address = self._url + call.path + (f"?{call.query}" if call.query else "")
        try:
            with _faults():
                async with self._http.stream(
                    call.method, address, content=call.body, headers=call.headers, timeout=self._forward_timeout
                ) as response:
                    body = await _bounded_body(response, MAX_FORWARDED_BYTES)
        except httpx.InvalidURL as error:
            raise ValueError(str(error)) from error
        content_type = response.headers.get("content-type", "application/octet-stream")
        return ForwardedAnswer(response.status_code, content_type, body)

    async def _call(
        self, method: str, path: str, *, content: str | None = None, params: Mapping[str, str] | None = None
    ) -> dict[str, object]:
        headers = {"Content-Type": "application/json"} if content is not None else None
        with _faults():
            async with self._http.stream(
                method, self._url + path, content=content, params=params, headers=headers, timeout=TIMEOUT
            ) as response:
                raw = await _bounded_body(response, MAX_ANSWER_BYTES)
        if response.status_code != 200:
            raise EngineFaultError(FaultKind.HTTP_ERROR, f"HTTP {response.status_code}")
        return _json_object(raw)


@contextmanager
def _faults() -> Iterator[None]:
    """The kind of fault of a network error."""
    try:
        yield
    except CONNECTION_ERRORS as error:
        raise EngineFaultError(FaultKind.UNREACHABLE, type(error).__name__) from error
    except httpx.TimeoutException as error:
        raise EngineFaultError(FaultKind.TIMEOUT, type(error).__name__) from error
    except (httpx.HTTPError, aiohttp.ClientError) as error:
        raise EngineFaultError(FaultKind.GARBAGE, type(error).__name__) from error


async def _bounded_body(response: httpx.Response, limit: int) -> bytes:
    raw = b""
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > limit:
            raise EngineFaultError(FaultKind.GARBAGE, "answer too long")
    return raw


def _json_object(raw: bytes) -> dict[str, object]:
    # The engine declares its JSON as text/html, so the content type is ignored.
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise EngineFaultError(FaultKind.GARBAGE, raw[:80].decode(errors="replace")) from error
    if not isinstance(body, dict) or not isinstance(body.get("code"), int):
        raise EngineFaultError(FaultKind.GARBAGE, raw[:80].decode(errors="replace"))
    return body


def _task_of(data: Mapping[str, object]) -> EngineTask:
    stage = {1: Stage.RUNNING, 2: Stage.DONE, 3: Stage.FAILED}.get(_integer(data.get("status")))
    if stage is None:
        raise EngineFaultError(FaultKind.GARBAGE, f"status {data.get('status')!r}"[:80])
    progress = min(100, max(0, _integer(data.get("progress"))))
    return EngineTask(stage, progress, str(data.get("msg") or "")[:1000])


def _integer(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
