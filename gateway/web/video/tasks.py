"""Submit, query, list, cancel."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from gateway.domain.errors import GatewayError, invalid_request
from gateway.domain.task import Task, checked_code, envelope, unknown_task
from gateway.services.video.queue import VideoQueue
from gateway.web.language import preferred_language
from gateway.web.openapi import operation
from gateway.web.params import parse_json, parse_query
from gateway.web.routing import Route
from gateway.web.video.limits import check_rate
from gateway.web.video.models import Envelope, ListRequest, QueryRequest, SubmitRequest, TaskData, TaskList

PROBE_CODES = frozenset({"health_check", "test"})
MAX_OPTIONS_CHARS = 16 * 1024


def task_not_found() -> GatewayError:
    """No task of that code."""
    return GatewayError("task_not_found", 404, zh="没有这个任务。", en="There is no such task.")


@operation(
    summary="Submit a task",
    tag="tasks",
    body=SubmitRequest,
    answer=Envelope,
    errors={400: "A field or file is missing.", 503: "The queue is full.", 507: "The disk is full."},
)
async def submit(request: Request) -> Response:
    """Writes the task down, then answers 10000; an engine works on it when its turn comes."""
    await check_rate(request)
    asked = await parse_json(request, SubmitRequest)
    options = asked.options
    if len(repr(options)) > MAX_OPTIONS_CHARS:
        raise invalid_request("请求字段过长。", "The further fields are too long.")
    queue: VideoQueue = request.state.queue
    await queue.submit(asked.code, audio_url=asked.audio_url, video_url=asked.video_url, options=options)
    return JSONResponse(envelope(10000, {}, 10000))  # type: ignore[arg-type]


@operation(summary="Ask for a task", tag="tasks", query=QueryRequest, answer=Envelope)
async def query(request: Request) -> Response:
    """Answers from the record, as often as asked. `data.status`: 1 waiting or running, 2 done, 3 failed.

    `data.result` is empty until the video can be downloaded. Codes `health_check` and `test` ask for the entry itself.
    """
    code = checked_code(request.query_params.get("code"))
    queue: VideoQueue = request.state.queue
    task = await queue.store.get(code)
    if task is not None:
        view = queue.view(task, preferred_language(request.headers))
        return JSONResponse(envelope(10000, view, ""), headers=NO_STORE)
    if code in PROBE_CODES:
        return JSONResponse(envelope(10000, _entry_state(request, queue), "ok"), headers=NO_STORE)
    return JSONResponse(unknown_task(), headers=NO_STORE)


NO_STORE = {"Cache-Control": "no-store"}


def _entry_state(request: Request, queue: VideoQueue) -> dict[str, object]:
    return {
        "ready": queue.ready,
        "engine_mode": request.state.settings.engine_mode.value,
        "engines": [engine.view() for engine in queue.engines],
        "waiting": queue.store.waiting_count,
    }


@operation(summary="List tasks", tag="tasks", query=ListRequest, answer=TaskList)
async def list_tasks(request: Request) -> Response:
    """All tasks that are remembered, newest first, in pages."""
    asked = parse_query(request, ListRequest)
    queue: VideoQueue = request.state.queue
    found = await queue.store.page(limit=asked.limit, before=asked.before, state=asked.state)
    more = found[-1].seq if len(found) == asked.limit else None
    page = TaskList(data=[_described(request, task) for task in found], next=more)
    return JSONResponse(page.model_dump(mode="json"), headers=NO_STORE)


@operation(summary="Show a task", tag="tasks", answer=TaskData, errors={404: "There is no such task."})
async def show(request: Request) -> Response:
    """One task in detail."""
    return JSONResponse(_described(request, await _task(request)).model_dump(mode="json"), headers=NO_STORE)


@operation(summary="Cancel a task", tag="tasks", answer=TaskData, errors={404: "There is no such task."})
async def cancel(request: Request) -> Response:
    """A waiting task is taken out of the queue; the video of a running one is thrown away; an ended one stays."""
    queue: VideoQueue = request.state.queue
    task = await queue.cancel(await _task(request))
    return JSONResponse(_described(request, task).model_dump(mode="json"))


async def _task(request: Request) -> Task:
    queue: VideoQueue = request.state.queue
    task = await queue.store.get(checked_code(request.path_params["code"]))
    if task is None:
        raise task_not_found()
    return task


def _described(request: Request, task: Task) -> TaskData:
    queue: VideoQueue = request.state.queue
    view = queue.view(task, preferred_language(request.headers))
    return TaskData.of(queue.as_told(task), result=str(view["result"]), msg=str(view["msg"]))


task_routes: list[BaseRoute] = [
    Route("/easy/submit", submit, methods=["POST"]),
    Route("/easy/query", query),
    Route("/easy/tasks", list_tasks),
    # A code may have slashes.
    Route("/easy/task/{code:path}", show),
    Route("/easy/task/{code:path}", cancel, methods=["DELETE"]),
]
