"""Every error becomes an answer here: a sentence and a code, never a traceback."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.errors import GatewayError, internal
from gateway.web.errors import error_response, from_http_exception

log = structlog.stdlib.get_logger(__name__)


class FailuresMiddleware:
    """Answers in place of whatever raises."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        headers: Mapping[str, str] | None = None

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except ClientDisconnect:
            return
        except GatewayError as error:
            refusal = error
        except HTTPException as error:
            refusal, headers = from_http_exception(error), error.headers
        except Exception:
            log.exception("request failed", path=scope["path"])
            refusal = internal()
        else:
            return
        scope["twinport.error"] = refusal
        if started:
            # Too late: the server cuts an unfinished answer, so that nobody takes it for a whole one.
            return
        await error_response(refusal, scope, headers=headers)(scope, receive, send)
