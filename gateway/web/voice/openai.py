"""OpenAI's speech API, so that its official clients work unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.domain.engine import broken_stream
from gateway.domain.errors import GatewayError, not_found
from gateway.domain.naming import is_printable, is_voice_id
from gateway.domain.speech import OPENAI_PCM_RATE, AudioFormat, SpeechMode, SpeechOrder, choose_mode
from gateway.domain.text import clean_text
from gateway.domain.voice import Voice, VoiceStatus
from gateway.infrastructure.audio import EncodingFailed
from gateway.infrastructure.cosyvoice import StreamBroken
from gateway.services.synthesis import ATTEMPTS, Speaker, Synthesis
from gateway.web.disconnect import disconnected
from gateway.web.middleware.access import presented_key
from gateway.web.openapi import operation
from gateway.web.params import parse_json, parse_query, validate
from gateway.web.routing import Route
from gateway.web.voice.lookup import find_voice, require_usable, speaker_of
from gateway.web.voice.models import (
    AnyDeviceQuery,
    DeviceHeader,
    OpenAIModel,
    OpenAIModels,
    OpenAISpeechBody,
    OpenAIVoice,
    OpenAIVoices,
)
from gateway.web.voice.speech import SentSpeech, sound_headers
from gateway.web.voice.state import VoiceRequest
from gateway.web.voice.voices import BUSY

# Names that OpenAI's clients come with; all mean the one engine.
MODEL_ALIASES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
MAX_LISTED = 1000

log = structlog.stdlib.get_logger(__name__)


def openai_voice_not_found(voice: str) -> GatewayError:
    """No such voice where the client may look."""
    return GatewayError(
        "voice_not_found",
        404,
        zh=f"声音 {voice!r} 不存在。按名称查找时，请用请求头 X-Device-ID 或参数 device_id 指明设备。",
        en=f"There is no voice {voice!r}. To find one by name, name its device in the header X-Device-ID "
        "or the field device_id.",
        param="voice",
    )


def _device(request: VoiceRequest, named: str | None) -> str | None:
    """The device whose voices are meant; None: the client has not said."""
    header = request.headers.get("x-device-id")
    told = validate(DeviceHeader, {"X-Device-ID": _in_utf8(header)}).device_id if header else ""
    return named or told or None


def _in_utf8(header: str) -> str:
    """A header's value as its sender meant it: the server reads Latin-1, clients write UTF-8."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _sees_all(request: VoiceRequest) -> bool:
    """Whether the client may look through all devices' voices: the administrator's view."""
    keys = request.state["keys"]
    return keys.required and keys.accepts_admin(presented_key(request.headers))


async def _voice(request: VoiceRequest, voice: str, device_id: str | None) -> Voice:
    """By id, which can't be guessed, or by name within a device."""
    if is_voice_id(voice):
        return await find_voice(request, voice, device_id=device_id)
    if device_id is None and not _sees_all(request):
        raise openai_voice_not_found(voice)
    if not is_printable(voice):
        raise openai_voice_not_found(voice)
    found = await request.state["voices"].newest_named(voice, device_id=device_id)
    if found is None:
        raise openai_voice_not_found(voice)
    return found


def _order(request: VoiceRequest, body: OpenAISpeechBody, voice: Voice) -> SpeechOrder:
    modes = request.state["engine"].state.modes
    instruct_text = (body.instructions or "") if "instruct2" in modes else ""
    mode = choose_mode(None, prompt_text=voice.effective_prompt_text, instruct_text=instruct_text)
    return SpeechOrder(
        voice_id=voice.id,
        reference_sha256=voice.reference_sha256,
        text=clean_text(body.input, limit=request.state["voice_settings"].max_text_chars, param="input"),
        mode=mode,
        prompt_text=voice.effective_prompt_text if mode is SpeechMode.ZERO_SHOT else "",
        instruct_text=instruct_text,
        speed=body.speed,
        audio_format=body.response_format,
        sample_rate=OPENAI_PCM_RATE if body.response_format is AudioFormat.PCM else 0,
    )


def _headers(order: SpeechOrder) -> list[tuple[bytes, bytes]]:
    told = sound_headers(order.audio_format, order.sample_rate)
    return [(name.lower().encode(), value.encode()) for name, value in told.items()] + [(b"cache-control", b"no-store")]


