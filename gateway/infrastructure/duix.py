"""HTTP client of one Duix engine: its two routes, read with suspicion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import aiohttp
import httpx

MAX_ANSWER_BYTES = 64 * 1024
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
# The aiohttp transport calls a refused or cut connection ConnectTimeout, and lets other errors of aiohttp through.
CONNECTION_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError)
PROBE_CODE = "twinport-probe"  # no task has it: the engine answers 10004 and deletes nothing


class FaultKind(StrEnum):
    """How an engine fails to answer."""

    UNREACHABLE = "unreachable"  # no connection, or cut
    TIMEOUT = "timeout"  # took the request, said nothing
    HTTP_ERROR = "http_error"  # a status other than 200
    GARBAGE = "garbage"  # not the engine's JSON
    SYSTEM_ERROR = "system_error"  # its own 9999 or 10003


class EngineFaultError(Exception):
    """The engine did not give an answer that means anything."""

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class Submission(StrEnum):
    """What became of a submit."""

    ACCEPTED = "accepted"
    BUSY = "busy"
    REFUSED = "refused"


class Stage(StrEnum):
    """A task's state at the engine."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class EngineTask:
    """What the engine tells of a task; `progress` in percent."""

    stage: Stage
    progress: int = 0
    message: str = ""


@dataclass(frozen=True)
class SubmitAnswer:
    """Outcome of a submit, with the engine's words where it refused."""

    outcome: Submission
    message: str = ""


class DuixClient:
    """One engine."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self.url = url.rstrip("/")

    async def submit(self, *, code: str, audio: str, video: str, options: Mapping[str, object]) -> SubmitAnswer:
        """Offer a task. Busy comes with ``success: true``, so only the code counts.

        Raises:
            EngineFaultError: no meaningful answer; the task may have been taken all the same.
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
        """Ask for a task. **A final answer is given once**: the caller must record it.

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

    async def _call(
        self, method: str, path: str, *, content: str | None = None, params: Mapping[str, str] | None = None
    ) -> dict[str, object]:
        headers = {"Content-Type": "application/json"} if content is not None else None
        try:
            async with self._http.stream(
                method, self.url + path, content=content, params=params, headers=headers, timeout=TIMEOUT
            ) as response:
                raw = await _bounded_body(response)
        except CONNECTION_ERRORS as error:
            raise EngineFaultError(FaultKind.UNREACHABLE, type(error).__name__) from error
        except httpx.TimeoutException as error:
            raise EngineFaultError(FaultKind.TIMEOUT, type(error).__name__) from error
        except (httpx.HTTPError, aiohttp.ClientError) as error:
            raise EngineFaultError(FaultKind.GARBAGE, type(error).__name__) from error
        if response.status_code != 200:
            raise EngineFaultError(FaultKind.HTTP_ERROR, f"HTTP {response.status_code}")
        return _json_object(raw)


async def _bounded_body(response: httpx.Response) -> bytes:
    raw = b""
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > MAX_ANSWER_BYTES:
            raise EngineFaultError(FaultKind.GARBAGE, "answer too long")
    return raw


def _json_object(raw: bytes) -> dict[str, object]:
    # The engine calls its JSON text/html: the content type says nothing.
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
