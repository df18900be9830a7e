"""Making a reference: properties that hold for any recording, and the choices that users hear."""

import io
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.domain.errors import GatewayError
from gateway.domain.voice import reference
from gateway.domain.voice.stretches import find_speech
from gateway.domain.voice.voice import ReferenceReport
from tests.support.voice import spoken_wav

RATE = 16000


def speech(seconds: float, *, rate: int = RATE, level: float = 0.2) -> NDArray[np.float32]:
    """Speech-like sound: espeak's voice, repeated and resampled by position."""
    with wave.open(io.BytesIO(spoken_wav())) as file:
        source_rate = file.getframerate()
        frames = file.readframes(2**24)
    samples = np.frombuffer(frames[: len(frames) // 2 * 2], dtype="<i2").astype(np.float32) / 32768
    positions = np.arange(int(seconds * rate)) * (source_rate / rate)
    again = np.interp(positions % (len(samples) - 1), np.arange(len(samples)), samples)
    return (again * level / 0.2).astype(np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(int(seconds * RATE), dtype=np.float32)


def made(samples: NDArray[np.float32], longest: float = 30.0) -> tuple[NDArray[np.int16], ReferenceReport]:
    channels = samples if samples.ndim == 2 else samples[:, None]
    return reference.normalise(channels, RATE, longest_seconds=longest, least_speech_seconds=3.0)


@settings(max_examples=40, deadline=None)
@given(
    seconds=st.floats(0.0, 60.0),
    before=st.floats(0.0, 5.0),
    level=st.floats(0.0005, 3.0),
    channels=st.integers(1, 2),
    longest=st.floats(5.0, 30.0),
)
def test_whatever_comes_in_a_reference_is_bounded_and_sane(
    seconds: float, before: float, level: float, channels: int, longest: float
) -> None:
    samples = np.concatenate((silence(before), speech(seconds, level=level), silence(1.0)))
    try:
        pcm, report = made(np.repeat(samples[:, None], channels, axis=1), longest)
    except GatewayError as error:
        assert error.code in ("reference_too_short", "reference_silent")
        assert seconds < 4.0 or level < 0.005
    else:
        assert len(pcm) / RATE <= longest
        assert np.abs(pcm.astype(np.int32)).max() <= 0.81 * 32767
        assert not pcm[-int(0.19 * RATE) :].any()
        assert report.speech_seconds >= 3.0 or report.cut
        assert 0 <= report.start_seconds < report.end_seconds <= report.decoded_seconds + 0.01


def test_silence_around_speech_is_trimmed() -> None:
    pcm, report = made(np.concatenate((silence(4), speech(8), silence(5))))
    assert 3.5 < report.start_seconds < 4.2
    assert 11.5 < report.end_seconds < 12.5
    assert len(pcm) / RATE < 9
    assert not report.cut


def test_the_densest_speech_is_kept_of_a_long_recording() -> None:
    sparse = np.concatenate([np.concatenate((speech(1.0), silence(4.0))) for _ in range(6)])
    dense = speech(25.0)
    _, report = made(np.concatenate((sparse, dense)))
    assert report.cut
    assert report.start_seconds > 20
    assert report.speech_seconds > 20


def test_a_clipped_stretch_loses_against_a_clean_one() -> None:
    clipped = np.clip(speech(20.0, level=5.0), -1.0, 1.0)
    _, report = made(np.concatenate((clipped, silence(2.0), speech(20.0))), longest=22.0)
    assert report.start_seconds > 19
    assert report.clipped_percent > 0


def test_a_cut_falls_into_a_pause() -> None:
    # Loud everywhere but for one dip 1.5 s before the limit.
    rng = np.random.default_rng(1)
    sound = (rng.standard_normal(40 * RATE) * 0.1).astype(np.float32)
    longest = 10.0
    dip = int((longest - 1.5) * RATE)
    sound[dip : dip + RATE // 10] *= 0.01
    _, report = made(sound, longest=longest)
    assert report.cut
    pieces = find_speech(sound, RATE)
    cut = reference.best_stretch(sound, RATE, pieces, longest)[0]
    assert cut.seconds <= longest


def test_opposite_phases_do_not_cancel() -> None:
    one = speech(6.0)
    pcm, _ = made(np.stack((one, -one), axis=1))
    assert np.abs(pcm.astype(np.int32)).max() > 3000


def test_a_voice_on_one_channel_is_heard() -> None:
    one = speech(6.0)
    _, report = made(np.stack((one, np.zeros_like(one)), axis=1))
    assert report.speech_seconds > 3


@pytest.mark.parametrize("level", [0.002, 0.02, 0.2, 0.9])
def test_loudness_ends_up_the_same(level: float) -> None:
    pcm, _ = made(speech(8.0, level=level))
    loud = pcm.astype(np.float64) / 32768
    assert -26 < 20 * np.log10(np.sqrt(np.mean(loud**2))) < -14


@pytest.mark.parametrize(
    ("samples", "code"),
    [
        (silence(0), "reference_not_audio"),
        (silence(10), "reference_silent"),
        (speech(1.5), "reference_too_short"),
        (np.full(5 * RATE, 0.5, dtype=np.float32), "reference_silent"),
    ],
)
def test_what_can_not_be_used_is_refused_with_a_reason(samples: NDArray[np.float32], code: str) -> None:
    with pytest.raises(GatewayError, match=code):
        made(samples)


def test_broken_numbers_in_a_float_file_do_no_harm() -> None:
    samples = speech(6.0)
    samples[1000:1010] = np.nan
    samples[2000] = np.inf
    pcm, _ = made(samples)
    assert len(pcm) > 3 * RATE


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
def test_every_rate_that_can_be_set_works(rate: int) -> None:
    pcm, report = reference.normalise(speech(6.0, rate=rate)[:, None], rate, longest_seconds=30, least_speech_seconds=3)
    assert report.sample_rate == rate
    assert 4 < len(pcm) / rate < 7


def test_the_search_for_speech_ends_with_enough_of_it() -> None:
    samples = np.tile(speech(10.0), 6)
    found = find_speech(samples, RATE, enough=20.0)
    assert 20.0 <= found[-1].end < 40.0