class SpeechStream:
    """Speech as an answer while it is made; the status is sent only when there is sound.

    Args:
        synthesis: makes it.
        order: what is said.
        speaker: who asks.
    """

    def __init__(self, synthesis: Synthesis, order: SpeechOrder, speaker: Speaker) -> None:
        self._synthesis = synthesis
        self._order = order
        self._speaker = speaker
        self._started = False
        self._finished = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the speech, and stop as soon as the client hangs up; the server hangs up on one that reads no more.

        Raises:
            ClientDisconnect: the client has gone; the engine is free.
        """
        sending = asyncio.current_task()
        leaving = asyncio.ensure_future(disconnected(receive))
        gone = False

        def interrupt(_: object) -> None:
            nonlocal gone
            # The server calls the end of the answer a disconnection as well.
            if sending is not None and not self._finished:
                gone = True
                sending.cancel()

        leaving.add_done_callback(interrupt)
        try:
            await self._send(scope, send)
        except asyncio.CancelledError:
            # A server that shuts down cancels too.
            if gone and sending is not None and sending.uncancel() == 0:
                raise ClientDisconnect from None
            raise
        finally:
            leaving.remove_done_callback(interrupt)
            leaving.cancel()

    async def _send(self, scope: Scope, send: Send) -> None:
        for _ in range(ATTEMPTS):
            try:
                async with self._synthesis.live(self._order, self._speaker) as pieces:
                    await self._send_all(pieces, send)
            except (StreamBroken, EncodingFailed) as error:
                log.warning("stream cut", error=str(error), started=self._started)
                if self._started:
                    # Without its end the server cuts the connection, so that nobody takes the answer for whole.
                    scope["twinport.error"] = broken_stream()
                    return
            else:
                return
        raise broken_stream()

    async def _send_all(self, pieces: AsyncIterator[bytes], send: Send) -> None:
        async for piece in pieces:
            if not self._started:
                self._started = True
                await send({"type": "http.response.start", "status": 200, "headers": _headers(self._order)})
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if not self._started:
            raise EncodingFailed("no sound came out")
        self._finished = True
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@operation(
    summary="Speak a text (OpenAI)",
    tag="openai",
    takes=DeviceHeader,
    body=OpenAISpeechBody,
    content={"audio/*": {"schema": {"type": "string", "format": "binary"}}},
    errors={
        400: "A field is missing or not valid, or the text can't be spoken.",
        404: "No such voice.",
        409: "The voice failed.",
        429: "Too many requests of one device.",
        502: "The engine failed.",
        503: BUSY,
    },
    openai=True,
)
async def speech(request: VoiceRequest) -> SpeechStream | SentSpeech:
    """Streams: the first bytes leave as soon as the engine gives some. Hanging up frees the engine, and so does reading
    nothing for a minute. Speech that was made before by /v1/tts is served from the store."""
    body = await parse_json(request, OpenAISpeechBody)
    device_id = _device(request, body.device_id)
    voice = await _voice(request, body.voice, device_id)
    await request.state["device_limiter"].check(voice.device_id)
    require_usable(voice)
    order = _order(request, body, voice)
    structlog.contextvars.bind_contextvars(voice_id=voice.id, characters=len(order.text))
    stored = await request.state["synthesis"].stored(order)
    if stored is not None:
        return SentSpeech(request.state["speech_store"], stored.filename, sample_rate=order.sample_rate)
    return SpeechStream(request.state["synthesis"], order, speaker_of(request, voice))


def _models(request: VoiceRequest) -> list[OpenAIModel]:
    own = request.state["engine"].state.model
    names = (own, *MODEL_ALIASES) if own else MODEL_ALIASES
    return [OpenAIModel(id=name) for name in dict.fromkeys(names)]


@operation(summary="Models (OpenAI)", tag="openai", answer=OpenAIModels, openai=True)
async def models(request: VoiceRequest) -> Response:
    """The engine's model, and the names that OpenAI's clients use; all mean the same."""
    return JSONResponse(OpenAIModels(data=_models(request)).model_dump(mode="json"))


@operation(summary="One model (OpenAI)", tag="openai", answer=OpenAIModel, errors={404: "No such model."}, openai=True)
async def model(request: VoiceRequest) -> Response:
    """One of the models."""
    name = request.path_params["model"]
    for known in _models(request):
        if known.id == name:
            return JSONResponse(known.model_dump(mode="json"))
    raise not_found()


@operation(
    summary="Voices (OpenAI)",
    tag="openai",
    query=AnyDeviceQuery,
    takes=DeviceHeader,
    answer=OpenAIVoices,
    errors={400: "The device's id is not valid."},
    openai=True,
)
async def voices(request: VoiceRequest) -> Response:
    """Ready voices of the device in X-Device-ID (or ?device_id=); with an administrator's key and no device: all."""
    device_id = _device(request, parse_query(request, AnyDeviceQuery).device_id)
    if device_id is None and not _sees_all(request):
        return JSONResponse(OpenAIVoices(data=[]).model_dump(mode="json"))
    found, _ = await request.state["voices"].page(device_id=device_id, limit=MAX_LISTED, offset=0)
    ready = [OpenAIVoice(id=one.id, name=one.name) for one in found if one.status is VoiceStatus.READY]
    return JSONResponse(OpenAIVoices(data=ready).model_dump(mode="json"))


openai_routes = [
    Route("/v1/audio/speech", speech, methods=["POST"]),
    Route("/v1/audio/voices", voices),
    Route("/v1/models", models),
    Route("/v1/models/{model:path}", model),
]
