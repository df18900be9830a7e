"""One voice as a zip that another host accepts: its record and its original upload."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.errors import GatewayError, body_too_large, invalid_request
from gateway.domain.voice import Voice
from gateway.infrastructure.files import disk_full_is_507, require_free_space

RECORD = "voice.json"
UPLOAD = "upload"
REFERENCE = "reference.wav"
FORMAT = "twinport-voice"
VERSION = 1
RECORD_BYTES = 64 * 1024
BLOCK = 1 << 20
# An export has three members; what claims more is none, and costs memory and time before it is found out.
MOST_MEMBERS = 16
DIRECTORY_BYTES = 64 * 1024
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What zipfile and its decoders raise over hostile bytes; a full disk is told apart before.
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


@dataclass(frozen=True)
class ArchivedVoice:
    """What an archive says, and the upload that was taken out of it.

    Attributes:
        upload: a file of ours, under a temporary name.
        sha256: digest of its content.
        size: its bytes.
    """

    name: str
    prompt_text: str
    upload_name: str
    upload: Path
    sha256: str
    size: int


def not_an_archive() -> GatewayError:
    """The file is no voice archive, or a damaged one."""
    return invalid_request(
        "该文件不是有效的声音备份（zip），或已损坏。",
        "This file is no voice archive (zip), or it is damaged.",
        param="archive",
        code="invalid_archive",
    )


def write_archive(target: Path, voice: Voice, *, upload: Path, reference: Path, reserve: int) -> None:
    """Write a voice's archive; sound is not compressed again.

    Raises:
        GatewayError: ``storage_full`` (507).
    """
    size = upload.stat().st_size + (reference.stat().st_size if reference.exists() else 0)
    require_free_space(target.parent, size + RECORD_BYTES, reserve=reserve)
    record = {
        "format": FORMAT,
        "version": VERSION,
        "name": voice.name,
        "prompt_text": voice.prompt_text,
        "upload_name": voice.upload_name,
        "created_at": voice.created_at.isoformat(),
    }
    with disk_full_is_507(), zipfile.ZipFile(target, "x", zipfile.ZIP_STORED) as archive:
        archive.writestr(RECORD, json.dumps(record, ensure_ascii=False, indent=2))
        archive.write(upload, UPLOAD)
        if reference.exists():
            archive.write(reference, REFERENCE)


def read_archive(source: Path, target: Path, *, most_bytes: int, reserve: int) -> ArchivedVoice:
    """Take the upload out of an archive; nothing else in it is trusted or written, and no size it claims is believed.

    Raises:
        GatewayError: ``invalid_archive`` (400), ``body_too_large`` (413), ``storage_full`` (507).
    """
    try:
        with _Frugal(source) as file, zipfile.ZipFile(file) as archive:
            file.open_ended = True
            _require_ours(archive)
            record = _record(archive)
            size, digest = _extract(archive, target, most_bytes=most_bytes, reserve=reserve)
    except DAMAGE as error:
        raise not_an_archive() from error
    return ArchivedVoice(
        name=_text(record, "name"),
        prompt_text=_text(record, "prompt_text"),
        upload_name=_text(record, "upload_name"),
        upload=target,
        sha256=digest,
        size=size,
    )


class _Frugal(io.FileIO):
    """A file that gives little at once until it is ``open_ended``: a directory of any size would be read whole."""

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
    with disk_full_is_507(), archive.open(UPLOAD) as file, target.open("xb") as out:
        while block := file.read(BLOCK):
            size += len(block)
            if size > most_bytes:
                raise body_too_large(most_bytes)
            digest.update(block)
            out.write(block)
    return size, digest.hexdigest()
