"""Voices: train, list, poll, hear, rename, delete."""

from __future__ import annotations

import structlog
from starlette.responses import JSONResponse, Response

from gateway.domain.errors import missing_field
from gateway.domain.naming import display_filename
from gateway.domain.voice import voice_not_found
from gateway.services.training import NewVoice
from gateway.web.language import preferred_language
from gateway.web.multipart import Limits, receive_form
from gateway.web.openapi import Form, operation
from gateway.web.params import parse_json, parse_query, validate
from gateway.web.routing import Route
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

BUSY = "The entry can't do it now; Retry-After tells when it can."
FULL = "The disk is full."
NO_VOICE = "This device has no such voice."


@operation(
    summary="Make a voice of a recording",
    tag="voices",
    body=Form(TrainForm, {"audio": "The recording: any audio or video format."}, frozenset({"audio"})),
    answer=TrainAnswer,
    errors={
        400: "A field is missing or not valid.",
        409: "The device keeps as many voices as it may.",
        413: "The recording is too large.",
        422: "The recording is empty.",
        503: BUSY,
        507: FULL,
    },
)
async def train(request: VoiceRequest) -> Response:
    """Answers as soon as the recording is stored; poll the voice until its status is ready or failed. 30 to 90 s of
    clear speech are best. The same request, sent again, gives the same voice. Works whatever the engine's state."""
    settings = request.state["voice_settings"]
    limits = Limits(file_bytes=settings.max_upload_bytes, reserve_bytes=settings.min_free_bytes)
    folder = request.state["voice_files"].incoming
    async with receive_form(request, folder=folder, file_fields=frozenset({"audio"}), limits=limits) as form:
        fields = validate(TrainForm, form.fields)
        upload = form.files.get("audio")
        if upload is None:
            raise missing_field("audio")
        await request.state["device_limiter"].check(fields.device_id)
        voice = await request.state["training"].train(
            NewVoice(
                device_id=fields.device_id,
                name=fields.name,
                prompt_text=fields.prompt_text,
                upload=upload.path,
                upload_name=display_filename(upload.filename),
                upload_sha256=upload.sha256,
                size=upload.size,
            )
        )
    structlog.contextvars.bind_contextvars(voice_id=voice.id)
    return JSONResponse(TrainAnswer(data=Trained(voiceId=voice.id)).model_dump(mode="json"))


def _answer(answer: VoiceAnswer | VoicesAnswer) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


@operation(
    summary="List a device's voices",
    tag="voices",
    query=PageQuery,
    answer=VoicesAnswer,
    errors={400: "A parameter is missing or not valid."},
)
async def list_voices(request: VoiceRequest) -> Response:
    """Newest first. A device that is not known has none."""
    query = parse_query(request, PageQuery)
    voices, total = await request.state["voices"].page(
        device_id=query.device_id, limit=query.limit, offset=query.offset
    )
    language = preferred_language(request.headers)
    return _answer(VoicesAnswer(data=[view_voice(voice, language) for voice in voices], total=total))


@operation(
    summary="One voice and its status",
    tag="voices",
    query=DeviceQuery,
    answer=VoiceAnswer,
    errors={400: "A parameter is missing or not valid.", 404: NO_VOICE},
)
async def get_voice(request: VoiceRequest) -> Response:
    """Poll this after training: pending, training, then ready or failed, with the reason in error."""
    query = parse_query(request, DeviceQuery)
    voice = await find_voice(request, request.path_params["voice_id"], device_id=query.device_id)
    return _answer(VoiceAnswer(data=view_voice(voice, preferred_language(request.headers))))


@operation(
    summary="Rename a voice",
    tag="voices",
    body=RenameBody,
    answer=VoiceAnswer,
    errors={400: "A field is missing or not valid.", 404: NO_VOICE, 507: FULL},
)
async def rename_voice(request: VoiceRequest) -> Response:
    """Gives a voice another name; its id stays."""
    body = await parse_json(request, RenameBody)
    voice_id = request.path_params["voice_id"]
    if not await request.state["voices"].rename(voice_id, device_id=body.device_id, name=body.name):
        raise voice_not_found()
    voice = await find_voice(request, voice_id, device_id=body.device_id)
    return _answer(VoiceAnswer(data=view_voice(voice, preferred_language(request.headers))))


async def remove_voice(request: VoiceRequest, voice_id: str, *, device_id: str | None) -> Response:
    """Delete a voice of a device (None: of any) with its recording, reference and speech."""
    voice = await find_voice(request, voice_id, device_id=device_id)
    await request.state["training"].doom(voice.id)
    await request.state["voices"].delete(voice.id, device_id=voice.device_id)
    await request.state["synthesis"].forget_voice(voice.id)
    await request.state["training"].forget(voice)
    return JSONResponse(DeletedAnswer(data=Deleted(id=voice.id)).model_dump(mode="json"))


@operation(
    summary="Delete a voice",
    tag="voices",
    query=DeviceQuery,
    answer=DeletedAnswer,
    errors={400: "A parameter is missing or not valid.", 404: NO_VOICE, 507: FULL},
)
async def delete_voice(request: VoiceRequest) -> Response:
    """Deletes the voice, its recording, its reference and all that was spoken with it."""
    query = parse_query(request, DeviceQuery)
    return await remove_voice(request, request.path_params["voice_id"], device_id=query.device_id)


@operation(
    summary="Hear what the engine hears",
    tag="voices",
    query=DeviceQuery,
    content={"audio/wav": {"schema": {"type": "string", "format": "binary"}}},
    errors={
        400: "A parameter is missing or not valid.",
        404: NO_VOICE,
        409: "The voice failed.",
        416: "The range lies past the end.",
        503: "The voice is not ready yet.",
    },
    also={206: {"description": "The part that was asked for."}, 304: {"description": "Not changed."}},
)
async def voice_audio(request: VoiceRequest) -> SentFile:
    """The normalised reference: mono 16-bit WAV."""
    query = parse_query(request, DeviceQuery)
    voice = await find_voice(request, request.path_params["voice_id"], device_id=query.device_id)
    require_usable(voice)
    path = request.state["voice_files"].reference(voice.id)
    return SentFile(path, media_type="audio/wav", headers={"Cache-Control": "private, no-cache"})


voice_routes = [
    Route("/v1/voices/train", train, methods=["POST"]),
    Route("/v1/voices", list_voices),
    Route("/v1/voices/{voice_id}", get_voice),
    Route("/v1/voices/{voice_id}", rename_voice, methods=["PATCH"]),
    Route("/v1/voices/{voice_id}", delete_voice, methods=["DELETE"]),
    Route("/v1/voices/{voice_id}/audio", voice_audio),
]
