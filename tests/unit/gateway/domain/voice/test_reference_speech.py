"""Speech in any condition becomes a reference, and no other sound does: the whole table, with the detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.sound import VoiceDetector
from gateway.domain.voice import reference
from gateway.domain.voice.voice import ReferenceReport
from tests.support.recordings import NO_SPEECH, RATE, SPEECH, Recording, Samples, noise, person, plucked


def made(samples: Samples, detector: VoiceDetector) -> ReferenceReport:
    return reference.normalise(
        samples[:, None], RATE, longest_seconds=30.0, least_speech_seconds=3.0, detector=detector
    )[1]


@pytest.mark.parametrize("recording", SPEECH, ids=lambda recording: recording.name)
def test_speech_is_accepted(detector: VoiceDetector, recording: Recording) -> None:
    report = made(recording.make(), detector)
    assert report.speech_seconds >= 3.5
    assert report.quality is not None


@pytest.mark.parametrize("recording", NO_SPEECH, ids=lambda recording: recording.name)
def test_no_other_sound_is(detector: VoiceDetector, recording: Recording) -> None:
    with pytest.raises(GatewayError) as refused:
        made(recording.make(), detector)
    assert refused.value.code in ("reference_no_speech", "reference_silent")


@pytest.mark.parametrize(("before", "starts"), [(plucked(30), 30.0), (noise(60, -50), 60.0), (noise(20, -20), 20.0)])
def test_the_reference_is_where_somebody_speaks(detector: VoiceDetector, before: Samples, starts: float) -> None:
    report = made(np.concatenate((before, person())), detector)
    assert report.start_seconds == pytest.approx(starts, abs=1.6)
    assert report.speech_seconds > 12


def test_little_speech_among_noise_is_too_short(detector: VoiceDetector) -> None:
    with pytest.raises(GatewayError, match="reference_too_short"):
        made(np.concatenate((noise(20, -40), person()[:RATE], noise(20, -40))), detector)


def test_the_reason_names_what_is_heard_instead(detector: VoiceDetector) -> None:
    for samples, zh, en in ((noise(12, -30), "噪声", "noise"), (plucked(12), "音乐", "music")):
        with pytest.raises(GatewayError) as refused:
            made(samples, detector)
        assert zh in refused.value.zh
        assert en in refused.value.en


class Counting:
    """A detector that counts what it is asked."""

    def __init__(self, detector: VoiceDetector) -> None:
        self._detector = detector
        self.windows = 0

    @contextmanager
    def listening(self) -> Iterator[Callable[[Samples], float]]:
        with self._detector.listening() as listen:

            def counted(window: Samples) -> float:
                self.windows += 1
                return listen(window)

            yield counted


def test_a_long_recording_of_noise_costs_a_bounded_effort(detector: VoiceDetector) -> None:
    counting = Counting(detector)
    with pytest.raises(GatewayError, match="reference_no_speech"):
        made(noise(300, -30), counting)
    assert counting.windows < 6000
