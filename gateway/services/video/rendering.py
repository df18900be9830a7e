"""One worker per engine: gives it a task, is its only poller, and records what comes of it.

Nothing is assumed across a crash. A task is written down as this engine's before the engine hears of it; whoever
takes it up again asks the engine first, then looks for a finished file, and only then offers the task anew.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from gateway.domain.task import Task, TaskState, claims_of, engine_code_of, previous_engine_code
from gateway.domain.task_failures import Failure, classify_engine_message
from gateway.infrastructure import media
from gateway.infrastructure.duix import EngineFaultError, EngineTask, Stage, Submission
from gateway.infrastructure.media import MediaInfo, NotMediaError
from gateway.infrastructure.media_folder import MediaFolder, is_plain_file
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.tasks import TaskStore
from gateway.services.video.engines import EngineState, EngineWatch
from gateway.services.video.loops import forever
from gateway.services.video.metrics import VideoMetrics
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause, bytes_needed
from gateway.settings import VideoSettings

log = structlog.stdlib.get_logger(__name__)

MAX_ATTEMPTS = 2
MAX_CLAIMS = 10  # with the attempts that don't count
RELATIVE_TOLERANCE = 0.05
BUSY_POLLS = 3  # each offer to a busy engine costs two writes
LOST = Failure("engine_lost", retry=True)
STALLED = Failure("engine_stalled", retry=True, engine_unfit=True)
RESULT_INVALID = Failure("result_invalid", retry=True)


class _Progress:
    """Since when an attempt has been silent, stuck, or offered in vain; monotonic seconds."""

    def __init__(self) -> None:
        self.percent = -1
        self.offered_at: float | None = None  # since when the engine may have the task without having said so
        self.moved_at = self.heard_at = time.monotonic()

    def note(self, percent: int) -> None:
        self.heard_at = time.monotonic()
        if percent != self.percent:
            self.percent, self.moved_at = percent, self.heard_at


class EngineWorker:
    """Keeps one engine at work until it is cancelled; all workers share `claims`."""

    def __init__(  # noqa: PLR0913 - the parts of the queue
        self,
        *,
        engine: EngineWatch,
        store: TaskStore,
        folder: MediaFolder,
        sandbox: Sandbox,
        outcomes: Outcomes,
        metrics: VideoMetrics,
        pause: DiskPause,
        settings: VideoSettings,
        claims: asyncio.Lock,
    ) -> None:
        self._engine = engine
        self._claims = claims
        self._nothing_cancelled = False
        self._store = store
        self._folder = folder
        self._sandbox = sandbox
        self._outcomes = outcomes
        self._metrics = metrics
        self._pause = pause
        self._settings = settings

    async def run_forever(self) -> None:
        """Take up what an earlier process left to this engine, then take tasks as they get ready."""
        await forever(f"engine {self._engine.client.url}", self._turn)

    async def _turn(self) -> None:
        own = self._own_task() or await self._cancelled_task()
        if own is not None:
            await self._follow(own)
            return
        await self._engine.look()
        if not self._store.live(TaskState.PREPARED):
            self._engine.note_idle()
        claimed = await self._claim_next()
        if claimed is not None:
            await self._follow(claimed)
        if self._engine.state is EngineState.BUSY:
            await asyncio.sleep(BUSY_POLLS * self._settings.engine_poll_interval)
        elif claimed is None:
            await self._store.wait_for_change(self._settings.engine_poll_interval)

    def _own_task(self) -> Task | None:
        url = self._engine.client.url
        return next((task for task in self._store.live(TaskState.RUNNING) if task.engine == url), None)

    async def _cancelled_task(self) -> Task | None:
        """A cancelled task that this engine still works on: an earlier process, or an earlier turn, was cut off."""
        if self._nothing_cancelled:
            return None
        found = await self._store.cancelled_at(self._engine.client.url)
        self._nothing_cancelled = not found
        return found[0] if found else None

    async def _claim_next(self) -> Task | None:
        async with self._claims:  # one step, or the loser of a claim would clear away what the winner's engine writes
            task = await self._next_task()
            in_service = self._engine.state in (EngineState.READY, EngineState.BUSY)
            return await self._claim(task) if task and in_service else None

    async def _next_task(self) -> Task | None:
        """The first prepared task that the disk has room for; where none fits, the queue pauses for the smallest."""
        fitting, missed = [], []
        for task in self._store.live(TaskState.PREPARED):
            needed = self._bytes_needed(task)
            if not self._pause.could_fit(needed):
                await self._outcomes.fail(task, "disk_too_small")
            elif not self._pause.fits(needed):
                missed.append(needed)
            elif task.not_before <= time.time():
                fitting.append(task)
        self._pause.miss("engine", min(missed, default=0) if not fitting else 0)
        return min(fitting, key=lambda task: self._engine.shuns(task.code), default=None)

    def _bytes_needed(self, task: Task) -> int:
        return bytes_needed(self._folder.inputs_of(task.key), audio_seconds=task.audio_seconds)

    async def _claim(self, task: Task) -> Task | None:
        inputs = self._folder.inputs_of(task.key)
        if not (is_plain_file(inputs.audio) and is_plain_file(inputs.video)):
            log.warning("prepared inputs are gone", task=task.code)
            await self._store.change(task, {TaskState.PREPARED}, state=TaskState.QUEUED)
            return None
        code = engine_code_of(task, claims_of(task) + 1)
        await asyncio.to_thread(self._folder.prepare)
        await asyncio.to_thread(self._folder.drop_attempt, code)
        return await self._store.change(
            task,
            {TaskState.PREPARED},
            state=TaskState.RUNNING,
            progress=0,
            engine=self._engine.client.url,
            engine_code=code,
            accepted_at=None,
        )

    async def _follow(self, task: Task) -> None:
        """Stay with a claimed task until this engine has nothing more to do with it."""
        self._nothing_cancelled = False  # before this is over, it may be
        progress = _Progress()
        while True:
            current = await self._store.get(task.code)
            if current is None:
                return
            over = await self._look_at(current, progress)
            if over:
                return
            await asyncio.sleep(self._settings.engine_poll_interval)

    async def _look_at(self, task: Task, progress: _Progress) -> bool:
        """One look at the task; true when this engine is done with it."""
        try:
            seen = await self._engine.client.query(task.engine_code)
        except EngineFaultError as error:
            self._engine.note_fault(error)
            return await self._silent(task, progress)
        progress.note(seen.progress)
        match seen.stage:
            case Stage.RUNNING:
                return await self._running(task, seen, progress)
            case Stage.DONE:
                return await self._found_or_failed(task, RESULT_INVALID)
            case Stage.FAILED:
                return await self._attempt_failed(task, classify_engine_message(seen.message))
        return await self._unknown(task, progress)

    async def _silent(self, task: Task, progress: _Progress) -> bool:
        lost = time.monotonic() - progress.heard_at >= self._settings.engine_lost_timeout
        if task.state is not TaskState.RUNNING and (lost or self._engine.state is EngineState.STARTING):
            return await self._discard(task)
        if not lost:
            return False
        if task.accepted_at is None:
            return await self._give_back(task)
        return await self._found_or_failed(task, LOST)

    async def _running(self, task: Task, seen: EngineTask, progress: _Progress) -> bool:
        limit = self._settings.stall_timeout + self._settings.stall_seconds_per_second * task.audio_seconds
        if time.monotonic() - progress.moved_at > limit:
            return await self._found_or_failed(task, STALLED)
        self._engine.note_work()
        if task.state is TaskState.RUNNING:
            if task.accepted_at is None:
                await self._accepted(task)
            elif seen.progress != task.progress:
                await self._store.change(task, {TaskState.RUNNING}, progress=min(99, seen.progress))
        return False

    async def _found_or_failed(self, task: Task, failure: Failure) -> bool:
        """Take the finished video where there is one, whatever the engine says or leaves unsaid."""
        video = await self._good_result(task)
        if video is None:
            return await self._attempt_failed(task, failure)
        return await self._finish(task, video)

    async def _unknown(self, task: Task, progress: _Progress) -> bool:
        """The engine does not know the task: never given, lost, or told already to a process that died."""
        if task.state is not TaskState.RUNNING:
            return await self._discard(task)
        if task.accepted_at is not None:
            return await self._found_or_failed(task, LOST)
        video = await self._good_result(task)
        return await self._finish(task, video) if video is not None else await self._offer(task, progress)

    async def _offer(self, task: Task, progress: _Progress) -> bool:
        inputs = self._folder.inputs_of(task.key)
        try:
            answer = await self._engine.client.submit(
                code=task.engine_code,
                audio=self._folder.engine_path(inputs.audio),
                video=self._folder.engine_path(inputs.video),
                options=task.options,
            )
        except EngineFaultError as error:
            self._engine.note_fault(error)
            return await self._not_taken(task, progress, error)
        if answer.outcome is Submission.BUSY:
            self._engine.note_busy()
            return await self._give_back(task, reuse_code=progress.offered_at is None)
        if answer.outcome is Submission.REFUSED:
            await self._outcomes.fail(task, "engine_refused", answer.message)
            return True
        self._engine.note_work()
        await self._accepted(task)
        return False

    async def _not_taken(self, task: Task, progress: _Progress, error: EngineFaultError) -> bool:
        now = time.monotonic()
        progress.offered_at = progress.offered_at or now
        if now - progress.offered_at < self._settings.engine_lost_timeout:
            return False  # it may have taken the task all the same: the next look tells
        if self._engine.note_untaken(task.code):
            await self._outcomes.fail(task, "engine_refused", error.detail or error.kind)
            return True
        log.warning("engine does not take tasks", engine=self._engine.client.url, task=task.code, kind=error.kind)
        return await self._give_back(task)

    async def _accepted(self, task: Task) -> None:
        now = time.time()
        self._engine.note_taken(task.code)
        self._metrics.wait.observe(now - task.created_at)
        log.info("engine took task", task=task.code, engine=self._engine.client.url, attempt=task.attempt + 1)
        await self._store.change(
            task,
            {TaskState.RUNNING},
            accepted_at=now,
            attempt=task.attempt + 1,
            started_at=task.started_at or now,
        )

    async def _give_back(self, task: Task, *, reuse_code: bool = False) -> bool:
        """Put a task that this engine did not take back into the queue.

        Args:
            reuse_code: the engine has certainly nothing under the task's code.
        """
        code = previous_engine_code(task) if reuse_code else task.engine_code
        await self._store.change(task, {TaskState.RUNNING}, state=TaskState.PREPARED, engine="", engine_code=code)
        return True

    async def _attempt_failed(self, task: Task, failure: Failure) -> bool:
        if failure.engine_unfit:
            self._engine.note_unfit(failure.code)
        if task.state is not TaskState.RUNNING:
            return await self._discard(task)
        log.warning("attempt failed", task=task.code, attempt=task.attempt, code=failure.code, detail=failure.detail)
        await asyncio.to_thread(self._folder.drop_attempt, task.engine_code)
        # Measured without what the attempt left, and bounded: a disk that is always full says nothing of the failure.
        no_room = not self._pause.fits(self._bytes_needed(task)) and claims_of(task) < MAX_CLAIMS
        if failure.retry and (no_room or task.attempt < MAX_ATTEMPTS):
            self._metrics.retries.labels("storage_full" if no_room else failure.code).inc()
            await self._store.change(
                task,
                {TaskState.RUNNING},
                state=TaskState.PREPARED,
                progress=0,
                engine="",
                accepted_at=None,
                # A full disk is nobody's attempt.
                attempt=max(0, task.attempt - 1) if no_room else task.attempt,
                not_before=time.time() + failure.wait,
            )
        else:
            await self._outcomes.fail(task, failure.code, failure.detail)
        return True

    async def _discard(self, task: Task) -> bool:
        """The engine is through with a task that was cancelled meanwhile."""
        await asyncio.to_thread(self._folder.drop_attempt, task.engine_code)
        await asyncio.to_thread(self._folder.drop_inputs, task.key)
        await self._store.change(task, {TaskState.CANCELLED}, engine="")
        return True

    async def _finish(self, task: Task, video: MediaInfo) -> bool:
        if task.state is not TaskState.RUNNING:
            return await self._discard(task)
        if is_plain_file(self._folder.engine_result(task.engine_code)):
            await asyncio.to_thread(self._folder.adopt_result, task.engine_code, task)
        await self._outcomes.finish(task, video)
        self._engine.note_video()
        await asyncio.to_thread(self._folder.drop_attempt, task.engine_code)
        return True

    async def _good_result(self, task: Task) -> MediaInfo | None:
        """The finished video of this attempt, where there is one that opens, has the audio's length, and sound."""
        for path in (self._folder.engine_result(task.engine_code), self._folder.output(task)):
            if not is_plain_file(path):
                continue
            try:
                video = await media.probe(self._sandbox, path)
            except NotMediaError:
                continue
            tolerance = max(self._settings.length_tolerance, RELATIVE_TOLERANCE * task.audio_seconds)
            right_length = video.seconds is not None and abs(video.seconds - task.audio_seconds) <= tolerance
            if video.picture and video.has_sound and right_length:
                return video
        return None
