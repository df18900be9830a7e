"""The text to speak, the voice and the manner; two equal orders give the same speech."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cached_property

from gateway.domain.errors import GatewayError, invalid_request, missing_field
from gateway.domain.voice.spoken.length import LengthDoubt

# What OpenAI's clients assume about raw samples.
OPENAI_PCM_RATE = 24000
MIN_SPEED = 0.5
MAX_SPEED = 2.0


class SpeechMode(StrEnum):
    """How the engine uses the reference, in the usual terms."""

    ZERO_SHOT = "zero_shot"
    CROSS_LINGUAL = "cross_lingual"
    INSTRUCT = "instruct"

    @property
    def needs_prompt_text(self) -> bool:
        """Whether the engine needs a transcript of the reference."""
        return self is SpeechMode.ZERO_SHOT

    @property
    def needs_instruction(self) -> bool:
        """Whether the engine needs an instruction."""
        return self is SpeechMode.INSTRUCT


class AudioFormat(StrEnum):
    """Formats that speech is served in."""

    WAV = "wav"
    PCM = "pcm"
    MP3 = "mp3"
    OPUS = "opus"
    FLAC = "flac"
    AAC = "aac"
    M4A = "m4a"

    @property
    def media_type(self) -> str:
        """The MIME type of the format."""
        return MEDIA_TYPES[self]


MEDIA_TYPES = {
    AudioFormat.WAV: "audio/wav",
    AudioFormat.PCM: "audio/pcm",
    AudioFormat.MP3: "audio/mpeg",
    AudioFormat.OPUS: "audio/ogg",
    AudioFormat.FLAC: "audio/flac",
    AudioFormat.AAC: "audio/aac",
    AudioFormat.M4A: "audio/mp4",
}


@dataclass(frozen=True)
class SpeechOrder:
    """One synthesis, checked.

    Attributes:
        voice_id: the voice that speaks.
        reference_sha256: digest of its reference, so that a renewed reference is a new order.
        text: the text to speak, as ``services.voice.texts`` prepares it; it may have pauses.
        prompt_text: the reference's transcript; only for zero-shot.
        instruct_text: how to speak it; only for instruct.
        speed: 1.0 is the voice's own.
        audio_format: format of the result.
        sample_rate: Hz of the result, for bare samples only; 0: the engine's.
    """

    voice_id: str
    reference_sha256: str
    text: str
    mode: SpeechMode
    prompt_text: str = ""
    instruct_text: str = ""
    speed: float = 1.0
    audio_format: AudioFormat = AudioFormat.WAV
    sample_rate: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digest that equal orders share."""
        # At the engine's rate an order's digest is the same as before orders had a rate.
        values = [getattr(self, name) for name in _ORDER_FIELDS if name != "sample_rate" or self.sample_rate]
        if self.audio_format in _FINISHED_SINCE:
            values.append("finished")
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()

    def at_engine_rate(self) -> SpeechOrder:
        """The same speech, at whatever rate the engine has."""
        return replace(self, sample_rate=0)

    def as_wav(self) -> SpeechOrder:
        """The same speech, not encoded."""
        return replace(self, audio_format=AudioFormat.WAV)


# Earlier versions stored these as they were streamed, without their length: such files are not to be found any more.
_FINISHED_SINCE = (AudioFormat.MP3, AudioFormat.FLAC)
_ORDER_FIELDS = tuple(field.name for field in fields(SpeechOrder))


@dataclass(frozen=True)
class StoredSpeech:
    """A finished piece of speech in the store.

    Attributes:
        fingerprint: of its order.
        token: the unguessable part of its address.
        model: the engine's model that made it.
        size: bytes of the file.
        seconds: duration of the sound.
        audio_format: format of the file.
        doubt: what is wrong with its length, if anything: then it is served for a while only, and made again.
        attempts: how often it was made, all of them of an unlikely length but perhaps the last.
    """

    fingerprint: str
    token: str
    voice_id: str
    model: str
    size: int
    seconds: float
    audio_format: AudioFormat
    doubt: LengthDoubt | None = None
    attempts: int = 1

    @property
    def filename(self) -> str:
        """The file's name in the store and in its address."""
        return f"{self.token}.{self.audio_format.value}"


def mode_needs_prompt_text() -> GatewayError:
    """Zero-shot was requested, and no transcript of the reference is known."""
    return invalid_request(
        "zero_shot 模式需要 prompt_text（参考音频的文字内容）。",
        "The mode zero_shot needs a prompt_text: a transcript of the reference audio.",
        param="prompt_text",
        code="prompt_text_missing",
    )


def choose_mode(mode: SpeechMode | None, *, prompt_text: str, instruct_text: str) -> SpeechMode:
    """The requested mode; by default: instruct with an instruction, zero-shot with a prompt text, else cross-lingual.

    Raises:
        GatewayError: ``prompt_text_missing`` or ``missing_field`` (400) for a mode without its text.
    """
    if mode is SpeechMode.ZERO_SHOT and not prompt_text:
        raise mode_needs_prompt_text()
    if mode is SpeechMode.INSTRUCT and not instruct_text:
        raise missing_field("instructions")
    if mode is not None:
        return mode
    if instruct_text:
        return SpeechMode.INSTRUCT
    return SpeechMode.ZERO_SHOT if prompt_text else SpeechMode.CROSS_LINGUAL
