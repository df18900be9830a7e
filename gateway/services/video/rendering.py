"""One worker per engine: gives it a task, is its only poller, and records the outcome.

Nothing is assumed across a crash. A task is recorded as this engine's before it is submitted; the process that
resumes it queries the engine first, then looks for a finished file, and only then submits the task again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import structlog

from gateway.domain.clock import Clock
from gateway.domain.video.engine import EngineFaultError, EngineTask, FaultKind, Stage, Submission, VideoEngineState
from gateway.domain.video.media import MediaInfo, NotMediaError
from gateway.domain.video.ports import MediaStore, MediaTools, TaskRepository
from gateway.domain.video.task import Task, TaskState, claims_in_run, claims_of, engine_code_of, previous_engine_code
from gateway.domain.video.task_failures import WARM_UP_WAIT, TaskFailure, classify_engine_message
from gateway.services.loops import forever
from gateway.services.video.engines import EngineWatch
from gateway.services.video.metrics import VideoMetrics
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause, engine_bytes

log = structlog.stdlib.get_logger(__name__)

MAX_ATTEMPTS = 2
MAX_CLAIMS = 10  # with the attempts that don't count: interrupted from outside, or for want of room
LONGEST_WAIT = WARM_UP_WAIT  # of a task, after an attempt
RELATIVE_TOLERANCE = 0.05
BUSY_POLLS = 3  # each offer to a busy engine costs two writes
LOST = TaskFailure("engine_lost", retry=True)
STALLED = TaskFailure("engine_stalled", retry=True, engine_unfit=True)
RESULT_INVALID = TaskFailure("result_invalid", retry=True)


class _Progress:
    """Since when an attempt has been silent, stuck, or offered in vain; monotonic seconds.

    Attributes:
        interrupted: the engine or an earlier process of ours was gone for a while; what is lost then is no attempt.
    """

    def __init__(self, clock: Clock, *, interrupted: bool) -> None:
        self._clock = clock
        self.interrupted = interrupted
        self.percent = -1
        self.offered_at: float | None = None  # since when the engine may have the task without having confirmed it
        self.moved_at = self.heard_at = self._clock.monotonic()

    def note(self, percent: int) -> None:
        self.heard_at = self._clock.monotonic()
        if percent != self.percent:
            self.percent, self.moved_at = percent, self.heard_at


@dataclass(frozen=True)
class RenderingRules:
    """The limits for watching an engine and its results; in seconds.

    Attributes:
        poll_interval: between two polls of an engine.
        lost_after: without an answer in the middle of a task before the task is tried again.
        stalled_after: without progress before an attempt is abandoned.
        stalled_after_per_second: added to that for each second of audio, as progress is coarse.
        length_tolerance: by which a video may differ in length from its audio (or 5 %, if more).
    """

    poll_interval: float
    lost_after: float
    stalled_after: float
    stalled_after_per_second: float
    length_tolerance: float


class EngineWorker:
    """Gives one engine its tasks until it is cancelled; all workers share `claims`."""

    def __init__(  # noqa: PLR0913 - the parts of the queue
        self,
        *,
        watch: EngineWatch,
        tasks: TaskRepository,
        media: MediaStore,
        tools: MediaTools,
        outcomes: Outcomes,
        metrics: VideoMetrics,
        pause: DiskPause,
        rules: RenderingRules,
        clock: Clock,
        claims: asyncio.Lock,
    ) -> None:
        self._watch = watch
        self._claims = claims
        self._nothing_cancelled = False
        self._tasks = tasks
        self._media = media
        self._tools = tools
        self._outcomes = outcomes
        self._metrics = metrics
        self._pause = pause
        self._rules = rules
        self._clock = clock

    async def run_forever(self) -> None:
        """Resume the task that an earlier process gave to this engine, then process tasks as they become ready."""
        await forever(f"engine {self._watch.engine.url}", self._turn)

    async def _turn(self) -> None:
        own = self._own_task() or await self._cancelled_task()
        if own is not None:
            await self._follow(own)
            return
        await self._watch.check()
        if not self._tasks.live(TaskState.PREPARED):
            self._watch.note_idle()
        claimed = await self._claim_next()
        if claimed is not None:
            await self._follow(claimed)
        if self._watch.state is VideoEngineState.BUSY:
            await asyncio.sleep(BUSY_POLLS * self._rules.poll_interval)
        elif claimed is None:
            await self._tasks.wait_for_change(self._rules.poll_interval)

    def _own_task(self) -> Task | None:
        url = self._watch.engine.url
        return next((task for task in self._tasks.live(TaskState.RUNNING) if task.engine == url), None)

    async def _cancelled_task(self) -> Task | None:
        """A cancelled task that this engine still works on: an earlier process, or an earlier turn, was cut off."""
        if self._nothing_cancelled:
            return None
        found = await self._tasks.cancelled_at(self._watch.engine.url)
        self._nothing_cancelled = not found
        return found[0] if found else None

    async def _claim_next(self) -> Task | None:
        async with self._claims:  # one step, or the loser of a claim would delete what the winner's engine writes
            task = await self._next_task()
            in_service = self._watch.state in (VideoEngineState.READY, VideoEngineState.BUSY)
            return await self._claim(task) if task and in_service else None

    async def _next_task(self) -> Task | None:
        """The first prepared task that the disk has space for; if none fits, the queue pauses for the smallest."""
        fitting, missed = [], []
        for task in self._tasks.live(TaskState.PREPARED):
            needed = self._bytes_needed(task)
            if not self._pause.could_fit(needed):
                await self._outcomes.fail(task, "disk_too_small")
            elif not self._pause.fits(needed):
                missed.append(needed)
            elif not 0.0 < task.not_before - self._clock.time() <= LONGEST_WAIT:  # more: the clock moved
                fitting.append(task)
        self._pause.miss("engine", min(missed, default=0) if not fitting else 0)
        return min(fitting, key=lambda task: self._watch.is_last_in_line(task.code), default=None)

    def _bytes_needed(self, task: Task) -> int:
        video = self._media.find(self._media.inputs_of(task.inputs_key).video)
        return engine_bytes(video.size if video else 0, audio_seconds=task.audio_seconds)

    async def _claim(self, task: Task) -> Task | None:
        inputs = self._media.inputs_of(task.inputs_key)
        if self._media.find(inputs.audio) is None or self._media.find(inputs.video) is None:
            log.warning("prepared inputs are missing", task=task.code)
            await self._tasks.change(task, {TaskState.PREPARED}, state=TaskState.QUEUED)
            return None
        code = engine_code_of(task, claims_of(task) + 1)
        await asyncio.to_thread(self._media.prepare)
        await asyncio.to_thread(self._media.drop_attempt, code)
        if claims_in_run(task) == 0:  # an earlier task of the same code may have left its video
            await asyncio.to_thread(self._media.drop_output, task.key)
        return await self._tasks.change(
            task,
            {TaskState.PREPARED},
            state=TaskState.RUNNING,
            progress=0,
            engine=self._watch.engine.url,
            engine_code=code,
            accepted_at=None,
        )

    async def _follow(self, task: Task) -> None:
        """Stay with a claimed task until this engine has nothing more to do with it."""
        self._nothing_cancelled = False  # before this is over, it may be
        progress = _Progress(self._clock, interrupted=task.accepted_at is not None)
        while True:
            current = await self._tasks.get(task.code)
            if current is None or current.seq != task.seq:
                return
            over = await self._look_at(current, progress)
            if over:
                return
            await asyncio.sleep(self._rules.poll_interval)

    async def _look_at(self, task: Task, progress: _Progress) -> bool:
        """Poll the task once; true when this engine is done with it."""
        try:
            seen = await self._watch.engine.query(task.engine_code)
        except EngineFaultError as error:
            self._watch.note_fault(error)
            progress.interrupted |= error.kind is FaultKind.UNREACHABLE
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
        lost = self._clock.monotonic() - progress.heard_at >= self._rules.lost_after
        if task.state is not TaskState.RUNNING and (lost or self._watch.state is VideoEngineState.STARTING):
            return await self._discard(task)
        if not lost:
            return False
        if task.accepted_at is None:
            return await self._give_back(task)
        return await self._found_or_failed(task, _lost(task, progress))

    async def _running(self, task: Task, seen: EngineTask, progress: _Progress) -> bool:
        limit = self._rules.stalled_after + self._rules.stalled_after_per_second * task.audio_seconds
        if self._clock.monotonic() - progress.moved_at > limit:
            return await self._found_or_failed(task, STALLED)
        self._watch.note_work()
        if task.state is TaskState.RUNNING:
            if task.accepted_at is None:
                await self._accepted(task)
            elif seen.progress != task.progress:
                await self._tasks.change(task, {TaskState.RUNNING}, progress=min(99, seen.progress))
        return False

    async def _found_or_failed(self, task: Task, failure: TaskFailure) -> bool:
        """Take the finished video if there is one, whatever the engine reports."""
        video = await self._good_result(task)
        if video is None:
            return await self._attempt_failed(task, failure)
        return await self._finish(task, video)

    async def _unknown(self, task: Task, progress: _Progress) -> bool:
        """The engine does not know the task: never submitted, lost, or already reported to a process that died."""
        if task.state is not TaskState.RUNNING:
            return await self._discard(task)
        if task.accepted_at is not None:
            return await self._found_or_failed(task, _lost(task, progress))
        video = await self._good_result(task)
        return await self._finish(task, video) if video is not None else await self._offer(task, progress)

    async def _offer(self, task: Task, progress: _Progress) -> bool:
        inputs = self._media.inputs_of(task.inputs_key)
        try:
            answer = await self._watch.engine.submit(
                code=task.engine_code,
                audio=self._media.engine_path(inputs.audio),
                video=self._media.engine_path(inputs.video),
                options=task.options,
            )
        except EngineFaultError as error:
            self._watch.note_fault(error)
            return await self._not_taken(task, progress, error)
        if answer.outcome is Submission.BUSY:
            self._watch.note_busy()
            return await self._give_back(task, reuse_code=progress.offered_at is None)
        if answer.outcome is Submission.REFUSED:
            await self._outcomes.fail(task, "engine_refused", answer.message)
            return True
        self._watch.note_work()
        await self._accepted(task)
        return False

    async def _not_taken(self, task: Task, progress: _Progress, error: EngineFaultError) -> bool:
        now = self._clock.monotonic()
        progress.offered_at = progress.offered_at or now
        if now - progress.offered_at < self._rules.lost_after:
            return False  # it may have accepted the task all the same: the next poll shows
        if self._watch.note_not_accepted(task.code):
            await self._outcomes.fail(task, "engine_refused", error.detail or error.kind)
            return True
        log.warning("engine does not take tasks", engine=self._watch.engine.url, task=task.code, kind=error.kind)
        return await self._give_back(task)

    async def _accepted(self, task: Task) -> None:
        now = self._clock.time()
        self._watch.note_taken(task.code)
        self._metrics.wait.observe(max(0.0, now - task.created_at))
        log.info("engine took task", task=task.code, engine=self._watch.engine.url, attempt=task.attempt + 1)
        await self._tasks.change(
            task,
            {TaskState.RUNNING},
            accepted_at=now,
            attempt=task.attempt + 1,
            started_at=task.started_at or now,
        )

    async def _give_back(self, task: Task, *, reuse_code: bool = False) -> bool:
        """Return a task that this engine did not accept to the queue.

        Args:
            reuse_code: the engine certainly has nothing under the task's code.
        """
        code = previous_engine_code(task) if reuse_code else task.engine_code
        await self._tasks.change(task, {TaskState.RUNNING}, state=TaskState.PREPARED, engine="", engine_code=code)
        return True

    async def _attempt_failed(self, task: Task, failure: TaskFailure) -> bool:
        if failure.engine_unfit:
            self._watch.note_unfit(failure.code)
        if task.state is not TaskState.RUNNING:
            return await self._discard(task)
        log.warning("attempt failed", task=task.code, attempt=task.attempt, code=failure.code, detail=failure.detail)
        await asyncio.to_thread(self._media.drop_attempt, task.engine_code)
        # Measured without what the attempt left.
        no_room = not self._pause.fits(self._bytes_needed(task))
        # Bounded: a disk that is always full says nothing of the failure, and a task may be what ends its engine.
        uncounted = (no_room or failure.interrupted) and claims_in_run(task) < MAX_CLAIMS
        if failure.retry and (uncounted or task.attempt < MAX_ATTEMPTS):
            self._metrics.retries.labels("storage_full" if no_room else failure.code).inc()
            await self._tasks.change(
                task,
                {TaskState.RUNNING},
                state=TaskState.PREPARED,
                progress=0,
                engine="",
                accepted_at=None,
                attempt=max(0, task.attempt - 1) if uncounted else task.attempt,
                not_before=self._clock.time() + failure.wait,
            )
        else:
            await self._outcomes.fail(task, failure.code, failure.detail)
        return True

    async def _discard(self, task: Task) -> bool:
        """The engine is done with a task that was cancelled meanwhile."""
        await asyncio.to_thread(self._media.drop_attempt, task.engine_code)
        await asyncio.to_thread(self._media.drop_inputs, task.inputs_key)
        await self._tasks.change(task, {TaskState.CANCELLED}, engine="")
        return True

    async def _finish(self, task: Task, video: MediaInfo) -> bool:
        if task.state is not TaskState.RUNNING:
            return await self._discard(task)
        if self._media.attempt_result(task.engine_code) is not None:
            await asyncio.to_thread(self._media.adopt_result, task.engine_code, task)
        await self._outcomes.finish(task, video)
        self._watch.note_video()
        await asyncio.to_thread(self._media.drop_attempt, task.engine_code)
        return True

    async def _good_result(self, task: Task) -> MediaInfo | None:
        """The finished video of this attempt, where there is one that opens, has the audio's length, and sound."""
        for found in (self._media.attempt_result(task.engine_code), self._media.result_of(task)):
            if found is None:
                continue
            try:
                video = await self._tools.probe(found.path)
            except NotMediaError:
                continue
            tolerance = max(self._rules.length_tolerance, RELATIVE_TOLERANCE * task.audio_seconds)
            right_length = video.seconds is not None and abs(video.seconds - task.audio_seconds) <= tolerance
            if video.picture and video.has_sound and right_length:
                return video
        return None


def _lost(task: Task, progress: _Progress) -> TaskFailure:
    """The engine has lost the task. Where it was interrupted more than once, others go first: it may be the reason."""
    if not progress.interrupted:
        return LOST
    wait = min(LONGEST_WAIT, 2.0 ** (claims_in_run(task) - 1)) if claims_in_run(task) > 1 else 0.0
    return replace(LOST, interrupted=True, wait=wait)
