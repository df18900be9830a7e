"""Voices for handlers: found for a device, and ready to speak."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection

from gateway.domain.naming import is_voice_id
from gateway.domain.voice.voice import Voice, VoiceStatus, voice_failed, voice_not_found, voice_not_ready
from gateway.services.voice.producer import Speaker
from gateway.web.caller import caller_of
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
    """Require a voice that can speak.

    Raises:
        GatewayError: ``voice_not_ready`` (503) or ``voice_failed`` (409).
    """
    if voice.status is VoiceStatus.READY:
        return
    if voice.failure is not None and voice.status is VoiceStatus.FAILED:
        raise voice_failed(voice.failure)
    raise voice_not_ready()


def speaker_of(connection: HTTPConnection[Any], voice: Voice) -> Speaker:
    """The voice's reference, requested by its device."""
    reference = connection.state["training"].reference_of(voice)
    return Speaker(voice.device_id, reference, caller_of(connection.scope).owner.key_id)
