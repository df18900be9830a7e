"""Query strings and JSON bodies into models; what does not fit becomes one clear sentence."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from gateway.domain.errors import GatewayError, invalid_request, missing_field

MAX_DEPTH = 64

Model = TypeVar("Model", bound=BaseModel)


def _complaint(error: ValidationError) -> GatewayError:
    problem = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in problem["loc"]) or "body"
    if problem["type"] == "missing":
        return missing_field(field)
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, GatewayError):
        return cause
    return invalid_request(
        f"参数 {field} 无效：{problem['msg']}。", f"The field {field} is not valid: {problem['msg']}.", param=field
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
    """The query string as a model; a field given twice counts as its last value."""
    return validate(model, dict(request.query_params))


async def parse_json(request: Request[Any], model: type[Model]) -> Model:
    """The JSON body as a model, whatever its declared content type.

    Raises:
        GatewayError: 400 for anything that is not a JSON object of the right fields.
    """
    body = await request.body()
    try:
        values = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise _invalid_json() from error
    if _is_deep(values):
        raise _invalid_json()
    return validate(model, values)


def _invalid_json() -> GatewayError:
    return invalid_request(
        f"请求体不是有效的 JSON，或嵌套超过 {MAX_DEPTH} 层。",
        f"The body is not valid JSON, or is nested more than {MAX_DEPTH} levels deep.",
        code="invalid_json",
    )


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:40]} is no number that JSON knows")
    return value


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _is_deep(values: object) -> bool:
    """Whether anything lies deeper than MAX_DEPTH; what walks through it later does so by recursion."""
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
