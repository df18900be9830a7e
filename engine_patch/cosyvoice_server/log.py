"""Log lines: a message is always one line, and a request has one line at its end."""

from __future__ import annotations

import logging
import re
import time
import traceback
import uuid
from typing import Any

from starlette.requests import Request

log = logging.getLogger(__name__)

_FRAME = "  File "


def escape(text: str) -> str:
    """`text` with every character that could end or disguise a line written as a Python escape.

    That is all that is not printable: line and paragraph separators, control and bidirectional characters, surrogates.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


class LineFormatter(logging.Formatter):
    """Formats records so that text from outside, for example of a request, can't forge a line of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = escape(record.message.rstrip())
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """The traceback; its frames keep their lines, the text of an exception becomes one line."""
        chunks = traceback.TracebackException(*ei).format()
        return "\n".join(line for chunk in chunks for line in _lines(chunk.strip("\n")))


def _lines(chunk: str) -> Any:
    """The lines of one piece of a traceback; only frames, which are made of our own source, may have several."""
    return map(escape, chunk.splitlines() if chunk.startswith(_FRAME) else [chunk])


def configure() -> None:
    """Send every record of the process to standard error through `LineFormatter`."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class RequestLog:
    """ASGI middleware: gives each request an id, adds it to the answer, and logs one line when the request is over."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _choose_id(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.monotonic()
        status = 0

        async def send_with_id(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        outcome = "cut"
        try:
            await self._app(scope, receive, send_with_id)
            outcome = "done"
        finally:
            log.log(
                logging.DEBUG if scope["path"] in {"/health", "/ready"} else logging.INFO,
                "request=%s %s %s status=%d seconds=%.3f %s",
                request_id,
                scope["method"],
                scope["path"],
                status,
                time.monotonic() - started,
                outcome,
            )


def _choose_id(given: str) -> str:
    """The client's own id where it is plain, otherwise a new one."""
    return given if re.fullmatch(r"[\w.:-]{1,128}", given, re.ASCII) else uuid.uuid4().hex


def request_id_of(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))
