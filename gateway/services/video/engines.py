"""What is known of each engine: an open port is not enough to be given work."""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum

import structlog

from gateway.infrastructure.duix import PROBE_CODE, DuixClient, EngineFaultError, FaultKind

log = structlog.stdlib.get_logger(__name__)

# An engine whose workers died answers on. It is tried again after this long even if nobody restarted it, and after
# twice as long each further time, so that it does not burn through the queue.
UNFIT_SECONDS = 60.0
LONGEST_UNFIT_SECONDS = 600.0


class EngineState(StrEnum):
    """Why an engine gets work, or none."""

    STARTING = "starting"  # no connection
    WARMING = "warming"  # came up a moment ago; tasks would fail
    READY = "ready"
    BUSY = "busy"  # works on something that is not ours
    UNFIT = "unfit"  # its last task showed that its workers are dead or stuck
    FAULTY = "faulty"  # answers with something else than its protocol, or takes no task


class EngineWatch:
    """The state of one engine, from what it answered. Times are monotonic seconds."""

    def __init__(self, client: DuixClient, *, warm_up: float, busy_patience: float) -> None:
        self.client = client
        self.state = EngineState.STARTING
        self.detail = ""
        self._warm_up = warm_up
        self._busy_patience = busy_patience
        self._busy_since: float | None = None
        self._was_down = False
        self._up_since: float | None = None
        self._unfit_until = 0.0
        self._unfit_in_a_row = 0
        self._untaken: dict[str, bool] = {}  # by task: whether another one was taken since
        self._takes_tasks = True
        self._closed_until = 0.0
        self.in_service_at = time.monotonic()

    async def look(self) -> EngineState:
        """Ask the engine for nothing in particular and judge by the answer."""
        try:
            await self.client.query(PROBE_CODE)
        except EngineFaultError as error:
            self.note_fault(error)
        else:
            self._note_answer()
        return self.state

    def note_fault(self, error: EngineFaultError) -> None:
        """It gave no meaningful answer; only the kind of fault is told outside."""
        log.debug("engine fault", engine=self.client.url, kind=error.kind, detail=error.detail)
        if error.kind is FaultKind.UNREACHABLE:
            # Whatever was wrong with its workers is gone with the process.
            self._was_down, self._up_since, self._unfit_until, self._unfit_in_a_row = True, None, 0.0, 0
            self._busy_since = None
            self._enter(EngineState.STARTING, error.kind)
        else:
            self._enter(EngineState.FAULTY, error.kind)

    def note_busy(self) -> None:
        """It refused a task because it has another that is not ours; for a while that is service, too."""
        now = time.monotonic()
        self._takes_tasks = True
        self._busy_since = now if self._busy_since is None else self._busy_since
        if now - self._busy_since < self._busy_patience:
            self.in_service_at = now
        self._enter(EngineState.BUSY, "")

    def note_unfit(self, detail: str) -> None:
        """Its last task failed in a way that the next one would, too."""
        seconds = min(LONGEST_UNFIT_SECONDS, UNFIT_SECONDS * 2**self._unfit_in_a_row)
        self._unfit_in_a_row += 1
        self._unfit_until = time.monotonic() + seconds
        self._enter(EngineState.UNFIT, detail)

    def note_work(self) -> None:
        """It took a task of ours or is working on one."""
        self._takes_tasks = True
        self._busy_since = None
        self.in_service_at = time.monotonic()
        self._enter(EngineState.READY, "")

    def note_taken(self, code: str) -> None:
        """It took this task: what it did not take before is those tasks' own fault."""
        self._untaken.pop(code, None)
        self._untaken = dict.fromkeys(self._untaken, True)

    def note_untaken(self, code: str) -> bool:
        """It was offered this task for too long and neither took nor refused it; true where the task is at fault.

        The first time it may be either: the engine rests, is offered other tasks first, and is not in service before
        it takes one. If it did so since, the task is at fault.
        """
        if self._untaken.pop(code, False):
            return True
        self._untaken[code] = False
        self._takes_tasks = False
        self._closed_until = time.monotonic() + UNFIT_SECONDS
        return False

    def shuns(self, code: str) -> bool:
        """Whether this task is to be offered to it only after all others."""
        return self._untaken.get(code) is False

    def note_video(self) -> None:
        """It finished a video: nothing is wrong with it."""
        self._unfit_in_a_row = 0

    def note_idle(self) -> None:
        """There is nothing to offer it, so whether it would take it can't be known; it gets the benefit."""
        self._takes_tasks = True
        self._busy_since = None
        if self.state is EngineState.BUSY:
            self._enter(EngineState.READY, "")

    def view(self) -> Mapping[str, object]:
        """What health and readiness tell of it; its address stays inside."""
        return {"state": self.state.value, "detail": self.detail}

    def _note_answer(self) -> None:
        now = time.monotonic()
        self._up_since = now if self._up_since is None else self._up_since
        if self._was_down and now - self._up_since < self._warm_up:
            self._enter(EngineState.WARMING, "")
        elif now < self._unfit_until:
            self._enter(EngineState.UNFIT, self.detail)
        elif now < self._closed_until and not self._takes_tasks:
            self._enter(EngineState.FAULTY, self.detail)
        elif self.state is not EngineState.BUSY:
            if self._takes_tasks:
                self.in_service_at = now
            self._enter(EngineState.READY, "")

    def _enter(self, state: EngineState, detail: str) -> None:
        if state is not self.state:
            log.info("engine state", engine=self.client.url, state=state.value, was=self.state.value, detail=detail)
        self.state, self.detail = state, detail
