"""Models of the video entry's requests and answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.domain.video.file_names import MAX_REQUESTED_CHARS
from gateway.domain.video.task import DEFAULT_OPTIONS, Task, TaskState, checked_code
from gateway.settings import EngineMode
from gateway.web.health import EntryHealth
from gateway.web.params import is_none
from gateway.web.upload import OptionalFile, Upload

MAX_SEQ = 2**31 - 1  # what every database accepts


def _bounded(name: str) -> str:
    if len(name) > MAX_REQUESTED_CHARS:
        raise ValueError(f"at most {MAX_REQUESTED_CHARS} characters")
    return name


MediaName = Annotated[str, Field(min_length=1, max_length=MAX_REQUESTED_CHARS)]
# In an address a character may take twelve bytes of the headers' 32 KiB; plain names may be longer than it says.
AddressedName = Annotated[str, Field(min_length=1, json_schema_extra={"maxLength": 2048}), AfterValidator(_bounded)]
Code = Annotated[str, BeforeValidator(checked_code)]


class SubmitRequest(BaseModel):
    """A video to make. Fields that are not listed reach the engine unchanged."""

    model_config = ConfigDict(extra="allow")

    audio_url: MediaName = Field(description="What `/upload` answered for the audio.")
    video_url: MediaName = Field(description="What `/upload` answered for the video.")
    code: Code = Field(description="The task's name, chosen by the caller; the same request again is the same task.")
    chaofen: Any = Field(DEFAULT_OPTIONS["chaofen"], description="1: enhance the picture (slower).")
    watermark_switch: Any = Field(DEFAULT_OPTIONS["watermark_switch"], description="1: put the engine's watermark on.")
    pn: Any = Field(DEFAULT_OPTIONS["pn"], description="The engine's own; 1.")

    @property
    def options(self) -> dict[str, Any]:
        """All but the three fields that the entry itself handles, unchanged."""
        return self.model_dump(exclude={"audio_url", "video_url", "code"}, exclude_unset=True)


class Envelope(BaseModel):
    """The engine protocol's answer; `code` 10000 is success."""

    code: int
    data: dict[str, Any]
    msg: Any
    success: bool


class QueryRequest(BaseModel):
    """Which task."""

    code: Code = Field(description="The task's code; `health_check` or `test` queries the entry itself.")


class TaskData(BaseModel):
    """A task; times in Unix seconds, lengths in seconds."""

    code: str
    state: TaskState
    progress: int = Field(description="Percent.")
    created_at: float
    started_at: float | None
    finished_at: float | None
    attempt: int = Field(description="Times that an engine took the task; interrupted ones do not count.")
    audio_seconds: float
    result: str = Field(description="Path for `/download`; empty until the video is there.")
    msg: str = Field(description="The state as a sentence.")
    error: str = Field(description="Stable code of the failure; empty otherwise.")

    @classmethod
    def of(cls, task: Task, *, result: str, msg: str) -> TaskData:
        """A task as clients see it."""
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
    """The paths of an upload, for use in `/easy/submit`."""

    path: str
    video_path: str | None = Field(None, exclude_if=is_none)
    audio_path: str | None = Field(None, exclude_if=is_none)


class UploadForm(BaseModel):
    """One file, or several under different fields."""

    video: OptionalFile = Field(None, description="A video file.")
    audio: OptionalFile = Field(None, description="An audio file.")
    file: OptionalFile = Field(None, description="Either, where the kind does not matter.")

    @property
    def files(self) -> dict[str, Upload]:
        """The files by field, in the order of arrival."""
        fields = {"video": self.video, "audio": self.audio, "file": self.file}
        given = {name: upload for name, upload in fields.items() if upload is not None}
        return dict(sorted(given.items(), key=lambda item: item[1].number))


class DownloadRequest(BaseModel):
    """Which file."""

    path: AddressedName = Field(description="`result` of the task, or any spelling of its place.")


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
    paused: bool = Field(description="The disk is full; the queue continues by itself once there is free space.")
    waiting: int = Field(description="Tasks that wait for an engine.")
    engines: list[dict[str, Any]] = Field(description="State of each engine.")


class Readiness(BaseModel):
    """Answer of `/ready` if ready."""

    ready: bool = True
    engine_mode: EngineMode
