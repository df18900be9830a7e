"""Models of the voice entry's requests and answers about speech, its own and OpenAI's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from gateway.domain.errors import GatewayError, invalid_request
from gateway.domain.naming import MAX_NAME
from gateway.domain.voice.speech import MAX_SPEED, MIN_SPEED, AudioFormat, SpeechMode, StoredSpeech
from gateway.domain.voice.spoken.length import LengthDoubt
from gateway.domain.voice.text import clean_prompt
from gateway.web.voice.models import MAX_PROMPT_TEXT, DeviceId, Prompt, RequestModel, blank_is_none

# What OpenAI's clients may ask for; the engine speaks at MIN_SPEED to MAX_SPEED.
OPENAI_MIN_SPEED = 0.25
OPENAI_MAX_SPEED = 4.0
# Other names of formats that clients send.
FORMAT_ALIASES: Mapping[str, AudioFormat] = {
    "mpeg": AudioFormat.MP3,
    "ogg": AudioFormat.OPUS,
    "oga": AudioFormat.OPUS,
    "ogg_opus": AudioFormat.OPUS,
    "wave": AudioFormat.WAV,
    "pcm16": AudioFormat.PCM,
    "pcm_24000": AudioFormat.PCM,
    "s16le": AudioFormat.PCM,
    "raw": AudioFormat.PCM,
}


def openai_request() -> GatewayError:
    """OpenAI's request at our own route, as of a client with a wrong base address."""
    return invalid_request(
        "这是 OpenAI 格式的请求，请发送到 POST /v1/audio/speech；/v1/tts 需要 device_id、voice_id 和 text。",
        "This is a request in OpenAI's form. Send it to POST /v1/audio/speech; "
        "/v1/tts needs device_id, voice_id and text.",
        param="text",
        code="missing_field",
    )


class TtsBody(RequestModel):
    """One synthesis."""

    device_id: DeviceId
    voice_id: str = Field(min_length=1, max_length=64, description="The voice that speaks.")
    text: str = Field(min_length=1, description="The text to speak; markup is not said, see the manual.")
    prompt_text: Prompt | None = Field(None, description="The reference's transcript; empty: as given when training.")
    mode: Annotated[SpeechMode | None, BeforeValidator(blank_is_none)] = Field(
        None, description="Empty: zero_shot where a prompt text is known, else cross_lingual."
    )
    instructions: Prompt | None = Field(None, description="How to speak it; needs a model that can be instructed.")
    speed: float = Field(1.0, ge=MIN_SPEED, le=MAX_SPEED, description="1.0 is the voice's own.")
    format: AudioFormat = Field(AudioFormat.WAV, description="Format of the file.")

    @model_validator(mode="before")
    @classmethod
    def _is_our_own(cls, values: Any) -> Any:
        if isinstance(values, dict) and "input" in values and "text" not in values:
            raise openai_request()
        return values


class SpeechView(BaseModel):
    """Finished speech."""

    audioUrl: str = Field(description="Where the file is, relative to this entry.")  # noqa: N815 - the client's
    duration: float = Field(description="Seconds.")
    format: AudioFormat
    bytes: int
    warning: LengthDoubt | None = Field(
        None, description="The speech is far too short or too long for its text, also after a second attempt."
    )


class SpeechAnswer(BaseModel):
    """Answer of a synthesis."""

    data: SpeechView


def _plain_format(value: object) -> object:
    if not isinstance(value, str):
        return value
    name = value.strip().lower().removeprefix("audio/")
    return FORMAT_ALIASES.get(name, name)


def _plain_stream_format(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _voice_name(value: object) -> object:
    """A voice's id or name, bare or, as OpenAI's custom voices are named, in an object."""
    if isinstance(value, dict):
        value = value.get("id")
    return value.strip() if isinstance(value, str) else value


_NAME: dict[str, Any] = {"type": "string", "maxLength": MAX_NAME}
_NAME_OR_OBJECT: dict[str, Any] = {
    "anyOf": [_NAME, {"type": "object", "required": ["id"], "properties": {"id": _NAME}}],
    "description": "A voice's id or name, or an object with its id; empty: the default voice.",
}
OpenAIFormat = Annotated[AudioFormat, BeforeValidator(_plain_format)]
StreamFormat = Annotated[Literal["audio", "sse"], BeforeValidator(_plain_stream_format)]
# Clients send whole characters of a speaker here; only as much as the engine takes is used.
Instructions = Annotated[str, AfterValidator(lambda text: clean_prompt(text)[:MAX_PROMPT_TEXT])]
NamedVoice = Annotated[str, BeforeValidator(_voice_name), WithJsonSchema(_NAME_OR_OBJECT)]


def _say_that_null_is_absent(schema: dict[str, Any]) -> None:
    required = schema.get("required", ())
    for name, described in schema.get("properties", {}).items():
        if name not in required and {"type": "null"} not in described.get("anyOf", ()):
            kept = {key: described.pop(key) for key in ("default", "description") if key in described}
            schema["properties"][name] = {"anyOf": [described, {"type": "null"}], **kept}


class Manner(RequestModel):
    """How OpenAI's clients have a text spoken. A field that is null counts as not sent."""

    model_config = ConfigDict(json_schema_extra=_say_that_null_is_absent)

    model: str = Field("tts-1", max_length=200, description="Any name: there is one engine.")
    voice: NamedVoice = Field("", max_length=MAX_NAME)
    response_format: OpenAIFormat = Field(AudioFormat.MP3)
    speed: float = Field(
        1.0,
        ge=OPENAI_MIN_SPEED,
        le=OPENAI_MAX_SPEED,
        description="The engine speaks at 0.5 to 2; X-Speed has what was used.",
    )
    instructions: Instructions | None = Field(
        None, description="How to speak it; ignored by models without instructions."
    )
    device_id: Annotated[DeviceId | None, BeforeValidator(blank_is_none)] = Field(
        None, description="Whose voices; else header X-Device-ID, the path or the key. Without one: any voice by id."
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None}

    @property
    def engine_speed(self) -> float:
        """The speed, as far as the engine goes."""
        return min(MAX_SPEED, max(MIN_SPEED, self.speed))


class OpenAISpeechBody(Manner):
    """OpenAI's speech request, and the device of the voices."""

    input: str = Field(description="The text to speak; where nothing can be spoken, the answer is a short silence.")
    stream_format: StreamFormat = Field(
        "audio", description="The sound itself, or server-sent events with the sound and the times of its sentences."
    )


class OpenAIModel(BaseModel):
    """A model in OpenAI's terms."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "twinport"


class OpenAIModels(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[OpenAIModel]


class AudioModels(BaseModel):
    """All models, as Open WebUI reads them."""

    object: Literal["list"] = "list"
    models: list[OpenAIModel]
    data: list[OpenAIModel] = Field(description="The same.")


class OpenAIVoice(BaseModel):
    """A usable voice."""

    id: str
    name: str
    object: Literal["voice"] = "voice"


class OpenAIVoices(BaseModel):
    """All usable voices of a device, and the default voice."""

    object: Literal["list"] = "list"
    data: list[OpenAIVoice]
    voices: list[OpenAIVoice] = Field(description="The same, as Open WebUI and others read them.")


def view_speech(finished: StoredSpeech) -> SpeechView:
    """Finished speech and its address."""
    return SpeechView(
        audioUrl=f"/files/{finished.filename}",
        duration=round(finished.seconds, 3),
        format=finished.audio_format,
        bytes=finished.size,
        warning=finished.doubt,
    )
