"""The video entry's OpenAPI document is true: requests made from it are answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis

from tests.support.schema import exercise
from tests.support.video import video_bench


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with video_bench(tmp_path_factory.mktemp("schema")) as bench:
        yield schemathesis.openapi.from_url(bench.client.url + "/openapi.json")


def test_answers_are_as_described(api: Any) -> None:
    exercise(api, examples=6)


@pytest.mark.slow
def test_answers_are_as_described_for_many_requests(api: Any) -> None:
    exercise(api, examples=60)
