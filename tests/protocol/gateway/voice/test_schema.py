"""The OpenAPI document is true: requests made from it are answered as it says."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis

from tests.support.schema import exercise
from tests.support.voice import VoiceBench, voice_bench


@pytest.fixture(scope="session")
def own_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    """An entry that strange requests may fill."""
    with voice_bench(tmp_path_factory.mktemp("schema")) as bench:
        yield bench


@pytest.fixture(scope="session")
def api(own_bench: VoiceBench) -> Any:
    return schemathesis.openapi.from_url(own_bench.url + "/openapi.json")


def test_answers_are_as_described(api: Any) -> None:
    exercise(api, examples=6)


@pytest.mark.slow
def test_answers_are_as_described_for_many_requests(api: Any) -> None:
    exercise(api, examples=60)


def test_every_route_is_described(own_bench: VoiceBench) -> None:
    paths = requests.get(own_bench.url + "/openapi.json", timeout=10).json()["paths"]
    assert {
        "/health",
        "/ready",
        "/metrics",
        "/v1/voices/train",
        "/v1/voices",
        "/v1/voices/{voice_id}",
        "/v1/voices/{voice_id}/audio",
        "/v1/voices/{voice_id}/export",
        "/v1/voices/import",
        "/v1/tts",
        "/files/{filename}",
        "/v1/audio/speech",
        "/v1/audio/voices",
        "/v1/audio/models",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/admin/voices",
        "/v1/admin/voices/{voice_id}",
    } == set(paths)
    assert all("operationId" in operation for path in paths.values() for operation in path.values())


def test_the_device_of_openais_calls_is_described(own_bench: VoiceBench) -> None:
    paths = requests.get(own_bench.url + "/openapi.json", timeout=10).json()["paths"]

    def parameters(path: str, method: str) -> set[tuple[str, str]]:
        return {(one["name"], one["in"]) for one in paths[path][method]["parameters"]}

    assert parameters("/v1/audio/speech", "post") == {("X-Device-ID", "header")}
    assert parameters("/v1/audio/voices", "get") == {("X-Device-ID", "header"), ("device_id", "query")}


def test_the_documentation_needs_nothing_from_elsewhere(own_bench: VoiceBench) -> None:
    for path in ("/", "/docs"):
        page = requests.get(own_bench.url + path, timeout=10)
        assert page.status_code == 200
        assert "http://" not in page.text.replace("http://www.w3.org/", "")
        assert "https://" not in page.text
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert requests.get(f"{own_bench.url}/docs/assets/{asset}", timeout=10).status_code == 200
