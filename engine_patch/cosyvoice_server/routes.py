"""HTTP routes."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import Any, AsyncIterator, Callable, Dict, Tuple

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import ClientGone, EngineError, last_line
from .loader import Loader
from .log import RequestLog, request_id_of
from .plan import ROUTE_FIELDS
from .service import Service
from .settings import Settings
from .voices import VoiceStore

log = logging.getLogger(__name__)


async def on_engine_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EngineError)  # noqa: S101 - registered for that class only
    log.info("request=%s code=%s %s", request_id_of(request), error.code, error.message)
    return error.response(request_id_of(request))


async def on_client_gone(request: Request, _: Exception) -> Response:
    log.info("request=%s the client left", request_id_of(request))
    return Response(status_code=499)


async def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for that class only
    known = {
        404: ("not_found", "There is no route {}.".format(request.url.path[:200])),
        405: ("method_not_allowed", "This route does not support {}.".format(request.method[:20])),
    }
    code, message = known.get(error.status_code, ("bad_request", str(error.detail)))
    return EngineError(error.status_code, code, message).response(request_id_of(request))


async def on_any_error(request: Request, error: Exception) -> Response:
    return EngineError(500, "engine_error", "The engine failed: " + last_line(error)).response(request_id_of(request))


def form_schema(fields: Tuple[str, ...]) -> Dict[str, Any]:
    """The OpenAPI description of a route's form."""
    properties: Dict[str, Any] = {name: {"type": "string"} for name in fields}
    required = list(fields)
    if "prompt_wav" in fields:
        properties["prompt_wav"] = {"type": "string", "format": "binary"}
        properties["voice_id"] = {"type": "string", "description": "a registered voice, in the place of prompt_wav"}
        required.remove("prompt_wav")
    properties.update(
        stream={"type": "boolean"},
        speed={"type": "number", "minimum": 0.5, "maximum": 2.0},
        text_frontend={"type": "boolean"},
        seed={"type": "integer", "minimum": 0},
    )
    schema = {"type": "object", "properties": properties, "required": required}
    kinds = ("multipart/form-data", "application/x-www-form-urlencoded")
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}}


def create_app(settings: Settings, loader: Loader, voices: VoiceStore) -> FastAPI:
    """The ASGI application; the loader is started with it."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = Service(settings, loader, voices)
        loader.start()
        yield
        app.state.service.stop()

    handlers: Dict[Any, Any] = {
        EngineError: on_engine_error,
        ClientGone: on_client_gone,
        HTTPException: on_http_error,
        Exception: on_any_error,
    }
    app = FastAPI(title="CosyVoice engine", version="1", lifespan=lifespan, exception_handlers=handlers)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["X-Sample-Rate", "X-Model", "X-Request-ID"],
    )
    app.add_middleware(RequestLog)
    add_synthesis_routes(app)
    add_voice_routes(app, voices)
    add_state_routes(app, loader)
    return app


def add_synthesis_routes(app: FastAPI) -> None:
    def endpoint_for(mode: str) -> Callable[..., Any]:
        async def endpoint(request: Request) -> Response:
            return await app.state.service.synthesise(request, mode)  # type: ignore[no-any-return]

        endpoint.__doc__ = "Speak in mode {}: little-endian int16 mono PCM.".format(mode)
        return endpoint

    for mode, fields in ROUTE_FIELDS.items():
        for method in ("GET", "POST"):
            app.add_api_route(
                "/inference_" + mode,
                endpoint_for(mode),
                methods=[method],
                response_class=Response,
                name=mode,
                operation_id="{}_{}".format(mode, method.lower()),
                openapi_extra=form_schema(fields),
            )


def add_voice_routes(app: FastAPI, voices: VoiceStore) -> None:
    @app.post("/voices", status_code=201)
    async def register(request: Request) -> Response:
        return await app.state.service.register(request)  # type: ignore[no-any-return]

    @app.get("/voices")
    async def list_voices() -> Response:
        return JSONResponse({"data": [dataclasses.asdict(voice) for voice in voices.list()]})

    @app.get("/voices/{voice_id:path}")
    async def show_voice(voice_id: str) -> Response:
        return JSONResponse(dataclasses.asdict(voices.get(voice_id)))

    @app.delete("/voices/{voice_id:path}", status_code=204)
    async def remove_voice(voice_id: str) -> Response:
        voices.remove(voice_id)
        return Response(status_code=204)


def add_state_routes(app: FastAPI, loader: Loader) -> None:
    @app.get("/health")
    async def health() -> Response:
        return JSONResponse(app.state.service.health())

    @app.get("/ready")
    async def ready() -> Response:
        loader.require_engine()
        return JSONResponse({"state": "ready"})
