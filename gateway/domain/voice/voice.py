"""A voice: a reference recording, normalised for the engine, with a name on one device."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from gateway.domain.errors import ErrorKind, GatewayError, Language
from gateway.domain.voice.quality import ReferenceQuality
from gateway.domain.voice.text import clean_prompt


class VoiceStatus(StrEnum):
    """The state of a voice; the values are the client's."""

    PENDING = "pending"
    TRAINING = "training"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class VoiceFailure:
    """Why a voice failed: a stable code and the sentence in both languages."""

    code: str
    zh: str
    en: str

    @classmethod
    def of(cls, error: GatewayError) -> VoiceFailure:
        """The part of an error that is stored."""
        return cls(error.code, error.zh, error.en)

    def sentence(self, language: Language) -> str:
        """The sentence for the user."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class ReferenceReport:
    """The findings and the effects of normalisation.

    Attributes:
        decoded_seconds: audio that was decoded, which is not all where the beginning has speech enough.
        speech_seconds: speech within the part that was kept.
        start_seconds: start of the kept part in the recording.
        end_seconds: where it ends.
        cut: speech was left out because the recording is longer than the engine takes.
        gain_db: change of level.
        clipped_percent: samples of the recording at full scale.
        sample_rate: Hz of the reference.
        quality: how good it is; None of references that an earlier version made.
    """

    decoded_seconds: float
    speech_seconds: float
    start_seconds: float
    end_seconds: float
    cut: bool
    gain_db: float
    clipped_percent: float
    sample_rate: int
    quality: ReferenceQuality | None = None


@dataclass(frozen=True)
class Voice:
    """One voice as it is stored.

    Attributes:
        id: ``v_`` and 32 hexadecimal digits.
        device_id: the only one that may see it.
        prompt_text: the recording's transcript; empty if none was given.
        upload_sha256: digest of the original upload, which is kept.
        reference_sha256: digest of the normalised reference; empty until ready.
    """

    id: str
    device_id: str
    name: str
    status: VoiceStatus
    prompt_text: str
    upload_name: str
    upload_sha256: str
    created_at: datetime
    updated_at: datetime
    reference_sha256: str = ""
    report: ReferenceReport | None = None
    failure: VoiceFailure | None = field(default=None)

    @cached_property
    def effective_prompt_text(self) -> str:
        """The prompt text if it matches the reference: once speech was cut away, it no longer does.

        Punctuation alone is no transcript; the engine would reject it.
        """
        cut = self.report is not None and self.report.cut
        return "" if cut else clean_prompt(self.prompt_text)


def voice_not_found() -> GatewayError:
    """No such voice on this device; the same answer whether it exists elsewhere or not."""
    return GatewayError(
        "voice_not_found", ErrorKind.NOT_FOUND, zh="声音不存在。", en="There is no such voice.", param="voice_id"
    )


def voice_not_ready() -> GatewayError:
    """The voice is still being prepared; it will be ready within seconds."""
    return GatewayError(
        "voice_not_ready",
        ErrorKind.TEMPORARY,
        zh="声音还在处理中，请稍候。",
        en="The voice is still being prepared. Try again in a moment.",
        retry_after=2,
    )


def voice_failed(failure: VoiceFailure) -> GatewayError:
    """The voice can't be used, for the reason that its preparation gave."""
    return GatewayError(
        "voice_failed",
        ErrorKind.CONFLICT,
        zh=f"该声音不可用：{failure.zh}",
        en=f"This voice can't be used: {failure.en}",
        param="voice_id",
    )


def too_many_voices(limit: int) -> GatewayError:
    """The device has reached its limit of voices."""
    return GatewayError(
        "too_many_voices",
        ErrorKind.CONFLICT,
        zh=f"每台设备最多保存 {limit} 个声音，请先删除不用的声音。",
        en=f"A device keeps at most {limit} voices. Delete one that is not needed.",
    )
