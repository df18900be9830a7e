"""Models of the voice entry's requests and answers about voices, also for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.domain.device import MAX_DEVICE_ID, check_device_id
from gateway.domain.errors import Language
from gateway.domain.naming import MAX_NAME, check_name
from gateway.domain.voice.quality import ADVICE, Grade, ReferenceQuality
from gateway.domain.voice.text import clean_prompt
from gateway.domain.voice.voice import ReferenceReport, Voice, VoiceStatus
from gateway.web.params import is_none
from gateway.web.upload import UploadedFile

MAX_PROMPT_TEXT = 1000
MAX_PAGE = 1000


def blank_is_none(value: object) -> object:
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
    # Its length is that of the composed form without blanks around it, which no schema can say.
    str,
    AfterValidator(check_name),
    Field(description=f"Name of the voice, at most {MAX_NAME} characters.", min_length=1),
]


Prompt = Annotated[str, Field(max_length=MAX_PROMPT_TEXT), AfterValidator(clean_prompt)]


class RequestModel(BaseModel):
    """Part of a request; unknown fields are ignored, types are not guessed."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DeviceQuery(RequestModel):
    """Names the requesting device."""

    device_id: DeviceId


class AnyDeviceQuery(RequestModel):
    """May name a device."""

    device_id: AnyDeviceId = ""


class DeviceHeader(RequestModel):
    """The same as a header, for clients that can't add fields."""

    device_id: AnyDeviceId = Field("", alias="X-Device-ID")


class PageQuery(DeviceQuery):
    """One page of a list."""

    limit: int = Field(MAX_PAGE, ge=1, le=MAX_PAGE, description="Most voices in the answer.")
    offset: int = Field(0, ge=0, le=2**31 - 1, description="Voices to skip.")


class AdminPageQuery(RequestModel):
    """One page over all devices, or of one."""

    device_id: Annotated[DeviceId | None, BeforeValidator(blank_is_none)] = None
    limit: int = Field(100, ge=1, le=MAX_PAGE, description="Most voices in the answer.")
    offset: int = Field(0, ge=0, le=2**31 - 1, description="Voices to skip.")


class TrainForm(RequestModel):
    """A training request."""

    device_id: DeviceId
    name: VoiceName
    prompt_text: Prompt = Field("", description="The exact transcript of the recording.")
    audio: UploadedFile = Field(description="The recording: any audio or video format.")


class ImportForm(RequestModel):
    """A voice to import."""

    device_id: DeviceId
    name: Annotated[VoiceName | None, BeforeValidator(blank_is_none)] = Field(
        None, description="Name of the voice; empty: the one in the archive."
    )
    archive: UploadedFile = Field(description="A zip that an export made.")


class RenameBody(RequestModel):
    """A voice's new name."""

    device_id: DeviceId
    name: VoiceName


class Trained(BaseModel):
    """The new voice."""

    voiceId: str  # noqa: N815 - the client's spelling


class TrainAnswer(BaseModel):
    """Answer of a training request."""

    data: Trained


class AdviceView(BaseModel):
    """What would make the recording better."""

    code: Literal["clipped", "music", "hum", "noise", "echo", "narrow", "quiet", "short"]
    message: str = Field(description="What is wrong and what to do, a sentence.")


class QualityView(BaseModel):
    """How good the reference is."""

    grade: Grade = Field(description="good; fair: the copy will lack something; poor: record again.")
    advice: list[AdviceView] = Field(description="What is wrong, the most important first; empty when nothing is.")
    backgroundDb: float = Field(description="The pauses below the speech, in dB; above 22 is good.")  # noqa: N815
    reverberationSeconds: float = Field(  # noqa: N815
        description="Roughly the time in which a sound dies away; below 0.95 is good."
    )
    clippedPercent: float = Field(  # noqa: N815
        description="Samples at the limit of the recording, whatever its level; below 0.05 is good."
    )
    bandwidthHz: int = Field(description="Highest frequency that the voice has.")  # noqa: N815


class ReferenceView(BaseModel):
    """The result of the recording's preparation."""

    decodedSeconds: float = Field(  # noqa: N815
        description="Seconds of audio that were decoded; not all where the beginning has speech enough."
    )
    speechSeconds: float = Field(description="Speech in the reference.")  # noqa: N815
    startSeconds: float = Field(description="Where the reference begins in the recording.")  # noqa: N815
    endSeconds: float = Field(description="Where it ends.")  # noqa: N815
    cut: bool = Field(description="Speech was left out, because the recording is longer than the engine takes.")
    gainDb: float = Field(description="Change of level.")  # noqa: N815
    clippedPercent: float = Field(description="Samples at full scale in the recording.")  # noqa: N815
    sampleRate: int = Field(description="Hz.")  # noqa: N815
    quality: QualityView | None = Field(
        None, exclude_if=is_none, description="How good it is; absent for voices that an earlier version made."
    )


class VoiceView(BaseModel):
    """A voice as clients see it."""

    id: str
    name: str
    status: VoiceStatus
    createdAt: datetime  # noqa: N815 - the client's spelling
    updatedAt: datetime  # noqa: N815
    promptText: str = Field("", description="The transcript of the recording, as given when training.")  # noqa: N815
    error: str | None = Field(None, exclude_if=is_none, description="Why the voice failed, a sentence.")
    code: str | None = Field(None, exclude_if=is_none, description="The same for programs.")
    reference: ReferenceView | None = Field(
        None, exclude_if=is_none, description="What became of the recording; once ready."
    )
    deviceId: str | None = Field(None, exclude_if=is_none, description="Only in the admin view.")  # noqa: N815


class VoiceAnswer(BaseModel):
    """One voice."""

    data: VoiceView


class VoicesAnswer(BaseModel):
    """Voices, newest first."""

    data: list[VoiceView]
    total: int = Field(description="Number of voices, whatever the page.")


class Deleted(BaseModel):
    """A deleted voice."""

    id: str
    deleted: Literal[True] = True


class DeletedAnswer(BaseModel):
    """Answer of a deletion."""

    data: Deleted


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
        reference=_view_report(report, language) if report is not None else None,
        deviceId=voice.device_id if admin else None,
    )


def _view_report(report: ReferenceReport, language: Language) -> ReferenceView:
    return ReferenceView(
        decodedSeconds=report.decoded_seconds,
        speechSeconds=report.speech_seconds,
        startSeconds=report.start_seconds,
        endSeconds=report.end_seconds,
        cut=report.cut,
        gainDb=report.gain_db,
        clippedPercent=report.clipped_percent,
        sampleRate=report.sample_rate,
        quality=_view_quality(report.quality, language) if report.quality is not None else None,
    )


def _view_quality(quality: ReferenceQuality, language: Language) -> QualityView:
    said = {code: ADVICE[code].sentence(language) for code in quality.advice}
    return QualityView(
        grade=quality.grade,
        advice=[AdviceView.model_validate({"code": code, "message": message}) for code, message in said.items()],
        backgroundDb=quality.background_db,
        reverberationSeconds=quality.reverberation_seconds,
        clippedPercent=quality.clipped_percent,
        bandwidthHz=quality.bandwidth_hz,
    )
