"""Which sound of a recording counts, for both entries: the track that speaks loudest, and how its channels become one.

Pure computation on samples; nothing here reads or writes files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

# What a detector takes.
DETECTOR_RATE = 16000
WINDOW = 512
SLICE_SECONDS = 1.5
# The first windows still sound like what came before; then so many in favour of speech are no accident.
LAG_WINDOWS = 2
WINDOWS_OF_SPEECH = 3
QUICK_WINDOWS = 16
# After so many parts without speech only the loudest of each is heard: nobody is likely to speak at all.
PATIENCE = 40
PROBABLE = 0.5
# Slices that are looked at, spread over a recording, to learn whether a channel speaks.
SAMPLED_SLICES = 12

# A channel this far below the loudest adds nothing but noise.
AUDIBLE_DB = 30.0
LOUDEST = np.float32(1e6)  # far above full scale, whatever a file of floats says
SILENT_DBFS = -75.0
# Channels whose samples agree this much are one sound, with its sign; below, they are compared with some delay.
SAME_SOUND = 0.3
SURELY_SAME = 0.9
DELAYED_COPY = 0.5
LONGEST_DELAY_SECONDS = 0.06
DELAY_SECONDS = 8.0
# A track has to be this much louder, or to speak this much more, than an earlier one to be preferred.
CLEARLY_LOUDER_DB = 3.0
CLEARLY_MORE_SPEECH = 2.0
MOST_CHANNELS = 8


class VoiceDetector(Protocol):
    """Tells speech from other sounds."""

    def listening(self) -> AbstractContextManager[Callable[[Samples], float]]:
        """A fresh ear: takes ``WINDOW`` samples at ``DETECTOR_RATE`` at a time, returns how probably they are speech.

        Safe to be used in several threads, each with its own.
        """


def level(samples: Samples) -> float:
    """Root mean square, 0 for no samples."""
    return float(np.sqrt(np.dot(samples, samples) / samples.size)) if samples.size else 0.0


def peak(samples: Samples) -> float:
    """Largest magnitude, 0 for no samples."""
    return max(float(samples.max()), -float(samples.min())) if samples.size else 0.0


def dbfs(value: float) -> float:
    """A level or peak in decibels of full scale."""
    return 20.0 * float(np.log10(max(value, 1e-9)))


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """At another rate, good enough for a detector: means of groups, or points between samples."""
    step = rate // wanted
    if rate % wanted == 0:
        if step == 1:
            return samples
        groups = sum_of_columns(samples[: len(samples) // step * step].reshape(-1, step))
        groups *= np.float32(1.0 / step)
        return groups
    at = np.arange(0, len(samples), rate / wanted)
    points: Samples = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return points


def sum_of_columns(rows: NDArray[np.float32]) -> Samples:
    """Column by column: numpy's own sum along a short axis takes several times as long."""
    total: Samples = rows[:, 0].copy()
    for column in rows.T[1:]:
        total += column
    return total


# Speech


class Listener:
    """Listens to parts of one recording and says which hold speech.

    They are heard in about the order of time, as the detector gets used to hum and hiss.

    Args:
        listen: takes windows and returns probabilities, see ``VoiceDetector``.
        rate: Hz of the parts.
        gain: brings the recording to full scale.
    """

    def __init__(self, listen: Callable[[Samples], float], rate: int, gain: float) -> None:
        self._listen = listen
        self._rate = rate
        self._gain = np.float32(gain)
        self._is_settled = False
        self._in_vain = 0

    def is_spoken(self, part: Samples) -> bool:
        """Whether a second or two hold speech: the loudest half second first, all of it where that does not."""
        if dbfs(peak(part)) < SILENT_DBFS:
            return False
        samples = resampled(part, self._rate, DETECTOR_RATE) * self._gain
        found = self._examine(samples)
        self._in_vain = 0 if found else self._in_vain + 1
        return found

    def share(self, part: Samples) -> float:
        """How much of a part is speech, 0 to 1; all of it is heard."""
        samples = resampled(part, self._rate, DETECTOR_RATE) * self._gain
        starts = range(0, len(samples) - WINDOW + 1, WINDOW)
        probable = sum(self._listen(samples[at : at + WINDOW]) >= PROBABLE for at in starts)
        return probable / max(1, len(starts))

    def _examine(self, samples: Samples) -> bool:
        if not self._is_settled:
            self._is_settled = True
            return self._has_speech(samples)
        size = QUICK_WINDOWS * WINDOW
        start = _loudest_start(samples, size)
        if self._has_speech(samples[start : start + size]):
            return True
        return self._in_vain < PATIENCE and len(samples) > size and self._has_speech(samples)

    def _has_speech(self, samples: Samples) -> bool:
        found = 0
        for start in range(0, len(samples) - WINDOW + 1, WINDOW):
            probable = self._listen(samples[start : start + WINDOW]) >= PROBABLE
            found += probable and start >= LAG_WINDOWS * WINDOW
            if found >= WINDOWS_OF_SPEECH:
                return True
        return False


