"""OpenAI's speech API, so that its official clients work unchanged."""

from __future__ import annotations

from typing import Annotated, NoReturn

import structlog

from gateway.domain.errors import GatewayError, not_found
from gateway.domain.voice.speech import OPENAI_PCM_RATE, AudioFormat, SpeechMode, SpeechOrder, choose_mode
from gateway.domain.voice.text import silence_in
from gateway.domain.voice.voice import Voice
from gateway.services.voice.producer import Speaker
from gateway.services.voice.timed import TimedSpeech
from gateway.web.errors import HttpError
from gateway.web.language import preferred_language
from gateway.web.operation import ANY_METHOD, Content, Rate
from gateway.web.routing import operation
from gateway.web.voice.addresses import no_such_address
from gateway.web.voice.models import AnyDeviceQuery, DeviceHeader
from gateway.web.voice.openai_voices import find_speaker, requested_device, usable_voices
from gateway.web.voice.speech import SPEECH_HEADER, SentSpeech, sound_headers
from gateway.web.voice.speech_models import (
    AudioModels,
    Manner,
    OpenAIModel,
    OpenAIModels,
    OpenAISpeechBody,
    OpenAIVoices,
)
from gateway.web.voice.speech_stream import SpeechStream, events_of, sound_of
from gateway.web.voice.state import VoiceRequest, VoiceState
from gateway.web.voice.voices import BUSY, FULL

# Model names that OpenAI's clients send; all mean the one engine.
MODEL_ALIASES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")


def upgrade_required() -> HttpError:
    """The address is that of a WebSocket."""
    return HttpError(
        "upgrade_required",
        426,
        zh="该地址只接受 WebSocket 连接；一次性朗读请用 POST /v1/audio/speech。",
        en="This address takes WebSocket connections only. To have one text spoken, use POST /v1/audio/speech.",
    )


def openai_order(state: VoiceState, manner: Manner, voice: Voice, text: str) -> SpeechOrder:
    """The order of a prepared text; it is empty where nothing can be spoken."""
    modes = state["engine"].state.modes
    instruct_text = (manner.instructions or "") if SpeechMode.INSTRUCT in modes else ""
    mode = choose_mode(None, prompt_text=voice.effective_prompt_text, instruct_text=instruct_text)
    return SpeechOrder(
        voice_id=voice.id,
        reference_sha256=voice.reference_sha256,
        text=text,
        mode=mode,
        prompt_text=voice.effective_prompt_text if mode is SpeechMode.ZERO_SHOT else "",
        instruct_text=instruct_text,
        speed=manner.engine_speed,
        audio_format=manner.response_format,
        sample_rate=OPENAI_PCM_RATE if manner.response_format is AudioFormat.PCM else 0,
    )


async def _prepared(state: VoiceState, text: str) -> str:
    """What is to be said; empty where nothing can be.

    Raises:
        GatewayError: ``text_too_long`` (400).
    """
    try:
        return await state["openai_texts"].prepare(text, param="input")
    except GatewayError as error:
        if error.code != "text_empty":
            raise
        return ""


def _headers(body: OpenAISpeechBody, order: SpeechOrder) -> dict[str, str]:
    sound = sound_headers(order.audio_format, order.sample_rate)
    if body.stream_format == "sse":
        sound["Content-Type"] = "text/event-stream; charset=utf-8"
    return {**sound, **_speed(body), "Cache-Control": "no-store", SPEECH_HEADER: "stream", "Accept-Ranges": "none"}


def _speed(body: OpenAISpeechBody) -> dict[str, str]:
    return {"X-Speed": f"{body.engine_speed:g}"} if body.speed != 1.0 else {}


def _stream(request: VoiceRequest, body: OpenAISpeechBody, order: SpeechOrder, speaker: Speaker) -> SpeechStream:
    synthesis, headers = request.state["synthesis"], _headers(body, order)
    if order.text and body.stream_format == "audio":
        return SpeechStream(synthesis.stream(order, speaker), headers)
    pauses = 0.0 if order.text else silence_in(body.input)
    timed = TimedSpeech(synthesis, request.state["encoder"], order, speaker, silence=pauses)
    if body.stream_format == "sse":
        events = events_of(timed, text=body.input, language=preferred_language(request.headers))
        return SpeechStream(events, headers)
    return SpeechStream(sound_of(timed), headers)


OpenAISpeech = Annotated[SpeechStream | SentSpeech, Content("audio/*", events=True)]


