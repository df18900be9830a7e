"""Requests and answers of the video entry, as checked, sent and documented."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.domain.task import Task, TaskState, checked_code
from gateway.settings import EngineMode
from gateway.web.health import EntryHealth

MAX_SEQ = 2**31 - 1  # what any database takes
Code = Annotated[str, BeforeValidator(checked_code)]


class SubmitRequest(BaseModel):
    """A video to make. Fields that are not listed reach the engine unchanged."""

    model_config = ConfigDict(extra="allow")

    audio_url: str = Field(min_length=1, max_length=1024, description="What `/upload` answered for the audio.")
    video_url: str = Field(min_length=1, max_length=1024, description="What `/upload` answered for the video.")
    code: Code = Field(description="The task's name, chosen by the caller; the same code again is the same task.")
    chaofen: Any = Field(0, description="1: enhance the picture (slower).")
    watermark_switch: Any = Field(0, description="1: put the engine's watermark on.")
    pn: Any = Field(1, description="The engine's own; 1.")

    @property
    def options(self) -> dict[str, Any]:
        """All but the three fields that the entry itself handles, as they came."""
        return self.model_dump(exclude={"audio_url", "video_url", "code"}, exclude_unset=True)


class Envelope(BaseModel):
    """The engine protocol's answer; `code` 10000 is success."""

    code: int
    data: dict[str, Any]
    msg: Any
    success: bool


class QueryRequest(BaseModel):
    """Which task."""

    code: Code = Field(description="The task's code; `health_check` or `test` asks for the entry itself.")


class TaskData(BaseModel):
    """A task; times in Unix seconds, lengths in seconds."""

    code: str
    state: TaskState
    progress: int = Field(description="Percent.")
    created_at: float
    started_at: float | None
    finished_at: float | None
    attempt: int = Field(description="How many times an engine has been given the task.")
    audio_seconds: float
    result: str = Field(description="Path for `/download`; empty until the video is there.")
    msg: str = Field(description="A sentence on where it stands.")
    error: str = Field(description="Stable code of the failure; empty otherwise.")

    @classmethod
    def of(cls, task: Task, *, result: str, msg: str) -> TaskData:
        """What is told of a task."""
        return cls(
            code=task.code,
            state=task.state,
            progress=task.progress,
            created_at=task.created_at,
            started_at=task.started_at,
            finished_at=task.finished_at,
            attempt=task.attempt,
            audio_seconds=task.audio_seconds,
            result=result,
            msg=msg,
            error=task.failure_code,
        )


class TaskList(BaseModel):
    """A page of tasks, newest first; `next` goes into `before` for the page after it."""

    data: list[TaskData]
    next: int | None


class ListRequest(BaseModel):
    """Which page."""

    limit: int = Field(50, ge=1, le=500, description="Tasks on the page.")
    before: int | None = Field(None, ge=1, le=MAX_SEQ, description="`next` of the page before.")
    state: TaskState | None = Field(None, description="Only tasks in this state.")


class UploadAnswer(BaseModel):
    """Where an upload lies; the paths go into `/easy/submit` as they are."""

    path: str
    video_path: str | None = None
    audio_path: str | None = None


class UploadFields(BaseModel):
    """Text fields of an upload; none is needed."""


class DownloadRequest(BaseModel):
    """Which file."""

    path: str = Field(min_length=1, max_length=1024, description="`result` of the task, or any spelling of its place.")


class FileData(BaseModel):
    """A stored file; `modified` in Unix seconds."""

    name: str
    kind: str = Field(description="`result` or `upload`.")
    size: int
    modified: float


class FileList(BaseModel):
    """All stored files."""

    data: list[FileData]


class VideoHealth(EntryHealth):
    """State of the video entry."""

    ready: bool = Field(description="Whether a task submitted now would be worked on.")
    paused: bool = Field(description="The disk is full; the queue goes on by itself once there is room.")
    waiting: int = Field(description="Tasks that wait for an engine.")
    engines: list[dict[str, Any]] = Field(description="State of each engine.")


class Readiness(BaseModel):
    """Answer of `/ready` when it is."""

    ready: bool = True
    engine_mode: EngineMode
