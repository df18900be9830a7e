"""A voice: a reference recording, made fit for the engine, under a name on one device."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from gateway.domain.errors import GatewayError, Language
from gateway.domain.text import clean_prompt


class VoiceStatus(StrEnum):
    """Where a voice stands; the words are the client's."""

    PENDING = "pending"
    TRAINING = "training"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Failure:
    """Why a voice failed: a stable code and the sentence in both languages."""

    code: str
    zh: str
    en: str

    @classmethod
    def of(cls, error: GatewayError) -> Failure:
        """The part of an error that is worth keeping."""
        return cls(error.code, error.zh, error.en)

    def sentence(self, language: Language) -> str:
        """The sentence for the user."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class ReferenceReport:
    """What normalisation found and did.

    Attributes:
        decoded_seconds: audio that was looked at.
        speech_seconds: speech within the part that was kept.
        start_seconds: where the kept part begins in the recording.
        end_seconds: where it ends.
        cut: speech was left out because the recording is longer than the engine takes.
        gain_db: change of level.
        clipped_percent: samples of the recording at full scale.
        sample_rate: Hz of the reference.
    """

    decoded_seconds: float
    speech_seconds: float
    start_seconds: float
    end_seconds: float
    cut: bool
    gain_db: float
    clipped_percent: float
    sample_rate: int


@dataclass(frozen=True)
class Voice:
    """One voice as it is stored.

    Attributes:
        id: ``v_`` and 32 hexadecimal digits.
        device_id: the only one that may see it.
        prompt_text: what the recording says; empty where the user did not tell.
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
    failure: Failure | None = field(default=None)

    @cached_property
    def effective_prompt_text(self) -> str:
        """The prompt text if it describes the reference: once speech was cut away, the words no longer match.

        Mere punctuation describes nothing; the engine would refuse to speak with it.
        """
        cut = self.report is not None and self.report.cut
        return "" if cut else clean_prompt(self.prompt_text)


def voice_not_found() -> GatewayError:
    """No such voice on this device; the same answer whether it exists elsewhere or not."""
    return GatewayError("voice_not_found", 404, zh="声音不存在。", en="There is no such voice.", param="voice_id")


def voice_not_ready() -> GatewayError:
    """The voice is still being prepared; it will be ready within seconds."""
    return GatewayError(
        "voice_not_ready",
        503,
        zh="声音还在处理中，请稍候。",
        en="The voice is still being prepared. Try again in a moment.",
        retry_after=2,
    )


def voice_failed(failure: Failure) -> GatewayError:
    """The voice can't be used, for the reason that its preparation gave."""
    return GatewayError(
        "voice_failed",
        409,
        zh=f"该声音不可用：{failure.zh}",
        en=f"This voice can't be used: {failure.en}",
        param="voice_id",
    )


def too_many_voices(limit: int) -> GatewayError:
    """The device keeps as many voices as it may."""
    return GatewayError(
        "too_many_voices",
        409,
        zh=f"每台设备最多保存 {limit} 个声音，请先删除不用的声音。",
        en=f"A device keeps at most {limit} voices. Delete one that is not needed.",
    )
