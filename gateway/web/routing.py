"""Declarative routes, and the application that finds a request's route before anything else handles it.

Middleware reads the rules of the route that was found, so no list of paths stands beside the routes. Errors are
handled once, by ``FailuresMiddleware``: Starlette would catch them three times on a request's way in, and at
each piece of its answer on the way out.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.domain.errors import not_found
from gateway.domain.usage import Work
from gateway.web.caller import caller_of
from gateway.web.operation import Operation, Rate, note_operation
from gateway.web.params import validate
from gateway.web.signature import Answers, Handler, Takes

_ALLOWED = "twinport.allowed"
_SOCKET = "twinport.socket"


class Route(StarletteRoute):
    """An operation and the handler that carries it out.

    Args:
        operation: where it answers, and its rules.
        handler: takes the request, the path's parameters by name and, as its signature says, ``query``, ``headers``,
            ``body`` or ``form``; returns what its signature says.

    Raises:
        TypeError: the signature does not fit the operation.
    """

    def __init__(self, operation: Operation, handler: Handler) -> None:
        super().__init__(operation.path, handler, methods=operation.method.split("|"))
        # Starlette's ``.*`` ends at a line break, which a path may contain.
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)
        self.operation = operation
        self.takes = Takes.of(handler, self.param_convertors)
        self.answers = Answers.of(handler)
        self._handler = handler
        if (self.takes.form is None) is not (operation.uploads is None):
            raise TypeError(f"{self.name} takes a form or names the folder of uploads, but not both")
        if operation.headers and self.answers.model is None:
            raise TypeError(f"{self.name} declares headers of a JSON answer, and has none")
        self.app = self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: Request[Any] = Request(scope, receive, send)
        answer = await self._answer(request)
        await answer(scope, receive, send)

    async def _answer(self, request: Request[Any]) -> ASGIApp:
        if self.operation.rate is not None:
            count_work(request)
        await check_rate(request, self.operation.rate)
        taken: dict[str, Any] = {**request.path_params, **await self.takes.parsed(request)}
        if self.takes.form is None or self.operation.uploads is None:
            return await self._call(request, taken)
        async with self.takes.receive(request, self.operation.uploads) as received:
            taken["form"] = validate(self.takes.form, {**received.fields, **received.files})
            return await self._call(request, taken)

    async def _call(self, request: Request[Any], taken: dict[str, Any]) -> ASGIApp:
        if self.operation.rate is Rate.DEVICE:
            device = taken.get("body") or taken["form"]
            await check_rate(request, self.operation.rate, device_id=device.device_id)
        return self.answers.rendered(await self._handler(request, **taken), self.operation.headers)


@dataclass(frozen=True)
class Socket:
    """A WebSocket.

    Attributes:
        operation: where it is, and who may open it.
        handler: serves one that middleware has let through.
    """

    operation: Operation
    handler: Callable[[WebSocket], Awaitable[None]]


class operation(Operation):  # noqa: N801 - used as a decorator
    """Make a route of a handler: ``@operation("GET", "/health", summary=..., tag=...)``."""

    def __call__(self, handler: Handler) -> Route:
        """The route; register it with its entry."""
        return Route(self, handler)


def plain_paths(scope: Scope) -> Iterable[str]:
    """The path without slashes that are too many at its ends; within it they may be a trick."""
    return ("/" + scope["path"].strip("/"),)


class Application(Starlette):
    """Starlette with the given middleware and nothing else around the routes.

    Args:
        routes: the first that has a request's path and method serves it; fallbacks come after all others.
        middleware: outermost first; finds the request's operation by ``operation_of``.
        lifespan: makes the state that the routes use.
        meant: paths that a request may mean whose own is unknown.
        sockets: WebSockets, by their paths.
    """

    def __init__(
        self,
        *,
        routes: Sequence[Route],
        middleware: Sequence[Middleware],
        lifespan: Lifespan[Any],
        meant: Callable[[Scope], Iterable[str]] = plain_paths,
        sockets: Sequence[Socket] = (),
    ) -> None:
        super().__init__(routes=routes, middleware=middleware, lifespan=lifespan)
        self._exact = [route for route in routes if not route.operation.fallback]
        self._fallbacks = [route for route in routes if route.operation.fallback]
        self._meant = meant
        self._sockets = {socket.operation.path: socket for socket in sockets}

    def build_middleware_stack(self) -> ASGIApp:
        """The layers around a request's route, outermost first."""
        app: ASGIApp = self._serve
        for factory, args, kwargs in reversed(self.user_middleware):
            app = factory(app, *args, **kwargs)

        async def find_first(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self._find(scope)
            elif scope["type"] == "websocket":
                self._find_socket(scope)
            await app(scope, receive, send)

        return find_first

    def _find(self, scope: Scope) -> None:
        """Record the route that serves a request, or else the methods that its path allows."""
        if self._matches(scope, self._exact):
            return
        asked = scope["path"]
        for path in self._meant(scope):
            scope["path"] = path
            if path != asked and self._matches(scope, self._exact):
                return
        scope["path"] = asked
        self._matches(scope, self._fallbacks)

    def _find_socket(self, scope: Scope) -> None:
        """Record the WebSocket of a path."""
        asked = scope["path"]
        for path in (asked, *self._meant(scope)):
            if path in self._sockets:
                scope["path"] = path
                scope[_SOCKET] = self._sockets[path]
                note_operation(scope, self._sockets[path].operation)
                return

    def _matches(self, scope: Scope, routes: Sequence[Route]) -> bool:
        """Whether one of the routes has the request's path; the methods of those that have it are noted."""
        allowed: set[str] = set()
        for route in routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                _note(scope, route)
                scope.update(found)
                scope.pop(_ALLOWED, None)
                return True
            if match is Match.PARTIAL:
                if not allowed:
                    _note(scope, route)
                allowed |= route.methods or set()
                scope[_ALLOWED] = allowed
        return bool(allowed)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
            return
        if _ALLOWED in scope:
            allowed: set[str] = scope[_ALLOWED]
            if scope["method"] != "OPTIONS":
                raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
            answer = Response(status_code=204, headers={"Allow": ", ".join(sorted({*allowed, "OPTIONS"}))})
            await answer(scope, receive, send)
            return
        route = scope.get("route")
        # The router handles unknown routes and the lifespan.
        await (route.app if isinstance(route, Route) else self.router)(scope, receive, send)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = scope.get(_SOCKET)
        if not isinstance(socket, Socket):
            raise not_found()
        await socket.handler(WebSocket(scope, receive, send))


def count_work(request: HTTPConnection[Any]) -> None:
    """Count a request that costs work.

    Raises:
        GatewayError: ``daily_limit`` (429): the key has had its share.
    """
    key_id, usage = caller_of(request.scope).owner.key_id, request.state["usage"]
    usage.require(key_id, Work.REQUESTS)
    usage.add(key_id, Work.REQUESTS)


async def check_rate(request: Request[Any], rate: Rate | None, *, device_id: str | None = None) -> None:
    """Count a request against its operation's limit: by address before its device is known, else by device.

    Raises:
        GatewayError: ``rate_limited`` (503).
    """
    if rate is Rate.ADDRESS:
        await request.state["device_limiter"].check(caller_of(request.scope).address)
    elif rate is Rate.DEVICE and device_id is not None:
        await request.state["device_limiter"].check(device_id)


def _note(scope: Scope, route: Route) -> None:
    scope["route"] = route
    note_operation(scope, route.operation)
