"""Speech as files: the client's ``/v1/tts`` and the files it points to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import structlog
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import not_found
from gateway.domain.voice.ports import SpeechStore
from gateway.domain.voice.speech import AudioFormat, SpeechOrder, choose_mode
from gateway.domain.voice.spoken.length import LengthDoubt
from gateway.domain.voice.voice import Voice
from gateway.web.disconnect import while_connected
from gateway.web.operation import Content, Rate
from gateway.web.routing import operation
from gateway.web.sendfile import SentFile
from gateway.web.voice.lookup import find_voice, require_usable, speaker_of
from gateway.web.voice.speech_models import SpeechAnswer, TtsBody, view_speech
from gateway.web.voice.state import VoiceRequest
from gateway.web.voice.voices import BUSY, FULL, NO_VOICE

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def order_of(body: TtsBody, voice: Voice, *, text: str) -> SpeechOrder:
    """The order of the request, whose text is prepared.

    Raises:
        GatewayError: the mode lacks a prompt text (400).
    """
    prompt_text = body.prompt_text or voice.effective_prompt_text
    instruct_text = body.instructions or ""
    mode = choose_mode(body.mode, prompt_text=prompt_text, instruct_text=instruct_text)
    return SpeechOrder(
        voice_id=voice.id,
        reference_sha256=voice.reference_sha256,
        text=text,
        mode=mode,
        prompt_text=prompt_text if mode.needs_prompt_text else "",
        instruct_text=instruct_text if mode.needs_instruction else "",
        speed=body.speed,
        audio_format=body.format,
    )


@operation(
    "POST",
    "/v1/tts",
    summary="Speak a text into a file",
    tag="speech",
    errors={
        400: "A field is missing or not valid, or the text can't be spoken.",
        404: NO_VOICE,
        409: "The voice failed.",
        429: "The key's limit of the day is reached.",
        502: "The engine failed.",
        503: BUSY,
        507: FULL,
    },
    rate=Rate.DEVICE,
)
async def speak(request: VoiceRequest, body: TtsBody) -> SpeechAnswer:
    """Answers when the file is finished. The same request, sent again, finds the first one's work, running or
    finished; so a client that is cut off, or gets a 503, simply repeats its request."""
    voice = await find_voice(request, body.voice_id, device_id=body.device_id)
    require_usable(voice)
    order = order_of(body, voice, text=await request.state["texts"].prepare(body.text))
    structlog.contextvars.bind_contextvars(voice_id=voice.id, characters=len(order.text))
    # A client that disconnects stops waiting, not the work: the same request will come again.
    finished = await while_connected(
        request.receive, request.state["synthesis"].make(order, speaker_of(request, voice))
    )
    return SpeechAnswer(data=view_speech(finished))


# "file": finished, with its length and right sizes; "stream": as it is made, where nobody knows its length yet.
SPEECH_HEADER = "X-Speech"


def sound_headers(audio_format: AudioFormat, sample_rate: int) -> dict[str, str]:
    """The sound's type, and the rate in Hz of raw samples, which have no header (0: unknown)."""
    if not sample_rate:
        return {"Content-Type": audio_format.media_type}
    return {
        "Content-Type": f"{audio_format.media_type}; rate={sample_rate}; channels=1",
        "X-Sample-Rate": str(sample_rate),
    }


class SentSpeech:
    """A stored file as an answer; it is not deleted while it is sent.

    Args:
        store: of the file.
        filename: its name there.
        sample_rate: Hz for the header of raw samples; 0: no header.
        doubt: what is wrong with its length, for a header.
        more: further headers.
    """

    def __init__(
        self,
        store: SpeechStore,
        filename: str,
        *,
        sample_rate: int = 0,
        doubt: LengthDoubt | None = None,
        more: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        self._store = store
        self._doubt = doubt
        self._filename = filename
        self._sample_rate = sample_rate
        self._more = more

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._store.path_of(self._filename)
        if path is None:
            raise not_found()
        sound = sound_headers(AudioFormat(path.suffix.removeprefix(".")), self._sample_rate)
        headers = {**sound, **self._more, "Cache-Control": "private, max-age=86400, immutable", SPEECH_HEADER: "file"}
        if self._doubt is not None:
            headers |= {"X-Speech-Warning": self._doubt.value, "Cache-Control": "no-store"}
        with self._store.serving(self._filename):
            await SentFile(path, media_type=sound["Content-Type"], headers=headers)(scope, receive, send)


SpeechFile = Annotated[SentSpeech, Content("audio/*", ranges=True)]


# Existing clients fetch files without their key.
@operation(
    "GET",
    "/files/{filename}",
    summary="A finished file",
    tag="speech",
    errors={404: "No such file, or it has expired."},
    public=True,
)
async def get_speech(request: VoiceRequest, filename: str) -> SpeechFile:
    """A file that /v1/tts named. Its address can't be guessed and needs no key. Ranges work."""
    return SentSpeech(request.state["speech_store"], filename)


speech_routes = [speak, get_speech]
