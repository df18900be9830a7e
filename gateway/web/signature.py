"""A handler's signature as the declaration of its parameters and its answer."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.web.multipart import Limits, ReceivedForm, receive_form
from gateway.web.operation import Content, Uploads
from gateway.web.params import parse_headers, parse_json, parse_query
from gateway.web.upload import Upload

# Answers that are not models send themselves: Starlette's responses, and our own.
Handler = Callable[..., Awaitable[BaseModel | ASGIApp]]


@dataclass(frozen=True)
class Takes:
    """A handler's parameters besides the request and the parts of the path; None: no such parameter.

    Attributes:
        query: model of the query string.
        headers: model of the request's own headers, by their names as aliases.
        body: model of the JSON body.
        form: model of a multipart body; its fields of type ``Upload`` are files.
    """

    query: type[BaseModel] | None = None
    headers: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    form: type[BaseModel] | None = None

    @classmethod
    def of(cls, handler: Handler, path: Collection[str]) -> Takes:
        """The annotations of ``query``, ``headers``, ``body`` and ``form``.

        Args:
            handler: its first parameter is the request.
            path: names of the path's parameters, all of which it takes.

        Raises:
            TypeError: the parameters do not fit.
        """
        hints = get_type_hints(handler)
        _, *names = inspect.signature(handler).parameters
        models = {name: hints[name] for name in names if name not in path}
        if not set(path) <= set(names) or not set(models) <= {"query", "headers", "body", "form"}:
            raise TypeError(f"{handler.__qualname__} does not take {sorted(path)} and known parts of a request")
        if "body" in models and "form" in models:
            raise TypeError(f"{handler.__qualname__} takes two bodies")
        return cls(**models)

    async def parsed(self, request: Request[Any]) -> dict[str, BaseModel]:
        """All but the form.

        Raises:
            GatewayError: 400, naming the field.
        """
        parsed: dict[str, BaseModel] = {}
        if self.query is not None:
            parsed["query"] = parse_query(request, self.query)
        if self.body is not None:
            parsed["body"] = await parse_json(request, self.body)
        if self.headers is not None:
            parsed["headers"] = parse_headers(request, self.headers)
        return parsed

    def receive(self, request: Request[Any], uploads: Uploads) -> AbstractAsyncContextManager[ReceivedForm]:
        """The form, as long as its files are needed."""
        settings = request.state["settings"]
        limits = Limits(file_bytes=uploads.most_bytes(settings), digest=uploads.digest)
        incoming = request.state["incoming"]
        return receive_form(request, incoming=incoming, file_fields=self.files, limits=limits)

    @property
    def files(self) -> frozenset[str]:
        """Names of the form's fields that are files."""
        fields = self.form.model_fields if self.form is not None else {}
        return frozenset(name for name, field in fields.items() if _mentions(field.annotation, Upload))


def _mentions(annotation: object, kind: type) -> bool:
    return annotation is kind or any(_mentions(part, kind) for part in get_args(annotation))


@dataclass(frozen=True)
class Answers:
    """A handler's answer.

    Attributes:
        kinds: classes that it may return.
        model: the JSON answer's model; None if it is not JSON.
        content: its content then.
    """

    kinds: tuple[type, ...]
    model: type[BaseModel] | None
    content: Content | None

    @classmethod
    def of(cls, handler: Handler) -> Answers:
        """The annotation of the result: a model, a response's class with its ``Content``, or nothing at all.

        Raises:
            TypeError: it is neither.
        """
        kind: Any = get_type_hints(handler, include_extras=True).get("return")
        content = None
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
            content = next((note for note in notes if isinstance(note, Content)), None)
        if kind is NoReturn:
            return cls((), None, None)
        if content is not None:
            return cls(get_args(kind) or (kind,), None, content)
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            raise TypeError(f"{handler.__qualname__} has no annotation of its answer")
        return cls((kind,), kind, None)

    def rendered(self, answer: BaseModel | ASGIApp, headers: Mapping[str, str]) -> ASGIApp:
        """The answer as an ASGI response.

        Args:
            answer: what the handler returned.
            headers: of a JSON answer.

        Raises:
            TypeError: it differs from the handler's declaration.
        """
        if not isinstance(answer, self.kinds):
            raise TypeError(f"the handler returned {type(answer).__name__}, and declares {self.kinds}")
        if isinstance(answer, BaseModel):
            return Response(answer.model_dump_json(), media_type="application/json", headers=headers)
        return answer
