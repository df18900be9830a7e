"""The engine's one task, its states and their one-shot answers; all of it in memory, as in the real one."""

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from preview.duix import media
from preview.duix.faults import Behaviour, Fault
from preview.duix.media import MediaFolder, RenderError

LOG = logging.getLogger("service.self_logger")
WORKER_TIMEOUT_S = 2.0  # the real engine gives its workers minutes
SEGMENTATION_FAULT = 139


class Status(IntEnum):
    """`data.status` of a task."""

    RUNNING = 1
    DONE = 2
    FAILED = 3


@dataclass(frozen=True)
class Task:
    """The answer of `/easy/query` for a task; `extra` are the fields that newer images add to a finished one."""

    code: str
    status: Status = Status.RUNNING
    progress: int = 0
    result: str = ""
    msg: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """An accepted request."""

    number: int
    code: str
    audio_url: str
    video_url: str
    request: Mapping[str, object]


def answer(code: int, *, success: bool, msg: object, data: object = None) -> dict[str, object]:
    """The envelope of every `/easy/*` answer."""
    return {"code": code, "data": data or {}, "msg": msg, "success": success}


class Engine:
    """One task at a time; a final state is returned once and then forgotten."""

    def __init__(self, folder: MediaFolder, behaviour: Behaviour) -> None:
        self._folder = folder
        self._behaviour = behaviour
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._busy = behaviour.fault is Fault.BUSY
        self._accepted = 0
        self._warm_at = time.monotonic() + behaviour.warm_up
        warmed_up = threading.Timer(behaviour.warm_up, LOG.info, ("Model warm up done !",))
        warmed_up.daemon = True
        warmed_up.start()

    def submit(self, request: Mapping[str, object]) -> dict[str, object]:
        """Take a task. Busy is checked before the fields. Raises KeyError without `code`, as new images do."""
        code = request["code"]
        if self._behaviour.fault is Fault.LOCKED:
            return answer(10003, success=False, msg="获取锁异常")
        with self._lock:
            if self._busy:
                LOG.warning("%s -> busy", code)
                return answer(10001, success=True, msg="忙碌中")
            for name in ("audio_url", "video_url", "code"):
                if not request.get(name):
                    return answer(10002, success=False, msg=f"{name}参数缺失")
            self._busy = True
            self._accepted += 1
            job = Job(self._accepted, str(code), str(request["audio_url"]), str(request["video_url"]), request)
            self._tasks[job.code] = Task(job.code)
        LOG.info("[%s] -> accepted", job.code)
        threading.Thread(target=self._work, args=(job,), daemon=True).start()
        return answer(10000, success=True, msg=10000)

    def query(self, code: str | None) -> dict[str, object]:
        """Return a task's state; reading a final one deletes it."""
        if code is None:
            return answer(10002, success=False, msg="code参数缺失")
        with self._lock:
            task = self._tasks.get(code)
            if task is None:
                return answer(10004, success=True, msg="任务不存在")
            if task.status is not Status.RUNNING:
                del self._tasks[code]
        data = {"code": code, "status": int(task.status), "progress": task.progress, "result": task.result}
        return answer(10000, success=True, msg="", data={**data, "msg": task.msg, **task.extra})

    def _work(self, job: Job) -> None:
        started = time.monotonic()
        try:
            self._set(self._run(job, started))
        except RenderError as error:
            LOG.error("[%s]任务执行失败，异常信息:[%s]", job.code, error)  # noqa: TRY400 - the engine's literal line
            shutil.rmtree(self._folder.temp / job.code, ignore_errors=True)
            self._set(Task(job.code, Status.FAILED, msg=str(error)))
        except Exception as error:
            LOG.exception("[%s]任务执行失败", job.code)
            self._set(Task(job.code, Status.FAILED, msg=str(error)))
        finally:
            LOG.info(">>> 任务:%s 耗时:%s ", job.code, time.monotonic() - started)
            self._busy = False

    def _run(self, job: Job, started: float) -> Task:
        self._require_workers(job)
        if "/" in job.code:  # would leave the folder; the real engine finds no file there
            raise RenderError("format video error")
        audio, video = self._folder.resolve(job.audio_url), self._folder.resolve(job.video_url)
        seconds = media.audio_seconds(audio)
        wav, mp4 = media.format_inputs(self._folder, job.code, audio, video)
        self._progress(job, 10)
        self._write_parameters(job)
        self._progress(job, 20)
        self._misbehave(job)
        avi = media.render(self._folder, job.code, mp4, seconds)
        time.sleep(max(0.0, self._behaviour.pace * seconds - (time.monotonic() - started)))
        self._progress(job, 80)
        media.mux(self._folder, job.code, avi, wav)
        return self._finish(job, [wav, mp4], started)

    def _finish(self, job: Job, leftovers: list[Path], started: float) -> Task:
        result = self._folder.result_of(job.code)
        extra: dict[str, object] = {"cost": time.monotonic() - started}
        if self._behaviour.fault_of_task(job.number) is Fault.BROKEN_RESULT:
            LOG.error("Segmentation fault (core dumped)")
            os.truncate(result, result.stat().st_size // 2)
        else:
            info = media.describe(result)
            extra |= {"video_duration": info.duration_ms, "width": info.width, "height": info.height}
        for path in leftovers:
            path.unlink(missing_ok=True)
        shutil.rmtree(self._folder.temp / job.code, ignore_errors=True)
        return Task(job.code, Status.DONE, 100, f"/{result.name}", "任务完成", extra)

    def _require_workers(self, job: Job) -> None:
        if time.monotonic() < self._warm_at:
            LOG.error("_queue.Empty")
            raise RenderError("")
        if self._behaviour.fault_of_task(job.number) is Fault.DEAD_WORKERS:
            time.sleep(WORKER_TIMEOUT_S)
            LOG.error("_queue.Empty")
            raise RenderError("no final result")

    def _misbehave(self, job: Job) -> None:
        fault = self._behaviour.fault_of_task(job.number)
        if fault is Fault.DIE:
            LOG.error("Segmentation fault (core dumped)")
            os._exit(SEGMENTATION_FAULT)
        if fault is Fault.STALL:
            threading.Event().wait()
        if fault is Fault.FORGET:
            with self._lock:
                self._tasks.clear()
            raise RenderError("任务不存在")

    def _write_parameters(self, job: Job) -> None:
        path = self._folder.root / "result" / "param.json"
        try:
            path.write_text(json.dumps(job.request, ensure_ascii=False))
        except FileNotFoundError as error:
            engine_path = media.ENGINE_ROOT / "result" / "param.json"
            raise RenderError(f"[Errno 2] No such file or directory: '{engine_path}'") from error

    def _progress(self, job: Job, percent: int) -> None:
        self._set(Task(job.code, progress=percent))

    def _set(self, task: Task) -> None:
        with self._lock:
            if task.code in self._tasks:
                self._tasks[task.code] = task
