"""Which track counts, and how channels become one: nothing is cancelled, halved, or drowned by what does not speak."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gateway.domain import sound
from gateway.domain.sound import Samples, VoiceDetector, best_track, dbfs, hear, joined, level
from tests.support.recordings import (
    RATE,
    at_level,
    hum,
    noise,
    person,
    plucked,
    read_aloud,
    spoken,
    tone,
)


def delayed(samples: Samples, seconds: float) -> Samples:
    gap = int(seconds * RATE)
    return np.concatenate((np.zeros(gap, dtype=np.float32), samples[:-gap]))


VOICE = person()
SILENCE = np.zeros_like(VOICE)
DITHER = (np.random.default_rng(1).integers(-1, 2, len(VOICE)) / 32768).astype(np.float32)
LOUD_MUSIC = np.resize(plucked(16, -14), len(VOICE))
# What the channels are; in each, the voice is to come out at its own level.
CHANNELS: dict[str, tuple[Samples, ...]] = {
    "mono": (VOICE,),
    "the same twice": (VOICE, VOICE),
    "opposite phases": (VOICE, -VOICE),
    "nearly opposite phases": (VOICE, -0.95 * VOICE),
    "opposite phases, one of them quieter": (VOICE, -0.5 * VOICE),
    "left only": (VOICE, SILENCE),
    "right only": (SILENCE, VOICE),
    "right only, dither on the left": (DITHER, VOICE),
    "a faint copy on the right": (VOICE, 0.1 * VOICE),
    "louder hiss on the left": (np.resize(noise(16, -14), len(VOICE)), VOICE),
    "louder hum on the right": (VOICE, np.resize(hum(16, -10), len(VOICE))),
    "louder music on the left": (LOUD_MUSIC, VOICE),
    "one channel late": (VOICE, delayed(VOICE, 0.02)),
    "one channel late and inverted": (VOICE, -delayed(VOICE, 0.005)),
    "5.1, centre": (SILENCE, SILENCE, VOICE, SILENCE, SILENCE, SILENCE),
    "5.1, centre between music": (LOUD_MUSIC, LOUD_MUSIC, VOICE, np.resize(hum(16, -20), len(VOICE)), SILENCE, SILENCE),
    "5.1, rear channels in opposite phases": (SILENCE, SILENCE, SILENCE, SILENCE, VOICE, -VOICE),
    "five channels, the fourth inverted": (VOICE, VOICE, VOICE, -VOICE, VOICE),
}


@pytest.mark.parametrize("kind", CHANNELS)
def test_the_voice_keeps_its_level(detector: VoiceDetector, kind: str) -> None:
    channels = np.stack(CHANNELS[kind], axis=1)
    mono = joined(channels, RATE, detector)[0]
    likeness = float(np.dot(mono, VOICE) / np.sqrt(np.dot(mono, mono) * np.dot(VOICE, VOICE)))
    if "late" in kind:
        assert level(mono) == pytest.approx(level(VOICE), rel=0.1)
        assert likeness > 0.99 or abs(np.dot(mono[320:], VOICE[:-320])) > 0.9 * np.dot(VOICE, VOICE)
    else:
        assert abs(likeness) > 0.98
        assert dbfs(level(mono)) == pytest.approx(dbfs(level(VOICE)), abs=0.5)


def test_two_people_are_both_heard(detector: VoiceDetector) -> None:
    first, second = VOICE[: 6 * RATE], read_aloud("rms")[: 6 * RATE]
    quiet = np.zeros_like(first)
    channels = np.stack((np.concatenate((first, quiet)), np.concatenate((quiet, second))), axis=1)
    mono = joined(channels, RATE, detector)[0]
    assert level(mono[: 6 * RATE]) == pytest.approx(level(first), rel=0.1)
    assert level(mono[6 * RATE :]) == pytest.approx(level(second), rel=0.1)


@pytest.mark.parametrize("kind", ["opposite phases", "left only", "nearly opposite phases", "5.1, centre"])
def test_without_a_detector_nothing_is_cancelled_either(kind: str) -> None:
    channels = np.stack(CHANNELS[kind], axis=1)
    assert level(joined(channels, RATE, None)[0]) == pytest.approx(level(VOICE), rel=0.06)


def test_what_is_added_never_overloads() -> None:
    rng = np.random.default_rng(2)
    channels = (rng.standard_normal((RATE, 4)) * 0.3).clip(-1, 1).astype(np.float32)
    assert np.abs(joined(channels, RATE, None)[0]).max() <= 1.001


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_broken_numbers_are_silence(value: float) -> None:
    channels = np.stack((VOICE, VOICE), axis=1)
    channels[100:110] = value
    cleaned = sound.clean(channels)
    assert np.isfinite(joined(cleaned, RATE, None)[0]).all()


def test_no_sound_at_all_has_even_weights() -> None:
    assert joined(np.zeros((RATE, 2), dtype=np.float32), RATE, None)[1] == (0.5, 0.5)


TRACKS: dict[str, tuple[list[Callable[[], Samples]], int]] = {
    "a silent first": ([lambda: SILENCE, lambda: VOICE], 1),
    "dither first": ([lambda: DITHER, lambda: VOICE], 1),
    "louder music first": ([lambda: LOUD_MUSIC, lambda: VOICE], 1),
    "louder music second": ([lambda: at_level(VOICE, -35), lambda: LOUD_MUSIC], 0),
    "a tone, hiss, then a voice": ([lambda: tone(16, 440.0).astype(np.float32), lambda: noise(16, -10), spoken], 2),
    "two voices, the second louder": ([lambda: at_level(VOICE, -30), lambda: VOICE], 1),
    "two voices, about as loud": ([lambda: at_level(VOICE, -21), lambda: VOICE], 0),
    "music only, the second louder": ([lambda: at_level(plucked(12), -40), lambda: plucked(12)], 1),
    "silence only": ([lambda: SILENCE, lambda: SILENCE], 0),
}


@pytest.mark.parametrize("kind", TRACKS)
def test_the_loudest_track_that_speaks_counts(detector: VoiceDetector, kind: str) -> None:
    tracks, best = TRACKS[kind]
    heard = [hear(make()[:, None], RATE, detector, compared=True) for make in tracks]
    assert best_track(heard) == best
