"""The ports of the video services: engines, the record of tasks, media tools, and the media folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.domain.access import Owner
from gateway.domain.video.engine import EngineTask, ForwardedAnswer, ForwardedCall, SubmitAnswer
from gateway.domain.video.faces import Face
from gateway.domain.video.media import MediaInfo, Picture
from gateway.domain.video.task import NewTask, Task, TaskState

Sees = Callable[[str], bool]


def everything(_name: str) -> bool:
    """Every file may be seen."""
    return True


class VideoEngine(Protocol):
    """One engine; it works on one task at a time."""

    @property
    def url(self) -> str:
        """Identifies the engine, also after a restart of the gateway."""
        ...

    async def probe(self) -> None:
        """Query the engine without a task.

        Raises:
            EngineFaultError: no meaningful answer.
        """
        ...

    async def submit(self, *, code: str, audio: str, video: str, options: Mapping[str, object]) -> SubmitAnswer:
        """Offer a task.

        Args:
            code: names the task at the engine.
            audio, video: as ``MediaStore.engine_path`` names them.
            options: further fields of the request, unchanged.

        Raises:
            EngineFaultError: no meaningful answer; the task may have been accepted all the same.
        """
        ...

    async def query(self, code: str) -> EngineTask:
        """Query a task. **A final answer is given once**: the caller must record it.

        Raises:
            EngineFaultError: no meaningful answer.
        """
        ...

    async def forward(self, call: ForwardedCall) -> ForwardedAnswer:
        """Pass a client's call on.

        Raises:
            EngineFaultError: no whole answer.
            ValueError: the address is too long for the engine's HTTP server.
        """
        ...


class TaskRepository(Protocol):
    """The record of all tasks: every change is durable before anything acts on it; one process owns it.

    Every method that reaches the database raises ``StorageError`` while it does not work; nothing has changed then.
    """

    @property
    def waiting_count(self) -> int:
        """Number of tasks that wait for an engine."""
        ...

    @property
    def live_count(self) -> int:
        """Number of tasks that wait or run."""
        ...

    async def get(self, code: str) -> Task | None:
        """A task by the client's code."""
        ...

    async def add(self, new: NewTask, *, replaces: Task | None = None) -> Task:
        """Record a new task; a code that exists already keeps its task, which is returned.

        Args:
            replaces: a task of that code which has ended; its record is deleted in the same step.
        """
        ...

    async def change(self, task: Task, expected: Collection[TaskState], **changes: Any) -> Task | None:
        """Change a task that is still in one of the expected states; None where it no longer is."""
        ...

    def live(self, *states: TaskState) -> list[Task]:
        """Live tasks in the order in which engines get them, of all states or some."""
        ...

    def waiting_before(self, task: Task) -> int:
        """Number of tasks to be given to an engine before this one."""
        ...

    async def cancelled_at(self, engine: str) -> list[Task]:
        """Cancelled tasks that an engine may still be working on."""
        ...

    async def page(
        self, *, limit: int, before: int | None, state: TaskState | None, owner: Owner | None = None
    ) -> list[Task]:
        """Tasks, newest first, older than the one with sequence number `before`.

        Args:
            owner: only this one's; None, everybody's.
        """
        ...

    async def forget_finished(self, *, before: float) -> int:
        """Delete the records of tasks that ended before a time in Unix seconds; returns their number."""
        ...

    async def wait_for_change(self, seconds: float) -> None:
        """Return after the next change of any task, or after some seconds."""
        ...


class MediaTools(Protocol):
    """Inspects untrusted media files and converts them to the engine's format."""

    async def probe(self, path: Path) -> MediaInfo:
        """Inspect a file.

        Raises:
            NotMediaError: it is not a media file, or of a kind that is not opened.
            ToolKilledError: the system ended the tool.
        """
        ...

    async def has_steady_frames(self, path: Path, picture: Picture) -> bool:
        """Whether every frame is shown equally long, and none left out; for clips whose headers promise it."""
        ...

    async def to_engine_audio(
        self, source: Path, target: Path, *, max_seconds: float, file_bytes: int, limit_seconds: float
    ) -> float:
        """Write the sound that counts in the engine's format; returns its length in seconds.

        Args:
            max_seconds: longer sound is cut a second later.
            file_bytes: maximum number of bytes to write.
            limit_seconds: time limit.

        Raises:
            ConversionError: it can't be decoded in time.
            OutOfSpaceError: the sound does not fit.
            ToolKilledError: the system ended the tool.
        """
        ...

    async def to_engine_video(
        self, source: Path, target: Path, *, info: MediaInfo, seconds: float, file_bytes: int, limit_seconds: float
    ) -> None:
        """Write the picture in the engine's format, without sound.

        Args:
            info: what ``probe`` returned for the source.
            seconds: required length.
            file_bytes: maximum number of bytes to write.
            limit_seconds: time limit.

        Raises:
            ConversionError: it can't be decoded in time.
            OutOfSpaceError: the picture does not fit.
            ToolKilledError: the system ended the tool.
        """
        ...


class FaceFinder(Protocol):
    """Finds faces."""

    async def faces_at(self, path: Path, seconds: float) -> list[Face] | None:
        """The faces in the frame at a time; None where there is no such frame."""
        ...


