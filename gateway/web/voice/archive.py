"""Transfer of a voice from one host to another."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Annotated
from urllib.parse import quote

import anyio.to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.domain.naming import check_name, display_filename
from gateway.domain.voice.ports import ArchiveStream
from gateway.domain.voice.text import clean_prompt
from gateway.services.voice.training import NewVoice
from gateway.web.operation import Content, Rate, Uploads
from gateway.web.routing import operation
from gateway.web.voice.lookup import find_voice
from gateway.web.voice.models import MAX_PROMPT_TEXT, DeviceQuery, ImportForm, TrainAnswer, Trained
from gateway.web.voice.state import VoiceRequest
from gateway.web.voice.voices import BUSY, NO_VOICE


class SentArchive(StreamingResponse):
    """An archive that is made while it is sent; HEAD makes nothing."""

    def __init__(self, archive: ArchiveStream, *, headers: Mapping[str, str]) -> None:
        super().__init__(
            archive.blocks, media_type="application/zip", headers={**headers, "Content-Length": str(archive.size)}
        )
        self._archive = archive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            self.body_iterator = _nothing()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._archive.close()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _disposition(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name) or "voice"
    return f"attachment; filename=\"{plain}.zip\"; filename*=UTF-8''{quote(name, safe='')}.zip"


Archive = Annotated[SentArchive, Content("application/zip")]


@operation(
    "GET",
    "/v1/voices/{voice_id}/export",
    summary="Export a voice",
    tag="voices",
    errors={404: NO_VOICE},
)
async def export_voice(request: VoiceRequest, voice_id: str, query: DeviceQuery) -> Archive:
    """A zip with the original recording, which /v1/voices/import of any host accepts."""
    voice = await find_voice(request, voice_id, device_id=query.device_id)
    files, archives = request.state["voice_files"], request.state["archives"]
    archive = await anyio.to_thread.run_sync(
        lambda: archives.stream(voice, upload=files.upload(voice.id), reference=files.reference(voice.id))
    )
    return SentArchive(archive, headers={"Content-Disposition": _disposition(voice.name), "Cache-Control": "no-store"})


@operation(
    "POST",
    "/v1/voices/import",
    summary="Import a voice",
    tag="voices",
    errors={
        400: "A field is missing or not valid, or the file is no archive.",
        409: "The device keeps as many voices as it may.",
        422: "The recording is empty.",
        503: BUSY,
    },
    rate=Rate.DEVICE,
    uploads=Uploads(
        most_bytes=lambda settings: settings.max_archive_bytes,
        digest=False,
    ),
)
async def import_voice(request: VoiceRequest, form: ImportForm) -> TrainAnswer:
    """Makes a new voice of the archive's recording, on the requesting device; it is normalised again."""
    target = request.state["voice_files"].new_temporary()
    try:
        archived = await anyio.to_thread.run_sync(request.state["archives"].read, form.archive.path, target)
        voice = await request.state["training"].train(
            NewVoice(
                device_id=form.device_id,
                name=form.name or check_name(archived.name),
                prompt_text=clean_prompt(archived.prompt_text)[:MAX_PROMPT_TEXT],
                upload=archived.upload,
                upload_name=display_filename(archived.upload_name),
                upload_sha256=archived.sha256,
                size=archived.size,
            )
        )
    finally:
        request.state["voice_files"].discard(target)
    return TrainAnswer(data=Trained(voiceId=voice.id))


archive_routes = [import_voice, export_voice]
