"""What the voice entry takes and gives, as models; the OpenAPI document is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.domain.errors import Language
from gateway.domain.naming import MAX_DEVICE_ID, MAX_NAME, check_device_id, check_name
from gateway.domain.speech import MAX_SPEED, MIN_SPEED, AudioFormat, SpeechMode, StoredSpeech
from gateway.domain.text import clean_prompt
from gateway.domain.voice import Voice, VoiceStatus
from gateway.web.health import EntryHealth

MAX_PROMPT_TEXT = 1000
MAX_PAGE = 1000


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


DeviceId = Annotated[
    str,
    AfterValidator(check_device_id),
    Field(description="The client's own id; only it sees its voices.", min_length=1, max_length=MAX_DEVICE_ID),
]
AnyDeviceId = Annotated[
    str,
    AfterValidator(lambda device_id: check_device_id(device_id) if device_id else ""),
    Field(description="The device whose voices are meant.", max_length=MAX_DEVICE_ID),
]
VoiceName = Annotated[
    str, AfterValidator(check_name), Field(description="Name of the voice.", min_length=1, max_length=MAX_NAME)
]


Prompt = Annotated[str, Field(max_length=MAX_PROMPT_TEXT), AfterValidator(clean_prompt)]


class Request(BaseModel):
    """A request body; unknown fields are ignored, types are not guessed."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DeviceQuery(Request):
    """Names the device that asks."""

    device_id: DeviceId


class AnyDeviceQuery(Request):
    """May name a device."""

    device_id: AnyDeviceId = ""


class DeviceHeader(Request):
    """The same as a header, for clients that can't add fields."""

    device_id: AnyDeviceId = Field("", alias="X-Device-ID")


class PageQuery(DeviceQuery):
    """One page of a list."""

    limit: int = Field(MAX_PAGE, ge=1, le=MAX_PAGE, description="Most voices in the answer.")
    offset: int = Field(0, ge=0, le=2**31 - 1, description="Voices to skip.")


class AdminPageQuery(Request):
    """One page over all devices, or of one."""

    device_id: Annotated[DeviceId | None, BeforeValidator(_blank_is_none)] = None
    limit: int = Field(100, ge=1, le=MAX_PAGE, description="Most voices in the answer.")
    offset: int = Field(0, ge=0, le=2**31 - 1, description="Voices to skip.")


class TrainForm(Request):
    """The text fields of a training request."""

    device_id: DeviceId
    name: VoiceName
    prompt_text: Prompt = Field("", description="What the recording says, word for word.")


class ImportForm(Request):
    """The text fields of an import."""

    device_id: DeviceId
    name: Annotated[VoiceName | None, BeforeValidator(_blank_is_none)] = Field(
        None, description="Name of the voice; empty: the one in the archive."
    )


class RenameBody(Request):
    """A voice's new name."""

    device_id: DeviceId
    name: VoiceName


class TtsBody(Request):
    """One synthesis."""

    device_id: DeviceId
    voice_id: str = Field(min_length=1, max_length=64, description="The voice that speaks.")
    text: str = Field(min_length=1, description="What is said.")
    prompt_text: Prompt | None = Field(None, description="What the reference says; empty: as given when training.")
    mode: Annotated[SpeechMode | None, BeforeValidator(_blank_is_none)] = Field(
        None, description="Empty: zero_shot where a prompt text is known, else cross_lingual."
    )
    instructions: Prompt | None = Field(None, description="How it is said; needs a model that can be instructed.")
    speed: float = Field(1.0, ge=MIN_SPEED, le=MAX_SPEED, description="1.0 is the voice's own.")
    format: AudioFormat = Field(AudioFormat.WAV, description="Format of the file.")


class Trained(BaseModel):
    """The new voice."""

    voiceId: str  # noqa: N815 - the client's spelling


class TrainAnswer(BaseModel):
    """Answer of a training request."""

    data: Trained


class ReferenceView(BaseModel):
    """What became of the recording."""

    decodedSeconds: float = Field(description="Audio that was looked at.")  # noqa: N815
    speechSeconds: float = Field(description="Speech in the reference.")  # noqa: N815
    startSeconds: float = Field(description="Where the reference begins in the recording.")  # noqa: N815
    endSeconds: float = Field(description="Where it ends.")  # noqa: N815
    cut: bool = Field(description="Speech was left out, because the recording is longer than the engine takes.")
    gainDb: float = Field(description="Change of level.")  # noqa: N815
    clippedPercent: float = Field(description="Samples at full scale in the recording.")  # noqa: N815
    sampleRate: int = Field(description="Hz.")  # noqa: N815


