"""The archive of a backup: a ``.tar.gz`` with a manifest, the database and two files per voice, validated when read."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, BinaryIO

from gateway.domain.voice.backup import BackupError

FORMAT = 1
DATABASE = "gateway.sqlite3"
MANIFEST = "manifest.json"
UPLOAD, REFERENCE = "upload", "reference.wav"
VOICE_FILE = re.compile(r"voices/(v_[0-9a-f]{32})/(upload|reference\.wav)")
MANIFEST_LIMIT = 100_000
# tar pads its last block to 10 KiB; data beyond that is not part of it.
PADDING_LIMIT = 64 * 1024
RESERVE_BYTES = 200_000_000


class BackupWriter:
    """Adds voices, then the database and the manifest; use by :func:`writing`."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add_voice(self, folder: Path) -> bool:
        """Add a voice's files; returns False if it has none any more."""
        added = 0
        for name in (UPLOAD, REFERENCE):
            # A voice in training has no reference yet.
            try:
                self._add_file(f"voices/{folder.name}/{name}", folder / name)
                added += 1
            except FileNotFoundError:
                continue
        return added > 0

    def finish(self, database: Path, voices: int) -> None:
        """Add the database and the manifest."""
        self._add_file(DATABASE, database)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        content = json.dumps({"format": FORMAT, "made_at": made_at, "voices": voices}).encode()
        self._add(MANIFEST, len(content), io.BytesIO(content))

    def _add_file(self, name: str, path: Path) -> None:
        with path.open("rb") as content:
            self._add(name, os.fstat(content.fileno()).st_size, content)

    def _add(self, name: str, size: int, content: BinaryIO) -> None:
        header = tarfile.TarInfo(name)
        header.size, header.mode = size, 0o600
        self._tar.addfile(header, content)


@contextmanager
def writing(target: BinaryIO) -> Iterator[BackupWriter]:
    """An archive that is written to a stream, which needs no seeking."""
    with (
        gzip.GzipFile(fileobj=target, mode="wb", filename="", compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield BackupWriter(tar)


def extract(source: BinaryIO, folder: Path) -> None:
    """Write an archive's members into an empty folder, each checked and synced.

    Raises:
        BackupError: the archive is damaged, is not a backup, of another version, or does not fit on the disk.
        OSError: the disk is full.
    """
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as unpacked:
            with tarfile.open(fileobj=unpacked, mode="r|") as tar:
                manifest = _members(tar, folder)
            # The checksum is at the very end.
            if len(unpacked.read(PADDING_LIMIT)) == PADDING_LIMIT:
                raise BackupError("The archive is damaged: there is data after its end.")
    except (tarfile.TarError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise _damaged(error) from error
    except OSError as error:
        # gzip's errors for another kind of file or a wrong checksum have no error number.
        if error.errno is None or isinstance(error, FileExistsError):
            raise _damaged(error) from error
        raise
    known = manifest.get("format") if isinstance(manifest, dict) else None
    if known != FORMAT:
        raise BackupError(f"The archive has format {known!r}; this version of Twinport reads {FORMAT}.")
    if not (folder / DATABASE).exists():
        raise BackupError("The archive is damaged: it has no database.")


def _damaged(error: Exception) -> BackupError:
    return BackupError(f"The archive is damaged or no backup of voices: {error}.")


def _members(tar: tarfile.TarFile, folder: Path) -> Any:
    """Write the members; returns the manifest, None without one."""
    space = shutil.disk_usage(folder).free - RESERVE_BYTES
    manifest = None
    for member in tar:
        space -= member.size
        if space < 0:
            raise BackupError("The disk is too full for these voices. Free some space, then run this again.")
        if member.name == MANIFEST and member.isreg() and member.size <= MANIFEST_LIMIT:
            manifest = json.loads(_content(tar, member).read().decode())
        elif member.isreg() and (member.name == DATABASE or VOICE_FILE.fullmatch(member.name)):
            _write(_content(tar, member), folder / member.name)
        else:
            raise BackupError(f"The archive is no backup of voices: it holds {member.name!r}.")
    return manifest


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise BackupError(f"The archive is no backup of voices: {member.name} is no file.")
    return content


def _write(content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as stream:
        shutil.copyfileobj(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
