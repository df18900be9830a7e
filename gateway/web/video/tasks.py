"""Submit, query, list, cancel."""

from __future__ import annotations

from gateway.domain.errors import ErrorKind, GatewayError, invalid_request
from gateway.domain.video.task import Task, checked_code, envelope, unknown_task
from gateway.web.language import preferred_language
from gateway.web.operation import NO_STORE, Rate
from gateway.web.routing import operation
from gateway.web.video.models import Envelope, ListRequest, QueryRequest, SubmitRequest, TaskData, TaskList
from gateway.web.video.state import VideoRequest, video_caller

PROBE_CODES = frozenset({"health_check", "test"})
MAX_OPTIONS_CHARS = 16 * 1024


def task_not_found() -> GatewayError:
    """No task of that code."""
    return GatewayError("task_not_found", ErrorKind.NOT_FOUND, zh="没有这个任务。", en="There is no such task.")


@operation(
    "POST",
    "/easy/submit",
    summary="Submit a task",
    tag="tasks",
    errors={
        400: "A field or file is missing.",
        409: "Somebody else's task has that code, or one of other files that has not ended.",
        429: "The key's limit of the day is reached.",
        503: "The queue is full.",
        507: "The disk is full.",
    },
    rate=Rate.ADDRESS,
)
async def submit_task(request: VideoRequest, body: SubmitRequest) -> Envelope:
    """Records the task, then answers 10000; an engine processes it in its turn."""
    options = body.options
    if len(repr(options)) > MAX_OPTIONS_CHARS:
        raise invalid_request("请求字段过长。", "The additional fields are too long.")
    queue = request.state["queue"]
    await queue.submit(
        body.code,
        audio_url=body.audio_url,
        video_url=body.video_url,
        options=options,
        caller=video_caller(request),
    )
    return Envelope(code=10000, data={}, msg=10000, success=True)


@operation("GET", "/easy/query", summary="Ask for a task", tag="tasks", headers=NO_STORE)
async def query_task(request: VideoRequest, query: QueryRequest) -> Envelope:
    """Answers from the record, any number of times. `data.status`: 1 waiting or running, 2 done, 3 failed.

    `data.result` is empty until the video can be downloaded. Codes `health_check` and `test` query the entry itself.
    """
    queue = request.state["queue"]
    task = await queue.tasks.get(query.code)
    if task is not None and video_caller(request).may_see(task.owner):
        return Envelope.model_validate(envelope(10000, queue.view(task, preferred_language(request.headers)), ""))
    if query.code in PROBE_CODES:
        return Envelope.model_validate(envelope(10000, _entry_state(request), "ok"))
    return Envelope.model_validate(unknown_task())


def _entry_state(request: VideoRequest) -> dict[str, object]:
    queue = request.state["queue"]
    return {
        "ready": queue.ready,
        "engine_mode": request.state["settings"].engine_mode.value,
        "engines": [engine.view() for engine in queue.engines],
        "waiting": queue.tasks.waiting_count,
    }


@operation("GET", "/easy/tasks", summary="List tasks", tag="tasks", headers=NO_STORE)
async def list_tasks(request: VideoRequest, query: ListRequest) -> TaskList:
    """The key's tasks that are remembered, newest first, in pages; an administrator's key lists everybody's."""
    caller = video_caller(request)
    found = await request.state["queue"].tasks.page(
        limit=query.limit, before=query.before, state=query.state, owner=None if caller.sees_all else caller.owner
    )
    more = found[-1].seq if len(found) == query.limit else None
    return TaskList(data=[_described(request, task) for task in found], next=more)


# A code may contain slashes.
@operation(
    "GET",
    "/easy/task/{code:path}",
    summary="Show a task",
    tag="tasks",
    errors={404: "There is no such task."},
    headers=NO_STORE,
)
async def get_task(request: VideoRequest, code: str) -> TaskData:
    """One task in detail."""
    return _described(request, await _task(request, code))


@operation(
    "DELETE",
    "/easy/task/{code:path}",
    summary="Cancel a task",
    tag="tasks",
    errors={404: "There is no such task."},
)
async def cancel_task(request: VideoRequest, code: str) -> TaskData:
    """Removes a waiting task from the queue; the video of a running one is discarded; an ended one stays."""
    task = await request.state["queue"].cancel(await _task(request, code))
    return _described(request, task)


async def _task(request: VideoRequest, code: str) -> Task:
    task = await request.state["queue"].tasks.get(checked_code(code))
    if task is None or not video_caller(request).may_see(task.owner):
        raise task_not_found()
    return task


def _described(request: VideoRequest, task: Task) -> TaskData:
    queue = request.state["queue"]
    view = queue.view(task, preferred_language(request.headers))
    return TaskData.of(queue.shown(task), result=str(view["result"]), msg=str(view["msg"]))


task_routes = [submit_task, query_task, list_tasks, get_task, cancel_task]
