"""The common part of both entries: middleware, error answers, operation routes. An entry adds its own routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Lifespan, Scope

from gateway.domain.clock import Clock
from gateway.domain.steady_clock import SteadyClock
from gateway.domain.usage import UsageRecords, Work
from gateway.infrastructure.api_keys import ApiKeys
from gateway.infrastructure.clock import SystemClock
from gateway.infrastructure.files import make_folder
from gateway.infrastructure.partial_uploads import PartialUploadFolder
from gateway.infrastructure.rate_limit import RateLimiter
from gateway.services.loops import in_background
from gateway.services.resumable import ResumableUploads
from gateway.services.storage import StorageWatch
from gateway.services.usage import Usage
from gateway.settings import CommonSettings
from gateway.web.docs import Landing, docs_routes
from gateway.web.metrics import Metrics, get_metrics
from gateway.web.middleware.access import ApiKeyMiddleware
from gateway.web.middleware.context import RequestContextMiddleware
from gateway.web.middleware.decoded import DecodedBodyMiddleware
from gateway.web.middleware.failures import FailuresMiddleware
from gateway.web.middleware.limits import LimitsMiddleware
from gateway.web.middleware.sites import CrossSiteMiddleware, HostMiddleware
from gateway.web.resumable import HEADERS as TUS_HEADERS
from gateway.web.routing import Application, Route, Socket, plain_paths

# What scripts of other sites may read of an answer, beside what browsers always let them read.
EXPOSED_HEADERS = [
    "Accept-Encoding",
    "Accept-Ranges",
    "Allow",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Range",
    "Date",
    "ETag",
    "Retry-After",
    "Vary",
    "WWW-Authenticate",
    "X-Request-ID",
    "X-Sample-Rate",
    "X-Speech",
    "X-Speech-Warning",
    "X-Speed",
    *TUS_HEADERS,
]


class CommonState(TypedDict):
    """Lifespan state that shared code relies on; each entry's state extends it."""

    settings: CommonSettings
    metrics: Metrics
    keys: ApiKeys
    device_limiter: RateLimiter
    resumable_uploads: ResumableUploads
    usage: Usage
    steady_clock: SteadyClock
    storage: StorageWatch


@dataclass(frozen=True)
class Shared:
    """Objects that middleware needs before the lifespan begins."""

    metrics: Metrics
    keys: ApiKeys
    device_limiter: RateLimiter
    storage: StorageWatch


def create_shared(*, entry: str, settings: CommonSettings) -> Shared:
    """Metrics, keys, limits and the state of the storage of one entry; the data folder must be creatable."""
    make_folder(settings.data_dir)
    return Shared(
        metrics=Metrics(entry=entry, settings=settings),
        keys=ApiKeys(
            given=settings.api_key.get_secret_value(),
            admin=settings.admin_api_key.get_secret_value(),
            file=settings.api_keys_file,
            admin_file=settings.admin_api_keys_file,
        ),
        device_limiter=RateLimiter(settings.rate_limit_per_minute),
        storage=StorageWatch(),
    )


def create_usage(*, shared: Shared, records: UsageRecords, clock: Clock, limits: Mapping[Work, float]) -> Usage:
    """Each key's work at one entry, counted for the metrics and for the limits of a day."""
    return Usage(
        limits=limits,
        records=records,
        report=lambda key_id, work, amount: shared.metrics.count_work(shared.keys.name_of(key_id), work, amount),
        clock=clock,
    )


def common_state(
    *,
    settings: CommonSettings,
    shared: Shared,
    usage: Usage,
    clock: SystemClock,
    resumable_uploads: ResumableUploads,
) -> CommonState:
    """The shared part of an entry's lifespan state; spread it into the entry's own."""
    return {
        "settings": settings,
        "metrics": shared.metrics,
        "keys": shared.keys,
        "device_limiter": shared.device_limiter,
        "resumable_uploads": resumable_uploads,
        "usage": usage,
        "steady_clock": clock.steady,
        "storage": shared.storage,
    }


@asynccontextmanager
async def open_resumable_uploads(
    folder: Path, *, settings: CommonSettings, clock: Clock
) -> AsyncIterator[ResumableUploads]:
    """Resumable uploads, kept in ``folder``; old ones are swept while the context lasts."""
    uploads = ResumableUploads(
        PartialUploadFolder(
            folder, reserve_bytes=settings.min_free_bytes, max_age=settings.resumable_max_age, clock=clock
        )
    )
    async with in_background(uploads.sweep_forever()):
        yield uploads


def _middleware(*, settings: CommonSettings, shared: Shared) -> list[Middleware]:
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        # A page of a public site asks before it reaches into a private network.
        allow_private_network=True,
        expose_headers=EXPOSED_HEADERS,
    )
    return [
        Middleware(RequestContextMiddleware, metrics=shared.metrics),
        *([cors] if settings.cors_origins else []),
        Middleware(LimitsMiddleware, settings=settings),
        Middleware(FailuresMiddleware, on_storage_error=shared.storage.note),
        Middleware(HostMiddleware, names=settings.allowed_hosts),
        Middleware(CrossSiteMiddleware, origins=settings.cors_origins),
        Middleware(ApiKeyMiddleware, keys=shared.keys),
        Middleware(DecodedBodyMiddleware, settings=settings),
    ]


def create_entry(
    *,
    title: str,
    about: Landing,
    settings: CommonSettings,
    shared: Shared,
    routes: Sequence[Route],
    lifespan: Lifespan[Any],
    meant: Callable[[Scope], Iterable[str]] = plain_paths,
    sockets: Sequence[Socket] = (),
) -> Application:
    """One entry as an ASGI application.

    Args:
        title: name of the entry, for documents and the landing page.
        about: its description and self-tests.
        settings: the entry's settings.
        shared: from ``create_shared``.
        routes: the entry's own routes; ``/health`` and ``/ready`` are among them.
        lifespan: makes the state that the routes use.
        meant: paths that a request may mean whose own is unknown.
        sockets: the entry's WebSockets.
    """
    documented = [*routes, get_metrics]
    return Application(
        routes=[*documented, *docs_routes(title=title, about=about, routes=documented)],
        middleware=_middleware(settings=settings, shared=shared),
        lifespan=lifespan,
        meant=meant,
        sockets=sockets,
    )
