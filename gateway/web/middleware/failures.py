"""Every error becomes an answer here: a sentence and a code, never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.errors import GatewayError, internal, without_frames
from gateway.domain.storage import StorageError, storage_errors
from gateway.web.errors import error_response, from_http_exception

log = structlog.stdlib.get_logger(__name__)


class FailuresMiddleware:
    """Answers in place of whatever raises.

    Args:
        app: what is wrapped.
        on_storage_error: receives what a request met at the disk or the database.
    """

    def __init__(self, app: ASGIApp, *, on_storage_error: Callable[[StorageError], None] = lambda _: None) -> None:
        self._app = app
        self._on_storage_error = on_storage_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = False
        refusal: GatewayError
        headers: Mapping[str, str] | None = None

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            with storage_errors():
                await self._app(scope, receive, note_start)
        except ClientDisconnect:
            return
        except StorageError as error:
            log.warning("storage failed", path=scope["path"], code=error.code, cause=str(error.__cause__ or ""))
            self._on_storage_error(error)
            refusal = error
        except GatewayError as error:
            refusal = error
        except HTTPException as error:
            refusal, headers = from_http_exception(error), error.headers
        except Exception:
            log.exception("request failed", path=scope["path"])
            refusal = internal()
        else:
            return
        # Without its frames, which know the scope: what they hold open is closed at once.
        scope["twinport.error"] = without_frames(refusal)
        if started:
            # Too late: the server cuts an unfinished answer, so that no client takes it for a complete one.
            return
        await error_response(refusal, scope, headers=headers)(scope, receive, send)
