"""Voices: train, list, poll, listen, rename, delete."""

from __future__ import annotations

from typing import Annotated

import structlog

from gateway.domain.naming import display_filename
from gateway.domain.voice.voice import voice_not_found
from gateway.services.voice.training import NewVoice
from gateway.web.language import preferred_language
from gateway.web.operation import Content, Rate, Uploads
from gateway.web.resumable import resumable
from gateway.web.routing import operation
from gateway.web.sendfile import SentFile
from gateway.web.voice.lookup import find_voice, require_usable
from gateway.web.voice.models import (
    Deleted,
    DeletedAnswer,
    DeviceQuery,
    PageQuery,
    RenameBody,
    TrainAnswer,
    Trained,
    TrainForm,
    VoiceAnswer,
    VoicesAnswer,
    view_voice,
)
from gateway.web.voice.state import VoiceRequest

BUSY = "The entry can't do it now; see Retry-After."
FULL = "The disk is full."
NO_VOICE = "This device has no such voice."

Reference = Annotated[SentFile, Content("audio/wav", ranges=True)]


@operation(
    "POST",
    "/v1/voices/train",
    summary="Make a voice of a recording",
    tag="voices",
    errors={409: "The device keeps as many voices as it may.", 422: "The recording is empty.", 503: BUSY},
    rate=Rate.DEVICE,
    uploads=Uploads(
        most_bytes=lambda settings: settings.max_upload_bytes,
    ),
)
async def train_voice(request: VoiceRequest, form: TrainForm) -> TrainAnswer:
    """Answers as soon as the recording is stored; poll the voice until its status is ready or failed. 30 to 90 s of
    clear speech are best. The same request, sent again, gives the same voice. Works whatever the engine's state."""
    voice = await request.state["training"].train(
        NewVoice(
            device_id=form.device_id,
            name=form.name,
            prompt_text=form.prompt_text,
            upload=form.audio.path,
            upload_name=display_filename(form.audio.filename),
            upload_sha256=form.audio.sha256,
            size=form.audio.size,
        )
    )
    structlog.contextvars.bind_contextvars(voice_id=voice.id)
    return TrainAnswer(data=Trained(voiceId=voice.id))


@operation("GET", "/v1/voices", summary="List a device's voices", tag="voices")
async def list_voices(request: VoiceRequest, query: PageQuery) -> VoicesAnswer:
    """Newest first. An unknown device has none."""
    voices, total = await request.state["voices"].page(
        device_id=query.device_id, limit=query.limit, offset=query.offset
    )
    language = preferred_language(request.headers)
    return VoicesAnswer(data=[view_voice(voice, language) for voice in voices], total=total)


@operation("GET", "/v1/voices/{voice_id}", summary="One voice and its status", tag="voices", errors={404: NO_VOICE})
async def get_voice(request: VoiceRequest, voice_id: str, query: DeviceQuery) -> VoiceAnswer:
    """Poll this after training: pending, training, then ready or failed, with the reason in error."""
    voice = await find_voice(request, voice_id, device_id=query.device_id)
    return VoiceAnswer(data=view_voice(voice, preferred_language(request.headers)))


@operation("PATCH", "/v1/voices/{voice_id}", summary="Rename a voice", tag="voices", errors={404: NO_VOICE, 507: FULL})
async def rename_voice(request: VoiceRequest, voice_id: str, body: RenameBody) -> VoiceAnswer:
    """Gives a voice another name; its id stays."""
    if not await request.state["voices"].rename(voice_id, device_id=body.device_id, name=body.name):
        raise voice_not_found()
    voice = await find_voice(request, voice_id, device_id=body.device_id)
    return VoiceAnswer(data=view_voice(voice, preferred_language(request.headers)))


async def remove_voice(request: VoiceRequest, voice_id: str, *, device_id: str | None) -> DeletedAnswer:
    """Delete a voice of a device (None: of any) with its recording, reference and speech."""
    voice = await find_voice(request, voice_id, device_id=device_id)
    await request.state["deletion"].delete(voice)
    return DeletedAnswer(data=Deleted(id=voice.id))


@operation("DELETE", "/v1/voices/{voice_id}", summary="Delete a voice", tag="voices", errors={404: NO_VOICE, 507: FULL})
async def delete_voice(request: VoiceRequest, voice_id: str, query: DeviceQuery) -> DeletedAnswer:
    """Deletes the voice, its recording, its reference and all speech made with it."""
    return await remove_voice(request, voice_id, device_id=query.device_id)


@operation(
    "GET",
    "/v1/voices/{voice_id}/audio",
    summary="Hear what the engine hears",
    tag="voices",
    errors={404: NO_VOICE, 409: "The voice failed.", 503: "The voice is not ready yet."},
)
async def get_reference(request: VoiceRequest, voice_id: str, query: DeviceQuery) -> Reference:
    """The normalised reference: mono 16-bit WAV."""
    voice = await find_voice(request, voice_id, device_id=query.device_id)
    require_usable(voice)
    path = request.state["voice_files"].reference(voice.id)
    return SentFile(path, media_type="audio/wav", headers={"Cache-Control": "private, no-cache"})


voice_routes = [train_voice, *resumable(train_voice), list_voices, get_voice, rename_voice, delete_voice, get_reference]