@operation(
    "POST",
    "/v1/audio/speech",
    summary="Speak a text (OpenAI)",
    tag="openai",
    errors={
        400: "A field is missing or not valid, or the text can't be spoken.",
        404: "No such voice.",
        409: "The voice failed.",
        429: "Too many requests of one device, or the key's limit of the day is reached.",
        502: "The engine failed.",
        503: BUSY,
        507: FULL,
    },
    openai=True,
    rate=Rate.HANDLER,
)
async def create_speech(request: VoiceRequest, body: OpenAISpeechBody, headers: DeviceHeader) -> OpenAISpeech:
    """Streams: the first bytes are sent as soon as the engine returns some. A disconnect frees the engine seconds
    later, unless another client follows the same speech; slow reading costs the engine nothing. A stream that was cut
    can be requested again and is not made twice; speech that was made before is served from the store. Text that has
    nothing to speak gives a short silence. With ``"stream_format": "sse"``: OpenAI's events, with the times of the
    sentences in ``marks`` and, at the end, in ``sentences``."""
    device_id = requested_device(request, body.device_id, headers.device_id)
    voice, speaker = await find_speaker(request, body.voice, device_id)
    await request.state["device_limiter"].check(speaker.device_id)
    order = openai_order(request.state, body, voice, await _prepared(request.state, body.input))
    structlog.contextvars.bind_contextvars(voice_id=voice.id, characters=len(order.text))
    stored = await request.state["synthesis"].stored(order) if body.stream_format == "audio" else None
    if stored is None:
        return _stream(request, body, order, speaker)
    return SentSpeech(
        request.state["speech_store"],
        stored.filename,
        sample_rate=order.sample_rate,
        doubt=stored.doubt,
        more=_speed(body),
    )


def _models(request: VoiceRequest) -> list[OpenAIModel]:
    own = request.state["engine"].state.model
    names = (own, *MODEL_ALIASES) if own else MODEL_ALIASES
    return [OpenAIModel(id=name) for name in dict.fromkeys(names)]


@operation("GET", "/v1/models", summary="Models (OpenAI)", tag="openai", openai=True)
async def list_models(request: VoiceRequest) -> OpenAIModels:
    """The engine's model, and the names that OpenAI's clients use; all mean the same."""
    return OpenAIModels(data=_models(request))


@operation(
    "GET",
    "/v1/models/{model:path}",
    summary="One model (OpenAI)",
    tag="openai",
    errors={404: "No such model."},
    openai=True,
)
async def get_model(request: VoiceRequest, model: str) -> OpenAIModel:
    """One of the models."""
    for known in _models(request):
        if known.id == model:
            return known
    raise not_found()


# As some clients write it; without a name it is the list.
@operation("GET", "/v1/models/", openai=True, documented=False)
async def list_models_again(request: VoiceRequest) -> OpenAIModels:
    """The same list."""
    return OpenAIModels(data=_models(request))


@operation("GET", "/v1/audio/models", summary="Models (Open WebUI)", tag="openai", openai=True)
async def list_audio_models(request: VoiceRequest) -> AudioModels:
    """The same models, as Open WebUI asks for them."""
    models = _models(request)
    return AudioModels(models=models, data=models)


@operation("GET", "/v1/audio/voices", summary="Voices (OpenAI)", tag="openai", openai=True)
async def list_openai_voices(request: VoiceRequest, query: AnyDeviceQuery, headers: DeviceHeader) -> OpenAIVoices:
    """Ready voices of the device in X-Device-ID (or ?device_id=, the path or the key); with an administrator's key and
    no device: all. The default voice is always among them."""
    listed = await usable_voices(request, requested_device(request, query.device_id, headers.device_id))
    return OpenAIVoices(data=listed, voices=listed)


@operation("GET", "/v1/audio/speech/stream", openai=True, documented=False)
async def refuse_plain_stream(request: VoiceRequest) -> NoReturn:
    """A client that asks for the WebSocket without opening one."""
    raise upgrade_required()


# Our own calls have errors in our own form.
@operation(ANY_METHOD, "/v1/voices/{rest:path}", fallback=True, documented=False)
async def refuse_unknown_voice(request: VoiceRequest, rest: str) -> NoReturn:
    """Nothing else is there."""
    raise not_found()


@operation(ANY_METHOD, "/v1/admin/{rest:path}", fallback=True, documented=False)
async def refuse_unknown_view(request: VoiceRequest, rest: str) -> NoReturn:
    """Nothing else is there."""
    raise not_found()


@operation(ANY_METHOD, "/v1/{rest:path}", openai=True, fallback=True, documented=False)
async def refuse_unknown(request: VoiceRequest, rest: str) -> NoReturn:
    """OpenAI's other routes are rejected in OpenAI's own format."""
    raise no_such_address()


@operation(ANY_METHOD, "/v1", openai=True, fallback=True, documented=False)
async def refuse_base(request: VoiceRequest) -> NoReturn:
    """The base address itself."""
    raise no_such_address()


@operation(ANY_METHOD, "/{rest:path}", openai=True, fallback=True, documented=False)
async def refuse_elsewhere(request: VoiceRequest, rest: str) -> NoReturn:
    """A client with a wrong base address gets the right one."""
    raise no_such_address()


openai_routes = [
    create_speech,
    list_openai_voices,
    list_audio_models,
    list_models,
    list_models_again,
    get_model,
    refuse_plain_stream,
    refuse_unknown_voice,
    refuse_unknown_view,
    refuse_unknown,
    refuse_base,
    refuse_elsewhere,
]
