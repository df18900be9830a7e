"""Starlette's application and routes without their own handling of errors, which ``FailuresMiddleware`` does once.

Starlette looks out for errors three times on a request's way in, and at each piece of its answer on the way out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

# An answer is whatever sends itself: Starlette's responses, and our own.
Handler = Callable[[Request[Any]], Awaitable[ASGIApp]]


class Application(Starlette):
    """Starlette with the given middleware and nothing else around the routes."""

    def build_middleware_stack(self) -> ASGIApp:
        """What a request goes through, outermost first."""
        app: ASGIApp = self.router
        for factory, args, kwargs in reversed(self.user_middleware):
            app = factory(app, *args, **kwargs)
        return app


class Route(StarletteRoute):
    """A path, and the handler that answers there.

    Args:
        path: as Starlette writes them.
        handler: takes the request and returns the answer.
        methods: that it serves; GET and HEAD where none are named.
    """

    def __init__(self, path: str, handler: Handler, *, methods: Collection[str] | None = None) -> None:
        super().__init__(path, handler, methods=methods)
        self.app = _app_of(handler)


def _app_of(handler: Handler) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await handler(Request(scope, receive, send))
        await answer(scope, receive, send)

    return app
