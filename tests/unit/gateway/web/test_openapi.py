"""The OpenAPI documents of both entries, made of their routes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.web.openapi import openapi_document
from gateway.web.routing import Route, operation
from gateway.web.video.downloads import download_routes
from gateway.web.video.health import get_health
from gateway.web.video.tasks import task_routes
from gateway.web.video.uploads import upload_routes
from gateway.web.voice.admin import admin_routes
from gateway.web.voice.archive import archive_routes
from gateway.web.voice.openai import openai_routes
from gateway.web.voice.speech import speech_routes
from gateway.web.voice.voices import voice_routes

VIDEO = [get_health, *upload_routes, *task_routes, *download_routes]
VOICE = [*openai_routes, *speech_routes, *archive_routes, *voice_routes, *admin_routes]


def document(routes: list[Route]) -> dict[str, Any]:
    return openapi_document(title="Entry", description="An entry.", routes=routes)


def of(route: Route) -> dict[str, Any]:
    (methods,) = document([route])["paths"].values()
    (described,) = methods.values()
    return dict(described)


def statuses(route: Route) -> set[str]:
    return set(of(route)["responses"])


@pytest.mark.parametrize("routes", [VIDEO, VOICE])
def test_operations_are_named_as_their_handlers(routes: list[Route]) -> None:
    paths = document(routes)["paths"]
    names = [described["operationId"] for methods in paths.values() for described in methods.values()]
    assert sorted(names) == sorted(route.name for route in routes if route.operation.documented)


def test_every_reference_has_its_schema() -> None:
    for routes in (VIDEO, VOICE):
        made = document(routes)
        schemas = made["components"]["schemas"]

        def check(part: Any, schemas: dict[str, Any] = schemas) -> None:
            if isinstance(part, dict):
                if "$ref" in part:
                    assert part["$ref"].rsplit("/", 1)[-1] in schemas
                for inner in part.values():
                    check(inner)
            elif isinstance(part, list):
                for inner in part:
                    check(inner)

        check(made)


def test_a_form_declares_which_of_its_fields_are_files() -> None:
    schemas = document(upload_routes)["components"]["schemas"]
    assert {
        name: field["contentMediaType"] for name, field in schemas["UploadForm"]["properties"].items()
    } == dict.fromkeys(("video", "audio", "file"), "application/octet-stream")
    schemas = document(voice_routes)["components"]["schemas"]
    assert "audio" in schemas["TrainForm"]["required"]


def test_errors_follow_from_what_is_declared() -> None:
    by_name = {route.name: route for route in [*VIDEO, *VOICE]}
    assert statuses(by_name["get_health"]) == {"200", "default"}
    assert statuses(by_name["download_file"]) == {"200", "206", "304", "400", "401", "404", "416", "default"}
    assert statuses(by_name["list_all_voices"]) == {"200", "400", "401", "403", "default"}
    assert {"400", "401", "413", "507"} <= statuses(by_name["upload_file"])


def test_openais_routes_have_openais_errors() -> None:
    schema = of(openai_routes[0])["responses"]["404"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/OpenAIError"}


def test_headers_of_an_answer_are_described() -> None:
    query = next(route for route in task_routes if route.name == "query_task")
    assert of(query)["responses"]["200"]["headers"] == {"Cache-Control": {"schema": {"const": "no-store"}}}


def test_two_operations_of_one_name_are_refused() -> None:
    again = operation("GET", "/again", summary="Again")(get_health.endpoint)
    with pytest.raises(ValueError, match="get_health"):
        document([get_health, again])
