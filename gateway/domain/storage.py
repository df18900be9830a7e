"""What the disk and the database refuse. Neither the request nor its content is at fault, and nothing has changed."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.domain.errors import ErrorKind, GatewayError


class StorageError(GatewayError):
    """The storage did not take or give something; a repeat can succeed once it works again."""


def storage_full() -> StorageError:
    """The disk can't take what the request would store."""
    return StorageError(
        "storage_full",
        ErrorKind.STORAGE_FULL,
        zh="服务器磁盘空间不足，请清理磁盘后再试。",
        en="The server's disk is full. Free some space and try again.",
    )


def storage_busy() -> StorageError:
    """The database is locked or away, or the system is short of descriptors, processes or memory; that passes."""
    return StorageError(
        "storage_busy",
        ErrorKind.TEMPORARY,
        zh="服务器的磁盘或数据库暂时无法使用，请稍候再试。",
        en="The server's disk or database can't be used at the moment. Try again in a moment.",
        retry_after=10,
    )


def storage_broken() -> StorageError:
    """The disk reports errors, or the database on it is damaged."""
    return StorageError(
        "storage_broken",
        ErrorKind.INTERNAL,
        zh="服务器磁盘读写出错，可能已损坏，请联系管理员检查磁盘。",
        en="The server's disk reports errors and may be failing. Ask the administrator to check it.",
    )


def storage_read_only() -> StorageError:
    """The file system takes no writes; Linux mounts one that way after errors."""
    return StorageError(
        "storage_read_only",
        ErrorKind.INTERNAL,
        zh="服务器磁盘处于只读状态，请联系管理员检查磁盘并重新挂载。",
        en="The server's disk is read-only. Ask the administrator to check it and mount it for writing again.",
    )


_KINDS: dict[int, Callable[[], StorageError]] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), storage_full),
    **dict.fromkeys((errno.EIO, errno.ENXIO, errno.ENODEV, errno.EUCLEAN, errno.EBADMSG), storage_broken),
    errno.EROFS: storage_read_only,
    **dict.fromkeys(
        (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EBUSY, errno.ESTALE, errno.ENOLCK), storage_busy
    ),
}


def storage_error_of(number: int | None) -> StorageError | None:
    """The error for a system error number; None where it says nothing about the storage, as ENOENT does."""
    kind = _KINDS.get(number) if number is not None else None
    return kind() if kind is not None else None


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the system's errors into the domain's, where they are the storage's; others pass.

    Raises:
        StorageError: the disk is full, broken or read-only, or the system is short of something.
    """
    try:
        yield
    except OSError as error:
        known = storage_error_of(error.errno)
        if known is None:
            raise
        raise known from error
