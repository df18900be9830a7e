"""tus 1.0 (https://tus.io/protocols/resumable-upload) beside each route that takes a file in a form.

A form of the route becomes an upload whose ``Upload-Metadata`` holds the form's other fields, ``filename``, and in
``field`` the file's name in the form where there is more than one. The finished upload goes through the same handler;
``GET`` on the upload shows its answer. Extensions: creation, termination.

No server library fits: tuspyserver wants FastAPI, writes without fsync and knows no file but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.domain.encodings import decoded_name
from gateway.domain.errors import body_too_large, invalid_request, missing_field
from gateway.domain.resumable import PartialUpload
from gateway.services.resumable import ResumableUploads
from gateway.web.caller import caller_of
from gateway.web.errors import HttpError
from gateway.web.operation import NO_STORE, Content
from gateway.web.params import is_none, validate
from gateway.web.routing import Route, check_rate, count_work, operation
from gateway.web.upload import Upload

VERSION = "1.0.0"
PIECE = "application/offset+octet-stream"
MOST_FIELDS = 16
FILE_NAMES = frozenset({"filename"})  # metadata that may be in an older encoding
HEADERS = (
    "Location",
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Upload-Offset",
    "Upload-Length",
)
Bare = Annotated[Response, Content("text/plain", binary=False)]


class UploadState(BaseModel):
    """A resumable upload."""

    offset: int = Field(description="Bytes that are safe on the server.")
    length: int = Field(description="Bytes of the whole.")
    answer: dict[str, Any] | None = Field(
        None, description="What the form's route answers, once all is there.", exclude_if=is_none
    )


def unsupported_version() -> HttpError:
    """The client speaks another version of tus."""
    return HttpError(
        "tus_version",
        412,
        zh="请求头 Tus-Resumable 必须为 1.0.0。",
        en="The header Tus-Resumable must be 1.0.0.",
    )


def unsupported_piece() -> HttpError:
    """A piece of another media type than tus wants."""
    return HttpError(
        "unsupported_media_type",
        415,
        zh=f"请求头 Content-Type 必须为 {PIECE}。",
        en=f"The header Content-Type must be {PIECE}.",
    )


def resumable(route: Route) -> list[Route]:
    """The routes by which a file for ``route`` arrives in pieces.

    Args:
        route: takes a form with a file.
    """
    return _Resumable(route).routes()


class _Resumable:
    """One form's route as resumable uploads."""

    def __init__(self, route: Route) -> None:
        if route.takes.form is None or route.operation.uploads is None:
            raise TypeError(f"{route.name} takes no form")
        self._route = route
        self._form = route.takes.form
        self._uploads = route.operation.uploads
        self._path = f"{route.operation.path}/resumable"

    def routes(self) -> list[Route]:
        one = f"{self._path}/{{upload_id}}"
        most = self._uploads.most_bytes
        return [
            operation("OPTIONS", self._path, public=True, documented=False)(self.options),
            operation("POST", self._path, documented=False)(self.create),
            operation("HEAD", one, documented=False)(self.head),
            operation("PATCH", one, documented=False, streamed=most)(self.patch),
            operation("DELETE", one, documented=False)(self.delete),
            operation("GET", one, documented=False)(self.state),
        ]

    async def options(self, request: Request[Any]) -> Bare:
        """What the server can do."""
        most = str(self._uploads.most_bytes(request.state["settings"]))
        return _bare(204, {"Tus-Version": VERSION, "Tus-Extension": "creation,termination", "Tus-Max-Size": most})

    async def create(self, request: Request[Any]) -> Bare:
        """Begin an upload; what its fields lack is said before a byte is sent."""
        _require_version(request)
        length = _number(request, "Upload-Length")
        most = self._uploads.most_bytes(request.state["settings"])
        if length > most:
            raise body_too_large(most)
        fields = parse_metadata(request.headers.get("Upload-Metadata", ""))
        form = self._form_of(fields, Upload(fields.get("filename", ""), Path(), length, ""))
        count_work(request)
        await check_rate(request, self._route.operation.rate, device_id=getattr(form, "device_id", None))
        upload = await _resumables(request).create(length, fields, caller_of(request.scope))
        await self._finish(request, upload)
        return _bare(201, {"Location": f"{request.url.path}/{upload.id}", "Upload-Offset": "0"})

    async def head(self, request: Request[Any], upload_id: str) -> Bare:
        """Where to go on."""
        _require_version(request)
        upload = await _resumables(request).find(upload_id, caller_of(request.scope))
        return _bare(200, {**_offset(upload), "Upload-Length": str(upload.length), **NO_STORE})

    async def patch(self, request: Request[Any], upload_id: str) -> Bare:
        """Go on; with the last byte the upload is handed over to the form's route."""
        _require_version(request)
        if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != PIECE:
            raise unsupported_piece()
        offset = _number(request, "Upload-Offset")
        upload = await _resumables(request).receive(upload_id, offset, request.stream(), caller_of(request.scope))
        await self._finish(request, upload)
        return _bare(204, _offset(upload))

    async def delete(self, request: Request[Any], upload_id: str) -> Bare:
        """Give an upload up."""
        _require_version(request)
        await _resumables(request).remove(upload_id, caller_of(request.scope))
        return _bare(204, {})

    async def state(self, request: Request[Any], upload_id: str) -> UploadState:
        """How far an upload is, and the answer to it."""
        found = await _resumables(request).find(upload_id, caller_of(request.scope))
        upload = await self._finish(request, found)
        answer = json.loads(upload.result) if upload.result else None
        return UploadState(offset=upload.offset, length=upload.length, answer=answer)

    async def _finish(self, request: Request[Any], upload: PartialUpload) -> PartialUpload:
        if not upload.complete or upload.result:
            return upload

        async def answer(complete: PartialUpload, path: Path) -> str:
            digest = await anyio.to_thread.run_sync(_digest, path) if self._uploads.digest else ""
            file = Upload(complete.fields.get("filename", ""), path, complete.length, digest)
            answered = await self._route.endpoint(request, form=self._form_of(complete.fields, file))
            return str(answered.model_dump_json())

        return await _resumables(request).finish(upload.id, answer, caller_of(request.scope))

    def _form_of(self, fields: Mapping[str, str], file: Upload) -> BaseModel:
        files = self._route.takes.files
        name = fields.get("field", "") or (next(iter(files)) if len(files) == 1 else "")
        if name not in files:
            raise missing_field("field")
        given = {key: value for key, value in fields.items() if key not in (*files, "field", "filename", "filetype")}
        return validate(self._form, {**given, name: file})


