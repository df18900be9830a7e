"""What the real CosyVoice 2 speaks under our server: rates, lengths, speeds, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import requests

from tests.support.engine import Engine, reference, samples_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TEXT = "Hello there."
SPEAKER = "中文女"
# A speech token is 40 ms of sound at 24 kHz.
TOKEN_SAMPLES = 960
FIELDS: dict[str, dict[str, str]] = {
    "sft": {"spk_id": SPEAKER},
    "zero_shot": {"prompt_text": "what it says"},
    "cross_lingual": {},
    "instruct2": {"instruct_text": "用四川话说"},
}


def wav_for(mode: str) -> bytes | None:
    return None if mode == "sft" else reference(seconds=2)


def heard(engine: Engine, mode: str = "sft", **fields: Any) -> bytes:
    """The sound of a request that must be answered."""
    fields = {"tts_text": TEXT, **FIELDS[mode], **fields}
    answer = engine.speak(mode, wav=None if "voice_id" in fields else wav_for(mode), **fields)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_health_describes_the_real_model(engine: Engine) -> None:
    health = engine.health()
    assert (health["model_kind"], health["prompt_kind"], health["sample_rate"]) == ("CosyVoice2", "tensor", 24000)
    assert sorted(health["modes"]) == sorted(FIELDS)
    assert health["speakers"] == [SPEAKER]
    assert requests.get(f"{engine.url}/ready", timeout=10).json() == {"state": "ready"}


@pytest.mark.parametrize("stream", ["false", "true"])
@pytest.mark.parametrize("mode", list(FIELDS))
def test_every_mode_answers_sound_of_whole_tokens(engine: Engine, mode: str, stream: str) -> None:
    answer = engine.speak(mode, wav=wav_for(mode), tts_text=TEXT, stream=stream, **FIELDS[mode])
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "audio/L16; rate=24000; channels=1"
    sound = samples_of(answer.content)
    assert len(sound) % TOKEN_SAMPLES == 0
    # The package makes from 2 to 20 speech tokens for each of the text, which here is a byte.
    assert 2 * len(TEXT) <= len(sound) / TOKEN_SAMPLES <= 20 * len(TEXT)
    assert np.abs(sound.astype(int)).max() > 100


@pytest.mark.parametrize("mode", ["sft", "cross_lingual"])
def test_speed_is_exact(engine: Engine, mode: str) -> None:
    plain, slow, fast = (len(heard(engine, mode, seed=3, speed=speed)) for speed in (1, 0.5, 2))
    assert (slow / plain, fast / plain) == (2, 0.5)


def test_a_seed_repeats_the_sound(engine: Engine) -> None:
    first, again, other = (heard(engine, "zero_shot", seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other


@pytest.mark.parametrize("mode", ["zero_shot", "cross_lingual", "instruct2"])
def test_a_registered_voice_speaks_like_its_upload(engine: Engine, mode: str) -> None:
    text = FIELDS["zero_shot"]["prompt_text"]
    answer = engine.register(reference(seconds=2), prompt_text=text)
    assert answer.status_code in {200, 201}, answer.text
    voice_id = answer.json()["voice_id"]
    assert heard(engine, mode, seed=7, voice_id=voice_id) == heard(engine, mode, seed=7)
    if mode == "zero_shot":
        plain = engine.speak(mode, tts_text=TEXT, seed=7, voice_id=voice_id)
        assert plain.content == heard(engine, mode, seed=7)


def test_references_are_heard(engine: Engine) -> None:
    low, high = (
        engine.speak("cross_lingual", wav=reference(pitch=pitch, seconds=2), tts_text=TEXT, seed=1).content
        for pitch in (90, 300)
    )
    assert low != high


def test_a_long_text_is_spoken_in_segments(engine: Engine) -> None:
    before = engine.output().count("synthesis text")
    sentence = "This is one of the sentences that are long enough to be a segment."
    text = f"{sentence} {sentence}"
    sound = heard(engine, tts_text=text)
    assert engine.output().count("synthesis text") == before + 2
    assert len(sound) / 2 / TOKEN_SAMPLES >= 2 * (len(text) - 1)


def test_numbers_are_read_unless_the_frontend_is_off(engine: Engine) -> None:
    heard(engine, tts_text="在2026年")
    assert "synthesis text 在二零二六年" in engine.output()
    heard(engine, tts_text="在2027年", text_frontend="false")
    assert "synthesis text 在2027年" in engine.output()


def test_upstreams_client_works_unchanged(engine: Engine) -> None:
    """It sends GET with a body, and the reference as application/octet-stream."""
    answer = engine.speak("cross_lingual", method="GET", wav=reference(seconds=2), tts_text=TEXT)
    assert answer.status_code == 200
    assert len(answer.content) >= 2 * len(TEXT) * 2 * TOKEN_SAMPLES


def test_an_old_client_gets_a_length(engine: Engine) -> None:
    status, length, body = engine.speak_http_1_0(tts_text=TEXT, spk_id=SPEAKER)
    assert (status, length) == (200, str(len(body)))
    assert body
