"""Failures as answers, in the shape that the operation declares."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from gateway.domain import errors, storage
from gateway.domain.errors import ErrorKind, GatewayError, missing_field, rate_limited, unauthorized
from gateway.web.errors import STATUSES, error_response, from_http_exception, headers_too_large, status_of
from gateway.web.operation import Operation, note_operation


def scope_of(**rules: Any) -> dict[str, Any]:
    scope: dict[str, Any] = {"type": "http", "path": "/x", "headers": [(b"accept-language", b"en")]}
    note_operation(scope, Operation("GET", "/x", **rules))
    return scope


def test_a_plain_error_has_a_sentence_and_a_code() -> None:
    answer = error_response(missing_field("name"), scope_of())
    body = json.loads(bytes(answer.body))
    assert (answer.status_code, set(body), body["code"]) == (400, {"message", "code"}, "missing_field")
    assert answer.headers["content-language"] == "en"
    assert answer.headers["cache-control"] == "no-store"


def test_an_address_without_a_route_has_plain_errors() -> None:
    answer = error_response(missing_field("name"), {"type": "http", "path": "/x", "headers": []})
    assert set(json.loads(bytes(answer.body))) == {"message", "code"}
    assert answer.headers["content-language"] == "zh"


def test_openais_operations_have_openais_errors() -> None:
    body = json.loads(bytes(error_response(missing_field("voice"), scope_of(openai=True)).body))
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert (body["error"]["type"], body["error"]["param"]) == ("invalid_request_error", "voice")


def test_too_many_requests_are_a_503_and_for_openais_clients_a_429() -> None:
    assert error_response(rate_limited(7), scope_of()).status_code == 503
    limited = error_response(rate_limited(7), scope_of(openai=True))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")


def test_a_missing_key_is_required() -> None:
    assert error_response(unauthorized(), scope_of()).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (405, "method_not_allowed"), (431, "request_header_fields_too_large")]
)
def test_starlettes_own_refusals_have_our_codes(status: int, code: str) -> None:
    assert from_http_exception(HTTPException(status)).code == code


def test_every_kind_has_a_status_of_its_own() -> None:
    assert set(STATUSES) == set(ErrorKind)
    assert len(set(STATUSES.values())) == len(ErrorKind)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.missing_field("code"), 400),
        (errors.unauthorized(), 401),
        (errors.body_too_large(1 << 20), 413),
        (errors.shutting_down(), 503),
        (storage.storage_full(), 507),
        (storage.storage_busy(), 503),
        (storage.storage_broken(), 500),
        (storage.storage_read_only(), 500),
        (headers_too_large(), 431),
    ],
)
def test_the_status_follows_the_kind(error: GatewayError, status: int) -> None:
    answer = error_response(error, scope_of())
    assert status_of(error) == answer.status_code == status
    assert json.loads(bytes(answer.body)) == {"message": error.en, "code": error.code}
