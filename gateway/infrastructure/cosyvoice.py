"""The CosyVoice engine over HTTP, as ``docs/engine-api.md`` describes it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import anyio.to_thread
import structlog
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    FormData,
    TCPConnector,
)
from yarl import URL

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
    SpeechMode.ZERO_SHOT: "inference_zero_shot",
    SpeechMode.CROSS_LINGUAL: "inference_cross_lingual",
    SpeechMode.INSTRUCT: "inference_instruct2",
}
FIELDS = {"prompt_text": "prompt_text", "instruct_text": "instructions"}
HEALTH_TIMEOUT = 5.0
REGISTER_TIMEOUT = 120.0
FORGET_TIMEOUT = 5.0
CONNECT_TIMEOUT = 5.0
REMEMBERED_VOICES = 10_000
SHORT_ANSWER_BYTES = 64 * 1024
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NETWORK_ERRORS = (ClientError, TimeoutError, OSError)

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


class EngineAudio:
    """An answer of the engine: raw PCM as it comes, 16-bit little-endian mono, to be read by ``async for``.

    Reading raises ``StreamBroken`` where the answer ends early. Closing it before its end makes the engine stop.

    Attributes:
        sample_rate: Hz, as the engine said.
        model: the model that speaks.

    Args:
        response: that of the engine, its head read.
        model: the model that speaks, unless the engine names another.
        idle: seconds that the engine may pause.

    Raises:
        GatewayError: the engine names no sample rate.
    """

    def __init__(self, response: ClientResponse, *, model: str, idle: float) -> None:
        self.sample_rate = _sample_rate(response.headers)
        self.model = response.headers.get("X-Model", model)
        self._response = response
        self._timer = IdleTimer(idle)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._timer.wait_for(self._response.content.readany())
        except NETWORK_ERRORS as error:
            raise StreamBroken(repr(error)) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the answer; before its end that closes the connection."""
        self._timer.close()
        self._response.release()


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
        # httpx, which the video entry uses, would cost a tenth of all work on a stream.
        self._session = ClientSession(
            # Without a bound: the fair queue has one, and the client must not do it a second time.
            connector=TCPConnector(limit=0),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            headers={"Accept-Encoding": "identity"},
        )
        self._url = URL(url)
        self._routes = {mode: self._url / route for mode, route in ROUTES.items()}
        self._timeouts = timeouts
        self._on_state = on_state
        self._explain = explain
        self._registered: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._can_register = True
        self.state = EngineState(EngineStatus.UNREACHABLE)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    # State

    async def watch(self, interval: float) -> None:
        """Look at the engine's health again and again; runs until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(interval)

    async def look(self) -> EngineState:
        """Ask the engine for its state now."""
        try:
            async with (
                asyncio.timeout(HEALTH_TIMEOUT),
                self._session.get(self._url / "health", allow_redirects=False) as response,
            ):
                state = parse_health(_json(await _short_answer(response)))
        except NETWORK_ERRORS:
            state = EngineState(EngineStatus.UNREACHABLE, model=self.state.model)
        if state.status in (EngineStatus.FAILED, EngineStatus.UNREACHABLE):
            state = replace(state, reason=self._explain() or state.reason)
        self._become(state)
        return state

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
        form = _with_audio({"prompt_text": reference.prompt_text}, await _read(reference))
        try:
            async with (
                asyncio.timeout(REGISTER_TIMEOUT),
                self._session.post(self._url / "voices", data=form, allow_redirects=False) as response,
            ):
                body = await _short_answer(response)
        except NETWORK_ERRORS as error:
            raise _network_failure(error) from error
        if response.status in (404, 405):
            self._can_register = False
            return None
        if response.status >= 300:
            raise _refusal(response, body)
        name = _name_in(body)
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
            async with (
                asyncio.timeout(FORGET_TIMEOUT),
                self._session.delete(self._url / "voices" / name, allow_redirects=False) as response,
            ):
                log.info("engine's copy of a deleted voice", name=name, status=response.status)
        except NETWORK_ERRORS as error:
            log.warning("engine keeps its copy of a deleted voice", name=name, error=repr(error))

    # Speech

    async def speak(self, order: SpeechOrder, reference: Reference, *, stream: bool) -> EngineAudio:
        """Have an order spoken; the caller closes what it is given.

        Args:
            order: what to say and how.
            reference: the voice's reference audio.
            stream: chunks as the model makes them, rather than one per segment of text.

        Raises:
            GatewayError: the engine refused, is not ready, or can't be reached.
            StreamBroken: it hung up before the first sample.
        """
        response = await self._request(order, reference, stream=stream)
        try:
            return EngineAudio(response, model=self.state.model, idle=self._timeouts.idle)
        except GatewayError:
            response.release()
            raise

    async def _request(self, order: SpeechOrder, reference: Reference, *, stream: bool) -> ClientResponse:
        """A registered voice first; where the engine has forgotten it, the reference itself."""
        name = await self.register(reference)
        fields = _fields(order, stream=stream)
        if name is not None:
            try:
                return await self._send(order.mode, urlencode({**fields, "voice_id": name}).encode(), FORM)
            except VoiceForgotten:
                log.info("engine forgot a voice", voice_id=order.voice_id)
                self._registered.pop((reference.sha256, reference.prompt_text), None)
        return await self._send(order.mode, _with_audio(fields, await _read(reference)))

    async def _send(
        self, mode: SpeechMode, form: bytes | FormData, headers: Mapping[str, str] | None = None
    ) -> ClientResponse:
        try:
            async with asyncio.timeout(self._timeouts.first_byte):
                response = await self._session.post(
                    self._routes[mode], data=form, headers=headers, allow_redirects=False
                )
                if response.status == 200:
                    return response
                async with response:
                    body = await _short_answer(response)
        except NETWORK_ERRORS as error:
            raise _network_failure(error) from error
        if response.status == 404 and isinstance(form, bytes):
            raise VoiceForgotten
        raise _refusal(response, body)


def _name_in(body: bytes) -> str:
    """What the engine calls a voice that it has just got.

    Raises:
        GatewayError: its answer does not tell.
    """
    try:
        return str(json.loads(body)["voice_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise engine_refused("unpatched", "it does not name the voice; install Twinport's server.py") from error


def _fields(order: SpeechOrder, *, stream: bool) -> dict[str, str]:
    fields = {"tts_text": order.text, "stream": "true" if stream else "false", "speed": f"{order.speed:g}"}
    if order.mode is SpeechMode.ZERO_SHOT:
        fields["prompt_text"] = order.prompt_text
    if order.mode is SpeechMode.INSTRUCT:
        fields["instruct_text"] = order.instruct_text
    return fields


def _with_audio(fields: Mapping[str, str], audio: bytes) -> FormData:
    form = FormData(fields)
    form.add_field("prompt_wav", audio, filename="reference.wav", content_type="audio/wav")
    return form


async def _read(reference: Reference) -> bytes:
    try:
        return await anyio.to_thread.run_sync(reference.path.read_bytes)
    except FileNotFoundError as error:
        raise voice_not_found() from error


async def _short_answer(response: ClientResponse) -> bytes:
    """The body of an answer that should be short; what is longer, or cut, is not read further."""
    body = b""
    with suppress(ClientError, OSError):
        while len(body) <= SHORT_ANSWER_BYTES and (piece := await response.content.readany()):
            body += piece
    return body


def _json(body: bytes) -> Any:
    """What a body says; None where that is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _sample_rate(headers: Mapping[str, str]) -> int:
    """The rate that the engine names, in its own header or in the media type.

    Raises:
        GatewayError: it names none: an unpatched server, whose rate can only be guessed.
    """
    named = headers.get("X-Sample-Rate", "")
    match = re.search(r"rate=(\d+)", headers.get("Content-Type", ""))
    text = named if named.isdecimal() else match.group(1) if match else ""
    if not text:
        raise engine_refused("unpatched", "it names no sample rate; install Twinport's server.py in its container")
    return int(text)


