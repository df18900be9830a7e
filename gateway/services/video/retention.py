"""Deletes what is old or too much: finished videos, uploads, the engine's leftovers, records. Never under a task."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

import structlog

from gateway.domain.task import RESULT_SUFFIX, TaskState
from gateway.infrastructure.media_folder import MediaFolder, StoredFile
from gateway.infrastructure.tasks import TaskStore
from gateway.services.video.loops import forever
from gateway.settings import VideoSettings

log = structlog.stdlib.get_logger(__name__)

ORPHAN_SECONDS = 3600.0


def expired(files: Iterable[StoredFile], *, now: float, max_age: float, max_bytes: int) -> list[StoredFile]:
    """Which files go: all older than `max_age` seconds, then the oldest until the rest fits into `max_bytes`.

    The newest of those that are young enough stays even where it alone is too large: somebody is about to fetch it.
    """
    newest_first = sorted(files, key=lambda file: file.modified, reverse=True)
    young = [file for file in newest_first if now - file.modified <= max_age]
    sizes = accumulate(file.size for file in young)
    kept = max(1, sum(size <= max_bytes for size in sizes))
    return newest_first[min(kept, len(young)) :]


class Retention:
    """Cleans up now and then until it is cancelled."""

    def __init__(self, *, store: TaskStore, folder: MediaFolder, settings: VideoSettings) -> None:
        self._store = store
        self._folder = folder
        self._settings = settings

    async def run_forever(self) -> None:
        """Clean up at intervals."""
        await forever("retention", self._turn)

    async def _turn(self) -> None:
        await self.clean_up()
        await asyncio.sleep(self._settings.retention_interval)

    async def clean_up(self) -> None:
        """Apply all rules once."""
        live = self._store.live()
        keys = frozenset(task.key for task in live)
        codes = frozenset(task.engine_code for task in live if task.state is TaskState.RUNNING)
        removed = await asyncio.to_thread(self._clean_files, keys, codes)
        forgotten = await self._store.forget_finished(before=time.time() - self._settings.tasks_max_age)
        if removed or forgotten:
            log.info("cleaned up", files=removed, records=forgotten)

    def _clean_files(self, live_keys: frozenset[str], live_codes: frozenset[str]) -> int:
        now, settings = time.time(), self._settings
        results = expired(
            self._folder.results(), now=now, max_age=settings.results_max_age, max_bytes=settings.results_max_bytes
        )
        # A live task holds its inputs itself: an upload may go at any time.
        uploads = expired(
            self._folder.uploads(), now=now, max_age=settings.uploads_max_age, max_bytes=settings.uploads_max_bytes
        )
        gone = [file.path for file in (*results, *uploads)] + self._leftovers(live_codes, now)
        gone += self._orphans(live_keys, now)  # last, as a submit may need the folder of a task of long ago again
        kept = [path for path in gone if not _remove(path)]
        if kept:
            log.warning("what has expired can't be deleted", count=len(kept), example=str(kept[0]))
        return len(gone) - len(kept)

    def _orphans(self, live_keys: frozenset[str], now: float) -> list[Path]:
        # A folder younger than that may belong to a submit that is being written down.
        return [
            path
            for path in self._folder.inputs.iterdir()
            if path.name not in live_keys and _is_old(path, now, ORPHAN_SECONDS)
        ]

    def _leftovers(self, live_codes: frozenset[str], now: float) -> list[Path]:
        dead = [weighed(path) for path in self._folder.temp.iterdir() if _engine_code(path.name) not in live_codes]
        gone = expired(dead, now=now, max_age=self._settings.results_max_age, max_bytes=self._settings.temp_max_bytes)
        # What was written a moment ago may be an engine's work on a task that is not ours, or no longer.
        return [file.path for file in gone if now - file.modified > ORPHAN_SECONDS]


def weighed(path: Path) -> StoredFile:
    """A file, or a folder with all that is in it: its total size and its latest change."""
    size, modified = 0, 0.0
    within = [Path(folder, name) for folder, folders, files in os.walk(path) for name in (*folders, *files)]
    for part in (path, *([] if path.is_symlink() else within)):
        with suppress(OSError):  # an engine may be deleting it
            found = part.lstat()
            size, modified = size + found.st_size, max(modified, found.st_mtime)
    return StoredFile(path, path.name, size, modified)


def _is_old(path: Path, now: float, seconds: float) -> bool:
    try:
        return now - path.lstat().st_mtime > seconds
    except FileNotFoundError:
        return False


def _engine_code(name: str) -> str:
    for ending in (RESULT_SUFFIX, "_format.mp4", "_format.wav"):
        name = name.removesuffix(ending)
    return name


def _remove(path: Path) -> bool:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return not path.exists()
