"""Temporary folders of requests."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Optional

from .errors import disk_error

TEMPORARY_PREFIX = "cosyvoice-request-"


class Scratch:
    """A request's folder for files: created for the first file, removed with all its contents."""

    def __init__(self) -> None:
        self._folder: Optional[Path] = None

    def folder(self) -> Path:
        """The folder, created at the first call. Raises EngineError where that fails."""
        if self._folder is None:
            try:
                self._folder = Path(tempfile.mkdtemp(prefix="{}{}-".format(TEMPORARY_PREFIX, os.getpid())))
            except OSError as error:
                raise disk_error(error) from error
        return self._folder

    def remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(str(self._folder), ignore_errors=True)


def remove_leftovers() -> None:
    """Remove the folders of requests that a killed server left: those whose process is this one or has ended."""
    for folder in Path(tempfile.gettempdir()).glob(TEMPORARY_PREFIX + "*"):
        owner = folder.name[len(TEMPORARY_PREFIX) :].split("-")[0]
        if owner.isdigit() and (int(owner) == os.getpid() or not is_alive(int(owner))):
            shutil.rmtree(str(folder), ignore_errors=True)


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
