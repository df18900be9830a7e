"""Which web pages may ask: only the entry's own, and those of the origins that are set.

A browser sends what any page tells it to, from inside its user's network and without asking. Programs that are no
browsers send none of the headers that are looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.errors import HttpError
from gateway.web.operation import operation_of
from gateway.web.params import PAGE_HEADERS

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_PAGE = frozenset({"same-origin", "none"})
ALL_ORIGINS = "*"
ASKING = frozenset({"http", "websocket"})
_ONE_WORD = re.compile("[a-z0-9_-]+")


def unknown_host() -> HttpError:
    """The request names a host that this server is not known as."""
    return HttpError(
        "unknown_host",
        421,
        zh="此服务器不认识这个主机名，请使用 IP 地址，或让管理员把主机名加入 front_hosts（TWINPORT_ALLOWED_HOSTS）。",
        en="This server does not know that host name. Use its IP address or have the name added to front_hosts "
        "(TWINPORT_ALLOWED_HOSTS).",
    )


def cross_site() -> HttpError:
    """A page of another web site asks for a change."""
    return HttpError(
        "cross_site",
        403,
        zh="请求来自其他网站的网页，已拒绝；如需允许，请管理员把该网站加入 TWINPORT_CORS_ORIGINS。",
        en="The request comes from a page of another web site and is refused. To allow that site, have its origin "
        "added to TWINPORT_CORS_ORIGINS.",
    )


class HostMiddleware:
    """Refuses host names that are not the server's: somebody may have made them point here (DNS rebinding).

    Args:
        app: the wrapped application.
        names: that are let in, besides addresses and ``localhost``; ``*`` lets every name in.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str]) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ASKING and not self._is_allowed(scope, Headers(scope=scope)):
            raise unknown_host()
        await self._app(scope, receive, send)

    def _is_allowed(self, scope: Scope, headers: Headers) -> bool:
        names = [_without_port(host.lower()) for host in headers.getlist("host")]
        return all(map(self._is_known, names)) or (_is_old_program(scope, headers) and all(map(_is_one_word, names)))

    def _is_known(self, name: str) -> bool:
        return "*" in self._names or name in self._names or _is_address(name)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and not name.endswith(":") else host


def _is_old_program(scope: Scope, headers: Headers) -> bool:
    """Whether it speaks HTTP/1.0, which has no ``Host``; no browser does, but an old proxy in front of one may."""
    return scope["http_version"] == "1.0" and not PAGE_HEADERS.intersection(headers)


def _is_one_word(name: str) -> bool:
    """Whether it is a placeholder or a name of the client's own network, rather than one of the public DNS."""
    return _ONE_WORD.fullmatch(name) is not None


def _is_address(name: str) -> bool:
    try:
        ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True


class CrossSiteMiddleware:
    """Refuses what another web site's page would have changed.

    Browsers say whose page asks: in ``Sec-Fetch-Site``, where the connection is encrypted or local, and in ``Origin``
    with everything that is no plain GET.

    Args:
        app: the wrapped application.
        origins: whose pages may ask as well, such as ``https://app.example``; ``*`` allows all.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ASKING and _may_change(scope) and not self._is_allowed(Headers(scope=scope)):
            raise cross_site()
        await self._app(scope, receive, send)

    def _is_allowed(self, headers: Headers) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if ALL_ORIGINS in self._origins or origin in self._origins:
            return True
        if site is not None:
            return site in OWN_PAGE
        return origin is None or _authority(origin) == headers.get("host", "").lower()


def _may_change(scope: Scope) -> bool:
    # A call of any method that is passed on to the engine may change something there, and a WebSocket orders speech.
    if scope["type"] == "websocket":
        return True
    return scope["method"] not in SAFE_METHODS or "POST" in operation_of(scope).method.split("|")


def _authority(origin: str) -> str | None:
    """Host and port of an origin; None for ``null`` and for pages that no server has sent, such as ``file://``."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
