"""Makes a task's inputs suitable for the engine before they are submitted.

Two loops: one examines every new task at once, so that a file that is not media fails within seconds whatever the
length of the queue; the other converts, only a few tasks ahead of the engines, because copies need disk space.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.domain.errors import GatewayError
from gateway.domain.storage import storage_errors
from gateway.domain.video.faces import Verdict
from gateway.domain.video.media import (
    ConversionError,
    MediaInfo,
    NotMediaError,
    OutOfSpaceError,
    ToolKilledError,
    audio_bytes,
    engine_can_take,
    likely_video_bytes,
)
from gateway.domain.video.ports import Inputs, MediaStore, MediaTools, TaskRepository
from gateway.domain.video.task import Task, TaskState
from gateway.services.loops import forever
from gateway.services.video.face_check import FaceCheck
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause, engine_bytes
from gateway.services.video.repeats import input_digests

log = structlog.stdlib.get_logger(__name__)

IDLE_SECONDS = 5.0
PREPARED_AHEAD = 2
MAX_BREAKS = 3
# A tool that the system ended is tried again for a quarter of an hour, as long as the client asks; others go first.
MAX_KILLS = 18
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
SHORTEST_SECONDS = 0.1
VIDEO_MARGIN_SECONDS = 1.0


Step = Callable[[Task], Awaitable[None]]


class UnusableError(Exception):
    """The inputs can't become a video; the text is a key of ``FAILURES``.

    Args:
        code: that key.
        detail: for its sentence.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.detail = detail


@dataclass(frozen=True)
class Chosen:
    """The uploads for sound and picture."""

    audio: Path
    video: Path
    sound: MediaInfo
    picture: MediaInfo
    swapped: bool


@dataclass(frozen=True)
class PreparationRules:
    """The limits of preparation.

    Attributes:
        engines: number of engines.
        audio_max_seconds: longest audio of one video.
        conversion_seconds: time limit of one conversion.
        max_file_bytes: size limit of a converted file.
    """

    engines: int
    audio_max_seconds: float
    conversion_seconds: float
    max_file_bytes: int


@dataclass(frozen=True)
class _Kills:
    """How often in a row the system ended a task's tool, and when the task's turn comes again (the loop's time)."""

    count: int
    not_before: float