def _loudest_start(samples: Samples, size: int) -> int:
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    energy = np.concatenate(([0.0], np.cumsum(np.einsum("ij,ij->i", windows, windows))))
    count = size // WINDOW
    return int(np.argmax(energy[count:] - energy[:-count])) * WINDOW if len(windows) > count else 0


@contextmanager
def listening(samples: Samples, rate: int, detector: VoiceDetector) -> Iterator[Listener]:
    """A listener for parts of a recording."""
    loudest = peak(samples)
    with detector.listening() as listen:
        yield Listener(listen, rate, 0.5 / loudest if loudest > 0 else 0.0)


def spoken_share(samples: Samples, rate: int, detector: VoiceDetector) -> float:
    """The share of a recording that is speech, from some slices of it."""
    size = int(SLICE_SECONDS * rate)
    starts = range(0, max(1, len(samples) - size + 1), size)
    chosen = starts[:: max(1, -(-len(starts) // SAMPLED_SLICES))]
    with listening(samples, rate, detector) as listener:
        return sum(listener.is_spoken(samples[at : at + size]) for at in chosen) / len(chosen)


# Channels


def clean(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same with silence in place of NaN and infinity, and without numbers whose squares are no numbers any more."""
    if np.isfinite(np.dot(channels.ravel(), channels.ravel())):
        return channels
    finite = np.nan_to_num(channels, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(finite, -LOUDEST, LOUDEST, out=finite)


def joined(
    channels: NDArray[np.float32], rate: int, detector: VoiceDetector | None
) -> tuple[Samples, tuple[float, ...]]:
    """One channel of several, and how much of each is in it; opposite phases have opposite signs.

    Silent channels, and those without speech beside one that speaks, are left out. Channels with the same sound are
    joined in phase and keep the loudest one's level; a delayed copy is left out, as it would sound hollow; another
    person's channel is added as it is.

    Args:
        channels: samples of shape (frames, channels), clean.
        rate: Hz.
        detector: tells which channels speak; without one, all that are audible do.
    """
    # Each channel in one piece: numpy takes several times as long on every second sample.
    columns = np.ascontiguousarray(channels.T)
    if len(columns) == 1:
        return columns[0].copy(), (1.0,)
    weights = _weights(columns, rate, detector)
    mono = _mixed(columns, weights)
    highest = peak(mono)
    if highest > 1.0 and highest > (allowed := max(1.0, *(peak(column) for column in columns))):
        mono *= np.float32(allowed / highest)
        weights = weights * (allowed / highest)
    return mono, tuple(weights.tolist())


def _weights(columns: NDArray[np.float32], rate: int, detector: VoiceDetector | None) -> NDArray[np.float64]:
    power = _covariance(columns)
    levels = np.sqrt(power.diagonal())
    if dbfs(levels.max()) < SILENT_DBFS:
        return np.full(len(columns), 1.0 / len(columns))
    audible = [one for one in range(len(columns)) if dbfs(levels[one]) > dbfs(levels.max()) - AUDIBLE_DB]
    if detector is not None and not _all_the_same(power, audible):
        audible = _speaking(columns, rate, detector, audible)
    base = max(audible, key=lambda one: levels[one])
    weights = np.zeros(len(columns))
    others = []
    for one in audible:
        agreement = power[one, base] / (levels[one] * levels[base])
        if abs(agreement) >= SAME_SOUND:
            weights[one] = np.sign(agreement) * levels[one] / levels[base]
        elif not _is_delayed(columns[one], columns[base], rate):
            others.append(one)
    weights *= levels[base] / math.sqrt(float(weights @ power @ weights))
    weights[others] = 1.0
    return weights


def _covariance(columns: NDArray[np.float32]) -> NDArray[np.float64]:
    means = columns.mean(axis=1).astype(np.float64)
    raw = np.asarray(columns @ columns.T, dtype=np.float64) / columns.shape[1]
    power: NDArray[np.float64] = raw - np.outer(means, means)
    np.fill_diagonal(power, np.maximum(power.diagonal(), 0.0))
    return power


def _all_the_same(power: NDArray[np.float64], audible: Sequence[int]) -> bool:
    levels = np.sqrt(power.diagonal())
    first = audible[0]
    return all(abs(power[one, first]) >= SURELY_SAME * levels[one] * levels[first] for one in audible)


def _speaking(columns: NDArray[np.float32], rate: int, detector: VoiceDetector, audible: list[int]) -> list[int]:
    """The channels that speak; all of them if none does."""
    shares = {one: spoken_share(columns[one] - columns[one].mean(), rate, detector) for one in audible}
    best = max(shares.values())
    return [one for one in audible if shares[one] >= best / CLEARLY_MORE_SPEECH] if best > 0 else audible


def _is_delayed(one: Samples, other: Samples, rate: int) -> bool:
    """Whether a channel is a copy of another that comes a little earlier or later."""
    middle, half = len(one) // 2, int(DELAY_SECONDS * rate / 2)
    first, second = (part[max(0, middle - half) : middle + half].astype(np.float64) for part in (one, other))
    first, second = first - first.mean(), second - second.mean()
    size = 1 << (2 * len(first)).bit_length()
    match = np.fft.irfft(np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size)), size)
    reach = min(int(LONGEST_DELAY_SECONDS * rate), len(first) - 1)
    near = max(np.abs(match[: reach + 1]).max(), np.abs(match[-reach:]).max() if reach else 0.0)
    scale = np.sqrt(np.dot(first, first) * np.dot(second, second))
    return bool(scale > 0 and near / scale >= DELAYED_COPY)


def _mixed(columns: NDArray[np.float32], weights: NDArray[np.float64]) -> Samples:
    result: Samples = columns[0] * np.float32(weights[0])
    for column, weight in zip(columns[1:], weights[1:], strict=True):
        if weight:
            result += column * np.float32(weight)
    return result


# Tracks


@dataclass(frozen=True)
class Heard:
    """A sample of one track, as one channel.

    Attributes:
        weights: of its channels.
        spoken: share of it that is speech; 1 without a detector.
        level: of it.
    """

    weights: tuple[float, ...]
    spoken: float
    level: float


def hear(channels: NDArray[np.float32], rate: int, detector: VoiceDetector | None, *, compared: bool) -> Heard:
    """Listen to a sample of a track, of shape (frames, channels).

    Args:
        compared: there are other tracks, so that it matters whether this one speaks.
    """
    channels = clean(channels)
    mono, weights = joined(channels, rate, detector)
    spoken = spoken_share(mono, rate, detector) if compared and detector is not None else 1.0
    return Heard(weights, spoken, level(mono))


def best_track(tracks: Sequence[Heard]) -> int:
    """The loudest of those that speak, or of all if none does; an earlier one unless another is clearly better."""
    most = max(track.spoken for track in tracks)
    best = -1
    for number, track in enumerate(tracks):
        if track.spoken * CLEARLY_MORE_SPEECH < most:
            continue
        if best < 0 or dbfs(track.level) > dbfs(tracks[best].level) + CLEARLY_LOUDER_DB:
            best = number
    return best
