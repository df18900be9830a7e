"""Routes that say what they do: parsed, called, rendered, and found before anything else sees the request."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, NoReturn

import httpx
import pytest
from pydantic import BaseModel, Field
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.domain.errors import not_found, rate_limited
from gateway.infrastructure.api_keys import ApiKeys
from gateway.infrastructure.database import open_database
from gateway.infrastructure.incoming import IncomingFolder
from gateway.web.middleware.access import ApiKeyMiddleware
from gateway.web.middleware.failures import FailuresMiddleware
from gateway.web.operation import NO_STORE, Content, Rate, Uploads, operation_of
from gateway.web.params import is_none
from gateway.web.routing import Application, Route, operation
from gateway.web.upload import UploadedFile
from tests.support.usage import usage_of


class Question(BaseModel):
    page: int = 1


class Sender(BaseModel):
    device: str = Field("", alias="X-Device-ID")


class Order(BaseModel):
    device_id: str
    text: str


class Parcel(BaseModel):
    device_id: str
    note: str = ""
    file: UploadedFile


class Answer(BaseModel):
    got: dict[str, Any]
    error: str | None = Field(None, exclude_if=is_none)


Text = Annotated[PlainTextResponse, Content("text/plain", binary=False)]
UPLOADS = Uploads(most_bytes=lambda settings: settings.most)


@operation("GET", "/things/{name}", headers=NO_STORE)
async def get_thing(_: Request[Any], name: str, query: Question, headers: Sender) -> Answer:
    return Answer(got={"name": name, "page": query.page, "device": headers.device})


@operation("DELETE", "/things/{name}", admin=True)
async def delete_thing(_: Request[Any], name: str) -> Answer:
    return Answer(got={"deleted": name})


@operation("POST", "/orders", rate=Rate.DEVICE)
async def post_order(_: Request[Any], body: Order) -> Answer:
    return Answer(got=body.model_dump(), error="none")


@operation("POST", "/parcels", rate=Rate.DEVICE, uploads=UPLOADS)
async def post_parcel(_: Request[Any], form: Parcel) -> Answer:
    return Answer(got={"note": form.note, "file": form.file.path.read_text(), "name": form.file.filename})


@operation("POST", "/address", rate=Rate.ADDRESS)
async def post_address(_: Request[Any], body: Order) -> Answer:
    raise AssertionError("must not be reached")


@operation("GET", "/text")
async def get_text(_: Request[Any]) -> Text:
    return PlainTextResponse("as it is")


@operation("GET", "/wrong")
async def get_wrong(_: Request[Any]) -> Answer:
    return Question()  # type: ignore[return-value]  # what type checking finds


@operation("GET|POST|PUT", "/things/{rest:path}", fallback=True)
async def refuse(_: Request[Any], rest: str) -> NoReturn:
    raise not_found()


class Limiter:
    """Refuses the device and the address that are too busy."""

    async def check(self, who: str) -> None:
        if who in ("busy", "127.0.0.1"):
            raise rate_limited(5)


class Seen:
    """Middleware that notes the operation of each request."""

    def __init__(self, app: ASGIApp, *, paths: list[str]) -> None:
        self._app, self._paths = app, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._paths.append(operation_of(scope).path)
        await self._app(scope, receive, send)


ROUTES = [refuse, get_thing, delete_thing, post_order, post_parcel, post_address, get_text, get_wrong]


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
async def client(tmp_path: Path, seen: list[str]) -> AsyncIterator[httpx.AsyncClient]:
    settings = SimpleNamespace(most=10)
    database = await open_database("sqlite+aiosqlite://")
    state = {
        "incoming": IncomingFolder(tmp_path, reserve_bytes=0),
        "settings": settings,
        "device_limiter": Limiter(),
        "usage": usage_of(database),
    }

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield

    layers = [
        Middleware(Seen, paths=seen),
        Middleware(FailuresMiddleware),
        Middleware(ApiKeyMiddleware, keys=ApiKeys(given="")),
    ]
    app = Application(routes=ROUTES, middleware=layers, lifespan=lifespan)

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    transport = httpx.ASGITransport(with_state, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://entry") as client:
        yield client
    await database.dispose()


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_path_query_and_headers_arrive_as_their_types(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things/a?page=2", headers={"X-Device-ID": "设备".encode()})
    assert answer.json() == {"got": {"name": "a", "page": 2, "device": "设备"}}
    assert (answer.headers["cache-control"], answer.headers["content-type"]) == ("no-store", "application/json")


async def test_what_does_not_fit_is_refused_before_the_handler(client: httpx.AsyncClient) -> None:
    assert (await client.get("/things/a?page=x")).status_code == 400
    assert (await client.post("/orders", content=b"{")).json()["code"] == "invalid_json"
    assert (await client.post("/orders", json={"device_id": "d"})).json()["code"] == "missing_field"


async def test_a_body_arrives_as_its_model(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders", json={"device_id": "d", "text": "t"})
    assert answer.json() == {"got": {"device_id": "d", "text": "t"}, "error": "none"}


async def test_a_form_arrives_with_its_file_which_is_deleted_afterwards(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    answer = await client.post("/parcels", data={"device_id": "d", "note": "n"}, files={"file": ("f.txt", b"inside")})
    assert answer.json() == {"got": {"note": "n", "file": "inside", "name": "f.txt"}}
    assert left_in(tmp_path) == []


async def test_a_form_is_held_to_its_limits(client: httpx.AsyncClient, tmp_path: Path) -> None:
    too_large = await client.post("/parcels", data={"device_id": "d"}, files={"file": b"x" * 11})
    assert too_large.status_code == 413
    missing = await client.post("/parcels", data={"device_id": "d"}, files={"other": b"x"})
    assert (missing.status_code, missing.json()["code"]) == (400, "missing_field")
    assert left_in(tmp_path) == []


async def test_devices_and_addresses_are_limited_where_declared(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.post("/orders", json={"device_id": "busy", "text": "t"}),
        await client.post("/parcels", data={"device_id": "busy"}, files={"file": b"x"}),
        await client.post("/address", content=b"not even JSON"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "rate_limited")


async def test_a_declared_response_is_sent_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/text")
    assert (answer.text, answer.headers["content-type"]) == ("as it is", "text/plain; charset=utf-8")


async def test_another_answer_than_the_declared_one_is_a_fault_of_ours(client: httpx.AsyncClient) -> None:
    assert (await client.get("/wrong")).status_code == 500


async def test_a_wrong_method_is_answered_with_all_right_ones(client: httpx.AsyncClient) -> None:
    answer = await client.post("/things/a")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, HEAD")


async def test_a_fallback_serves_only_paths_that_nothing_else_has(client: httpx.AsyncClient) -> None:
    assert (await client.post("/things/a/b")).status_code == 404
    assert (await client.put("/things/a")).status_code == 405


async def test_head_comes_with_get(client: httpx.AsyncClient) -> None:
    answer = await client.head("/text")
    assert (answer.status_code, answer.headers["content-length"]) == (200, "8")


async def test_middleware_sees_the_operation_first(client: httpx.AsyncClient, seen: list[str]) -> None:
    for path in ("/text", "/nothing", "/things/with/a%0Aline"):
        await client.get(path)
    await client.post("/text")
    assert seen == ["/text", "", "/things/{rest:path}", "/text"]


def handler(text: str) -> Any:
    scope: dict[str, Any] = {}
    exec(text, globals(), scope)  # noqa: S102 - signatures are what is tested
    return scope["handle"]


@pytest.mark.parametrize(
    ("path", "signature", "rules"),
    [
        ("/x", "request", {}),
        ("/x", "request) -> dict[str, int]", {}),
        ("/x", "request) -> Response", {}),
        ("/{name}", "request) -> Answer", {}),
        ("/x", "request, other: Order) -> Answer", {}),
        ("/x", "request, body: Order, form: Parcel) -> Answer", {}),
        ("/x", "request, form: Parcel) -> Answer", {}),
        ("/x", "request) -> Answer", {"uploads": UPLOADS}),
        ("/x", "request) -> Text", {"headers": NO_STORE}),
    ],
)
def test_a_signature_that_does_not_fit_is_refused_at_import(path: str, signature: str, rules: dict[str, Any]) -> None:
    closed = signature if ")" in signature else signature + ")"
    with pytest.raises(TypeError):
        operation("POST", path, **rules)(handler(f"async def handle({closed}: ..."))


def test_an_answer_is_rendered_once() -> None:
    rendered = get_thing.answers.rendered(Answer(got={"a": 1}), NO_STORE)
    assert isinstance(rendered, Response)
    assert json.loads(bytes(rendered.body)) == {"got": {"a": 1}}
    assert isinstance(get_thing, Route)
