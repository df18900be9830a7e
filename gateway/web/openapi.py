"""OpenAPI from the routes themselves: what a handler declares is what it parses and answers with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway import __version__

REF = "#/components/schemas/{model}"
Handler = TypeVar("Handler", bound=Callable[..., Any])

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


@dataclass(frozen=True)
class Form:
    """A multipart body: a model for the text fields, and the names of the file fields."""

    fields: type[BaseModel]
    files: Mapping[str, str]
    required_files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Operation:
    """What one handler takes and gives.

    Attributes:
        query: model of the query string.
        takes: model of the request's own headers, by their names as aliases.
        body: model of the JSON body, or a ``Form``.
        answer: model of the JSON answer.
        content: media types of an answer that is no JSON, in OpenAPI's terms.
        errors: statuses besides the success, each with one line.
        public: no API key is asked.
        openai: errors have OpenAI's shape.
    """

    summary: str
    tag: str
    query: type[BaseModel] | None = None
    takes: type[BaseModel] | None = None
    body: type[BaseModel] | Form | None = None
    answer: type[BaseModel] | None = None
    content: Mapping[str, Any] | None = None
    status: int = 200
    errors: Mapping[int, str] = field(default_factory=dict)
    public: bool = False
    openai: bool = False
    headers: Mapping[str, Any] | None = None
    also: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


def operation(**declared: Any) -> Callable[[Handler], Handler]:
    """Declare a handler's ``Operation``; its docstring becomes the description."""

    def attach(handler: Handler) -> Handler:
        handler.operation = Operation(**declared)  # type: ignore[attr-defined]
        return handler

    return attach


def _models(operations: Iterable[Operation]) -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {}
    for declared in operations:
        body = declared.body.fields if isinstance(declared.body, Form) else declared.body
        for model in (body, declared.answer):
            if model is not None:
                found[model] = None
    return list(found)


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
    """The schema with its definitions put in place: a parameter has no room for them."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _request_body(body: type[BaseModel] | Form | None) -> dict[str, Any] | None:
    if body is None:
        return None
    if not isinstance(body, Form):
        return {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    files = {
        name: {"type": "string", "format": "binary", "description": description}
        for name, description in body.files.items()
    }
    schema = {
        "allOf": [
            _ref(body.fields),
            {"type": "object", "properties": files, "required": sorted(body.required_files)},
        ]
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}


def _responses(declared: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success."}
    if declared.answer is not None:
        success["content"] = {"application/json": {"schema": _ref(declared.answer)}}
    elif declared.content is not None:
        success["content"] = dict(declared.content)
    if declared.headers is not None:
        success["headers"] = dict(declared.headers)
    responses: dict[str, Any] = {str(declared.status): success}
    responses.update({str(status): dict(described) for status, described in declared.also.items()})
    shape = "OpenAIError" if declared.openai else "Error"
    error = {"application/json": {"schema": {"$ref": REF.format(model=shape)}}}
    shared = {} if declared.public else {401: "The API key is missing or wrong."}
    for status, description in {**shared, **declared.errors}.items():
        responses[str(status)] = {"description": description, "content": error}
    responses["default"] = {"description": "Any other failure.", "content": error}
    return responses


def _describe(route: Route, declared: Operation, *, method: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{method.lower()}_{route.name}",
        "summary": declared.summary,
        "description": (route.endpoint.__doc__ or "").strip(),
        "tags": [declared.tag],
        "parameters": [
            *_path_parameters(route),
            *_parameters(declared.query, where="query"),
            *_parameters(declared.takes, where="header"),
        ],
        "responses": _responses(declared),
    }
    body = _request_body(declared.body)
    if body is not None:
        described["requestBody"] = body
    if declared.public:
        described["security"] = []
    return described


def build(*, title: str, description: str, routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes whose handlers declare an operation."""
    declared = [
        (route, route.endpoint.operation)
        for route in routes
        if isinstance(route, Route) and hasattr(route.endpoint, "operation")
    ]
    models = _models(operation for _, operation in declared)
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    paths: dict[str, Any] = {}
    for route, described in declared:
        # HEAD comes with every GET and is not worth a line of its own.
        for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
            paths.setdefault(route.path_format, {})[method.lower()] = _describe(route, described, method=method)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": description},
        "paths": paths,
        "components": {
            "schemas": {**ERROR_SCHEMAS, **schemas.get("$defs", {})},
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "Bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"ApiKey": []}, {"Bearer": []}],
    }


def openapi_endpoint(*, title: str, description: str, routes: Iterable[BaseRoute]) -> Callable[..., Any]:
    """A handler that answers with the document, built once on first use."""

    @cache
    def document() -> dict[str, Any]:
        return build(title=title, description=description, routes=routes)

    async def openapi(_: Request) -> Response:
        return JSONResponse(document())

    return openapi
