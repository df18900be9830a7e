"""The default voice is made by the rules of every other voice."""

import asyncio
from pathlib import Path

import pytest

from gateway.domain.voice.default_voice import DEFAULT_VOICE_ID, is_default_voice
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.voice.normaliser import ReferenceNormaliser
from gateway.services.voice.default_voice import DefaultVoice
from gateway.settings import VoiceSettings
from gateway.web.voice.state import default_recording
from tests.support.voice_parts import REFERENCE_RULES


@pytest.fixture
def default(tmp_path: Path) -> DefaultVoice:
    work = tmp_path / "work"
    work.mkdir()
    normaliser = ReferenceNormaliser(rules=REFERENCE_RULES, sandbox=Sandbox(1), folder=work)
    return DefaultVoice(default_recording(), folder=tmp_path / "default_voice", normaliser=normaliser)


async def test_our_own_recording_passes_our_own_analysis(default: DefaultVoice) -> None:
    made = await default.get()
    report = made.voice.report
    assert report is not None
    assert report.speech_seconds > VoiceSettings().reference_min_speech_seconds * 2
    assert not report.cut
    assert report.clipped_percent == 0
    assert abs(report.gain_db) < 6
    assert made.reference.prompt_text == made.voice.prompt_text != ""
    assert made.reference.path.read_bytes()[:4] == b"RIFF"


async def test_it_is_made_once(default: DefaultVoice) -> None:
    first, *others = await asyncio.gather(*(default.get() for _ in range(5)))
    assert all(other is first for other in others)


@pytest.mark.parametrize("name", ["", "alloy", "Alloy", "shimmer", "marin", "default", DEFAULT_VOICE_ID])
def test_openais_voices_mean_it(name: str) -> None:
    assert is_default_voice(name)


@pytest.mark.parametrize("name", ["Anna", "v_" + "1" * 32, "alloyed"])
def test_other_voices_do_not(name: str) -> None:
    assert not is_default_voice(name)
