"""What both entries are made of: middleware, error answers, operation routes. An entry adds its own routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import Lifespan

from gateway.infrastructure.api_keys import ApiKeys
from gateway.infrastructure.rate_limit import RateLimiter
from gateway.settings import CommonSettings
from gateway.web.docs import Landing, docs_routes
from gateway.web.metrics import Metrics, metrics_endpoint
from gateway.web.middleware.access import AddressRateMiddleware, ApiKeyMiddleware
from gateway.web.middleware.context import RequestContextMiddleware
from gateway.web.middleware.failures import FailuresMiddleware
from gateway.web.middleware.limits import LimitsMiddleware
from gateway.web.openapi import openapi_endpoint
from gateway.web.routing import Application, Route

BODY_BYTES = 1 << 20
PUBLIC_PATHS = frozenset({"/", "/health", "/ready", "/openapi.json", "/docs", "/favicon.ico"})
PUBLIC_PREFIXES = ("/docs/", "/static/")


class CommonState(TypedDict):
    """Lifespan state that shared code relies on; each entry's state extends it."""

    settings: CommonSettings
    metrics: Metrics
    keys: ApiKeys
    device_limiter: RateLimiter


@dataclass(frozen=True)
class Shared:
    """What exists before the lifespan begins, because middleware needs it."""

    metrics: Metrics
    keys: ApiKeys
    device_limiter: RateLimiter


def create_shared(*, entry: str, settings: CommonSettings) -> Shared:
    """Metrics, keys and limits of one entry; the data folder must be creatable."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Shared(
        metrics=Metrics(entry=entry, settings=settings),
        keys=ApiKeys(
            given=settings.api_key.get_secret_value(),
            admin=settings.admin_api_key.get_secret_value(),
            file=settings.api_keys_file,
        ),
        device_limiter=RateLimiter(settings.rate_limit_per_minute),
    )


def common_state(*, settings: CommonSettings, shared: Shared) -> CommonState:
    """The shared part of an entry's lifespan state; spread it into the entry's own."""
    return {
        "settings": settings,
        "metrics": shared.metrics,
        "keys": shared.keys,
        "device_limiter": shared.device_limiter,
    }


def _is_public(extra: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda path: path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIXES) or extra(path)


def _middleware(
    *,
    settings: CommonSettings,
    shared: Shared,
    upload_bytes: Mapping[str, int],
    is_public: Callable[[str], bool],
) -> list[Middleware]:
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["X-Request-ID", "Retry-After", "Content-Range"],
    )
    return [
        Middleware(RequestContextMiddleware, metrics=shared.metrics),
        *([cors] if settings.cors_origins else []),
        Middleware(
            LimitsMiddleware,
            body_bytes=BODY_BYTES,
            upload_bytes=upload_bytes,
            header_bytes=settings.max_header_bytes,
            idle_seconds=settings.body_idle_timeout,
            requests=settings.max_connections,
        ),
        Middleware(FailuresMiddleware),
        Middleware(AddressRateMiddleware, limiter=RateLimiter(settings.address_rate_limit_per_minute)),
        Middleware(ApiKeyMiddleware, keys=shared.keys, is_public=_is_public(is_public)),
    ]


def create_entry(
    *,
    title: str,
    about: Landing,
    settings: CommonSettings,
    shared: Shared,
    routes: Sequence[BaseRoute],
    lifespan: Lifespan[Any],
    upload_bytes: Mapping[str, int],
    is_public: Callable[[str], bool] = lambda _: False,
) -> Application:
    """One entry as an ASGI application.

    Args:
        title: name of the entry, for documents and the landing page.
        about: what it is and how to try it.
        settings: the entry's settings.
        shared: from ``create_shared``.
        routes: the entry's own routes; ``/health`` and ``/ready`` are among them.
        lifespan: makes the state that the routes use.
        upload_bytes: largest upload, by exact path; all other bodies are bounded by 1 MiB.
        is_public: tells by path what needs no API key besides the pages, health and readiness.
    """
    documented = [*routes, Route("/metrics", metrics_endpoint)]
    openapi = openapi_endpoint(title=title, description=about.english, routes=documented)
    return Application(
        routes=[*documented, Route("/openapi.json", openapi), *docs_routes(title=title, about=about)],
        middleware=_middleware(settings=settings, shared=shared, upload_bytes=upload_bytes, is_public=is_public),
        lifespan=lifespan,
    )
