"""Voices for OpenAI's routes: named by id or name, of the request's device, or the default voice."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection

from gateway.domain.device import check_device_id, is_printable
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.naming import is_voice_id
from gateway.domain.voice.default_voice import DEFAULT_VOICE_NAME, is_default_voice
from gateway.domain.voice.voice import Voice, VoiceStatus, voice_not_found
from gateway.services.voice.producer import Speaker
from gateway.web.caller import caller_of, device_of
from gateway.web.voice.lookup import require_usable, speaker_of
from gateway.web.voice.speech_models import OpenAIVoice

MAX_LISTED = 1000


def openai_voice_not_found(voice: str) -> GatewayError:
    """No such voice among those that the client may use."""
    return GatewayError(
        "voice_not_found",
        ErrorKind.NOT_FOUND,
        zh=f"声音 {voice!r} 不存在。按名称查找时，请用请求头 X-Device-ID 或参数 device_id 指明设备。",
        en=f"There is no voice {voice!r}. To find one by name, name its device in the header X-Device-ID "
        "or the field device_id.",
        param="voice",
    )


def requested_device(connection: HTTPConnection[Any], *named: str | None) -> str | None:
    """The device of a request: the first that its body, query or header names, else that of its path or key.

    Raises:
        GatewayError: ``invalid_device_id`` (400).
    """
    for device_id in (*named, device_of(connection.scope)):
        if device_id:
            return check_device_id(device_id)
    return None


def _sees_all(connection: HTTPConnection[Any]) -> bool:
    """Whether the client may use all devices' voices: the administrator's view."""
    return connection.state["keys"].required and caller_of(connection.scope).sees_all


async def _own_voice(connection: HTTPConnection[Any], voice: str, device_id: str | None) -> Voice | None:
    """By id, which can't be guessed, or by name within a device."""
    voices = connection.state["voices"]
    found: Voice | None = None
    if is_voice_id(voice):
        found = await voices.get(voice, device_id=device_id)
    elif voice and is_printable(voice) and (device_id is not None or _sees_all(connection)):
        found = await voices.newest_named(voice, device_id=device_id)
    return found


async def find_speaker(connection: HTTPConnection[Any], name: str, device_id: str | None) -> tuple[Voice, Speaker]:
    """A voice that can speak, and who has it speak.

    Args:
        connection: of the request.
        name: the voice's id or name; empty, or one of OpenAI's voices that the device has none of: the default voice.
        device_id: whose voices; None: any voice by its id.

    Raises:
        GatewayError: ``voice_not_found`` (404), ``voice_not_ready`` (503), ``voice_failed`` (409).
    """
    voice = await _own_voice(connection, name, device_id)
    if voice is not None:
        require_usable(voice)
        return voice, speaker_of(connection, voice)
    if not is_default_voice(name):
        raise voice_not_found() if is_voice_id(name) else openai_voice_not_found(name)
    caller = caller_of(connection.scope)
    made = await connection.state["default_voice"].get()
    # Those who name no device take turns by their address.
    return made.voice, Speaker(device_id or caller.address, made.reference, caller.owner.key_id)


async def usable_voices(connection: HTTPConnection[Any], device_id: str | None) -> list[OpenAIVoice]:
    """The ready voices of a device (None: of all, for administrators), and the default voice, which comes last."""
    listed: list[OpenAIVoice] = []
    if device_id is not None or _sees_all(connection):
        found, _ = await connection.state["voices"].page(device_id=device_id, limit=MAX_LISTED, offset=0)
        listed = [OpenAIVoice(id=one.id, name=one.name) for one in found if one.status is VoiceStatus.READY]
    if any(voice.name == DEFAULT_VOICE_NAME for voice in listed):
        return listed
    return [*listed, OpenAIVoice(id=DEFAULT_VOICE_NAME, name=DEFAULT_VOICE_NAME)]
