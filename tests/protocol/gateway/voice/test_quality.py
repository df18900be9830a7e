"""What is no voice fails with its reason; what could be better is said with the voice, in the reader's language."""

from __future__ import annotations

import io
import wave
from typing import Any

import pytest
import requests

from tests.support.recordings import NO_SPEECH, RATE, SPEECH, Samples
from tests.support.voice import VoiceBench

MADE = {recording.name: recording.make for recording in [*SPEECH, *NO_SPEECH]}


def as_wav(samples: Samples) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return target.getvalue()


def in_english(bench: VoiceBench, voice: dict[str, Any]) -> dict[str, Any]:
    url, query = f"{bench.url}/v1/voices/{voice['id']}", {"device_id": "device-1"}
    found: dict[str, Any] = requests.get(url, params=query, headers={"Accept-Language": "en"}, timeout=10).json()[
        "data"
    ]
    return found


@pytest.mark.parametrize(
    ("name", "zh", "en"),
    [
        ("hiss", "噪声", "only noise"),
        ("pink noise", "噪声", "only noise"),
        ("hum", "嗡嗡", "only a hum"),
        ("a tremolo chord", "音乐", "only music"),
        ("a fast piano", "音乐", "only music"),
        ("clicks", "噪声", "only noise"),
        ("a sweep", "音乐", "only music"),
    ],
)
def test_what_is_no_voice_fails_with_its_reason(bench: VoiceBench, name: str, zh: str, en: str) -> None:
    voice = bench.train(as_wav(MADE[name]()), name=name)
    assert (voice["status"], voice["code"]) == ("failed", "reference_no_speech")
    assert zh in voice["error"]
    assert en in in_english(bench, voice)["error"]


@pytest.mark.parametrize(
    ("name", "grade", "advice"),
    [
        ("a person", "good", None),
        ("a person, very quiet", "fair", "quiet"),
        ("a person over music", "fair", "music"),
        ("a person with an echo", "poor", "echo"),
        ("a person, clipped", "poor", "clipped"),
    ],
)
def test_a_voice_comes_with_its_grade(bench: VoiceBench, name: str, grade: str, advice: str | None) -> None:
    voice = bench.train(as_wav(MADE[name]()), name=name)
    assert voice["status"] == "ready", voice
    quality = voice["reference"]["quality"]
    assert quality["grade"] == grade
    assert (quality["advice"][0]["code"] if quality["advice"] else None) == advice
    if advice is not None:
        assert any("\u4e00" <= character <= "\u9fff" for character in quality["advice"][0]["message"])
        english = in_english(bench, voice)["reference"]["quality"]["advice"][0]["message"]
        assert english.isascii()
    listed = requests.get(bench.url + "/v1/voices", params={"device_id": "device-1"}, timeout=10).json()["data"]
    assert next(one for one in listed if one["id"] == voice["id"])["reference"]["quality"] == quality
