"""Speech or not: ours, with Silero's detector, against the detectors that it is made of.

Every recording of the table in ``tests/support/recordings.py`` is offered as a reference, by each way. Right is to
accept speech and to reject everything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import numpy as np
import webrtcvad

from bench.context import Context
from bench.measure import Figure, Goal, at_least, at_most
from gateway.domain.errors import GatewayError
from gateway.domain.sound import WINDOW, Samples, VoiceDetector
from gateway.domain.voice.reference import normalise
from gateway.infrastructure.voice_detector import voice_detector
from tests.support.recordings import NO_SPEECH, RATE, RECORDINGS, SPEECH, Recording

LEAST_SECONDS = 3.0
VAD_FRAME = 480
QUICK = 6


def _as_reference(detector: VoiceDetector | None) -> Callable[[Samples], bool]:
    def accepts(samples: Samples) -> bool:
        try:
            normalise(
                samples[:, None], RATE, longest_seconds=30.0, least_speech_seconds=LEAST_SECONDS, detector=detector
            )
        except GatewayError:
            return False
        return True

    return accepts


def _by_silero(detector: VoiceDetector) -> Callable[[Samples], bool]:
    """All of it, window by window."""

    def accepts(samples: Samples) -> bool:
        with detector.listening() as listen:
            starts = range(0, len(samples) - WINDOW + 1, WINDOW)
            spoken = sum(listen(samples[at : at + WINDOW]) >= 0.5 for at in starts)
        return spoken * WINDOW / RATE >= LEAST_SECONDS

    return accepts


def _by_webrtcvad(samples: Samples) -> bool:
    vad = webrtcvad.Vad(3)  # its strictest
    pcm = (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
    frames = range(0, len(pcm) - 2 * VAD_FRAME + 1, 2 * VAD_FRAME)
    return sum(vad.is_speech(pcm[at : at + 2 * VAD_FRAME], RATE) for at in frames) * 0.03 >= LEAST_SECONDS


def _by_level(samples: Samples) -> bool:
    """Three seconds above -50 dBFS, as a simple recorder does it."""
    frames = samples[: len(samples) // VAD_FRAME * VAD_FRAME].reshape(-1, VAD_FRAME)
    return float((np.sqrt(np.square(frames).mean(axis=1)) > 10 ** (-50 / 20)).sum()) * 0.03 >= LEAST_SECONDS


def _ways() -> Mapping[str, Callable[[Samples], bool]]:
    detector = voice_detector()
    if detector is None:
        raise RuntimeError("there is no detector for this processor")
    return {
        "twinport": _as_reference(detector),
        "twinport before": _as_reference(None),
        "silero alone": _by_silero(detector),
        "webrtcvad alone": _by_webrtcvad,
        "level": _by_level,
    }


def _judge(accepts: Callable[[Samples], bool], made: Sequence[tuple[Recording, Samples]]) -> tuple[list[str], float]:
    """The recordings that it gets wrong, and milliseconds for a second of speech (median)."""
    wrong, costs = [], []
    for recording, samples in made:
        started = time.perf_counter()
        accepted = accepts(samples)
        if recording.is_speech:  # what is common; a recording without speech costs several times as much
            costs.append((time.perf_counter() - started) * 1e3 / (len(samples) / RATE))
        if accepted is not recording.is_speech:
            wrong.append(recording.name)
    return wrong, median(costs)


def measure(context: Context) -> list[Figure]:
    """Share of right answers, for speech and for the rest, and what an answer costs."""
    chosen = [*SPEECH[:QUICK], *NO_SPEECH[:QUICK]] if context.quick else RECORDINGS
    made = [(recording, recording.make()) for recording in chosen]
    figures = []
    for way, accepts in _ways().items():
        wrong, cost = _judge(accepts, made)
        context.say(f"{way}: {len(made) - len(wrong)} of {len(made)} right" + "".join(f"; not {one}" for one in wrong))
        ours = way == "twinport"
        for label, is_speech in (("speech accepted", True), ("other sounds rejected", False)):
            names = [recording.name for recording, _ in made if recording.is_speech is is_speech]
            share = 100.0 * sum(name not in wrong for name in names) / len(names)
            goal: Goal | None = at_least(100.0) if ours else None
            figures.append(Figure(f"speech/{label} of {len(names)}/{way}", share, "%", goal=goal))
        figures.append(Figure(f"speech/cost of a second/{way}", cost, "ms", goal=at_most(10.0) if ours else None))
    return figures
