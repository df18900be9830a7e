"""Uploads that are taken up again at the acknowledged byte after a cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.domain.errors import ErrorKind, GatewayError


@dataclass(frozen=True)
class PartialUpload:
    """An upload on its way.

    Attributes:
        id: 32 hexadecimal digits; who knows it, and has the key, may go on with the upload.
        length: bytes of the whole.
        offset: bytes that are safe on the disk.
        fields: what the client says of the file.
        key_id: of the API key that it was begun with; empty where the entry asks for none.
        source: of the caller that began it.
        result: the answer to the finished upload, as JSON; empty until then.
    """

    id: str
    length: int
    offset: int
    fields: Mapping[str, str]
    key_id: str
    source: str
    result: str = ""

    @property
    def complete(self) -> bool:
        """Whether all bytes are there."""
        return self.offset == self.length


class PartialFile(Protocol):
    """The content of an upload, being written. Blocking calls; run them in a thread."""

    def write(self, blocks: Sequence[bytes]) -> None:
        """Append.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """

    def acknowledge(self) -> PartialUpload:
        """Make what was written safe, and count it.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """


class PartialUploads(Protocol):
    """Where uploads on their way are kept, over restarts too. Blocking calls; run them in a thread."""

    def create(self, length: int, fields: Mapping[str, str], *, key_id: str, source: str) -> PartialUpload:
        """A new upload without content.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """

    def unfinished(self, source: str) -> int:
        """Number of a source's uploads that have no answer yet.

        Raises:
            StorageError: the disk can't be asked.
        """

    def find(self, upload_id: str) -> PartialUpload | None:
        """The upload; None where there is none, or none any more."""

    def open(self, upload: PartialUpload) -> AbstractContextManager[PartialFile]:
        """Its content from ``offset`` on; what was written behind it and not acknowledged is dropped."""

    def content(self, upload: PartialUpload) -> AbstractContextManager[Path]:
        """A file with the whole content, which may be renamed."""

    def finish(self, upload: PartialUpload, result: str) -> PartialUpload:
        """Keep the answer, and the content no longer."""

    def remove(self, upload_id: str) -> None:
        """Forget an upload."""

    def sweep(self) -> int:
        """Forget those that nobody went on with for long; returns their number."""


def upload_not_found() -> GatewayError:
    """No such upload, or it has expired."""
    return GatewayError(
        "upload_not_found",
        ErrorKind.NOT_FOUND,
        zh="该上传不存在或已过期，请重新上传。",
        en="There is no such upload, or it has expired. Upload the file again.",
    )


def too_many_uploads(most: int) -> GatewayError:
    """The client has begun too many and finished none of them."""
    return GatewayError(
        "too_many_uploads",
        ErrorKind.LIMITED,
        zh=f"未完成的上传已有 {most} 个，请先完成或删除其中一些。",
        en=f"You have {most} unfinished uploads. Finish or delete some of them first.",
        retry_after=60,
    )


def offset_conflict(offset: int) -> GatewayError:
    """The client goes on at another byte than the acknowledged one."""
    return GatewayError(
        "offset_conflict",
        ErrorKind.CONFLICT,
        zh=f"续传位置不符，服务器已收到 {offset} 字节，请从该位置继续。",
        en=f"The upload does not go on there. The server has {offset} bytes; continue from that one.",
    )


def upload_superseded() -> GatewayError:
    """Another request went on with the same upload."""
    return GatewayError(
        "upload_superseded",
        ErrorKind.CONFLICT,
        zh="该上传已由另一个请求继续。",
        en="Another request has gone on with this upload.",
    )
