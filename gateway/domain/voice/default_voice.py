"""The voice that every entry has from the start, for clients that can name no other."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.domain.voice.voice import ReferenceReport, Voice, VoiceStatus

# No client has it: it is on no device, and so nobody can list, rename or delete it.
DEFAULT_VOICE_ID = "v_" + "0" * 32
DEFAULT_VOICE_NAME = "alloy"
# OpenAI's own voices, which its clients offer and some of them insist on.
OPENAI_VOICES = frozenset(
    {
        "default",
        "alloy",
        "ash",
        "ballad",
        "cedar",
        "coral",
        "echo",
        "fable",
        "marin",
        "nova",
        "onyx",
        "sage",
        "shimmer",
        "verse",
    }
)
_MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


def is_default_voice(name: str) -> bool:
    """Whether a client that names this voice means the default one, unless a voice of its own has that name."""
    return not name or name.lower() in OPENAI_VOICES or name == DEFAULT_VOICE_ID


def default_voice(*, prompt_text: str, recording_sha256: str, reference_sha256: str, report: ReferenceReport) -> Voice:
    """The default voice as one that can speak."""
    return Voice(
        id=DEFAULT_VOICE_ID,
        device_id="",
        name=DEFAULT_VOICE_NAME,
        status=VoiceStatus.READY,
        prompt_text=prompt_text,
        upload_name="",
        upload_sha256=recording_sha256,
        created_at=_MADE_AT,
        updated_at=_MADE_AT,
        reference_sha256=reference_sha256,
        report=report,
    )
