"""Makes a task's inputs right for the engine before the engine hears of it.

Two loops: one looks at every new task at once, so that a file that is not media fails within seconds however long the
queue; the other converts, a few tasks ahead of the engines and no further, because copies take room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.domain.errors import GatewayError
from gateway.domain.task import Task, TaskState
from gateway.infrastructure import media
from gateway.infrastructure.files import publish, temporary_path
from gateway.infrastructure.media import ConversionError, MediaInfo, NotMediaError, OutOfRoomError
from gateway.infrastructure.media_folder import Inputs, MediaFolder, is_plain_file, link_or_copy
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.tasks import TaskStore
from gateway.services.video.loops import forever
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause, engine_bytes
from gateway.settings import VideoSettings

log = structlog.stdlib.get_logger(__name__)

IDLE_SECONDS = 5.0
PREPARED_AHEAD = 2
MAX_BREAKS = 3
SHORTEST_SECONDS = 0.1
VIDEO_MARGIN_SECONDS = 1.0


Step = Callable[[Task], Awaitable[None]]


class UnusableError(Exception):
    """The inputs can't become a video; the text is a key of ``FAILURES``."""


@dataclass(frozen=True)
class Chosen:
    """Which upload gives the sound and which the picture."""

    audio: Path
    video: Path
    sound: MediaInfo
    picture: MediaInfo
    swapped: bool


