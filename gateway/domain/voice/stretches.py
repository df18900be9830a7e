"""Where in a recording somebody speaks.

Two detectors share the work: webrtcvad, at a few microseconds a frame, finds where sound begins and ends; Silero's,
which would cost three times as much if it heard everything, says whether that is speech. Where it has no build (ARM),
webrtcvad decides alone, and noise or music may pass.

Pure computation on samples; nothing here reads or writes files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import webrtcvad  # type: ignore[import-untyped]
from numpy.typing import NDArray

from gateway.domain.sound import SLICE_SECONDS, Listener, Samples, VoiceDetector, listening, peak, resampled

# The detector would resample to this rate itself, which takes a third of its time.
VAD_RATE = 8000
FRAME_SECONDS = 0.03
FRAMES_AT_ONCE = 300
SLICE_FRAMES = round(SLICE_SECONDS / FRAME_SECONDS)
EDGE_FRAMES = 12
VAD_AGGRESSIVENESS = 2
# Where so little of what may be speech was confirmed, music may have sounded like a syllable here and there: then each
# stretch is heard whole. Of a stretch with speech in it at least so much is.
DOUBTFUL_SHARE = 0.5
SPOKEN_SHARE = 0.25
# Pauses up to this long belong to the speech around them; a shorter burst is a click.
BRIDGE_SECONDS = 0.3
BURST_SECONDS = 0.09


@dataclass(frozen=True)
class Stretch:
    """A part of a recording, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def _for_vad(samples: Samples, rate: int, gain: float) -> bytes:
    """16-bit PCM at the detector's rate and a level at which it works."""
    return (resampled(samples, rate, VAD_RATE) * np.float32(gain)).astype("<i2").tobytes()


def _may_be_speech(samples: Samples, rate: int) -> Iterator[list[bool]]:
    """One decision per 30 ms, in batches of some hundreds: sound that is loud enough and not quite steady."""
    loudest = peak(samples)
    gain = 0.7 * 32767 / loudest if loudest > 0 else 0.0
    count = round(VAD_RATE * FRAME_SECONDS)
    size = 2 * count
    # Without a length field: a long recording has thousands of frames, and each costs microseconds.
    is_speech: Any = webrtcvad.Vad(VAD_AGGRESSIVENESS).is_speech
    block = round(rate * FRAME_SECONDS * FRAMES_AT_ONCE)
    for first in range(0, len(samples), block):
        pcm = _for_vad(samples[first : first + block], rate, gain)
        yield [is_speech(pcm[at : at + size], VAD_RATE, count) for at in range(0, len(pcm) - size + 1, size)]


class _Confirmed:
    """Frames that may be speech, slice by slice confirmed by a listener.

    Where speech begins or ends within a slice that is not confirmed, the frames next to the confirmed one count.
    """

    def __init__(self, samples: Samples, rate: int, listener: Listener | None) -> None:
        self._samples = samples
        self._rate = rate
        self._listener = listener
        self._flags: list[bool] = []
        self._spoken: list[bool] = []

    @property
    def candidates_seconds(self) -> float:
        """How much may be speech, confirmed or not."""
        return sum(self._flags) * FRAME_SECONDS

    def add(self, decisions: list[bool]) -> NDArray[np.bool_]:
        """The next batch; returns all frames so far."""
        self._flags += decisions
        flags = np.array(self._flags, dtype=np.bool_)
        if self._listener is None:
            return flags
        self._examine(flags)
        return flags & self._near_speech(len(flags))

    def _examine(self, flags: NDArray[np.bool_]) -> None:
        """The slices that are new, every other one first: what lies between two of speech is taken for speech."""
        first, end = len(self._spoken), -(-len(flags) // SLICE_FRAMES)
        self._spoken += [False] * (end - first)
        is_short = 0 < len(flags) % SLICE_FRAMES < SLICE_FRAMES // 3 and end > 1
        whole = end - is_short
        for number in range(first, whole, 2):
            self._spoken[number] = self._is_spoken(number, flags)
        for number in range(first + 1, whole, 2):
            is_between = number + 1 < whole and self._spoken[number - 1] and self._spoken[number + 1]
            self._spoken[number] = is_between or self._is_spoken(number, flags)
        if is_short:  # too little to tell
            self._spoken[-1] = self._spoken[-2]

    def _is_spoken(self, number: int, flags: NDArray[np.bool_]) -> bool:
        if self._listener is None or not flags[number * SLICE_FRAMES : (number + 1) * SLICE_FRAMES].any():
            return False
        step = SLICE_FRAMES * FRAME_SECONDS * self._rate
        return self._listener.is_spoken(self._samples[int(number * step) : int((number + 1) * step)])

    def _near_speech(self, count: int) -> NDArray[np.bool_]:
        near = np.repeat(np.array(self._spoken, dtype=np.bool_), SLICE_FRAMES)[:count]
        for start, end in list(_runs(near)):
            near[max(0, start - EDGE_FRAMES) : end + EDGE_FRAMES] = True
        return near


def _runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Start and end (exclusive) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def find_speech(
    samples: Samples, rate: int, *, enough: float = math.inf, detector: VoiceDetector | None = None
) -> list[Stretch]:
    """The stretches of speech in time order; pauses within a sentence are part of them, clicks are not.

    The search ends with a stretch of ``enough`` seconds.

    Args:
        detector: confirms that it is speech; without one, noise and music count as well.
    """
    stretches: list[Stretch] = []
    with nullcontext() if detector is None else listening(samples, rate, detector) as listener:
        confirmed = _Confirmed(samples, rate, listener)
        for decisions in _may_be_speech(samples, rate):
            stretches = _stretches(confirmed.add(decisions))
            if stretches and stretches[-1].seconds >= enough:
                break
    found = [stretch for stretch in stretches if stretch.seconds >= BURST_SECONDS]
    if detector is None or total_seconds(found) >= DOUBTFUL_SHARE * confirmed.candidates_seconds:
        return found
    with listening(samples, rate, detector) as listener:
        return [one for one in found if listener.share(part_of(samples, rate, one)) >= SPOKEN_SHARE]


def total_seconds(stretches: Iterable[Stretch]) -> float:
    """How long they are together."""
    return sum(stretch.seconds for stretch in stretches)


def part_of(samples: Samples, rate: int, stretch: Stretch) -> Samples:
    """The samples of a stretch."""
    return samples[int(stretch.start * rate) : int(stretch.end * rate)]


def _stretches(flags: NDArray[np.bool_]) -> list[Stretch]:
    stretches: list[Stretch] = []
    for start, end in _runs(flags):
        found = Stretch(start * FRAME_SECONDS, end * FRAME_SECONDS)
        if stretches and found.start - stretches[-1].end <= BRIDGE_SECONDS:
            stretches[-1] = Stretch(stretches[-1].start, found.end)
        else:
            stretches.append(found)
    return stretches
