"""Uploads: any file under an audio or video name, stored as it is."""

from __future__ import annotations

import secrets

from gateway.domain.access import Caller
from gateway.domain.errors import missing_field
from gateway.domain.video.file_names import ENGINE_ROOT
from gateway.services.video.library import MediaLibrary
from gateway.web.operation import Rate, Uploads
from gateway.web.resumable import resumable
from gateway.web.routing import operation
from gateway.web.upload import Upload
from gateway.web.video.models import UploadAnswer, UploadForm
from gateway.web.video.state import VideoRequest, video_caller


@operation(
    "POST",
    "/upload",
    summary="Upload a file",
    tag="files",
    errors={400: "No file, or a broken body."},
    rate=Rate.ADDRESS,
    uploads=Uploads(
        most_bytes=lambda settings: settings.max_upload_bytes,
        digest=False,
    ),
)
async def upload_file(request: VideoRequest, form: UploadForm) -> UploadAnswer:
    """Streams the file to disk and answers when it is safe there; the key's own file of the same name is replaced.

    Its content is examined only when a task uses it.
    """
    if not form.files:
        raise missing_field("video")
    caller, library = video_caller(request), request.state["library"]
    stored = {field: await _store(library, field, file, caller) for field, file in form.files.items()}
    return UploadAnswer(
        path=next(iter(stored.values())), video_path=stored.get("video"), audio_path=stored.get("audio")
    )


async def _store(library: MediaLibrary, field: str, file: Upload, caller: Caller) -> str:
    fallback = f"{field}_{secrets.token_hex(16)}"
    name = await library.store_upload(file.path, file.filename, fallback=fallback, caller=caller)
    return str(ENGINE_ROOT / name)


upload_routes = [upload_file, *resumable(upload_file)]
