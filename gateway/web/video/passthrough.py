"""What the entry does not know under ``/easy/`` goes to an engine as it came."""

from __future__ import annotations

from urllib.parse import quote

import aiohttp
import httpx
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from gateway.domain.errors import GatewayError, headers_too_large, not_found
from gateway.infrastructure.duix import CONNECTION_ERRORS
from gateway.services.video.engines import EngineState, EngineWatch
from gateway.services.video.queue import VideoQueue, engine_not_ready
from gateway.settings import VideoSettings
from gateway.web.routing import Route

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
OWN = {"submit": "POST", "query": "GET", "tasks": "GET"}
OWN_PREFIX = "task/"
MAX_ANSWER_BYTES = 16 << 20
FORWARDED = ("content-type", "accept", "accept-language", "user-agent")


def engine_failed() -> GatewayError:
    """The engine did not answer a call that was passed on."""
    return GatewayError(
        "engine_failed", 502, zh="视频引擎没有正常应答。", en="The video engine did not answer as it should."
    )


async def forward(request: Request) -> Response:
    """Hand the call to an engine and its answer back, both unchanged."""
    _require_unknown(request.path_params["rest"])
    queue: VideoQueue = request.state.queue
    http: httpx.AsyncClient = request.state.http
    settings: VideoSettings = request.state.video_settings
    engine = _reachable(queue)
    headers = {name: value for name in FORWARDED if (value := request.headers.get(name, "")) and value.isascii()}
    try:
        async with http.stream(
            request.method,
            _address(engine, request),
            content=await request.body(),
            headers=headers,
            timeout=httpx.Timeout(settings.forward_timeout, connect=5.0),
        ) as answer:
            return await _answer(answer)
    except httpx.InvalidURL as error:  # what is not UTF-8 grows threefold on the way
        raise headers_too_large() from error
    except CONNECTION_ERRORS as error:
        raise engine_not_ready() from error
    except (httpx.HTTPError, aiohttp.ClientError) as error:
        raise engine_failed() from error


def _require_unknown(rest: str) -> None:
    """What the entry serves itself is never passed on, whatever the method: the engine's answers are read once."""
    if rest in OWN or rest.startswith(OWN_PREFIX):
        allowed = OWN.get(rest, "GET, DELETE")
        raise HTTPException(405, headers={"Allow": allowed})


def _reachable(queue: VideoQueue) -> EngineWatch:
    for engine in queue.engines:
        if engine.state is not EngineState.STARTING:
            return engine
    raise engine_not_ready()


def _address(engine: EngineWatch, request: Request) -> str:
    # Segments of dots, or none, would name another route of the engine.
    segments = request.path_params["rest"].split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise not_found()
    path = "/".join(quote(segment, safe="") for segment in segments)
    query = request.url.query
    return f"{engine.client.url}/easy/{path}" + (f"?{query}" if query else "")


async def _answer(answer: httpx.Response) -> Response:
    body = b""
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise engine_failed()
    headers = {"Content-Type": answer.headers.get("content-type", "application/octet-stream")}
    return Response(body, answer.status_code, headers)


forward_routes: list[BaseRoute] = [Route("/easy/{rest:path}", forward, methods=METHODS)]
