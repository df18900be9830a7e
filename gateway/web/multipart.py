"""Multipart uploads in constant memory: text fields into memory, files straight to the store's file system.

Parts may come in any order. The number of parts, the size of each text field and the size of the files are limited.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from gateway.domain.errors import GatewayError, body_too_large, invalid_request
from gateway.domain.incoming import IncomingFiles
from gateway.web.disposition import form_parameters
from gateway.web.upload import FileSink, Upload

WRITE_BLOCK = 1 << 20
MAX_HEADER_BYTES = 16 * 1024  # of one header of a part: a file name may be long


@dataclass(frozen=True)
class Limits:
    """Limits of one form.

    Attributes:
        file_bytes: maximum number of bytes of all files together.
        field_bytes: maximum number of bytes of one text field.
        parts: maximum number of parts.
        files: maximum number of files.
        digest: hash the files; without it ``Upload.sha256`` is empty and large files arrive faster.
    """

    file_bytes: int
    field_bytes: int = 64 * 1024
    parts: int = 64
    files: int = 8
    digest: bool = True


@dataclass(frozen=True)
class ReceivedForm:
    """A whole form; of repeated names the last counts."""

    fields: Mapping[str, str]
    files: Mapping[str, Upload]


def malformed() -> GatewayError:
    """The body does not follow the multipart format, or ends too early."""
    return invalid_request(
        "上传内容不完整或格式错误，请重新上传。",
        "The upload is incomplete or not valid multipart/form-data. Upload it again.",
        code="invalid_multipart",
    )


def boundary_of(request: Request[Any]) -> bytes:
    """The boundary that the content type names.

    Raises:
        GatewayError: the request is not a multipart form.
    """
    kind, options = parse_options_header(request.headers.get("content-type", "").encode("latin-1"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise invalid_request(
            "请使用 multipart/form-data 上传。", "Send the form as multipart/form-data.", code="not_multipart"
        )
    return boundary


@dataclass
class _Part:
    """The part being read."""

    header_name: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)
    disposition: bytes = b""
    name: str = ""
    filename: str = ""
    text: bytearray | None = None
    sink: FileSink | None = None


class _FormReader:
    """Turns the parser's callbacks into fields and sinks."""

    def __init__(
        self, boundary: bytes, *, incoming: IncomingFiles, file_fields: frozenset[str], limits: Limits
    ) -> None:
        self._incoming = incoming
        self._file_fields = file_fields
        self._limits = limits
        self._part = _Part()
        self._parts = 0
        self.ended = False
        self.fields: dict[str, str] = {}
        self.sinks: list[tuple[str, FileSink]] = []
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:  # the boundary is too long
            raise malformed() from error

    def feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise malformed() from error

    def _begin(self) -> None:
        self._part = _Part()
        self._parts += 1
        if self._parts > self._limits.parts:
            raise malformed()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _header_end(self) -> None:
        if bytes(self._part.header_name).lower() == b"content-disposition":
            self._part.disposition = bytes(self._part.header_value)
        self._part.header_name.clear()
        self._part.header_value.clear()

    def _headers_finished(self) -> None:
        part = self._part
        parameters = form_parameters(part.disposition)
        part.name = parameters.get("name", "")
        part.filename = parameters.get("filename", "")
        if part.name in self._file_fields:
            if len(self.sinks) == self._limits.files:
                raise malformed()
            part.sink = FileSink(self._incoming.create(), part.filename, digest=self._limits.digest)
            self.sinks.append((part.name, part.sink))
        elif "filename" not in parameters:
            part.text = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.sink is not None:
            part.sink.take(data[start:end])
            if sum(sink.size for _, sink in self.sinks) > self._limits.file_bytes:
                raise body_too_large(self._limits.file_bytes)
        elif part.text is not None:
            part.text += data[start:end]
            if len(part.text) > self._limits.field_bytes:
                raise body_too_large(self._limits.field_bytes)

    def _end(self) -> None:
        if self._part.text is not None:
            self.fields[self._part.name] = self._part.text.decode("utf-8", "replace")

    def _finish(self) -> None:
        self.ended = True

    async def write_out(self, *, at_least: int) -> None:
        for _, sink in self.sinks:
            # Finished files are closed at once: only one at a time is held in memory.
            if sink.pending_bytes >= at_least or sink is not self._part.sink:
                await sink.write_out()


async def _read(request: Request[Any], reader: _FormReader) -> None:
    try:
        async for chunk in request.stream():
            reader.feed(chunk)
            await reader.write_out(at_least=WRITE_BLOCK)
    except ClientDisconnect as error:
        raise malformed() from error
    if not reader.ended:
        raise malformed()
    await reader.write_out(at_least=1)


@asynccontextmanager
async def receive_form(
    request: Request[Any], *, incoming: IncomingFiles, file_fields: frozenset[str], limits: Limits
) -> AsyncIterator[ReceivedForm]:
    """Receive a whole form; its files are deleted at the end of the context unless they were renamed.

    Args:
        request: the request, its body unread.
        incoming: creates the files.
        file_fields: names of the parts that are files, with or without a file name; other files are skipped.
        limits: bounds of the form.

    Raises:
        GatewayError: 400 for a broken form, 413 over a limit, 507 where the disk can't take it.
    """
    reader = _FormReader(boundary_of(request), incoming=incoming, file_fields=file_fields, limits=limits)
    declared = request.headers.get("content-length", "")
    incoming.require_space(int(declared) if declared.isdigit() else 0)
    try:
        await _read(request, reader)
        for _, sink in reader.sinks:
            sink.close()
        yield ReceivedForm(
            reader.fields, {name: sink.finished(number) for number, (name, sink) in enumerate(reader.sinks)}
        )
    finally:
        for _, sink in reader.sinks:
            sink.discard()
