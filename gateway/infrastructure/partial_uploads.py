"""Uploads on their way, in a folder: a record with the offset and, until it is finished, a file with the content."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from gateway.domain.clock import Clock
from gateway.domain.resumable import PartialUpload
from gateway.domain.storage import storage_errors
from gateway.infrastructure.files import (
    discard,
    make_folder,
    require_free_space,
    sync_folder,
    temporary_path,
    write_text,
)

_ID = re.compile(r"[0-9a-f]{32}")
_RECORD, _CONTENT = ".json", ".content"


class PartialUploadFolder:
    """Keeps uploads until their answer is known and for ``max_age`` after the last byte.

    Args:
        folder: made where it is missing; on the file system that finished uploads go to.
        reserve_bytes: bytes that stay free on the disk.
        max_age: seconds.
        clock: says what is old.
    """

    def __init__(self, folder: Path, *, reserve_bytes: int, max_age: float, clock: Clock) -> None:
        make_folder(folder, mode=0o700)
        self._folder = folder
        self._reserve = reserve_bytes
        self._max_age = max_age
        self._clock = clock

    def create(self, length: int, fields: Mapping[str, str], *, key_id: str, source: str) -> PartialUpload:
        """See ``PartialUploads``."""
        require_free_space(self._folder, length, reserve=self._reserve)
        upload = PartialUpload(secrets.token_hex(16), length, 0, dict(fields), key_id, source)
        try:
            with storage_errors():
                self._content(upload).touch(mode=0o600, exist_ok=False)
            self._write(upload)
        except BaseException:
            # It would count among the source's unfinished ones.
            discard(self._record(upload.id))
            discard(self._content(upload))
            raise
        return upload

    def unfinished(self, source: str) -> int:
        """See ``PartialUploads``."""
        with storage_errors():
            names = {path.name for path in self._folder.iterdir()}
        own = (name.partition(".")[0] for name in names if name.endswith(f".{source}{_CONTENT}"))
        # Without a record it is what a broken disk left of an upload that never began.
        return sum(f"{upload_id}{_RECORD}" in names for upload_id in own)

    def find(self, upload_id: str) -> PartialUpload | None:
        """See ``PartialUploads``."""
        if not _ID.fullmatch(upload_id):
            return None
        try:
            with storage_errors():
                upload = PartialUpload(**json.loads(self._record(upload_id).read_bytes()))
        except FileNotFoundError:
            return None
        if upload.result and self._content(upload).exists():
            # The disk failed between the answer's record and the content's end.
            with storage_errors():
                sync_folder(self._folder)
            discard(self._content(upload))
        return upload

    @contextmanager
    def open(self, upload: PartialUpload) -> Iterator[PartialContent]:
        """See ``PartialUploads``."""
        require_free_space(self._folder, upload.length - upload.offset, reserve=self._reserve)
        with storage_errors():
            descriptor = os.open(self._content(upload), os.O_RDWR)
        try:
            with storage_errors():
                os.ftruncate(descriptor, upload.offset)
            os.lseek(descriptor, upload.offset, os.SEEK_SET)
            yield PartialContent(descriptor, upload, self._write)
        finally:
            os.close(descriptor)

    @contextmanager
    def content(self, upload: PartialUpload) -> Iterator[Path]:
        """See ``PartialUploads``."""
        path = temporary_path(self._folder)
        with storage_errors():
            os.link(self._content(upload), path)
        try:
            yield path
        finally:
            discard(path)

    def finish(self, upload: PartialUpload, result: str) -> PartialUpload:
        """See ``PartialUploads``."""
        finished = replace(upload, result=result)
        self._write(finished)
        discard(self._content(upload))
        return finished

    def remove(self, upload_id: str) -> None:
        """See ``PartialUploads``."""
        with storage_errors():
            # The record first: an upload that is found has its content.
            self._record(upload_id).unlink(missing_ok=True)
            for content in self._folder.glob(f"{upload_id}.*{_CONTENT}"):
                content.unlink(missing_ok=True)
            sync_folder(self._folder)

    def sweep(self) -> int:
        """See ``PartialUploads``; what a crash left goes too."""
        horizon = self._clock.horizon(self._max_age)
        with storage_errors():
            old = [path for path in self._folder.iterdir() if _modified(path) < horizon]
            expired = [path.stem for path in old if path.suffix == _RECORD]
            for upload_id in expired:
                self.remove(upload_id)
            for path in old:
                if not self._record(path.name.partition(".")[0]).exists():
                    path.unlink(missing_ok=True)
        return len(expired)

    def _record(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}{_RECORD}"

    def _content(self, upload: PartialUpload) -> Path:
        # The source is part of the name, so that its uploads can be counted without opening any.
        return self._folder / f"{upload.id}.{upload.source}{_CONTENT}"

    def _write(self, upload: PartialUpload) -> None:
        write_text(self._record(upload.id), json.dumps(asdict(upload)))


def _modified(path: Path) -> float:
    """Unix seconds; infinity for what has gone meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


class PartialContent:
    """The content of one upload, open at its end.

    Args:
        descriptor: of the file; the caller closes it.
        upload: what it belongs to.
        write_record: makes a new offset durable.
    """

    def __init__(self, descriptor: int, upload: PartialUpload, write_record: Callable[[PartialUpload], None]) -> None:
        self._descriptor = descriptor
        self._upload = upload
        self._write_record = write_record

    def write(self, blocks: Sequence[bytes]) -> None:
        """See ``PartialFile``."""
        with storage_errors():
            for block in blocks:
                rest = memoryview(block)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]

    def acknowledge(self) -> PartialUpload:
        """See ``PartialFile``."""
        with storage_errors():
            os.fsync(self._descriptor)
        offset = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if offset != self._upload.offset:
            self._upload = replace(self._upload, offset=offset)
            self._write_record(self._upload)
        return self._upload
