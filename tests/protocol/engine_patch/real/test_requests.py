"""Requests that the real engine can't serve: the right sentence and code, and the next request is served."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.support.engine import Engine, reference

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TEXT = "Hello there."
SFT = {"tts_text": TEXT, "spk_id": "中文女"}
# Mode, fields, reference, code, and words of the sentence.
CASES: list[tuple[str, dict[str, Any], bytes | None, str, str]] = [
    ("sft", {"spk_id": "中文女"}, None, "field_missing", "tts_text"),
    ("sft", {"tts_text": TEXT}, None, "field_missing", "spk_id"),
    ("sft", {**SFT, "tts_text": "…！？"}, None, "text_empty", "nothing that can be spoken"),
    ("sft", {**SFT, "tts_text": "<|endofprompt|>"}, None, "text_empty", "nothing that can be spoken"),
    ("sft", {**SFT, "tts_text": "x" * 5001}, None, "text_too_long", "5001"),
    ("sft", {**SFT, "spk_id": "nobody"}, None, "speaker_unknown", "nobody"),
    ("sft", {**SFT, "speed": "3"}, None, "field_invalid", "0.5 to 2.0"),
    ("sft", {**SFT, "seed": "-1"}, None, "field_invalid", "seed"),
    ("sft", {**SFT, "stream": "maybe"}, None, "field_invalid", "stream"),
    ("instruct", {**SFT, "instruct_text": "calm"}, None, "mode_not_supported", "CosyVoice2 has no instruct mode"),
    ("zero_shot", {"tts_text": TEXT}, reference(seconds=2), "field_missing", "prompt_text"),
    ("cross_lingual", {"tts_text": TEXT}, None, "field_missing", "prompt_wav"),
    ("cross_lingual", {"tts_text": TEXT}, b"", "prompt_not_audio", "empty"),
    ("cross_lingual", {"tts_text": TEXT}, b"not audio at all", "prompt_not_audio", "WAV, FLAC, OGG or MP3"),
    ("cross_lingual", {"tts_text": TEXT}, reference(seconds=0.2), "prompt_too_short", "0.20 s"),
    ("cross_lingual", {"tts_text": TEXT}, reference(seconds=31), "prompt_too_long", "30 seconds"),
    ("cross_lingual", {"tts_text": TEXT}, reference(seconds=2, rate=8000), "prompt_rate_too_low", "16"),
    ("cross_lingual", {"tts_text": TEXT, "voice_id": "ev_" + "0" * 32}, None, "voice_unknown", "ev_000"),
    ("instruct2", {"tts_text": TEXT}, reference(seconds=2), "field_missing", "instruct_text"),
]


@pytest.mark.parametrize(("mode", "fields", "wav", "code", "words"), CASES)
def test_a_bad_request_is_explained(
    engine: Engine, mode: str, fields: dict[str, Any], wav: bytes | None, code: str, words: str
) -> None:
    answer = engine.speak(mode, wav=wav, **fields)
    assert answer.status_code == (404 if code == "voice_unknown" else 422), answer.text
    assert answer.json()["code"] == code
    assert words in answer.json()["message"]
    engine.wait_until_clean()


def test_a_silent_reference_is_served(engine: Engine) -> None:
    """Its features are the extreme ones: nothing in the real frontend divides by its loudness."""
    answer = engine.speak("cross_lingual", wav=reference(seconds=1, pitch=0), tts_text=TEXT)
    assert answer.status_code == 200, answer.text
    assert answer.content


def test_unknown_routes_are_refused(engine: Engine) -> None:
    answer = requests.post(f"{engine.url}/inference_vc", data=SFT, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
