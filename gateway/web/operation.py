"""A route's declaration besides its handler's signature; middleware reads it, the OpenAPI document shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import Any

from starlette.types import Scope

BODY_BYTES = 1 << 20
NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store"}
ANY_METHOD = "GET|POST|PUT|PATCH|DELETE"
_KEY = "twinport.operation"


class Rate(Enum):
    """The unit of the limit ``rate_limit_per_minute``."""

    ADDRESS = "address"  # the client's address, before the body is read
    DEVICE = "device"  # the ``device_id`` of the body or form, once it is read
    HANDLER = "handler"  # whose the handler finds out, which counts the request


@dataclass(frozen=True)
class Content:
    """An answer that is not JSON; given in ``Annotated`` beside the class of the response.

    Attributes:
        media_type: as in OpenAPI, so ``audio/*`` is possible.
        binary: bytes rather than text.
        ranges: ranges and validators are supported.
        events: where the client asks for it, server-sent events carry the same.
    """

    media_type: str
    binary: bool = True
    ranges: bool = False
    events: bool = False


@dataclass(frozen=True)
class Uploads:
    """Rules for a form's files, which are received in the entry's ``incoming``.

    Attributes:
        most_bytes: the limit for all files together, from the entry's settings.
        digest: hash the files; large ones arrive faster without.
    """

    most_bytes: Callable[[Any], int]
    digest: bool = True


@dataclass(frozen=True)
class Operation:
    """A method and path, and the rules for requests to it.

    Attributes:
        method: in capitals; several are joined by ``|``. HEAD comes with GET.
        path: as Starlette writes them.
        summary: one line for the document.
        tag: group in the document.
        errors: statuses that the handler itself raises, each with one line.
        headers: of the JSON answer, name to value.
        public: no API key is required.
        admin: an administrator's key is asked for.
        openai: errors have OpenAI's shape.
        probe: answered however busy the entry is, and never limited.
        quiet: successes are logged at debug level only.
        rate: whose requests are limited; each counts as work of its API key.
        uploads: bounds of a form's files; needed where the handler takes a form.
        streamed: the limit of a body that the handler reads itself, from the entry's settings.
        fallback: considered only where no other route has the path, whatever the method.
        documented: shown in the OpenAPI document.
    """

    method: str
    path: str
    _: KW_ONLY
    summary: str = ""
    tag: str = ""
    errors: Mapping[int, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    public: bool = False
    admin: bool = False
    openai: bool = False
    probe: bool = False
    quiet: bool = False
    rate: Rate | None = None
    uploads: Uploads | None = None
    streamed: Callable[[Any], int] | None = None
    fallback: bool = False
    documented: bool = True

    def body_bytes(self, settings: object) -> int:
        """Maximum number of bytes of a body, or of a form's files, under these settings."""
        most = self.uploads.most_bytes if self.uploads is not None else self.streamed
        return BODY_BYTES if most is None else most(settings)


UNKNOWN = Operation("", "")


def note_operation(scope: Scope, operation: Operation) -> None:
    """Note the operation of a request."""
    scope[_KEY] = operation


def operation_of(scope: Scope) -> Operation:
    """The operation of a request; one with the strictest rules if no route has the path."""
    found: Operation = scope.get(_KEY, UNKNOWN)
    return found
