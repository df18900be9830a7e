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
from gateway.infrastructure.media import ConversionError, MediaInfo, NotMediaError
from gateway.infrastructure.media_folder import Inputs, MediaFolder, is_plain_file, link_or_copy
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.tasks import TaskStore
from gateway.services.video.loops import forever
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause
from gateway.settings import VideoSettings

log = structlog.stdlib.get_logger(__name__)

IDLE_SECONDS = 5.0
PREPARED_AHEAD = 2
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
    picture: MediaInfo
    swapped: bool


class Preparation:
    """Runs both loops until it is cancelled."""

    def __init__(
        self,
        *,
        store: TaskStore,
        folder: MediaFolder,
        sandbox: Sandbox,
        outcomes: Outcomes,
        pause: DiskPause,
        settings: VideoSettings,
    ) -> None:
        self._store = store
        self._folder = folder
        self._sandbox = sandbox
        self._outcomes = outcomes
        self._pause = pause
        self._settings = settings
        self._ahead = len(settings.duix_url) + PREPARED_AHEAD

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
        task = next(iter(self._store.live(TaskState.QUEUED)), None)
        enough = len(self._store.live(TaskState.PREPARED)) >= self._ahead
        if task is None or enough or self._pause.active:
            await self._store.wait_for_change(IDLE_SECONDS)
        else:
            await self._guarded(task, self._convert)

    async def _guarded(self, task: Task, step: Step) -> None:
        """Do one step of one task; whatever is wrong with it ends in the task's record, not in the loop."""
        try:
            await step(task)
        except UnusableError as error:
            log.info("inputs unusable", task=task.code, code=str(error))
            await self._outcomes.fail(task, str(error))
        except (GatewayError, SQLAlchemyError):
            raise  # a full disk, a database that is away: the task is not at fault
        except Exception:
            current = await self._store.get(task.code)
            if current is None or not current.is_live:  # cancelled under our hands: its folder is gone
                return
            log.exception("preparation broke", task=task.code)
            await asyncio.sleep(IDLE_SECONDS)
            await self._outcomes.fail(task, "conversion_failed")

    async def _inspect(self, task: Task) -> None:
        await self._choose(self._folder.inputs_of(task.key))
        await self._store.change(task, {TaskState.SUBMITTED}, state=TaskState.QUEUED)

    async def _convert(self, task: Task) -> None:
        inputs = self._folder.inputs_of(task.key)
        chosen = await self._choose(inputs)
        if chosen.swapped:
            log.info("audio and video were swapped", task=task.code)
        try:
            seconds = await self._audio(chosen.audio, inputs.audio)
            await self._video(chosen, inputs.video, seconds=seconds + VIDEO_MARGIN_SECONDS)
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
            return Chosen(inputs.uploaded_audio, inputs.uploaded_video, video, swapped=False)
        if not (audio.picture and video.has_sound):
            raise UnusableError("no_picture")
        self._require_length(video)
        return Chosen(inputs.uploaded_video, inputs.uploaded_audio, audio, swapped=True)

    def _require_length(self, audio: MediaInfo) -> None:
        if audio.seconds and audio.seconds > self._settings.audio_max_seconds:
            raise UnusableError("audio_too_long")

    async def _probe(self, path: Path, *, otherwise: str) -> MediaInfo:
        if not is_plain_file(path):
            raise UnusableError("input_missing")
        try:
            return await media.probe(self._sandbox, path)
        except NotMediaError as error:
            raise UnusableError(otherwise) from error

    async def _audio(self, source: Path, target: Path) -> float:
        temporary = temporary_path(target.parent)
        limit = self._settings.audio_max_seconds
        try:
            seconds = await media.to_engine_audio(
                self._sandbox, source, temporary, max_seconds=limit, limit_seconds=self._settings.conversion_timeout
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
        try:
            await media.to_engine_video(
                self._sandbox,
                chosen.video,
                temporary,
                info=chosen.picture,
                seconds=seconds,
                file_bytes=self._settings.max_upload_bytes,
                limit_seconds=self._settings.conversion_timeout,
            )
            with suppress(NotMediaError):
                if (await media.probe(self._sandbox, temporary)).seconds:
                    await asyncio.to_thread(publish, temporary, target)
                    return
            raise UnusableError("not_video")
        finally:
            temporary.unlink(missing_ok=True)
