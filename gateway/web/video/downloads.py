"""Downloads: every spelling of the contract, ranges, validators; and the listing for admins."""

from __future__ import annotations

import asyncio
import mimetypes
from urllib.parse import quote

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from gateway.domain.errors import GatewayError, forbidden_without_key, unauthorized
from gateway.domain.task import RESULT_SUFFIX
from gateway.infrastructure.api_keys import ApiKeys
from gateway.infrastructure.media_folder import MediaFolder, StoredFile
from gateway.services.video.queue import VideoQueue
from gateway.web.middleware.access import presented_key
from gateway.web.openapi import operation
from gateway.web.params import parse_query
from gateway.web.routing import Route
from gateway.web.sendfile import SentFile
from gateway.web.video.models import DownloadRequest, FileData, FileList


class ResultNameConvertor(Convertor[str]):
    """A path segment that names a finished video."""

    regex = "[^/]+-r[.]mp4"

    def convert(self, value: str) -> str:
        """The name as it stands."""
        return value

    def to_string(self, value: str) -> str:
        """The name as it stands."""
        return value


register_url_convertor("result", ResultNameConvertor())


def file_not_found() -> GatewayError:
    """No such file, or one that is still being made."""
    return GatewayError(
        "file_not_found",
        404,
        zh="文件不存在或已过期。",
        en="There is no such file, or it has expired.",
    )


DOWNLOAD_DOC = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    "errors": {404: "There is no such file.", 416: "The range lies past the end."},
    "also": {206: {"description": "The range asked for."}, 304: {"description": "Not changed."}},
}


@operation(summary="Download a file", tag="files", query=DownloadRequest, **DOWNLOAD_DOC)
async def download(request: Request) -> SentFile:
    """The finished video (or an upload) under any of the spellings that clients use; ranges resume a broken one."""
    return await _send(request, parse_query(request, DownloadRequest).path)


@operation(summary="Download a finished video by its name", tag="files", **DOWNLOAD_DOC)
async def direct(request: Request) -> SentFile:
    """The same as `/download?path=/<name>`."""
    return await _send(request, request.path_params["name"])


@operation(
    summary="List files",
    tag="files",
    answer=FileList,
    errors={403: "The entry has no API key, so nobody is an administrator."},
)
async def list_files(request: Request) -> Response:
    """All finished videos and uploads, newest first; for holders of an administrator's key."""
    keys: ApiKeys = request.state.keys
    if not keys.required:
        raise forbidden_without_key()
    if not keys.accepts_admin(presented_key(request.headers)):
        raise unauthorized()
    folder: MediaFolder = request.state.folder
    results = await asyncio.to_thread(lambda: [_described(file, "result") for file in folder.results()])
    uploads = await asyncio.to_thread(lambda: [_described(file, "upload") for file in folder.uploads()])
    files = sorted([*results, *uploads], key=lambda file: file.modified, reverse=True)
    return JSONResponse(FileList(data=files).model_dump(mode="json"), headers={"Cache-Control": "no-store"})


def _described(file: StoredFile, kind: str) -> FileData:
    return FileData(name=file.name, kind=kind, size=file.size, modified=file.modified)


async def _send(request: Request, path: str) -> SentFile:
    folder: MediaFolder = request.state.folder
    found = folder.find_download(path)
    if found is None or await _unfinished(request, found):
        raise file_not_found()
    media_type = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    return SentFile(
        found.path,
        media_type=media_type if media_type.startswith(("video/", "audio/")) else "application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-cache",
        },
    )


async def _unfinished(request: Request, file: StoredFile) -> bool:
    """Whether the file is what an engine is still writing."""
    queue: VideoQueue = request.state.queue
    codes = {task.engine_code for task in queue.store.live()}
    folder: MediaFolder = request.state.folder
    return file.path.parent == folder.temp and file.name.removesuffix(RESULT_SUFFIX) in codes


download_routes: list[BaseRoute] = [
    Route("/download", download),
    Route("/files", list_files),
    Route("/{name:result}", direct),
]
