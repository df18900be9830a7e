"""The OpenAPI document, made of the routes' own declarations."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway import __version__
from gateway.web.operation import Content
from gateway.web.routing import Route

REF = "#/components/schemas/{model}"

ERROR_SCHEMAS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "required": ["message", "code"],
        "properties": {
            "message": {"type": "string", "description": "A sentence for the user, Chinese or English."},
            "code": {"type": "string", "description": "A stable code for programs."},
        },
    },
    "OpenAIError": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": {"type": ["string", "null"]},
                    "code": {"type": "string"},
                },
            }
        },
    },
}


def _models(routes: Iterable[Route]) -> list[type[BaseModel]]:
    mentioned = (model for route in routes for model in (route.takes.body, route.takes.form, route.answers.model))
    return list(dict.fromkeys(model for model in mentioned if model is not None))


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in route.param_convertors
    ]


def _parameters(model: type[BaseModel] | None, *, where: str) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    required = set(schema.get("required", ()))
    parameters = []
    for name, described in schema.get("properties", {}).items():
        inner = {
            key: _inlined(value, definitions) for key, value in described.items() if key not in ("title", "description")
        }
        parameters.append(
            {
                "name": name,
                "in": where,
                "required": name in required,
                "description": described.get("description", ""),
                "schema": inner,
            }
        )
    return parameters


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with its definitions inlined: a parameter can't hold definitions."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _request_body(route: Route) -> dict[str, Any] | None:
    if route.takes.body is not None:
        return {"required": True, "content": {"application/json": {"schema": _ref(route.takes.body)}}}
    if route.takes.form is not None:
        return {"required": True, "content": {"multipart/form-data": {"schema": _ref(route.takes.form)}}}
    return None


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}


def _content(content: Content) -> dict[str, Any]:
    schema = {"type": "string", "format": "binary"} if content.binary else {"type": "string"}
    event = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
    events = {"text/event-stream": {"schema": event}} if content.events else {}
    return {content.media_type: {"schema": schema}, **events}


def _successes(route: Route) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success."}
    answers, headers = route.answers, route.operation.headers
    if headers:
        success["headers"] = {name: {"schema": {"const": value}} for name, value in headers.items()}
    if answers.model is not None:
        success["content"] = {"application/json": {"schema": _ref(answers.model)}}
    if answers.content is None:
        return {"200": success}
    success["content"] = _content(answers.content)
    if not answers.content.ranges:
        return {"200": success}
    part = {"description": "The requested part.", "content": success["content"]}
    return {"200": success, "206": part, "304": {"description": "Not changed."}}


def _errors(route: Route) -> dict[int, str]:
    """The errors by the declaration, and those that the handler raises."""
    operation, takes = route.operation, route.takes
    errors: dict[int, str] = {}
    if any((takes.query, takes.headers, takes.body, takes.form)):
        errors[400] = "A parameter or field is missing or not valid."
    if not operation.public:
        errors[401] = "The API key is missing or wrong."
    if operation.admin:
        errors[403] = "The entry has no API key set, so it has no administrator."
    if takes.form is not None:
        errors |= {413: "The files are too large.", 507: "The disk is full."}
    if route.answers.content is not None and route.answers.content.ranges:
        errors[416] = "The range is past the end."
    return errors | dict(operation.errors)


def _responses(route: Route) -> dict[str, Any]:
    shape = "OpenAIError" if route.operation.openai else "Error"
    error = {"application/json": {"schema": {"$ref": REF.format(model=shape)}}}
    described = {**{str(status): text for status, text in _errors(route).items()}, "default": "Any other failure."}
    errors = {status: {"description": text, "content": error} for status, text in described.items()}
    return {**_successes(route), **errors}


def _described(route: Route) -> dict[str, Any]:
    operation = route.operation
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": operation.summary,
        "description": inspect.getdoc(route.endpoint) or "",
        "tags": [operation.tag],
        "parameters": [
            *_path_parameters(route),
            *_parameters(route.takes.query, where="query"),
            *_parameters(route.takes.headers, where="header"),
        ],
        "responses": _responses(route),
    }
    body = _request_body(route)
    if body is not None:
        described["requestBody"] = body
    if operation.public:
        described["security"] = []
    elif operation.admin:
        described["security"] = [{"ApiKey": []}, {"Bearer": []}]
    return described


def _paths(routes: Iterable[Route]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        # HEAD exists for every GET and is not listed separately.
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(route.path_format, {})[method.lower()] = _described(route)
    return paths


def openapi_document(*, title: str, description: str, routes: Iterable[Route]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all public routes.

    Raises:
        ValueError: two handlers have the same name.
    """
    shown = [route for route in routes if route.operation.documented]
    twice = [name for name, times in Counter(route.name for route in shown).items() if times > 1]
    if twice:
        raise ValueError(f"names of operations must differ: {twice}")
    _, schemas = models_json_schema([(model, "validation") for model in _models(shown)], ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": description},
        "paths": _paths(shown),
        "components": {
            "schemas": {**ERROR_SCHEMAS, **schemas.get("$defs", {})},
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "Bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"ApiKey": []}, {"Bearer": []}],
    }
