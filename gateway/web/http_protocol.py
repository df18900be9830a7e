"""uvicorn's HTTP protocol, which also serves HTTP/1.0: an answer of unknown length ends with its connection there."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class HttpProtocol(HttpToolsProtocol):
    """As uvicorn's own; it would send chunks to clients of HTTP/1.0, which take their marks for content."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.scope["http_version"] == "1.0":
            app = _until_close(app, cycle)
        super()._start_asgi_task(cycle, app)


def _until_close(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """The application, whose answers of unknown length are sent as they are."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        sized = True

        async def send_plain(message: Message) -> None:
            nonlocal sized
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message.get("headers", ())}
                sized = b"content-length" in names
                if not sized:
                    # Neither chunks nor a length: uvicorn checks the latter, piece by piece.
                    cycle.chunked_encoding = False
            elif not sized:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_plain)

    return answer
