"""One voice as a zip that another host accepts: its record and its original upload."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from zipstream import ZipStream

from gateway.domain.errors import GatewayError, body_too_large, invalid_request
from gateway.domain.storage import StorageError, storage_error_of, storage_errors
from gateway.domain.voice.ports import ArchivedVoice, ArchiveStream
from gateway.domain.voice.voice import Voice, voice_not_found
from gateway.infrastructure.files import require_free_space

RECORD = "voice.json"
UPLOAD = "upload"
REFERENCE = "reference.wav"
FORMAT = "twinport-voice"
VERSION = 1
RECORD_BYTES = 64 * 1024
BLOCK = 1 << 20
# An export has three members; an archive with more is rejected early, before it costs memory and time.
MOST_MEMBERS = 16
DIRECTORY_BYTES = 64 * 1024
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What zipfile and its decoders raise over hostile bytes; OSError for offsets that no file has.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    ArithmeticError,
    RuntimeError,
)


def not_an_archive() -> GatewayError:
    """The file is not a voice archive, or a damaged one."""
    return invalid_request(
        "该文件不是有效的声音备份（zip），或已损坏。",
        "This file is no voice archive (zip), or it is damaged.",
        param="archive",
        code="invalid_archive",
    )


def stream_archive(voice: Voice, *, upload: Path, reference: Path) -> ArchiveStream:
    """A voice's archive, made while it is read; nothing is written to the disk and sound is not compressed again.

    The caller closes it.

    Raises:
        GatewayError: ``voice_not_found``: its upload was deleted in this instant.
        StorageError: a file can't be opened.
    """
    archive = ZipStream(sized=True)
    archive.add(json.dumps(_record_of(voice), ensure_ascii=False, indent=2), RECORD)
    with ExitStack() as files:
        try:
            with storage_errors():
                members = [(UPLOAD, files.enter_context(upload.open("rb")))]
        except FileNotFoundError as error:
            raise voice_not_found() from error
        with storage_errors(), suppress(FileNotFoundError):
            members.append((REFERENCE, files.enter_context(reference.open("rb"))))
        for name, file in members:
            archive.add(_blocks(file), name, size=os.fstat(file.fileno()).st_size)
        return ArchiveStream(size=len(archive), blocks=iter(archive), close=files.pop_all().close)


def _record_of(voice: Voice) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": voice.name,
        "prompt_text": voice.prompt_text,
        "upload_name": voice.upload_name,
        "created_at": voice.created_at.isoformat(),
    }


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def read_archive(source: Path, target: Path, *, most_bytes: int, reserve: int) -> ArchivedVoice:
    """Extract the upload from an archive; nothing else in it is trusted or written, nor are the sizes that it states.

    Raises:
        GatewayError: ``invalid_archive`` (400), ``body_too_large`` (413).
        StorageError: the disk is full, broken or read-only.
    """
    try:
        with _Frugal(source) as file, zipfile.ZipFile(file) as archive:
            file.open_ended = True
            _require_ours(archive)
            record = _record(archive)
            size, digest = _extract(archive, target, most_bytes=most_bytes, reserve=reserve)
    except DAMAGE as error:
        raise _fault_of_disk(error) or not_an_archive() from error
    return ArchivedVoice(
        name=_text(record, "name"),
        prompt_text=_text(record, "prompt_text"),
        upload_name=_text(record, "upload_name"),
        upload=target,
        sha256=digest,
        size=size,
    )


def _fault_of_disk(error: BaseException) -> StorageError | None:
    """What the disk reported, where zipfile took that for damage of the archive."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and (known := storage_error_of(link.errno)) is not None:
            return known
        link = link.__context__
    return None


class _Frugal(io.FileIO):
    """A file that returns little at once until it is ``open_ended``: a directory of any size would be read whole."""

    open_ended = False

    def read(self, size: int | None = -1) -> bytes:
        if self.open_ended:
            return super().read(size) or b""
        if size is not None and size > DIRECTORY_BYTES:
            raise zipfile.BadZipFile("the directory is too large")
        # The search for the directory reads the rest of the file, a comment's length of it.
        return super().read(DIRECTORY_BYTES if size is None or size < 0 else size) or b""


def _require_ours(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS or any(member.compress_type not in METHODS for member in members):
        raise not_an_archive()


def _record(archive: zipfile.ZipFile) -> dict[str, object]:
    with archive.open(RECORD) as file:
        record = json.loads(file.read(RECORD_BYTES))
    if not isinstance(record, dict) or record.get("format") != FORMAT or record.get("version") != VERSION:
        raise not_an_archive()
    return record


def _text(record: dict[str, object], name: str) -> str:
    value = record.get(name, "")
    return value if isinstance(value, str) else ""


def _extract(archive: zipfile.ZipFile, target: Path, *, most_bytes: int, reserve: int) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    require_free_space(target.parent, min(most_bytes, archive.getinfo(UPLOAD).file_size), reserve=reserve)
    with archive.open(UPLOAD) as file, target.open("xb") as out:
        while block := file.read(BLOCK):
            size += len(block)
            if size > most_bytes:
                raise body_too_large(most_bytes)
            digest.update(block)
            out.write(block)
    return size, digest.hexdigest()


class ZipArchives:
    """Archives as zip files.

    Args:
        most_bytes: size limit of an upload in an archive.
        reserve_bytes: bytes that stay free on the disk.
    """

    def __init__(self, *, most_bytes: int, reserve_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._reserve_bytes = reserve_bytes

    def stream(self, voice: Voice, *, upload: Path, reference: Path) -> ArchiveStream:
        """See ``stream_archive``."""
        return stream_archive(voice, upload=upload, reference=reference)

    def read(self, source: Path, target: Path) -> ArchivedVoice:
        """See ``read_archive``."""
        return read_archive(source, target, most_bytes=self._most_bytes, reserve=self._reserve_bytes)
