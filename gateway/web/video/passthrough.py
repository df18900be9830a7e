"""Unknown requests under ``/easy/`` are passed on to an engine unchanged."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from starlette.responses import Response

from gateway.domain.errors import not_found
from gateway.domain.video.engine import ForwardedCall
from gateway.web.errors import headers_too_large
from gateway.web.operation import ANY_METHOD, Content
from gateway.web.routing import operation
from gateway.web.video.state import VideoRequest

FORWARDED = ("content-type", "accept", "accept-language", "user-agent")
EngineAnswer = Annotated[Response, Content("*/*")]


# The entry's own routes are never passed on, whatever the method: the engine's answers can be read only once.
@operation(ANY_METHOD, "/easy/{rest:path}", fallback=True, documented=False)
async def forward(request: VideoRequest, rest: str) -> EngineAnswer:
    """Pass the call to an engine and its answer back, both unchanged."""
    headers = {name: value for name in FORWARDED if (value := request.headers.get(name, "")) and value.isascii()}
    call = ForwardedCall(request.method, _path(rest), request.url.query, headers, await request.body())
    try:
        answer = await request.state["queue"].forward(call)
    except ValueError as error:  # bytes that are not UTF-8 become three times as long
        raise headers_too_large() from error
    return Response(answer.body, answer.status, {"Content-Type": answer.content_type})


def _path(rest: str) -> str:
    # Empty segments or segments of dots would lead to another route of the engine.
    segments = rest.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise not_found()
    return "/easy/" + "/".join(quote(segment, safe="") for segment in segments)


forward_routes = [forward]
