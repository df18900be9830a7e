"""A video task: its states, its name at the engine, and its form for the desktop client."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.access import NOBODY, Owner
from gateway.domain.errors import GatewayError, Language, invalid_request, missing_field
from gateway.domain.video.task_failures import failure_sentence

MAX_CODE_CHARS = 200
RESULT_SUFFIX = "-r.mp4"
# What a request means that leaves these fields out.
DEFAULT_OPTIONS: Mapping[str, object] = {"chaofen": 0, "watermark_switch": 0, "pn": 1}
# The engine puts the code into shell commands: only these characters reach it.
_ENGINE_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class TaskState(StrEnum):
    """The state of a task; the first four are live."""

    SUBMITTED = "submitted"  # recorded; its files have not been examined
    QUEUED = "queued"  # its files are media
    PREPARED = "prepared"  # its files are in the engine's form
    RUNNING = "running"  # given to an engine
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


WAITING = frozenset({TaskState.SUBMITTED, TaskState.QUEUED, TaskState.PREPARED})
LIVE = WAITING | {TaskState.RUNNING}


@dataclass(frozen=True)
class NewTask:
    """A request for a video. Attributes mean what those of ``Task`` of the same name mean."""

    code: str
    audio_url: str
    video_url: str
    options: Mapping[str, object] = field(default_factory=dict)
    owner: Owner = NOBODY
    source: str = ""


@dataclass(frozen=True)
class Task:
    """One video to make. Times are Unix seconds, lengths seconds.

    Attributes:
        seq: place in the order of submission.
        code: the client's name of the task, opaque.
        audio_url, video_url: the inputs as the client named them.
        options: further fields of the request, handed to the engine as they came.
        attempt: the number of times an engine took the task, without those that were interrupted from outside.
        engine: which engine has it; empty while none has.
        engine_code: under which code that engine has it, or the last one had it.
        accepted_at: when that engine took it; None until it answered.
        not_before: earliest time of the next attempt.
        run: how many tasks had this code, with this one; those before have ended.
        claims_before: claims of those before, so that no two claims of any share a code at an engine.
        audio_digest, video_digest: SHA-256 of the inputs' content, once they were examined.
        key_id, device_id: of the owner.
        source: who takes turns with others; opaque.
        turn: tasks go to the engines in the order of their turns, those of one turn in the order of submission.
    """

    seq: int
    code: str
    audio_url: str
    video_url: str
    created_at: float
    options: Mapping[str, object] = field(default_factory=dict)
    state: TaskState = TaskState.SUBMITTED
    progress: int = 0
    audio_seconds: float = 0.0
    attempt: int = 0
    engine: str = ""
    engine_code: str = ""
    accepted_at: float | None = None
    not_before: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    result_seconds: float = 0.0
    result_bytes: int = 0
    width: int = 0
    height: int = 0
    failure_code: str = ""
    failure_detail: str = ""
    run: int = 1
    claims_before: int = 0
    audio_digest: str = ""
    video_digest: str = ""
    key_id: str = ""
    device_id: str = ""
    source: str = ""
    turn: int = 0

    @property
    def owner(self) -> Owner:
        """Who submitted it."""
        return Owner(self.key_id, self.device_id)

    @property
    def key(self) -> str:
        """The task's name in file names and at the engine: the code itself where that is safe, else its hash."""
        return task_key(self.code)

    @property
    def inputs_key(self) -> str:
        """The name of the folder of its inputs, which no other task of the same code has."""
        return inputs_key(self.code, self.run)

    @property
    def result_name(self) -> str:
        """File name of the finished video."""
        return self.key + RESULT_SUFFIX

    @property
    def is_live(self) -> bool:
        """Whether anything is still to be done."""
        return self.state in LIVE


def task_key(code: str) -> str:
    """A file name and engine code for any client code; a dot keeps hashed ones apart from plain ones."""
    if _ENGINE_SAFE.fullmatch(code):
        return code
    return f"t.{hashlib.sha256(code.encode()).hexdigest()[:32]}"


def inputs_key(code: str, run: int) -> str:
    """See ``Task.inputs_key``."""
    return task_key(code) if run == 1 else f"{task_key(code)}.run{run}"


def engine_code_of(task: Task, claim: int) -> str:
    """The task's code at the engine that claims it, from claim 1 on: no two claims share a code, and so no files."""
    return task.key if claim == 1 else f"{task.key}.{claim}"


def claims_of(task: Task) -> int:
    """How many times the task was claimed for an engine, going by the code of the last claim."""
    if not task.engine_code:
        return 0
    return int(task.engine_code.removeprefix(task.key).removeprefix(".") or 1)


def claims_in_run(task: Task) -> int:
    """How many of the claims were this task's, not those of an earlier one of the same code."""
    return claims_of(task) - task.claims_before


def same_options(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether the further fields of two requests mean the same."""
    return {**DEFAULT_OPTIONS, **one} == {**DEFAULT_OPTIONS, **other}


def previous_engine_code(task: Task) -> str:
    """The code of the claim before the last one; empty where there was none."""
    before = claims_of(task) - 1
    return engine_code_of(task, before) if before > 0 else ""


def checked_code(value: object) -> str:
    """The code of a request.

    Raises:
        GatewayError: ``missing_field`` or ``invalid_code`` (400).
    """
    if value is None or value == "":
        raise missing_field("code")
    code = str(value)
    if len(code) > MAX_CODE_CHARS or not code.isprintable():
        raise invalid_code()
    return code


def invalid_code() -> GatewayError:
    """A task code that can't be one."""
    return invalid_request(
        f"任务编号 code 无效：最多 {MAX_CODE_CHARS} 个可见字符。",
        f"The task code is not valid: at most {MAX_CODE_CHARS} printable characters.",
        param="code",
        code="invalid_code",
    )


def envelope(code: int, data: Mapping[str, object], msg: str, *, success: bool = True) -> dict[str, object]:
    """The shape of every answer of the engine's protocol."""
    return {"code": code, "data": data, "msg": msg, "success": success}


def unknown_task() -> dict[str, object]:
    """The engine's own answer for an unknown code."""
    return envelope(10004, {}, "任务不存在")


def task_view(task: Task, *, msg: str, language: Language) -> dict[str, object]:
    """What ``/easy/query`` answers: status 1 while alive, 2 done, 3 failed or cancelled.

    ``result`` stays empty until the video can be fetched: the client takes anything else for "finished".
    """
    data: dict[str, object] = {"code": task.code, "status": 1, "progress": task.progress, "result": "", "msg": msg}
    if task.state is TaskState.DONE:
        data |= {
            "status": 2,
            "progress": 100,
            "result": f"/{task.result_name}",
            "msg": "任务完成" if language == "zh" else "Done",
            "video_duration": round(task.result_seconds * 1000),
            "width": task.width,
            "height": task.height,
        }
    elif not task.is_live:
        data |= {"status": 3, "progress": 0, "msg": failure_sentence(task.failure_code, task.failure_detail, language)}
        data["error"] = task.failure_code
    return data
