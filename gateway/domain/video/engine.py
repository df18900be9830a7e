"""A video engine's answers and states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class VideoEngineState(StrEnum):
    """Whether an engine gets work, and why."""

    STARTING = "starting"  # no connection
    WARMING = "warming"  # started a moment ago; tasks would fail
    READY = "ready"
    BUSY = "busy"  # processes a task that is not ours
    UNFIT = "unfit"  # its last task showed that its workers are dead or stuck
    FAULTY = "faulty"  # does not follow its protocol, or accepts no task


class FaultKind(StrEnum):
    """The ways in which an engine fails to answer."""

    UNREACHABLE = "unreachable"  # no connection, or cut
    TIMEOUT = "timeout"  # accepted the request, sent no answer
    HTTP_ERROR = "http_error"  # a status other than 200
    GARBAGE = "garbage"  # not the engine's JSON
    SYSTEM_ERROR = "system_error"  # its own 9999 or 10003


class EngineFaultError(Exception):
    """The engine gave no meaningful answer."""

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class Submission(StrEnum):
    """The outcome of a submit."""

    ACCEPTED = "accepted"
    BUSY = "busy"
    REFUSED = "refused"


class Stage(StrEnum):
    """A task's state at the engine."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class EngineTask:
    """The engine's report on a task; `progress` in percent."""

    stage: Stage
    progress: int = 0
    message: str = ""


@dataclass(frozen=True)
class SubmitAnswer:
    """Outcome of a submit, with the engine's message if it rejected the task."""

    outcome: Submission
    message: str = ""


@dataclass(frozen=True)
class ForwardedCall:
    """A client's call to an engine's own address.

    Attributes:
        path: of the engine, already quoted; begins with a slash.
        query: without the question mark.
        headers: those that an engine may see.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class ForwardedAnswer:
    """The engine's answer to such a call, unread."""

    status: int
    content_type: str
    body: bytes
