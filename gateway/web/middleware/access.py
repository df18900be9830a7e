"""Who may ask, and how often: API keys and a limit per client address."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.domain.errors import forbidden_without_key, unauthorized
from gateway.infrastructure.api_keys import ApiKeys
from gateway.infrastructure.rate_limit import RateLimiter
from gateway.web.health import PROBE_PATHS

ADMIN_PREFIX = "/v1/admin/"


def presented_key(headers: Headers) -> str:
    """The key of ``X-API-Key``, else of ``Authorization: Bearer``; empty where neither is sent."""
    key = headers.get("x-api-key", "")
    if key:
        return key
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


class ApiKeyMiddleware:
    """Asks for a key wherever one is required.

    Args:
        app: what is wrapped.
        keys: the keys in force.
        is_public: tells by path what needs no key.
    """

    def __init__(self, app: ASGIApp, *, keys: ApiKeys, is_public: Callable[[str], bool]) -> None:
        self._app = app
        self._keys = keys
        self._is_public = is_public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._authorize(scope)
        await self._app(scope, receive, send)

    def _authorize(self, scope: Scope) -> None:
        path: str = scope["path"]
        admin = path.startswith(ADMIN_PREFIX)
        if not self._keys.required:
            if admin:
                raise forbidden_without_key()
            return
        key = presented_key(Headers(scope=scope))
        accepted = self._keys.accepts_admin(key) if admin else self._keys.accepts(key)
        if not accepted and not self._is_public(path):
            raise unauthorized()


class AddressRateMiddleware:
    """Bounds the requests of one client address, whatever devices it claims to be."""

    def __init__(self, app: ASGIApp, *, limiter: RateLimiter) -> None:
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBE_PATHS:
            client = scope.get("client")
            await self._limiter.check(client[0] if client else "")
        await self._app(scope, receive, send)