@dataclass(frozen=True)
class Inputs:
    """Paths of one task's inputs; `audio` and `video` are the files for the engine."""

    folder: Path
    uploaded_audio: Path
    uploaded_video: Path
    audio: Path
    video: Path


@dataclass(frozen=True)
class StoredFile:
    """A file that may be fetched or listed; `modified` in Unix seconds."""

    path: Path
    name: str
    size: int
    modified: float


@dataclass(frozen=True)
class DiskSpace:
    """Bytes of the file system that holds the media."""

    free: int
    total: int


class MediaOwners(Protocol):
    """Whose each file of the media folder is, by name. What writes raises as ``TaskRepository`` does."""

    def of(self, name: str) -> Owner:
        """The owner of a file name, whether the file is there or not; ``NOBODY`` where that is not known."""
        ...

    async def note(self, name: str, owner: Owner) -> None:
        """Record an owner; seen by ``of`` at once, and durable once this returns."""
        ...

    async def forget(self, names: Collection[str]) -> None:
        """Delete the records of files that are gone."""
        ...


class MediaStore(Protocol):
    """The folder that engine and gateway share. Calls block: use a thread for those that write or list.

    What reaches the disk raises ``StorageError`` where it is full, broken or read-only.
    """

    def prepare(self) -> None:
        """Create all folders, the engine's too, which fails without them."""
        ...

    def sweep(self) -> int:
        """Delete unfinished files of a crash; returns the number of files."""
        ...

    def space(self) -> DiskSpace:
        """Free and total bytes."""
        ...

    def find(self, path: Path) -> StoredFile | None:
        """A regular file's facts; None for links, folders and missing files."""
        ...

    def inputs_of(self, key: str) -> Inputs:
        """The paths of a task's inputs."""
        ...

    def engine_path(self, path: Path) -> str:
        """The engine's name of a file."""
        ...

    def find_upload(self, url: str, *, tag: str = "", sees: Sees = everything) -> Path | None:
        """The path of an input that a request names.

        Args:
            tag: of the caller, see ``upload_names``.
            sees: says of a file name whether the caller may use it.
        """
        ...

    def find_download(
        self, path: str, *, unfinished: Collection[str], tag: str = "", sees: Sees = everything
    ) -> StoredFile | None:
        """The file that a download requests.

        Args:
            unfinished: engine codes whose results are still being written, and so are not found.
            tag: of the caller, see ``upload_names``.
            sees: says of a file name whether the caller may fetch it.
        """
        ...

    def has_upload(self, name: str) -> bool:
        """Whether there is an upload of exactly this stored name, or a file of the engine's."""
        ...

    def store_upload(self, temporary: Path, name: str, *, sent: str) -> str:
        """Give a received upload its name, durably, replacing an older one of that name; returns the name.

        Args:
            sent: the client's name for it; empty where it sent none.
        """
        ...

    def sent_name(self, stored: str) -> str:
        """The name that an upload was sent under, by its stored one."""
        ...

    def hold_inputs(self, key: str, audio: Path, video: Path) -> None:
        """Keep the current inputs, whatever happens to the uploads afterwards.

        Raises:
            FileNotFoundError: an upload vanished meanwhile.
        """
        ...

    def digest(self, path: Path) -> str:
        """SHA-256 of a file's content, hexadecimal; empty where there is no such file."""
        ...

    def is_same_file(self, one: Path, other: Path) -> bool:
        """Whether both names are of one file, so that their content is the same; false where either is missing."""
        ...

    def drop_inputs(self, key: str) -> None:
        """Delete a task's inputs."""
        ...

    def temporary(self, target: Path) -> Path:
        """A fresh name for a file that is to become `target`."""
        ...

    def discard(self, temporary: Path) -> None:
        """Delete a file being made, unless it was published."""
        ...

    def publish(self, temporary: Path, target: Path) -> None:
        """Give a finished file its name, durably."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, durably; a copy where it can't be linked."""
        ...

    def result_of(self, task: Task) -> StoredFile | None:
        """The finished video of a task."""
        ...

    def attempt_result(self, engine_code: str) -> StoredFile | None:
        """The video that an engine left for an attempt."""
        ...

    def adopt_result(self, engine_code: str, task: Task) -> None:
        """Move the video of an attempt out of the engine's reach, durably."""
        ...

    def drop_attempt(self, engine_code: str) -> None:
        """Delete what an attempt left in the engine's folder."""
        ...

    def drop_output(self, key: str) -> None:
        """Delete the finished video of a task."""
        ...

    def uploads(self) -> Iterator[StoredFile]:
        """All uploads."""
        ...

    def results(self) -> Iterator[StoredFile]:
        """All finished videos."""
        ...

    def held_inputs(self) -> Iterator[StoredFile]:
        """The folders of held inputs, by task key; `modified` is the folder's own."""
        ...

    def engine_leftovers(self) -> Iterator[StoredFile]:
        """What engines left, each file or folder with its total size and its latest change."""
        ...

    def remove(self, file: StoredFile) -> bool:
        """Delete a file or folder with its content; false if some of it remains."""
        ...
