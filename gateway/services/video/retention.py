"""Deletes what is too old or too large: finished videos, uploads, the engine's leftovers, records. Never in use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import structlog

from gateway.domain.clock import Clock
from gateway.domain.video.ports import MediaStore, StoredFile, TaskRepository
from gateway.domain.video.task import RESULT_SUFFIX, TaskState
from gateway.services.loops import forever
from gateway.services.video.library import MediaLibrary

log = structlog.stdlib.get_logger(__name__)

ORPHAN_SECONDS = 3600.0


def expired(files: Iterable[StoredFile], *, horizon: float, max_bytes: int) -> list[StoredFile]:
    """Which files go: all from before the horizon, then the oldest until the rest fits into `max_bytes`.

    The newest of those that are young enough stays even if it alone is too large: a client is about to fetch it.
    """
    newest_first = sorted(files, key=lambda file: file.modified, reverse=True)
    young = [file for file in newest_first if file.modified >= horizon]
    sizes = accumulate(file.size for file in young)
    kept = max(1, sum(size <= max_bytes for size in sizes))
    return newest_first[min(kept, len(young)) :]


@dataclass(frozen=True)
class RetentionRules:
    """Limits of what is kept: ages in seconds since the last use, total sizes in bytes.

    Attributes:
        interval: seconds between two clean-ups.
        results_max_age: also of the engines' leftovers.
    """

    interval: float
    results_max_age: float
    results_max_bytes: int
    uploads_max_age: float
    uploads_max_bytes: int
    leftovers_max_bytes: int
    tasks_max_age: float


class Retention:
    """Cleans up at intervals until it is cancelled."""

    def __init__(
        self, *, tasks: TaskRepository, media: MediaStore, library: MediaLibrary, rules: RetentionRules, clock: Clock
    ) -> None:
        self._tasks = tasks
        self._library = library
        self._media = media
        self._rules = rules
        self._clock = clock

    async def run_forever(self) -> None:
        """Clean up at intervals."""
        await forever("retention", self._turn)

    async def _turn(self) -> None:
        await self.clean_up()
        await asyncio.sleep(self._rules.interval)

    async def clean_up(self) -> None:
        """Apply all rules once; none while the clock is held, as what is the oldest is not known either."""
        if self._clock.held:
            return
        live = self._tasks.live()
        keys = frozenset(task.inputs_key for task in live)
        codes = frozenset(task.engine_code for task in live if task.state is TaskState.RUNNING)
        removed = await asyncio.to_thread(self._clean_files, keys, codes)
        await self._library.forget(removed)
        forgotten = await self._tasks.forget_finished(before=self._clock.horizon(self._rules.tasks_max_age))
        if removed or forgotten:
            log.info("cleaned up", files=len(removed), records=forgotten)

    def _clean_files(self, live_keys: frozenset[str], live_codes: frozenset[str]) -> list[StoredFile]:
        horizon, rules = self._clock.horizon, self._rules
        results = expired(
            self._media.results(), horizon=horizon(rules.results_max_age), max_bytes=rules.results_max_bytes
        )
        # A live task has its own copy of its inputs: an upload may be deleted at any time.
        uploads = expired(
            self._media.uploads(), horizon=horizon(rules.uploads_max_age), max_bytes=rules.uploads_max_bytes
        )
        gone = [*results, *uploads, *self._leftovers(live_codes)]
        gone += self._orphans(live_keys)  # last, as a submit may need the folder of an old task again
        removed = [file for file in gone if self._media.remove(file)]
        if kept := [file for file in gone if file not in removed]:
            log.warning("what has expired can't be deleted", count=len(kept), example=str(kept[0].path))
        return removed

    def _orphans(self, live_keys: frozenset[str]) -> list[StoredFile]:
        # A folder younger than that may belong to a submit that is being recorded.
        held = [folder for folder in self._media.held_inputs() if folder.name not in live_keys]
        return [folder for folder in held if folder.modified < self._clock.horizon(ORPHAN_SECONDS)]

    def _leftovers(self, live_codes: frozenset[str]) -> list[StoredFile]:
        dead = [file for file in self._media.engine_leftovers() if _engine_code(file.name) not in live_codes]
        horizon = self._clock.horizon(self._rules.results_max_age)
        gone = expired(dead, horizon=horizon, max_bytes=self._rules.leftovers_max_bytes)
        # Recent files may be an engine's work on a task that is not ours, or no longer.
        return [file for file in gone if file.modified < self._clock.horizon(ORPHAN_SECONDS)]


def _engine_code(name: str) -> str:
    for ending in (RESULT_SUFFIX, "_format.mp4", "_format.wav"):
        name = name.removesuffix(ending)
    return name
