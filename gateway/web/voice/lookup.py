"""Voices as handlers need them: found for a device, and fit to speak."""

from __future__ import annotations

from gateway.domain.naming import is_voice_id
from gateway.domain.voice import Voice, VoiceStatus, voice_failed, voice_not_found, voice_not_ready
from gateway.services.synthesis import Speaker
from gateway.web.voice.state import VoiceRequest


async def find_voice(request: VoiceRequest, voice_id: str, *, device_id: str | None) -> Voice:
    """A voice of the device; None: of any device.

    Raises:
        GatewayError: ``voice_not_found`` (404), the same for another device's voice.
    """
    voice = await request.state["voices"].get(voice_id, device_id=device_id) if is_voice_id(voice_id) else None
    if voice is None:
        raise voice_not_found()
    return voice


def require_usable(voice: Voice) -> None:
    """Go on only with a voice that can speak.

    Raises:
        GatewayError: ``voice_not_ready`` (503) or ``voice_failed`` (409).
    """
    if voice.status is VoiceStatus.READY:
        return
    if voice.failure is not None and voice.status is VoiceStatus.FAILED:
        raise voice_failed(voice.failure)
    raise voice_not_ready()


def speaker_of(request: VoiceRequest, voice: Voice) -> Speaker:
    """The voice's reference, asked for by its device."""
    return Speaker(voice.device_id, request.state["training"].reference_of(voice))
