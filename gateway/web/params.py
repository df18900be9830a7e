"""Query strings, headers and JSON bodies into models; errors become one clear sentence."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from gateway.domain.encodings import decoded_name
from gateway.domain.errors import GatewayError, invalid_request, missing_field
from gateway.web.errors import HttpError
from gateway.web.wrong_values import wrong_value

MAX_DEPTH = 64
# What browsers add to a page's requests, one or the other.
PAGE_HEADERS = frozenset({"origin", "referer", "sec-fetch-site"})

Model = TypeVar("Model", bound=BaseModel)


def is_none(value: object) -> bool:
    """For ``exclude_if`` of an answer's fields that are omitted when empty."""
    return value is None


def _complaint(error: ValidationError) -> GatewayError:
    problem = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in problem["loc"]) or "body"
    if problem["type"] == "missing":
        return missing_field(field)
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, GatewayError):
        return cause
    wrong = wrong_value(problem["type"], problem.get("ctx", {}))
    return invalid_request(
        f"参数 {field} 无效：{wrong.zh}。", f"The field {field} is not valid: {wrong.en}.", param=field
    )


def validate(model: type[Model], values: object) -> Model:
    """Check values against a model.

    Raises:
        GatewayError: ``missing_field`` or ``invalid_request`` (400), naming the field.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _complaint(error) from error


def parse_query(request: Request[Any], model: type[Model]) -> Model:
    """The query string as a model; a field given twice counts as its last value. Older clients write it in GBK."""
    query = request.scope["query_string"].decode("latin-1")
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    return validate(model, {_decoded(name): _decoded(value) for name, value in pairs})


def _decoded(value: str) -> str:
    """A value from its bytes, of which those that are in no encoding are replaced."""
    return decoded_name(value.encode("latin-1")).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def parse_headers(request: Request[Any], model: type[Model]) -> Model:
    """The headers that the model's aliases name."""
    names = [field.alias for field in model.model_fields.values() if field.alias is not None]
    return validate(model, {name: in_utf8(request.headers[name]) for name in names if name in request.headers})


def in_utf8(header: str) -> str:
    """A header's value: the server decodes Latin-1, clients write UTF-8."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


async def parse_json(request: Request[Any], model: type[Model]) -> Model:
    """The JSON body as a model; only a browser must declare it as JSON.

    Raises:
        GatewayError: 400 for anything that is not a JSON object of the right fields; ``not_json`` (415).
    """
    # A page of any site can make a browser post a form or a text without asking first, and JSON only with leave.
    if PAGE_HEADERS.intersection(request.headers) and "json" not in request.headers.get("content-type", ""):
        raise _not_json()
    return validate(model, read_json(await request.body()))


def read_json(body: bytes) -> Any:
    """The content of a JSON text.

    Raises:
        GatewayError: ``invalid_json`` (400).
    """
    try:
        values = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise _invalid_json() from error
    if _is_deep(values):
        raise _invalid_json()
    return values


def _not_json() -> HttpError:
    return HttpError(
        "not_json",
        415,
        zh="网页的请求须以 Content-Type: application/json 发送。",
        en="A web page must send this request with Content-Type: application/json.",
    )


def _invalid_json() -> GatewayError:
    return invalid_request(
        f"请求体不是有效的 JSON，或嵌套超过 {MAX_DEPTH} 层。",
        f"The body is not valid JSON, or is nested more than {MAX_DEPTH} levels deep.",
        code="invalid_json",
    )


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:40]} is not a number in JSON")
    return value


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _is_deep(values: object) -> bool:
    """Whether anything is nested deeper than MAX_DEPTH; later code walks through it by recursion."""
    level = [values]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
