"""Every failure as an answer: ``{"message", "code"}``, or OpenAI's shape on routes that declare it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from gateway.domain import errors
from gateway.domain.errors import ErrorKind, GatewayError, Language
from gateway.web.language import preferred_language
from gateway.web.operation import operation_of

STATUSES = {
    ErrorKind.INVALID: HTTPStatus.BAD_REQUEST,
    ErrorKind.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    ErrorKind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorKind.CONFLICT: HTTPStatus.CONFLICT,
    ErrorKind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorKind.LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorKind.UNUSABLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorKind.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorKind.ENGINE_FAILED: HTTPStatus.BAD_GATEWAY,
    ErrorKind.TEMPORARY: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorKind.STORAGE_FULL: HTTPStatus.INSUFFICIENT_STORAGE,
}


class HttpError(GatewayError):
    """A failure that exists only in HTTP; its status is more precise than its kind.

    Args:
        code, zh, en, retry_after: as in ``GatewayError``.
        status: HTTP status of the answer.
    """

    def __init__(self, code: str, status: int, *, zh: str, en: str, retry_after: int | None = None) -> None:
        kind = ErrorKind.INVALID if status < 500 else ErrorKind.INTERNAL
        super().__init__(code, kind, zh=zh, en=en, retry_after=retry_after)
        self.status = status


def status_of(error: GatewayError) -> int:
    """The HTTP status of a failure's answer."""
    return error.status if isinstance(error, HttpError) else int(STATUSES[error.kind])


def upload_too_slow() -> HttpError:
    """The body trickles in, and holds a place that others need; the front calls one that stands still the same."""
    return HttpError(
        "request_timeout",
        408,
        zh="上传速度过慢，已中断，请换一个网络后重新上传。",
        en="The upload arrived too slowly and was ended. Send it again over a better connection.",
    )


def method_not_allowed() -> HttpError:
    """The address exists, the method does not."""
    return HttpError(
        "method_not_allowed", 405, zh="该地址不支持此请求方法。", en="This address does not support that method."
    )


def headers_too_large() -> HttpError:
    """Too many request headers, or too long ones."""
    return HttpError("headers_too_large", 431, zh="请求头过大。", en="The request's headers are too large.")


def _plain_body(error: GatewayError, language: Language) -> dict[str, Any]:
    return {"message": error.sentence(language), "code": error.code}


def _openai_type(error: GatewayError) -> str:
    status = status_of(error)
    if status == 401:
        return "authentication_error"
    if status == 429 or error.code == "rate_limited":
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"


def openai_error(error: GatewayError, language: Language) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    return {
        "error": {
            "message": error.sentence(language),
            "type": _openai_type(error),
            "param": error.param,
            "code": error.code,
        }
    }


def error_response(error: GatewayError, scope: Scope, *, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error on the requested route, in the client's language.

    Args:
        error: the failure.
        scope: of the request.
        headers: additional headers of the answer.
    """
    language = preferred_language(Headers(scope=scope))
    status = status_of(error)
    answered = {"Content-Language": language, "Vary": "Accept-Language", "Cache-Control": "no-store", **(headers or {})}
    if error.retry_after is not None:
        answered["Retry-After"] = str(error.retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        answered["WWW-Authenticate"] = "Bearer"
    if error.code == "unsupported_encoding":
        answered["Accept-Encoding"] = "gzip, deflate"
    if operation_of(scope).openai:
        # OpenAI's clients handle 429; the desktop client repeats only after a 503.
        status = HTTPStatus.TOO_MANY_REQUESTS if error.code == "rate_limited" else status
        # Where nobody knows whose client it is, each finds its own form.
        both = _plain_body(error, language) if operation_of(scope).fallback else {}
        return JSONResponse({**both, **openai_error(error, language)}, status, answered)
    return JSONResponse(_plain_body(error, language), status, answered)


def from_http_exception(error: HTTPException) -> GatewayError:
    """Starlette's own refusals (no such route, wrong method, bad range) as our own error."""
    known = {404: errors.not_found, 405: method_not_allowed}
    if error.status_code in known:
        return known[error.status_code]()
    phrase = HTTPStatus(error.status_code).phrase
    return HttpError(
        phrase.lower().replace(" ", "_"),
        error.status_code,
        zh=f"请求无法处理（HTTP {error.status_code}）。",
        en=f"The request can't be served: {phrase}.",
        retry_after=10 if error.status_code == 503 else None,
    )