class Preparation:
    """Runs both loops until it is cancelled; `probes` is apart, so that no look at a file waits for a conversion."""

    def __init__(
        self,
        *,
        store: TaskStore,
        folder: MediaFolder,
        sandbox: Sandbox,
        probes: Sandbox,
        outcomes: Outcomes,
        pause: DiskPause,
        settings: VideoSettings,
    ) -> None:
        self._store = store
        self._folder = folder
        self._sandbox = sandbox
        self._probes = probes
        self._outcomes = outcomes
        self._pause = pause
        self._settings = settings
        self._ahead = len(settings.duix_url) + PREPARED_AHEAD
        self._needs: dict[str, int] = {}
        self._broken: dict[str, int] = {}

    async def inspect_forever(self) -> None:
        """Look at new tasks as they come."""
        await forever("inspection", self._inspect_next)

    async def convert_forever(self) -> None:
        """Convert the inputs of the tasks that are next."""
        await forever("conversion", self._convert_next)

    async def _inspect_next(self) -> None:
        task = next(iter(self._store.live(TaskState.SUBMITTED)), None)
        if task is None:
            await self._store.wait_for_change(IDLE_SECONDS)
        else:
            await self._guarded(task, self._inspect)

    async def _convert_next(self) -> None:
        enough = len(self._store.live(TaskState.PREPARED)) >= self._ahead
        task = None if enough else await self._first_that_fits()
        if task is None:
            await self._store.wait_for_change(IDLE_SECONDS)
        else:
            await self._guarded(task, self._convert)

    async def _first_that_fits(self) -> Task | None:
        """The first task that the disk has room for; where none fits, the queue pauses for the smallest."""
        queued = self._store.live(TaskState.QUEUED)
        self._needs = {task.code: self._needs[task.code] for task in queued if task.code in self._needs}
        missed = []
        for task in queued:
            needed = self._needs.get(task.code, 0)  # not looked at by this process: looked at when it is converted
            if self._pause.fits(needed):
                self._pause.miss("conversion", 0)
                return task
            missed.append(needed)
        # Whatever is further on will make room, or not: that is no pause.
        idle = self._store.live_count == len(queued)
        self._pause.miss("conversion", min(missed, default=0) if idle else 0)
        return None

    def _has_room(self, task: Task, needed: int) -> bool:
        self._set_aside(task, max(needed, self._needs.get(task.code, 0)))
        return self._pause.fits(self._needs[task.code])

    def _set_aside(self, task: Task, needed: int) -> None:
        """Note how much room a task takes from here to its video.

        Raises:
            UnusableError: the disk could not hold it if it were empty.
        """
        self._needs[task.code] = needed
        if not self._pause.could_fit(needed):
            raise UnusableError("disk_too_small")

    def _likely_bytes(self, chosen: Chosen, seconds: float) -> int:
        """What is converted, and what the engine makes of it; `seconds` of audio."""
        size = chosen.video.stat().st_size
        video = media.likely_video_bytes(chosen.picture, size, seconds=seconds + VIDEO_MARGIN_SECONDS)
        converted = media.audio_bytes(seconds) + (0 if media.engine_can_take(chosen.picture) else video)
        return converted + engine_bytes(video, audio_seconds=seconds)

    async def _guarded(self, task: Task, step: Step) -> None:
        """Do one step of one task; whatever is wrong with it ends in the task's record, not in the loop."""
        try:
            await step(task)
            self._broken.pop(task.code, None)
        except UnusableError as error:
            self._broken.pop(task.code, None)
            log.info("inputs unusable", task=task.code, code=str(error))
            await self._outcomes.fail(task, str(error))
        except (GatewayError, SQLAlchemyError):
            raise  # a full disk, a database that is away: the task is not at fault
        except Exception:
            current = await self._store.get(task.code)
            if current is None or not current.is_live:  # cancelled under our hands: its folder is gone
                self._broken.pop(task.code, None)
                return
            log.exception("preparation broke", task=task.code)
            await asyncio.sleep(IDLE_SECONDS)
            await self._broke(task)

    async def _broke(self, task: Task) -> None:
        """A fault of ours or of the host, such as no process to be had: it passes, or several in a row end the task."""
        self._broken[task.code] = self._broken.get(task.code, 0) + 1
        if self._broken[task.code] >= MAX_BREAKS:
            del self._broken[task.code]
            await self._outcomes.fail(task, "conversion_failed")

    async def _inspect(self, task: Task) -> None:
        chosen = await self._choose(self._folder.inputs_of(task.key))
        self._set_aside(task, self._likely_bytes(chosen, chosen.sound.seconds or 0.0))
        await self._store.change(task, {TaskState.SUBMITTED}, state=TaskState.QUEUED)

    async def _convert(self, task: Task) -> None:
        inputs = self._folder.inputs_of(task.key)
        chosen = await self._choose(inputs)
        if not self._has_room(task, self._likely_bytes(chosen, chosen.sound.seconds or 0.0)):
            return
        if chosen.swapped:
            log.info("audio and video were swapped", task=task.code)
        try:
            seconds = await self._audio(chosen.audio, inputs.audio)
            longer = seconds > (chosen.sound.seconds or 0.0) + VIDEO_MARGIN_SECONDS  # headers lie, or tell no length
            if longer and not self._has_room(task, self._likely_bytes(chosen, seconds)):
                return
            await self._video(chosen, inputs.video, seconds=seconds + VIDEO_MARGIN_SECONDS)
        except OutOfRoomError as error:
            # More than expected, or others took the room: the next time with twice as much.
            self._set_aside(task, 2 * max(self._needs[task.code], error.written))
            return
        except ConversionError as error:
            log.info("conversion failed", task=task.code, said=str(error))
            raise UnusableError("conversion_failed") from error
        await self._store.change(task, {TaskState.QUEUED}, state=TaskState.PREPARED, audio_seconds=seconds)

    async def _choose(self, inputs: Inputs) -> Chosen:
        audio = await self._probe(inputs.uploaded_audio, otherwise="not_audio")
        video = await self._probe(inputs.uploaded_video, otherwise="not_video")
        if video.picture:
            if not audio.has_sound:
                raise UnusableError("no_sound")
            self._require_length(audio)
            return Chosen(inputs.uploaded_audio, inputs.uploaded_video, audio, video, swapped=False)
        if not (audio.picture and video.has_sound):
            raise UnusableError("no_picture")
        self._require_length(video)
        return Chosen(inputs.uploaded_video, inputs.uploaded_audio, video, audio, swapped=True)

    def _require_length(self, audio: MediaInfo) -> None:
        if audio.seconds and audio.seconds > self._settings.audio_max_seconds:
            raise UnusableError("audio_too_long")

    async def _probe(self, path: Path, *, otherwise: str) -> MediaInfo:
        if not is_plain_file(path):
            raise UnusableError("input_missing")
        try:
            return await media.probe(self._probes, path)
        except NotMediaError as error:
            raise UnusableError(otherwise) from error

    async def _audio(self, source: Path, target: Path) -> float:
        temporary = temporary_path(target.parent)
        limit = self._settings.audio_max_seconds
        try:
            seconds = await media.to_engine_audio(
                self._sandbox,
                source,
                temporary,
                max_seconds=limit,
                file_bytes=min(media.audio_bytes(limit + 10), self._pause.room),
                limit_seconds=self._settings.conversion_timeout,
            )
            if seconds < SHORTEST_SECONDS:
                raise UnusableError("no_sound")
            if seconds > limit:
                raise UnusableError("audio_too_long")
            await asyncio.to_thread(publish, temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        return seconds

    async def _video(self, chosen: Chosen, target: Path, *, seconds: float) -> None:
        if media.engine_can_take(chosen.picture):
            await asyncio.to_thread(link_or_copy, chosen.video, target)
            return
        temporary = temporary_path(target.parent)
        room = self._pause.room
        try:
            await media.to_engine_video(
                self._sandbox,
                chosen.video,
                temporary,
                info=chosen.picture,
                seconds=seconds,
                file_bytes=min(self._settings.max_upload_bytes, room),
                limit_seconds=self._settings.conversion_timeout,
            )
            with suppress(NotMediaError):
                if (await media.probe(self._probes, temporary)).seconds:
                    await asyncio.to_thread(publish, temporary, target)
                    return
            raise UnusableError("not_video")
        except OutOfRoomError as error:
            if room <= self._settings.max_upload_bytes:
                raise
            raise UnusableError("conversion_failed") from error  # no disk would be large enough
        finally:
            temporary.unlink(missing_ok=True)
