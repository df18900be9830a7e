"""A voice entry with a healthy engine, shared by the tests that change nothing about it."""

from collections.abc import Iterator

import pytest

from tests.support.voice import VoiceBench, voice_bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    """An entry whose engine speaks without effort."""
    with voice_bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture(scope="session")
def voice(bench: VoiceBench) -> str:
    """A ready voice of ``device-1`` named Anna."""
    return bench.ready_voice()