def _network_failure(error: Exception) -> GatewayError | StreamBroken:
    """What the network did, as what the caller is told."""
    if isinstance(error, ClientConnectorError | ConnectionTimeoutError):
        return not_ready(EngineState(EngineStatus.UNREACHABLE))
    return StreamBroken(repr(error))


def _refusal(response: ClientResponse, body: bytes) -> GatewayError:
    """The engine's error answer as one of ours."""
    code, message = _error_of(body)
    if response.status == 503:
        return _busy(code, message, response.headers)
    if code == "text_empty":
        # The engine's sentence begins with its own field's name.
        return text_empty(FIELDS.get(message.split(" ", 1)[0], "text"))
    if code == "mode_not_supported":
        return mode_not_supported("")
    log.warning("engine refused", status=response.status, code=code, said=message)
    return engine_refused(code or f"http_{response.status}", message or f"HTTP {response.status}")


def _error_of(body: bytes) -> tuple[str, str]:
    said = _json(body)
    try:
        return str(said["code"]), str(said["message"])
    except (KeyError, TypeError):
        return "", ""


def _busy(code: str, message: str, headers: Mapping[str, str]) -> GatewayError:
    if code in ("queue_full", "queue_timeout", ""):
        return queue_full()
    state = code.removeprefix("engine_")
    if state in {status.value for status in EngineStatus}:
        return not_ready(EngineState(EngineStatus(state), reason=_told(message) if state == "failed" else None))
    retry = headers.get("Retry-After", "")
    return GatewayError(
        code,
        503,
        zh="语音引擎暂时繁忙，请稍候再试。",
        en=message or "The engine is busy. Try again in a moment.",
        retry_after=int(retry) if retry.isdecimal() else RETRY_AFTER_SECONDS,
    )
