"""An entry shared by the tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.video import VideoBench, video_bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoBench]:
    """An entry with a healthy engine."""
    with video_bench(tmp_path_factory.mktemp("bench")) as made:
        yield made.wait_until_ready()
