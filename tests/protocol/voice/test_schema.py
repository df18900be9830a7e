"""The OpenAPI document is true: requests made from it are answered as it says."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks

from tests.support.voice import VoiceBench, voice_bench

checks.load_all_checks()
# Which texts can be spoken and which names shown is more than a schema can say.
BEYOND_SCHEMA = [checks.CHECKS.get_one("positive_data_acceptance")]
HEALTH = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.fixture(scope="session")
def own_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    """An entry that strange requests may fill."""
    with voice_bench(tmp_path_factory.mktemp("schema")) as bench:
        yield bench


@pytest.fixture(scope="session")
def api(own_bench: VoiceBench) -> Any:
    return schemathesis.openapi.from_url(own_bench.url + "/openapi.json")


def exercise(api: Any, *, examples: int, derandomize: bool) -> None:
    """Ask every operation so many requests, right ones and wrong ones."""
    for found in api.get_all_operations():
        operation = found.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @settings(
                max_examples=examples,
                deadline=None,
                suppress_health_check=HEALTH,
                derandomize=derandomize,
                database=None,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                case.call_and_validate(excluded_checks=BEYOND_SCHEMA, timeout=30)

            try:
                ask()
            except hypothesis.errors.Unsatisfiable:
                # Nothing can be wrong about a request without parameters.
                assert mode is schemathesis.GenerationMode.NEGATIVE


def test_answers_are_as_described(api: Any) -> None:
    exercise(api, examples=6, derandomize=True)


@pytest.mark.slow
def test_answers_are_as_described_for_many_requests(api: Any) -> None:
    exercise(api, examples=60, derandomize=False)


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
        "/v1/models",
        "/v1/models/{model}",
        "/v1/admin/voices",
        "/v1/admin/voices/{voice_id}",
    } == set(paths)
    assert all("operationId" in operation for path in paths.values() for operation in path.values())


def test_the_documentation_needs_nothing_from_elsewhere(own_bench: VoiceBench) -> None:
    for path in ("/", "/docs"):
        page = requests.get(own_bench.url + path, timeout=10)
        assert page.status_code == 200
        assert "http://" not in page.text.replace("http://www.w3.org/", "")
        assert "https://" not in page.text
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert requests.get(f"{own_bench.url}/docs/assets/{asset}", timeout=10).status_code == 200