class VoiceView(BaseModel):
    """A voice as clients see it."""

    id: str
    name: str
    status: VoiceStatus
    createdAt: datetime  # noqa: N815 - the client's spelling
    updatedAt: datetime  # noqa: N815
    promptText: str = Field("", description="What the recording says, as given when training.")  # noqa: N815
    error: str | None = Field(None, description="Why the voice failed, a sentence.")
    code: str | None = Field(None, description="The same for programs.")
    reference: ReferenceView | None = Field(None, description="What became of the recording; once ready.")
    deviceId: str | None = Field(None, description="Only in the admin view.")  # noqa: N815


class VoiceAnswer(BaseModel):
    """One voice."""

    data: VoiceView


class VoicesAnswer(BaseModel):
    """Voices, newest first."""

    data: list[VoiceView]
    total: int = Field(description="How many there are, whatever the page.")


class Deleted(BaseModel):
    """A voice that is gone."""

    id: str
    deleted: Literal[True] = True


class DeletedAnswer(BaseModel):
    """Answer of a deletion."""

    data: Deleted


class SpeechView(BaseModel):
    """Finished speech."""

    audioUrl: str = Field(description="Where the file is, relative to this entry.")  # noqa: N815 - the client's
    duration: float = Field(description="Seconds.")
    format: AudioFormat
    bytes: int


class SpeechAnswer(BaseModel):
    """Answer of a synthesis."""

    data: SpeechView


class DownloadView(BaseModel):
    """How far the model's download is."""

    bytes: int
    total_bytes: int | None
    percent: float | None
    bytes_per_second: float | None


class EngineView(BaseModel):
    """The engine's state."""

    state: str = Field(description="starting, downloading, loading, ready, failed or unreachable.")
    message: str = Field(description="The state in words.")
    model: str
    sample_rate: int | None
    download: DownloadView | None


class QueueView(BaseModel):
    """Who waits for the engine."""

    waiting: int
    limit: int


class VoiceHealth(EntryHealth):
    """State of the voice entry."""

    engine: EngineView
    queue: QueueView


class Readiness(BaseModel):
    """Synthesis can work."""

    ready: Literal[True] = True


class OpenAISpeechBody(Request):
    """OpenAI's speech request, and the device whose voices are meant."""

    model: str = Field("tts-1", max_length=200, description="Any name: there is one engine.")
    input: str = Field(min_length=1, description="What is said.")
    voice: str = Field(min_length=1, max_length=MAX_NAME, description="A voice's id or name.")
    response_format: AudioFormat = Field(AudioFormat.MP3)
    speed: float = Field(1.0, ge=MIN_SPEED, le=MAX_SPEED)
    instructions: Prompt | None = Field(None, description="How it is said; ignored by models that can't be instructed.")
    stream_format: Literal["audio"] | None = Field(None, description="Audio is what is streamed.")
    device_id: Annotated[DeviceId | None, BeforeValidator(_blank_is_none)] = Field(
        None, description="Whose voices; else header X-Device-ID. Without one: any voice by id."
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


class OpenAIVoice(BaseModel):
    """A usable voice."""

    id: str
    name: str
    object: Literal["voice"] = "voice"


class OpenAIVoices(BaseModel):
    """All usable voices of a device."""

    object: Literal["list"] = "list"
    data: list[OpenAIVoice]


def view_voice(voice: Voice, language: Language, *, admin: bool = False) -> VoiceView:
    """A voice for a reader of the given language."""
    report = voice.report if voice.status is VoiceStatus.READY else None
    failed = voice.failure if voice.status is VoiceStatus.FAILED else None
    return VoiceView(
        id=voice.id,
        name=voice.name,
        status=voice.status,
        createdAt=voice.created_at,
        updatedAt=voice.updated_at,
        promptText=voice.prompt_text,
        error=failed.sentence(language) if failed else None,
        code=failed.code if failed else None,
        reference=None
        if report is None
        else ReferenceView(
            decodedSeconds=report.decoded_seconds,
            speechSeconds=report.speech_seconds,
            startSeconds=report.start_seconds,
            endSeconds=report.end_seconds,
            cut=report.cut,
            gainDb=report.gain_db,
            clippedPercent=report.clipped_percent,
            sampleRate=report.sample_rate,
        ),
        deviceId=voice.device_id if admin else None,
    )


def view_speech(finished: StoredSpeech) -> SpeechView:
    """Finished speech and where it lies."""
    return SpeechView(
        audioUrl=f"/files/{finished.filename}",
        duration=round(finished.seconds, 3),
        format=finished.audio_format,
        bytes=finished.size,
    )