def parse_metadata(header: str) -> dict[str, str]:
    """``Upload-Metadata`` as a mapping: ``key base64,key base64,key``.

    Raises:
        GatewayError: ``invalid_request`` (400).
    """
    fields: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            raw = base64.b64decode(value, validate=True)
            fields[key] = decoded_name(raw) if key in FILE_NAMES else raw.decode()
        except ValueError as error:
            raise _invalid_header("Upload-Metadata") from error
    if len(fields) > MOST_FIELDS:
        raise _invalid_header("Upload-Metadata")
    return fields


def _require_version(request: Request[Any]) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise unsupported_version()


def _number(request: Request[Any], name: str) -> int:
    value = request.headers.get(name, "")
    if not (value.isascii() and value.isdecimal() and len(value) < 16):
        raise _invalid_header(name)
    return int(value)


def _invalid_header(name: str) -> Exception:
    return invalid_request(f"请求头 {name} 缺失或无效。", f"The header {name} is missing or not valid.", param=name)


def _resumables(request: Request[Any]) -> ResumableUploads:
    found: ResumableUploads = request.state["resumable_uploads"]
    return found


def _offset(upload: PartialUpload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset)}


def _bare(status: int, headers: Mapping[str, str]) -> Response:
    return Response(status_code=HTTPStatus(status), headers={"Tus-Resumable": VERSION, **headers})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
