"""Every failure as an answer: ``{"message", "code"}``, or OpenAI's shape on OpenAI's routes."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from gateway.domain import errors
from gateway.domain.errors import GatewayError, Language
from gateway.web.language import preferred_language

OPENAI_PREFIXES = ("/v1/audio/", "/v1/models")


def _plain_body(error: GatewayError, language: Language) -> dict[str, Any]:
    return {"message": error.sentence(language), "code": error.code}


def _openai_type(status: int) -> str:
    if status == 401:
        return "authentication_error"
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"


def _openai_body(error: GatewayError, language: Language, status: int) -> dict[str, Any]:
    return {
        "error": {
            "message": error.sentence(language),
            "type": _openai_type(status),
            "param": error.param,
            "code": error.code,
        }
    }


def error_response(error: GatewayError, scope: Scope, *, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error on the address that was asked, in the language that the client reads.

    Args:
        error: what went wrong.
        scope: of the request.
        headers: that the answer has besides.
    """
    language = preferred_language(Headers(scope=scope))
    told = {"Content-Language": language, "Vary": "Accept-Language", "Cache-Control": "no-store", **(headers or {})}
    if error.retry_after is not None:
        told["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        told["WWW-Authenticate"] = "Bearer"
    if scope["path"].startswith(OPENAI_PREFIXES):
        # OpenAI's clients know 429; the desktop client repeats nothing but a 503.
        status = 429 if error.code == "rate_limited" else error.status
        return JSONResponse(_openai_body(error, language, status), status, told)
    return JSONResponse(_plain_body(error, language), error.status, told)


def from_http_exception(error: HTTPException) -> GatewayError:
    """Starlette's own refusals (no such route, wrong method, bad range) as one of ours."""
    known = {404: errors.not_found, 405: errors.method_not_allowed}
    if error.status_code in known:
        return known[error.status_code]()
    phrase = HTTPStatus(error.status_code).phrase
    return GatewayError(
        phrase.lower().replace(" ", "_"),
        error.status_code,
        zh=f"请求无法处理（{phrase}）。",
        en=f"The request can't be served: {phrase}.",
        retry_after=10 if error.status_code == 503 else None,
    )