class Preparation:
    """Runs both loops until it is cancelled."""

    def __init__(
        self,
        *,
        tasks: TaskRepository,
        media: MediaStore,
        tools: MediaTools,
        outcomes: Outcomes,
        pause: DiskPause,
        rules: PreparationRules,
        faces: FaceCheck | None = None,
    ) -> None:
        self._tasks = tasks
        self._media = media
        self._tools = tools
        self._outcomes = outcomes
        self._pause = pause
        self._rules = rules
        self._faces = faces
        self._ahead = rules.engines + PREPARED_AHEAD
        self._needs: dict[int, int] = {}
        self._broken: dict[int, int] = {}
        self._killed: dict[int, _Kills] = {}

    async def inspect_forever(self) -> None:
        """Examine new tasks as they arrive."""
        await forever("inspection", self._inspect_next)

    async def convert_forever(self) -> None:
        """Convert the inputs of the next tasks."""
        await forever("conversion", self._convert_next)

    async def _inspect_next(self) -> None:
        task = next((task for task in self._tasks.live(TaskState.SUBMITTED) if not self._waits(task)), None)
        if task is None:
            await self._tasks.wait_for_change(IDLE_SECONDS)
        else:
            await self._guarded(task, self._inspect)

    async def _convert_next(self) -> None:
        enough = len(self._tasks.live(TaskState.PREPARED)) >= self._ahead
        task = None if enough else await self._first_that_fits()
        if task is None:
            await self._tasks.wait_for_change(IDLE_SECONDS)
        else:
            await self._guarded(task, self._convert)

    async def _first_that_fits(self) -> Task | None:
        """The first task that the disk has space for; if none fits, the queue pauses for the smallest."""
        queued = self._tasks.live(TaskState.QUEUED)
        self._needs = {task.seq: self._needs[task.seq] for task in queued if task.seq in self._needs}
        missed = []
        for task in queued:
            if self._waits(task):
                continue
            needed = self._needs.get(task.seq, 0)  # not examined by this process: examined when it is converted
            if self._pause.fits(needed):
                self._pause.miss("conversion", 0)
                return task
            missed.append(needed)
        # Tasks further on may free space: that is no pause.
        idle = self._tasks.live_count == len(queued)
        self._pause.miss("conversion", min(missed, default=0) if idle else 0)
        return None

    def _has_space(self, task: Task, needed: int) -> bool:
        self._set_aside(task, max(needed, self._needs.get(task.seq, 0)))
        return self._pause.fits(self._needs[task.seq])

    def _set_aside(self, task: Task, needed: int) -> None:
        """Record the space that a task needs from here to its video.

        Raises:
            UnusableError: the disk could not hold it if it were empty.
        """
        self._needs[task.seq] = needed
        if not self._pause.could_fit(needed):
            raise UnusableError("disk_too_small")

    def _likely_bytes(self, chosen: Chosen, seconds: float) -> int:
        """The size of converted inputs and the engine's output; `seconds` of audio."""
        size = chosen.video.stat().st_size
        video = likely_video_bytes(chosen.picture, size, seconds=seconds + VIDEO_MARGIN_SECONDS)
        converted = audio_bytes(seconds) + (0 if engine_can_take(chosen.picture) else video)
        return converted + engine_bytes(video, audio_seconds=seconds)

    async def _guarded(self, task: Task, step: Step) -> None:
        """Do one step of one task; its errors end in the task's record, not in the loop."""
        try:
            with storage_errors():
                await step(task)
            self._broken.pop(task.seq, None)
            self._killed.pop(task.seq, None)
        except ToolKilledError:
            await self._was_killed(task)
        except UnusableError as error:
            self._broken.pop(task.seq, None)
            log.info("inputs unusable", task=task.code, code=str(error))
            await self._outcomes.fail(task, str(error), error.detail)
        except GatewayError:
            raise  # the disk, the database or the system: the task is not at fault
        except Exception:
            current = await self._tasks.get(task.code)
            # Cancelled meanwhile: its folder was deleted.
            if current is None or current.seq != task.seq or not current.is_live:
                self._broken.pop(task.seq, None)
                return
            log.exception("preparation broke", task=task.code)
            await asyncio.sleep(IDLE_SECONDS)
            await self._broke(task)

    def _waits(self, task: Task) -> bool:
        kills = self._killed.get(task.seq)
        return kills is not None and asyncio.get_running_loop().time() < kills.not_before

    async def _was_killed(self, task: Task) -> None:
        """The host is short of memory; a task that finds it so for too long may be what takes it."""
        live = {task.seq for task in self._tasks.live()}
        self._killed = {seq: kills for seq, kills in self._killed.items() if seq in live}
        count = self._killed[task.seq].count + 1 if task.seq in self._killed else 1
        if count > MAX_KILLS:
            await self._outcomes.fail(task, "conversion_failed")
            return
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (count - 1))
        log.warning("the system ended a tool", task=task.code, count=count, seconds=pause)
        self._killed[task.seq] = _Kills(count, asyncio.get_running_loop().time() + pause)

    async def _broke(self, task: Task) -> None:
        """A fault of ours: it passes, or several in a row end the task."""
        self._broken[task.seq] = self._broken.get(task.seq, 0) + 1
        if self._broken[task.seq] >= MAX_BREAKS:
            del self._broken[task.seq]
            await self._outcomes.fail(task, "conversion_failed")

    async def _inspect(self, task: Task) -> None:
        inputs = self._media.inputs_of(task.inputs_key)
        try:
            chosen = await self._choose(inputs)
            self._set_aside(task, self._likely_bytes(chosen, chosen.sound.seconds or 0.0))
        except UnusableError:
            await self._tasks.change(task, {TaskState.SUBMITTED}, **await input_digests(self._media, task))
            raise
        await self._tasks.change(
            task, {TaskState.SUBMITTED}, state=TaskState.QUEUED, **await input_digests(self._media, task)
        )

    async def _convert(self, task: Task) -> None:
        inputs = self._media.inputs_of(task.inputs_key)
        chosen = await self._choose(inputs)
        if not self._has_space(task, self._likely_bytes(chosen, chosen.sound.seconds or 0.0)):
            return
        if chosen.swapped:
            log.info("audio and video were swapped", task=task.code)
        try:
            seconds = await self._audio(chosen.audio, inputs.audio)
            longer = seconds > (chosen.sound.seconds or 0.0) + VIDEO_MARGIN_SECONDS  # headers may be wrong
            if longer and not self._has_space(task, self._likely_bytes(chosen, seconds)):
                return
            await self._video(chosen, inputs.video, seconds=seconds + VIDEO_MARGIN_SECONDS)
        except OutOfSpaceError as error:
            # More than expected, or others used the space: the next time with twice as much.
            self._set_aside(task, 2 * max(self._needs[task.seq], error.written))
            return
        except ConversionError as error:
            log.info("conversion failed", task=task.code, error=str(error))
            raise UnusableError("conversion_failed") from error
        await self._require_one_face(inputs.video)
        await self._tasks.change(task, {TaskState.QUEUED}, state=TaskState.PREPARED, audio_seconds=seconds)

    async def _require_one_face(self, clip: Path) -> None:
        if self._faces is None:
            return
        info = await self._probe(clip, otherwise="not_video")
        verdict = await self._faces.verdict(clip, seconds=info.seconds or 0.0)
        if verdict is not Verdict.ONE_FACE:
            raise UnusableError(verdict.value)

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
        if audio.seconds and audio.seconds > self._rules.audio_max_seconds:
            raise UnusableError("audio_too_long")

    async def _probe(self, path: Path, *, otherwise: str) -> MediaInfo:
        if self._media.find(path) is None:
            raise UnusableError("input_missing")
        try:
            return await self._tools.probe(path)
        except NotMediaError as error:
            if error.kind:
                raise UnusableError("format_unknown", error.kind) from error
            raise UnusableError("file_incomplete" if error.incomplete else otherwise) from error

    async def _audio(self, source: Path, target: Path) -> float:
        temporary = self._media.temporary(target)
        limit = self._rules.audio_max_seconds
        try:
            seconds = await self._tools.to_engine_audio(
                source,
                temporary,
                max_seconds=limit,
                file_bytes=min(audio_bytes(limit + 10), self._pause.space),
                limit_seconds=self._rules.conversion_seconds,
            )
            if seconds < SHORTEST_SECONDS:
                raise UnusableError("no_sound")
            if seconds > limit:
                raise UnusableError("audio_too_long")
            await asyncio.to_thread(self._media.publish, temporary, target)
        finally:
            await asyncio.to_thread(self._media.discard, temporary)
        return seconds

    async def _goes_unchanged(self, chosen: Chosen) -> bool:
        """Whether everything about the clip is known to be good: first what its headers say, then its frames."""
        picture = chosen.picture.picture
        if picture is None or not engine_can_take(chosen.picture):
            return False
        return await self._tools.has_steady_frames(chosen.video, picture)

    async def _video(self, chosen: Chosen, target: Path, *, seconds: float) -> None:
        if await self._goes_unchanged(chosen):
            await asyncio.to_thread(self._media.link, chosen.video, target)
            return
        temporary = self._media.temporary(target)
        space = self._pause.space
        try:
            await self._tools.to_engine_video(
                chosen.video,
                temporary,
                info=chosen.picture,
                seconds=seconds,
                file_bytes=min(self._rules.max_file_bytes, space),
                limit_seconds=self._rules.conversion_seconds,
            )
            with suppress(NotMediaError):
                if (await self._tools.probe(temporary)).seconds:
                    await asyncio.to_thread(self._media.publish, temporary, target)
                    return
            raise UnusableError("not_video")
        except OutOfSpaceError as error:
            if space <= self._rules.max_file_bytes:
                raise
            raise UnusableError("conversion_failed") from error  # no disk would be large enough
        finally:
            await asyncio.to_thread(self._media.discard, temporary)
