"""Clips and speech, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.video import make_clip, make_speech


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one-second clip that the engine takes as it is."""
    return make_clip(tmp_path_factory.mktemp("clip") / "avatar_1.mp4")


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.4 seconds of sound."""
    return make_speech(tmp_path_factory.mktemp("speech") / "audio_1.wav", seconds=1.4)
