"""Who may ask: API keys."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.domain.access import NOBODY, ApiKeys, Caller, Owner
from gateway.domain.errors import forbidden_without_key, unauthorized
from gateway.web.caller import note_caller, note_device
from gateway.web.operation import operation_of
from gateway.web.params import in_utf8

DEVICE_MARK = "device="
KEY_PROTOCOL = "openai-insecure-api-key."


def presented_key(headers: Headers) -> str:
    """The key of ``X-API-Key``, else of ``Authorization: Bearer``; empty where none is sent.

    A page that opens a WebSocket can send no headers: it names the key in a subprotocol, as for OpenAI's realtime API.
    """
    key = headers.get("x-api-key", "")
    if key:
        return key
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    offered = (name.strip() for name in headers.get("sec-websocket-protocol", "").split(","))
    return next((name.removeprefix(KEY_PROTOCOL) for name in offered if name.startswith(KEY_PROTOCOL)), "")


def key_and_device(presented: str) -> tuple[str, str]:
    """A key that names a device too, ``KEY;device=DEVICE`` or, where no key is needed, ``device=DEVICE``, in its parts.

    Many clients have a field for a key and none for a header. The device may be percent-encoded.
    """
    if presented.startswith(DEVICE_MARK):
        key, device = "", presented.removeprefix(DEVICE_MARK)
    else:
        key, _, device = presented.partition(f";{DEVICE_MARK}")
    return key, unquote(in_utf8(device))


class ApiKeyMiddleware:
    """Asks for a key wherever the operation needs one, and notes whose it is.

    Args:
        app: the wrapped application.
        keys: the valid keys.
    """

    def __init__(self, app: ASGIApp, *, keys: ApiKeys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope.get("method") != "OPTIONS":
            self._authorize(scope)
        await self._app(scope, receive, send)

    def _authorize(self, scope: Scope) -> None:
        operation = operation_of(scope)
        address = scope["client"][0] if scope.get("client") else ""
        note_caller(scope, Caller(NOBODY, sees_all=True, address=address))
        if operation.public:
            return
        key = presented_key(Headers(scope=scope))
        if not self._keys.required:
            note_device(scope, key_and_device(key)[1])
            if operation.admin:
                raise forbidden_without_key()
            return
        if not self._keys.accepts(key):
            key, device = key_and_device(key)
            note_device(scope, device)
        if not (self._keys.accepts_admin(key) if operation.admin else self._keys.accepts(key)):
            raise unauthorized()
        owner = Owner(self._keys.id_of(key))
        note_caller(scope, Caller(owner, sees_all=self._keys.accepts_admin(key), address=address))
