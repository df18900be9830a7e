"""The CosyVoice engine over HTTP, as ``docs/engine-api.md`` describes it."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import structlog
from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream

from gateway.domain.engine import (
    RETRY_AFTER_SECONDS,
    Download,
    EngineState,
    EngineStatus,
    Reason,
    engine_refused,
    mode_not_supported,
    not_ready,
    queue_full,
)
from gateway.domain.errors import GatewayError
from gateway.domain.speech import SpeechMode, SpeechOrder
from gateway.domain.text import text_empty
from gateway.domain.voice import voice_not_found
from gateway.infrastructure.idle_timer import IdleTimer

ROUTES = {
    SpeechMode.ZERO_SHOT: "/inference_zero_shot",
    SpeechMode.CROSS_LINGUAL: "/inference_cross_lingual",
    SpeechMode.INSTRUCT: "/inference_instruct2",
}
FIELDS = {"prompt_text": "prompt_text", "instruct_text": "instructions"}
HEALTH_TIMEOUT = 5.0
REGISTER_TIMEOUT = 120.0
FORGET_TIMEOUT = 5.0
CONNECT_TIMEOUT = 5.0
LARGEST_PIECE = 1 << 18
REMEMBERED_VOICES = 10_000
ERROR_BYTES = 64 * 1024

NOT_OURS = Reason(
    "引擎的 /health 无法识别，请安装 Twinport 的 server.py",
    "its /health can't be understood; install Twinport's server.py",
)

log = structlog.stdlib.get_logger(__name__)


class StreamBroken(Exception):  # noqa: N818 - an event between two modules, not shown to anybody
    """The engine's answer ended before its end."""


class VoiceForgotten(Exception):  # noqa: N818 - an event within this module
    """The engine does not know a voice that was registered."""


@dataclass(frozen=True)
class Timeouts:
    """How long the engine may take, in seconds."""

    first_byte: float
    idle: float


@dataclass(frozen=True)
class Reference:
    """A voice's reference audio as the engine gets it.

    Attributes:
        path: the WAV file.
        sha256: digest of its content.
        prompt_text: what it says; empty where that is not known.
    """

    path: Path
    sha256: str
    prompt_text: str


@dataclass(frozen=True)
class EngineAudio:
    """An answer of the engine: raw PCM as it comes.

    Attributes:
        sample_rate: Hz, as the engine said.
        model: the model that speaks.
        chunks: 16-bit little-endian mono PCM; raises ``StreamBroken`` where it ends early.
    """

    sample_rate: int
    model: str
    chunks: AsyncIterator[bytes]


def _download(body: Any) -> Download | None:
    if not isinstance(body, dict):
        return None
    return Download(
        bytes=int(body.get("bytes") or 0),
        total_bytes=body.get("total_bytes"),
        percent=body.get("percent"),
        bytes_per_second=body.get("bytes_per_second"),
    )


def _told(message: Any) -> Reason | None:
    return Reason(str(message), str(message)) if message else None


