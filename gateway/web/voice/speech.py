"""Speech as files: the client's ``/v1/tts`` and the files it points to."""

from __future__ import annotations

import structlog
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import not_found
from gateway.domain.speech import AudioFormat, SpeechOrder, choose_mode
from gateway.domain.text import clean_text
from gateway.domain.voice import Voice
from gateway.infrastructure.speech import SpeechStore
from gateway.web.disconnect import unless_left
from gateway.web.openapi import operation
from gateway.web.params import parse_json
from gateway.web.routing import Route
from gateway.web.sendfile import SentFile
from gateway.web.voice.lookup import find_voice, require_usable, speaker_of
from gateway.web.voice.models import SpeechAnswer, TtsBody, view_speech
from gateway.web.voice.state import VoiceRequest
from gateway.web.voice.voices import BUSY, FULL, NO_VOICE


def order_of(body: TtsBody, voice: Voice, *, limit: int) -> SpeechOrder:
    """What the request orders.

    Raises:
        GatewayError: the text can't be spoken, or the mode lacks a prompt text (400).
    """
    prompt_text = body.prompt_text or voice.effective_prompt_text
    instruct_text = body.instructions or ""
    mode = choose_mode(body.mode, prompt_text=prompt_text, instruct_text=instruct_text)
    return SpeechOrder(
        voice_id=voice.id,
        reference_sha256=voice.reference_sha256,
        text=clean_text(body.text, limit=limit),
        mode=mode,
        prompt_text=prompt_text if mode.needs_prompt_text else "",
        instruct_text=instruct_text if mode.needs_instruction else "",
        speed=body.speed,
        audio_format=body.format,
    )


@operation(
    summary="Speak a text into a file",
    tag="speech",
    body=TtsBody,
    answer=SpeechAnswer,
    errors={
        400: "A field is missing or not valid, or the text can't be spoken.",
        404: NO_VOICE,
        409: "The voice failed.",
        502: "The engine failed.",
        503: BUSY,
        507: FULL,
    },
)
async def tts(request: VoiceRequest) -> Response:
    """Answers when the file is finished. The same request, sent again, finds the first one's work, running or
    finished; so whoever is cut off, or gets a 503, simply asks again."""
    body = await parse_json(request, TtsBody)
    await request.state["device_limiter"].check(body.device_id)
    voice = await find_voice(request, body.voice_id, device_id=body.device_id)
    require_usable(voice)
    order = order_of(body, voice, limit=request.state["voice_settings"].max_text_chars)
    structlog.contextvars.bind_contextvars(voice_id=voice.id, characters=len(order.text))
    # Who hangs up stops waiting, not the work: the same request will come again.
    finished = await unless_left(request.receive, request.state["synthesis"].make(order, speaker_of(request, voice)))
    return JSONResponse(SpeechAnswer(data=view_speech(finished)).model_dump(mode="json"))


def sound_headers(audio_format: AudioFormat, sample_rate: int) -> dict[str, str]:
    """What the sound is: its type, and the rate in Hz of bare samples, which don't tell it themselves (0: unknown)."""
    if not sample_rate:
        return {"Content-Type": audio_format.media_type}
    return {
        "Content-Type": f"{audio_format.media_type}; rate={sample_rate}; channels=1",
        "X-Sample-Rate": str(sample_rate),
    }


class SentSpeech:
    """A stored file as an answer; it is not deleted while it is sent.

    Args:
        store: where it lies.
        filename: its name there.
        sample_rate: Hz to tell, for bare samples; 0: nothing is told.
    """

    def __init__(self, store: SpeechStore, filename: str, *, sample_rate: int = 0) -> None:
        self._store = store
        self._filename = filename
        self._sample_rate = sample_rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._store.path_of(self._filename)
        if path is None:
            raise not_found()
        told = sound_headers(AudioFormat(path.suffix.removeprefix(".")), self._sample_rate)
        headers = {**told, "Cache-Control": "private, max-age=86400, immutable"}
        with self._store.serving(self._filename):
            await SentFile(path, media_type=told["Content-Type"], headers=headers)(scope, receive, send)


@operation(
    summary="A finished file",
    tag="speech",
    content={"audio/*": {"schema": {"type": "string", "format": "binary"}}},
    errors={404: "No such file, or it has expired.", 416: "The range lies past the end."},
    also={206: {"description": "The part that was asked for."}, 304: {"description": "Not changed."}},
    public=True,
)
async def file(request: VoiceRequest) -> SentSpeech:
    """A file that /v1/tts named. Its address can't be guessed and asks for no key. Ranges work."""
    return SentSpeech(request.state["speech_store"], request.path_params["filename"])


speech_routes = [
    Route("/v1/tts", tts, methods=["POST"]),
    Route("/files/{filename}", file),
]
