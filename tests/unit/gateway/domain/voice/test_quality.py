"""What is heard beside the voice is measured and said; a good recording gets no advice."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from gateway.domain.sound import dbfs, level
from gateway.domain.voice.quality import ADVICE, Background, Grade, ReferenceQuality, background_of, measure
from tests.support.recordings import NO_SPEECH, RATE, SPEECH, Samples

MADE = {recording.name: recording.make for recording in [*SPEECH, *NO_SPEECH]}


def measured(samples: Samples) -> ReferenceQuality:
    return measure(samples, RATE, level_dbfs=dbfs(level(samples)), speech_seconds=len(samples) / RATE)


@pytest.mark.parametrize(
    "name", ["a person", "a woman", "a man", "a Scotsman", "a machine, English", "a machine, Chinese"]
)
def test_a_good_recording_gets_no_advice(name: str) -> None:
    quality = measured(MADE[name]())
    assert (quality.grade, quality.advice) == (Grade.GOOD, ())


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a person, clipped", "clipped"),
        ("a person, loud", "clipped"),
        ("a person over music", "music"),
        ("a person over loud music", "music"),
        ("a machine over music", "music"),
        ("a person over hum", "hum"),
        ("a person in hiss, 8 dB", "noise"),
        ("a person in street noise, 10 dB", "noise"),
        ("a person with an echo", "echo"),
        ("a person in a hall", "echo"),
        ("a machine in a hall", "echo"),
        ("a person on the telephone", "narrow"),
        ("a person, very quiet", "quiet"),
        ("a person, four seconds", "short"),
    ],
)
def test_each_flaw_is_named(name: str, advice: str) -> None:
    quality = measured(MADE[name]())
    assert advice in quality.advice
    assert quality.grade is not Grade.GOOD


def test_the_worst_flaws_make_it_poor() -> None:
    for name in ("a person, clipped", "a person with an echo", "a person in hiss, 8 dB"):
        assert measured(MADE[name]()).grade is Grade.POOR, name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("hiss", Background.NOISE),
        ("pink noise", Background.NOISE),
        ("rain", Background.NOISE),
        ("hum", Background.HUM),
        ("hum at 60 Hz, loud", Background.HUM),
        ("a tremolo chord", Background.MUSIC),
        ("a guitar", Background.MUSIC),
        ("a siren", Background.MUSIC),
    ],
)
def test_what_is_no_speech_is_named(name: str, kind: Background) -> None:
    assert background_of(MADE[name](), RATE) is kind


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.3, 1.0])
def test_next_to_nothing_is_measured_too(seconds: float) -> None:
    assert measured(MADE["a person"]()[: int(seconds * RATE) + 1]).grade in Grade


def test_every_advice_is_a_sentence_in_both_languages() -> None:
    for reason in ADVICE.values():
        assert reason.zh.endswith("。")
        assert reason.en.endswith(".")


def test_what_was_stored_is_read_again_and_later_advice_left_out() -> None:
    quality = measured(MADE["a person with an echo"]())
    values = asdict(quality)
    assert ReferenceQuality.from_values(values) == quality
    later = {**values, "advice": ["echo", "of_the_future"]}
    assert ReferenceQuality.from_values(later).advice == ("echo",)
