"""One owner for a data folder: a second process would delete files that the first is writing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.infrastructure.files import make_folder

LOCK_FILE = "gateway.lock"


class SecondGatewayError(RuntimeError):
    """Another process uses the same data folder."""


@contextmanager
def own_folder(folder: Path, *, entry: str) -> Iterator[None]:
    """Lock a data folder; the kernel releases the lock when the process dies.

    Args:
        folder: created where missing.
        entry: ``voice`` or ``video``, for the message.

    Raises:
        SecondGatewayError: another process has locked it.
    """
    make_folder(folder)
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SecondGatewayError(f"another {entry} entry is running on {folder}; stop it first") from error
        yield
    finally:
        os.close(descriptor)
