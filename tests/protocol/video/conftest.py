"""Clips and speech, made once; an entry shared by the tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.video import VideoBench, make_clip, make_speech, video_bench


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one-second clip that the engine takes as it is."""
    return make_clip(tmp_path_factory.mktemp("clip") / "avatar_1.mp4")


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.4 seconds of sound."""
    return make_speech(tmp_path_factory.mktemp("speech") / "audio_1.wav", seconds=1.4)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoBench]:
    """An entry with a healthy engine."""
    with video_bench(tmp_path_factory.mktemp("bench")) as made:
        yield made
