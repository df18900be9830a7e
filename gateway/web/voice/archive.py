"""Taking a voice from one host to another."""

from __future__ import annotations

import re
from urllib.parse import quote

import anyio.to_thread
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import missing_field
from gateway.domain.naming import check_name, display_filename
from gateway.domain.text import clean_prompt
from gateway.infrastructure.files import temporary_path
from gateway.services.archive import read_archive, write_archive
from gateway.services.training import NewVoice
from gateway.web.multipart import Limits, receive_form
from gateway.web.openapi import Form, operation
from gateway.web.params import parse_query, validate
from gateway.web.routing import Route
from gateway.web.sendfile import SentFile
from gateway.web.voice.lookup import find_voice
from gateway.web.voice.models import MAX_PROMPT_TEXT, DeviceQuery, ImportForm, TrainAnswer, Trained
from gateway.web.voice.state import VoiceRequest
from gateway.web.voice.voices import BUSY, FULL, NO_VOICE


class _OnceSentFile:
    """A file that is deleted when it has been sent, or could not be."""

    def __init__(self, file: SentFile, path: anyio.Path) -> None:
        self._file = file
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._file(scope, receive, send)
        finally:
            await self._path.unlink(missing_ok=True)


def _disposition(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name) or "voice"
    return f"attachment; filename=\"{plain}.zip\"; filename*=UTF-8''{quote(name, safe='')}.zip"


@operation(
    summary="Export a voice",
    tag="voices",
    query=DeviceQuery,
    content={"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    errors={400: "A parameter is missing or not valid.", 404: NO_VOICE, 507: FULL},
)
async def export_voice(request: VoiceRequest) -> _OnceSentFile:
    """A zip with the original recording, which /v1/voices/import of any host accepts."""
    query = parse_query(request, DeviceQuery)
    voice = await find_voice(request, request.path_params["voice_id"], device_id=query.device_id)
    files = request.state["voice_files"]
    target = temporary_path(files.incoming)
    try:
        await anyio.to_thread.run_sync(
            lambda: write_archive(
                target,
                voice,
                upload=files.upload(voice.id),
                reference=files.reference(voice.id),
                reserve=request.state["voice_settings"].min_free_bytes,
            )
        )
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    headers = {"Content-Disposition": _disposition(voice.name), "Cache-Control": "no-store"}
    return _OnceSentFile(SentFile(target, media_type="application/zip", headers=headers), anyio.Path(target))


@operation(
    summary="Import a voice",
    tag="voices",
    body=Form(ImportForm, {"archive": "A zip that an export made."}, frozenset({"archive"})),
    answer=TrainAnswer,
    errors={
        400: "A field is missing or not valid, or the file is no archive.",
        409: "The device keeps as many voices as it may.",
        413: "The archive is too large.",
        422: "The recording is empty.",
        503: BUSY,
        507: FULL,
    },
)
async def import_voice(request: VoiceRequest) -> Response:
    """Makes a new voice of the archive's recording, on the device that asks; it is normalised anew."""
    settings = request.state["voice_settings"]
    limits = Limits(file_bytes=settings.max_archive_bytes, reserve_bytes=settings.min_free_bytes, digest=False)
    folder = request.state["voice_files"].incoming
    async with receive_form(request, folder=folder, file_fields=frozenset({"archive"}), limits=limits) as form:
        fields = validate(ImportForm, form.fields)
        received = form.files.get("archive")
        if received is None:
            raise missing_field("archive")
        await request.state["device_limiter"].check(fields.device_id)
        target = temporary_path(folder)
        try:
            archived = await anyio.to_thread.run_sync(
                lambda: read_archive(
                    received.path, target, most_bytes=settings.max_upload_bytes, reserve=settings.min_free_bytes
                )
            )
            voice = await request.state["training"].train(
                NewVoice(
                    device_id=fields.device_id,
                    name=fields.name or check_name(archived.name),
                    prompt_text=clean_prompt(archived.prompt_text)[:MAX_PROMPT_TEXT],
                    upload=archived.upload,
                    upload_name=display_filename(archived.upload_name),
                    upload_sha256=archived.sha256,
                    size=archived.size,
                )
            )
        finally:
            target.unlink(missing_ok=True)
    return JSONResponse(TrainAnswer(data=Trained(voiceId=voice.id)).model_dump(mode="json"))


archive_routes = [
    Route("/v1/voices/import", import_voice, methods=["POST"]),
    Route("/v1/voices/{voice_id}/export", export_voice),
]
