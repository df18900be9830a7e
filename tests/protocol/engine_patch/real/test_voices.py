"""Registered voices of the real engine: bounded, and kept over a restart."""

from __future__ import annotations

import pytest
import requests

from tests.support.engine import Engine, reference
from tests.support.real_engine import READY_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TEXT = "Hello there."


def listed(engine: Engine) -> list[str]:
    return [voice["voice_id"] for voice in requests.get(f"{engine.url}/voices", timeout=10).json()["data"]]


def sound_of(engine: Engine, voice_id: str) -> bytes:
    answer = engine.speak("cross_lingual", tts_text=TEXT, seed=1, voice_id=voice_id)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_the_oldest_voice_goes_and_a_restart_keeps_the_others(engine: Engine) -> None:
    most = engine.health()["voices"]["limit"]
    made = []
    for number in range(most + 1):
        answer = engine.register(reference(pitch=100 + 10 * number, seconds=1))
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["voice_id"])
    kept = made[1:]
    assert listed(engine) == kept[::-1]
    forgotten = engine.speak("cross_lingual", tts_text=TEXT, voice_id=made[0])
    assert (forgotten.status_code, forgotten.json()["code"]) == (404, "voice_unknown")
    before = sound_of(engine, kept[0])
    engine.stop()
    engine.restart()
    starting = requests.get(f"{engine.url}/ready", timeout=10)
    assert starting.status_code == 503
    assert int(starting.headers["Retry-After"]) > 0
    engine.wait_until_ready(READY_SECONDS)
    assert set(listed(engine)) == set(kept)
    # Analysed anew by another process: the same features, so the same sound.
    assert sound_of(engine, kept[0]) == before
