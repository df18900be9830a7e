"""Multipart uploads in constant memory: text fields into memory, files straight to the store's file system.

Parts may come in any order. Whatever the client claims, the number of parts, the size of each text field and the
size of the files are bounded.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import anyio.to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from gateway.domain.errors import GatewayError, body_too_large, invalid_request
from gateway.infrastructure.files import disk_full_is_507, require_free_space, temporary_path

WRITE_BLOCK = 1 << 20
# So much is written before the disk is asked again whether there is room: the length that a client names, if it names
# one at all, does not count what others write meanwhile.
SPACE_BLOCK = 16 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of one form.

    Attributes:
        file_bytes: most bytes of all files together.
        field_bytes: most bytes of one text field.
        parts: most parts of the form.
        files: most of the parts that may be files.
        digest: hash the files; without it ``Upload.sha256`` is empty and large files arrive faster.
        reserve_bytes: bytes that stay free on the disk.
    """

    file_bytes: int
    reserve_bytes: int
    field_bytes: int = 64 * 1024
    parts: int = 64
    files: int = 8
    digest: bool = True


@dataclass(frozen=True)
class Upload:
    """One received file, still under a temporary name that vanishes unless it is renamed.

    Attributes:
        filename: the client's name for it: hostile text, for display only.
        path: where the bytes lie.
        size: bytes.
        sha256: hexadecimal digest of the content; empty where none was asked for.
    """

    filename: str
    path: Path
    size: int
    sha256: str


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
        GatewayError: the request is no multipart form.
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
    sink: _Sink | None = None


class _Sink:
    """A file being received: hashed and buffered here, written to disk in large blocks by a thread."""

    def __init__(self, folder: Path, filename: str, *, limits: Limits) -> None:
        self.filename = filename
        self.path = temporary_path(folder)
        self.size = 0
        self._file: BinaryIO = self.path.open("xb")
        self._digest = hashlib.sha256() if limits.digest else None
        self._reserve = limits.reserve_bytes
        self._unchecked = 0
        self._pending: list[bytes] = []
        self.pending_bytes = 0

    def take(self, data: bytes) -> None:
        self.size += len(data)
        self._pending.append(data)
        self.pending_bytes += len(data)

    async def write_out(self) -> None:
        if self._pending:
            blocks, self._pending, self.pending_bytes = self._pending, [], 0
            await anyio.to_thread.run_sync(self._write, blocks)

    def _write(self, blocks: list[bytes]) -> None:
        with disk_full_is_507():
            for block in blocks:
                if self._digest is not None:
                    self._digest.update(block)
                self._file.write(block)
                self._unchecked += len(block)
            self._file.flush()
        if self._unchecked >= SPACE_BLOCK:
            self._unchecked = 0
            require_free_space(self.path.parent, 0, reserve=self._reserve)

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        # A full disk fails the last write once more on closing; the file goes in any case.
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def finished(self) -> Upload:
        digest = self._digest.hexdigest() if self._digest is not None else ""
        return Upload(self.filename, self.path, self.size, digest)


class _FormReader:
    """Turns the parser's callbacks into fields and sinks."""

    def __init__(self, boundary: bytes, *, folder: Path, file_fields: frozenset[str], limits: Limits) -> None:
        self._folder = folder
        self._file_fields = file_fields
        self._limits = limits
        self._part = _Part()
        self._parts = 0
        self.ended = False
        self.fields: dict[str, str] = {}
        self.sinks: list[tuple[str, _Sink]] = []
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
        _, options = parse_options_header(part.disposition)
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        part.filename = options.get(b"filename", b"").decode("utf-8", "replace")
        if part.name in self._file_fields:
            if len(self.sinks) == self._limits.files:
                raise malformed()
            with disk_full_is_507():
                part.sink = _Sink(self._folder, part.filename, limits=self._limits)
            self.sinks.append((part.name, part.sink))
        elif b"filename" not in options:
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
            # Files that have ended wait for nothing: only one at a time is held in memory.
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
    request: Request[Any], *, folder: Path, file_fields: frozenset[str], limits: Limits
) -> AsyncIterator[ReceivedForm]:
    """Receive a whole form; its files lie in ``folder`` and are deleted on leaving unless they were renamed.

    Args:
        request: the request, its body unread.
        folder: an existing folder on the file system where the files are to stay.
        file_fields: names of the parts that are files, with or without a file name; other files are skipped.
        limits: bounds of the form.

    Raises:
        GatewayError: 400 for a broken form, 413 over a limit, 507 where the disk can't take it.
    """
    reader = _FormReader(boundary_of(request), folder=folder, file_fields=file_fields, limits=limits)
    declared = request.headers.get("content-length", "")
    require_free_space(folder, int(declared) if declared.isdigit() else 0, reserve=limits.reserve_bytes)
    try:
        await _read(request, reader)
        for _, sink in reader.sinks:
            sink.close()
        yield ReceivedForm(reader.fields, {name: sink.finished() for name, sink in reader.sinks})
    finally:
        for _, sink in reader.sinks:
            sink.discard()
