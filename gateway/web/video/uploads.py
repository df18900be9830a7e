"""Uploads: any file under an audio or video name, stored as it is."""

from __future__ import annotations

import asyncio
import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from gateway.domain.errors import missing_field
from gateway.infrastructure.media_folder import ENGINE_ROOT, MediaFolder, safe_name
from gateway.settings import VideoSettings
from gateway.web.multipart import Limits, Upload, receive_form
from gateway.web.openapi import Form, operation
from gateway.web.routing import Route
from gateway.web.video.limits import check_rate
from gateway.web.video.models import UploadAnswer, UploadFields

FILE_FIELDS = ("video", "audio", "file")


@operation(
    summary="Upload a file",
    tag="files",
    body=Form(
        fields=UploadFields,
        files={"video": "A video file.", "audio": "An audio file.", "file": "Either, where the kind does not matter."},
    ),
    answer=UploadAnswer,
    errors={400: "No file, or a broken body.", 413: "Over the size limit.", 507: "The disk is full."},
)
async def upload(request: Request) -> Response:
    """Streams the file to disk and answers when it is safe there; a file of the same name is replaced.

    What it holds is looked at only when a task uses it.
    """
    await check_rate(request)
    settings: VideoSettings = request.state.video_settings
    folder: MediaFolder = request.state.folder
    limits = Limits(file_bytes=settings.max_upload_bytes, reserve_bytes=settings.min_free_bytes, digest=False)
    async with receive_form(request, folder=folder.root, file_fields=frozenset(FILE_FIELDS), limits=limits) as form:
        if not form.files:
            raise missing_field("video")
        stored = {field: await _store(folder, field, file) for field, file in form.files.items()}
    paths = {f"{field}_path": path for field, path in stored.items() if field != "file"}
    return JSONResponse({"path": next(iter(stored.values())), **paths})


async def _store(folder: MediaFolder, field: str, file: Upload) -> str:
    fallback = f"{field}_{secrets.token_hex(16)}"
    wanted = safe_name(file.filename, fallback=fallback)
    name = await asyncio.to_thread(folder.store_upload, file.path, wanted, fallback=fallback)
    return str(ENGINE_ROOT / name)


upload_routes: list[BaseRoute] = [Route("/upload", upload, methods=["POST"])]
