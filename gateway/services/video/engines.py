"""The state of each engine: an open port is not enough to be given work."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from gateway.domain.clock import Clock
from gateway.domain.video.engine import EngineFaultError, FaultKind, VideoEngineState
from gateway.domain.video.ports import VideoEngine

log = structlog.stdlib.get_logger(__name__)

# An engine whose workers died continues to answer. It is tried again after this time even without a restart, and after
# twice as long each further time, so that it does not fail the whole queue.
UNFIT_SECONDS = 60.0
LONGEST_UNFIT_SECONDS = 600.0


class EngineWatch:
    """The state of one engine by its answers. Times are monotonic seconds.

    Args:
        engine: the engine.
        clock: measures the times.
        warm_up: seconds after its start in which tasks would fail.
        busy_patience: seconds that it may process foreign tasks and still count as in service.
    """

    def __init__(self, engine: VideoEngine, *, clock: Clock, warm_up: float, busy_patience: float) -> None:
        self.engine = engine
        self._clock = clock
        self.state = VideoEngineState.STARTING
        self.detail = ""
        self._warm_up = warm_up
        self._busy_patience = busy_patience
        self._busy_since: float | None = None
        self._was_down = False
        self._up_since: float | None = None
        self._unfit_until = 0.0
        self._unfit_in_a_row = 0
        self._untaken: dict[str, bool] = {}  # by task: whether another one was accepted since
        self._takes_tasks = True
        self._closed_until = 0.0
        self.in_service_at = self._clock.monotonic()

    async def check(self) -> VideoEngineState:
        """Query the engine without a task and update its state."""
        try:
            await self.engine.probe()
        except EngineFaultError as error:
            self.note_fault(error)
        else:
            self._note_answer()
        return self.state

    def note_fault(self, error: EngineFaultError) -> None:
        """Record that it gave no meaningful answer; only the kind of fault is shown outside."""
        log.debug("engine fault", engine=self.engine.url, kind=error.kind, detail=error.detail)
        if error.kind is FaultKind.UNREACHABLE:
            # A fault of its workers ended with the process.
            self._was_down, self._up_since, self._unfit_until, self._unfit_in_a_row = True, None, 0.0, 0
            self._busy_since = None
            self._enter(VideoEngineState.STARTING, error.kind)
        else:
            self._enter(VideoEngineState.FAULTY, error.kind)

    def note_busy(self) -> None:
        """Record that it rejected a task because it has a foreign one; for a while that counts as in service."""
        now = self._clock.monotonic()
        self._takes_tasks = True
        self._busy_since = now if self._busy_since is None else self._busy_since
        if now - self._busy_since < self._busy_patience:
            self.in_service_at = now
        self._enter(VideoEngineState.BUSY, "")

    def note_unfit(self, detail: str) -> None:
        """Record that its last task failed in a way that the next one would, too."""
        seconds = min(LONGEST_UNFIT_SECONDS, UNFIT_SECONDS * 2**self._unfit_in_a_row)
        self._unfit_in_a_row += 1
        self._unfit_until = self._clock.monotonic() + seconds
        self._enter(VideoEngineState.UNFIT, detail)

    def note_work(self) -> None:
        """Record that it accepted a task of ours or is processing one."""
        self._takes_tasks = True
        self._busy_since = None
        self.in_service_at = self._clock.monotonic()
        self._enter(VideoEngineState.READY, "")

    def note_taken(self, code: str) -> None:
        """Record that it accepted this task: those that it did not accept before were the cause themselves."""
        self._untaken.pop(code, None)
        self._untaken = dict.fromkeys(self._untaken, True)

    def note_not_accepted(self, code: str) -> bool:
        """It was offered this task for too long and neither accepted nor rejected it; true if the task is the cause.

        The first time it may be either: the engine pauses, is offered other tasks first, and is not in service before
        it accepts one. If it did so since, the task is the cause.
        """
        if self._untaken.pop(code, False):
            return True
        self._untaken[code] = False
        self._takes_tasks = False
        self._closed_until = self._clock.monotonic() + UNFIT_SECONDS
        return False

    def is_last_in_line(self, code: str) -> bool:
        """Whether to offer it this task only after all others."""
        return self._untaken.get(code) is False

    def note_video(self) -> None:
        """Record that it finished a video, and so works."""
        self._unfit_in_a_row = 0

    def note_idle(self) -> None:
        """There is no task to offer, so whether it would accept one is unknown; it counts as working."""
        self._takes_tasks = True
        self._busy_since = None
        if self.state is VideoEngineState.BUSY:
            self._enter(VideoEngineState.READY, "")

    def view(self) -> Mapping[str, object]:
        """Its state for health and readiness; its address is not published."""
        return {"state": self.state.value, "detail": self.detail}

    def _note_answer(self) -> None:
        now = self._clock.monotonic()
        self._up_since = now if self._up_since is None else self._up_since
        if self._was_down and now - self._up_since < self._warm_up:
            self._enter(VideoEngineState.WARMING, "")
        elif now < self._unfit_until:
            self._enter(VideoEngineState.UNFIT, self.detail)
        elif now < self._closed_until and not self._takes_tasks:
            self._enter(VideoEngineState.FAULTY, self.detail)
        elif self.state is not VideoEngineState.BUSY:
            if self._takes_tasks:
                self.in_service_at = now
            self._enter(VideoEngineState.READY, "")

    def _enter(self, state: VideoEngineState, detail: str) -> None:
        if state is not self.state:
            log.info("engine state", engine=self.engine.url, state=state.value, was=self.state.value, detail=detail)
        self.state, self.detail = state, detail