def parse_health(body: Any) -> EngineState:
    """The engine's ``/health`` as a state; anything unexpected is a failure that says so."""
    try:
        status = EngineStatus(body["state"])
        error = body.get("error") or {}
        return EngineState(
            status=status,
            model=str(body.get("model") or ""),
            sample_rate=body.get("sample_rate"),
            modes=tuple(body.get("modes") or ()),
            download=_download(body.get("download")) if status is EngineStatus.DOWNLOADING else None,
            reason=_told(error.get("message")) if status is EngineStatus.FAILED else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return EngineState(EngineStatus.FAILED, reason=NOT_OURS)


class CosyVoice:
    """The engine: its state, its voices, its speech.

    Args:
        url: where it listens.
        timeouts: how long it may take.
        on_state: told about each look at its state.
        explain: knows, better than the engine itself, why it does not work; None: does not.
    """

    def __init__(
        self,
        url: str,
        *,
        timeouts: Timeouts,
        on_state: Callable[[EngineState], None] = lambda _: None,
        explain: Callable[[], Reason | None] = lambda: None,
    ) -> None:
        self._transport = AiohttpTransport(client=_session)
        self._client = httpx.AsyncClient(
            base_url=url,
            # httpx's own pool looks at every idle socket for each request and collapses at 64 streams.
            transport=self._transport,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
            trust_env=False,
        )
        self._routes = {mode: httpx.URL(url).join(route) for mode, route in ROUTES.items()}
        self._timeouts = timeouts
        self._on_state = on_state
        self._explain = explain
        self._registered: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._can_register = True
        self.state = EngineState(EngineStatus.UNREACHABLE)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    # State

    async def watch(self, interval: float) -> None:
        """Look at the engine's health again and again; runs until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(interval)

    async def look(self) -> EngineState:
        """Ask the engine for its state now."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                response = await self._client.get("/health")
            state = self._read_health(response)
        except (httpx.HTTPError, ClientError, TimeoutError, OSError):
            state = EngineState(EngineStatus.UNREACHABLE, model=self.state.model)
        if state.status in (EngineStatus.FAILED, EngineStatus.UNREACHABLE):
            state = replace(state, reason=self._explain() or state.reason)
        self._become(state)
        return state

    @staticmethod
    def _read_health(response: httpx.Response) -> EngineState:
        try:
            return parse_health(response.json())
        except ValueError:
            return parse_health(None)

    def _become(self, state: EngineState) -> None:
        if state.status is not self.state.status:
            log.info(
                "engine state",
                state=state.status.value,
                model=state.model,
                reason=state.reason.en if state.reason else None,
            )
            if state.is_ready:
                # It may be another engine now, with other abilities.
                self._can_register = True
        self.state = state
        self._on_state(state)

    def require_ready(self) -> None:
        """Go on only while synthesis can work.

        Raises:
            GatewayError: 503 with the state in words.
        """
        if not self.state.is_ready:
            raise not_ready(self.state)

    # Voices

    async def register(self, reference: Reference) -> str | None:
        """Have the reference analysed once; later requests name the voice.

        Returns:
            The engine's name for it; None where the engine can't keep voices.

        Raises:
            GatewayError: the engine refused the reference or can't be reached.
        """
        key = (reference.sha256, reference.prompt_text)
        known = self._registered.get(key)
        if known is not None:
            self._registered.move_to_end(key)
            return known
        if not self._can_register:
            return None
        audio = await _read(reference)
        with _engine_errors():
            response = await self._client.post(
                "/voices",
                files={"prompt_wav": ("reference.wav", audio, "audio/wav")},
                data={"prompt_text": reference.prompt_text},
                timeout=httpx.Timeout(REGISTER_TIMEOUT, connect=CONNECT_TIMEOUT),
            )
        if response.status_code in (404, 405):
            self._can_register = False
            return None
        if response.status_code >= 400:
            raise _refusal(response.status_code, response.headers, response.content)
        name = str(response.json()["voice_id"])
        self._registered[key] = name
        if len(self._registered) > REMEMBERED_VOICES:
            self._registered.popitem(last=False)
        return name

    async def copy_name(self, reference: Reference) -> str:
        """What the engine calls its copy of a reference, as ``docs/engine-api.md`` says.

        Raises:
            GatewayError: ``voice_not_found`` (404): the file is gone.
        """
        content = await _read(reference)
        digest = hashlib.sha256(content + b"\0" + reference.prompt_text.encode())
        return f"ev_{digest.hexdigest()[:32]}"

    async def forget(self, name: str) -> None:
        """Have the engine delete its copy of a reference; one that can't be reached or has none is left alone."""
        self._registered = OrderedDict((key, known) for key, known in self._registered.items() if known != name)
        try:
            async with asyncio.timeout(FORGET_TIMEOUT):
                response = await self._client.delete(f"/voices/{name}")
        except (httpx.HTTPError, ClientError, TimeoutError, OSError) as error:
            log.warning("engine keeps its copy of a deleted voice", name=name, error=repr(error))
        else:
            log.info("engine's copy of a deleted voice", name=name, status=response.status_code)

    # Speech

    def speak(
        self, order: SpeechOrder, reference: Reference, *, stream: bool
    ) -> AbstractAsyncContextManager[EngineAudio]:
        """Have an order spoken; leaving the context early makes the engine stop.

        Args:
            order: what to say and how.
            reference: the voice's reference audio.
            stream: chunks as the model makes them, rather than one per segment of text.

        Raises:
            GatewayError: the engine refused, is not ready, or can't be reached.
            StreamBroken: it hung up before the first sample.
        """
        return self._speak(order, reference, stream=stream)

    @asynccontextmanager
    async def _speak(self, order: SpeechOrder, reference: Reference, *, stream: bool) -> AsyncIterator[EngineAudio]:
        response = await self._request(order, reference, stream=stream)
        try:
            rate = _sample_rate(response.headers)
            model = response.headers.get("x-model", self.state.model)
            yield EngineAudio(rate, model, self._chunks(response))
        finally:
            await response.aclose()

    async def _request(self, order: SpeechOrder, reference: Reference, *, stream: bool) -> httpx.Response:
        """A registered voice first; where the engine has forgotten it, the reference itself."""
        name = await self.register(reference)
        if name is not None:
            try:
                return await self._send(order, stream=stream, voice_id=name)
            except VoiceForgotten:
                log.info("engine forgot a voice", voice_id=order.voice_id)
                self._registered.pop((reference.sha256, reference.prompt_text), None)
        return await self._send(order, stream=stream, audio=await _read(reference))

    async def _send(
        self, order: SpeechOrder, *, stream: bool, voice_id: str = "", audio: bytes | None = None
    ) -> httpx.Response:
        fields = {"tts_text": order.text, "stream": "true" if stream else "false", "speed": f"{order.speed:g}"}
        if order.mode is SpeechMode.ZERO_SHOT:
            fields["prompt_text"] = order.prompt_text
        if order.mode is SpeechMode.INSTRUCT:
            fields["instruct_text"] = order.instruct_text
        if voice_id:
            fields["voice_id"] = voice_id
        files = None if audio is None else {"prompt_wav": ("reference.wav", audio, "audio/wav")}
        # The client would merge addresses and headers anew for each request.
        request = httpx.Request(
            "POST",
            self._routes[order.mode],
            data=fields,
            files=files,
            extensions={"timeout": self._client.timeout.as_dict()},
        )
        with _engine_errors():
            async with asyncio.timeout(self._timeouts.first_byte):
                # Past the client, which has nothing to add: no redirects, no cookies, no authentication.
                response = await self._transport.handle_async_request(request)
        if response.status_code == 200:
            return response
        try:
            body = await _read_some(response)
        finally:
            await response.aclose()
        if response.status_code == 404 and voice_id:
            raise VoiceForgotten
        raise _refusal(response.status_code, response.headers, body)

    async def _chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        stream = response.stream
        assert isinstance(stream, AiohttpResponseStream)  # noqa: S101 - it is our transport's
        # What has come goes on in one piece; its own sixteen kilobytes would cut it up again.
        stream.CHUNK_SIZE = LARGEST_PIECE
        chunks = aiter(stream)
        with IdleTimer(self._timeouts.idle) as timer:
            while True:
                try:
                    chunk = await timer.wait_for(anext(chunks))
                except StopAsyncIteration:
                    return
                except (httpx.HTTPError, ClientError, OSError, TimeoutError) as error:
                    raise StreamBroken(repr(error)) from error
                if chunk:
                    yield chunk


def _session() -> ClientSession:
    """Connections without a bound: the fair queue has one, and the transport must not do it a second time."""
    return ClientSession(connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar(), trust_env=False)


async def _read(reference: Reference) -> bytes:
    try:
        return await anyio.to_thread.run_sync(reference.path.read_bytes)
    except FileNotFoundError as error:
        raise voice_not_found() from error


async def _read_some(response: httpx.Response) -> bytes:
    body = b""
    with suppress(httpx.HTTPError, ClientError, OSError):
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > ERROR_BYTES:
                break
    return body


def _sample_rate(headers: httpx.Headers) -> int:
    """The rate that the engine names, in its own header or in the media type.

    Raises:
        GatewayError: it names none: an unpatched server, whose rate can only be guessed.
    """
    named = headers.get("x-sample-rate", "")
    match = re.search(r"rate=(\d+)", headers.get("content-type", ""))
    text = named if named.isdecimal() else match.group(1) if match else ""
    if not text:
        raise engine_refused("unpatched", "it names no sample rate; install Twinport's server.py in its container")
    return int(text)


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Turn what the network does into what the caller is told."""
    try:
        yield
    except (httpx.ConnectError, ConnectionRefusedError) as error:
        raise not_ready(EngineState(EngineStatus.UNREACHABLE)) from error
    except (httpx.HTTPError, ClientError, OSError, TimeoutError) as error:
        raise StreamBroken(repr(error)) from error


def _refusal(status: int, headers: httpx.Headers, body: bytes) -> GatewayError:
    """The engine's error answer as one of ours."""
    code, message = _error_of(body)
    if status == 503:
        return _busy(code, message, headers)
    if code == "text_empty":
        # The engine's sentence begins with its own field's name.
        return text_empty(FIELDS.get(message.split(" ", 1)[0], "text"))
    if code == "mode_not_supported":
        return mode_not_supported("")
    log.warning("engine refused", status=status, code=code, said=message)
    return engine_refused(code or f"http_{status}", message or f"HTTP {status}")


def _error_of(body: bytes) -> tuple[str, str]:
    try:
        parsed = httpx.Response(200, content=body).json()
        return str(parsed["code"]), str(parsed["message"])
    except (ValueError, KeyError, TypeError):
        return "", ""


def _busy(code: str, message: str, headers: httpx.Headers) -> GatewayError:
    if code in ("queue_full", "queue_timeout", ""):
        return queue_full()
    state = code.removeprefix("engine_")
    if state in {status.value for status in EngineStatus}:
        return not_ready(EngineState(EngineStatus(state), reason=_told(message) if state == "failed" else None))
    retry = headers.get("retry-after", "")
    return GatewayError(
        code,
        503,
        zh="语音引擎暂时繁忙，请稍候再试。",
        en=message or "The engine is busy. Try again in a moment.",
        retry_after=int(retry) if retry.isdecimal() else RETRY_AFTER_SECONDS,
    )
