"""Downloads: every spelling of the contract, ranges, validators; and the listing for admins."""

from __future__ import annotations

import asyncio
import mimetypes
from typing import Annotated

from starlette.convertors import Convertor, register_url_convertor

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.video.ports import StoredFile
from gateway.web.disposition import attachment
from gateway.web.operation import NO_STORE, Content
from gateway.web.routing import operation
from gateway.web.sendfile import SentFile
from gateway.web.video.models import DownloadRequest, FileData, FileList
from gateway.web.video.state import VideoRequest, video_caller


class ResultNameConvertor(Convertor[str]):
    """A path segment that names a finished video."""

    regex = "[^/]+-r[.]mp4"

    def convert(self, value: str) -> str:
        """The unchanged name."""
        return value

    def to_string(self, value: str) -> str:
        """The unchanged name."""
        return value


register_url_convertor("result", ResultNameConvertor())


def file_not_found() -> GatewayError:
    """No such file, or one that is still being written."""
    return GatewayError(
        "file_not_found",
        ErrorKind.NOT_FOUND,
        zh="文件不存在或已过期。",
        en="There is no such file, or it has expired.",
    )


MediaFile = Annotated[SentFile, Content("application/octet-stream", ranges=True)]
NO_FILE = {404: "There is no such file."}


@operation("GET", "/download", summary="Download a file", tag="files", errors=NO_FILE)
async def download_file(request: VideoRequest, query: DownloadRequest) -> MediaFile:
    """The finished video (or an upload) under any of the spellings that clients use; ranges resume a download."""
    return _sent(request, query.path)


@operation("GET", "/{name:result}", summary="Download a finished video by its name", tag="files", errors=NO_FILE)
async def download_result(request: VideoRequest, name: str) -> MediaFile:
    """The same as `/download?path=/<name>`."""
    return _sent(request, name)


@operation("GET", "/files", summary="List files", tag="files", headers=NO_STORE, admin=True)
async def list_files(request: VideoRequest) -> FileList:
    """All finished videos and uploads, newest first; for holders of an administrator's key."""
    media = request.state["media"]
    results = await asyncio.to_thread(lambda: [_described(file, "result") for file in media.results()])
    uploads = await asyncio.to_thread(lambda: [_described(file, "upload") for file in media.uploads()])
    return FileList(data=sorted([*results, *uploads], key=lambda file: file.modified, reverse=True))


def _described(file: StoredFile, kind: str) -> FileData:
    return FileData(name=file.name, kind=kind, size=file.size, modified=file.modified)


def _sent(request: VideoRequest, path: str) -> SentFile:
    found = request.state["queue"].find_download(path, video_caller(request))
    if found is None:
        raise file_not_found()
    media_type = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    return SentFile(
        found.path,
        media_type=media_type if media_type.startswith(("video/", "audio/")) else "application/octet-stream",
        headers={
            "Content-Disposition": attachment(request.state["library"].sent_name(found)),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-cache",
        },
    )


download_routes = [download_file, list_files, download_result]
