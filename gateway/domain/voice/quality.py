"""How good a reference is: what is heard beside the voice, and what to do about it.

Pure computation on samples, each measure in a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.domain.errors import Reason
from gateway.domain.sound import Samples, peak, resampled

MEASURED_RATE = 8000
FRAME = 160  # 20 ms
SPECTRUM_FRAME = 512
BANDS = ((40, 420), (420, 1200), (1200, 2400), (2400, 3800))
HUM_SHARE = 0.8
# Of the samples within this share of the peak, speech has next to none; clipped speech has many.
NEAR_PEAK = 0.97


class Grade(StrEnum):
    """How good a copy the reference can give."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


class Background(StrEnum):
    """What is heard in the pauses."""

    NOISE = "noise"
    HUM = "hum"
    MUSIC = "music"


@dataclass(frozen=True)
class ReferenceQuality:
    """What was measured of a reference.

    Attributes:
        grade: the worst that any advice says.
        advice: keys of ``ADVICE``, the most important first.
        background_db: the pauses below the speech, in decibels.
        reverberation_seconds: roughly the time in which a sound dies away.
        clipped_percent: samples at the recording's own limit.
        bandwidth_hz: highest frequency with a voice in it.
    """

    grade: Grade
    advice: tuple[str, ...]
    background_db: float
    reverberation_seconds: float
    clipped_percent: float
    bandwidth_hz: int

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> ReferenceQuality:
        """What ``asdict`` made; advice of a later version is left out."""
        known = {**values, "grade": Grade(values["grade"])}
        known["advice"] = tuple(key for key in values["advice"] if key in ADVICE)
        return cls(**known)


ADVICE = {
    "clipped": Reason(
        "录音音量过大，出现削波失真。请把麦克风音量调低或离远一些，重新录制。",
        "The recording is too loud and distorted (clipped). Lower the microphone's level, or step back from it.",
    ),
    "echo": Reason(
        "录音有明显的回声或混响。请在有窗帘、地毯或家具的房间里，靠近麦克风录制。",
        "There is an echo. Record in a room with curtains, a carpet or furniture, close to the microphone.",
    ),
    "music": Reason(
        "人声背后有音乐，克隆出的声音会带有杂音。请关掉音乐，使用纯人声录音。",
        "There is music behind the voice, and the copy will take it on. Record without music.",
    ),
    "hum": Reason(
        "录音中有电流嗡嗡声。请检查线材与电源，或换一支麦克风后重录。",
        "There is an electric hum. Check cables and power supply, or use another microphone.",
    ),
    "noise": Reason(
        "背景噪声较大。请在安静的房间里靠近麦克风重新录制。",
        "There is much background noise. Record in a quiet room, closer to the microphone.",
    ),
    "narrow": Reason(
        "录音缺少高频，像电话里的声音。请用手机录音机或麦克风直接录制，不要用通话录音。",
        "The recording lacks high frequencies, as on the telephone. Record with a microphone, not through a call.",
    ),
    "quiet": Reason(
        "录音音量很小。请靠近麦克风，用平常说话的音量录制。",
        "The recording is very quiet. Speak at a normal level, closer to the microphone.",
    ),
    "short": Reason(
        "有效语音较短，提供 30 到 90 秒清晰的语音效果更好。",
        "There is little speech; 30 to 90 s of clear speech give a closer copy.",
    ),
}
# The values from which on a measure is worth an advice, and from which on the reference is poor.
CLIPPED_PERCENT = (0.05, 1.0)
BACKGROUND_DB = (22.0, 15.0)
ECHO_SECONDS = (0.95, 1.6)
ECHO_STRENGTH = (0.2, 0.35)
NARROW_HZ = 4300
QUIET_DBFS = -42.0
SHORT_SECONDS = 8.0
# Enough to measure, whatever the length.
MEASURED_SECONDS = 12.0
ECHO_SAMPLE_SECONDS = 4.0


def measure(part: Samples, rate: int, *, level_dbfs: float, speech_seconds: float) -> ReferenceQuality:
    """Measure the part of a recording that becomes the reference.

    Args:
        part: as it was recorded.
        rate: Hz.
        level_dbfs: of its speech.
        speech_seconds: in it.
    """
    sample = part[: int(MEASURED_SECONDS * rate)]
    slow = resampled(sample, rate, MEASURED_RATE)
    clipped = _clipped_percent(part)
    background = _background_db(slow)
    dying, strength = _reverberation(slow), _echo(slow)
    bandwidth = _bandwidth(sample, rate)
    found = {"clipped": _degree(clipped, CLIPPED_PERCENT)}
    found["echo"] = max(_degree(dying, ECHO_SECONDS), _degree(strength, ECHO_STRENGTH))
    # Echoes and distortion fill the pauses too: only what they can't explain is somebody else's sound.
    explained = any(found.values())
    behind = _degree(-background, (-BACKGROUND_DB[0], -BACKGROUND_DB[1]))
    found[_behind_speech(slow).value] = max(0, behind - 1) if explained else behind
    found["narrow"] = int(bandwidth < NARROW_HZ)
    found["quiet"] = int(level_dbfs < QUIET_DBFS)
    found["short"] = int(speech_seconds < SHORT_SECONDS)
    worst = max(found.values())
    return ReferenceQuality(
        grade=(Grade.GOOD, Grade.FAIR, Grade.POOR)[worst],
        advice=tuple(key for key in ADVICE if found.get(key)),
        background_db=round(background, 1),
        reverberation_seconds=round(dying, 2),
        clipped_percent=round(clipped, 3),
        bandwidth_hz=bandwidth,
    )


def _degree(value: float, limits: tuple[float, float]) -> int:
    return sum(value >= limit for limit in limits)


def background_of(samples: Samples, rate: int) -> Background:
    """What kind of sound this is, if it is no speech."""
    spectra, frequencies = _spectra(resampled(samples, rate, MEASURED_RATE))
    if not len(spectra):
        return Background.NOISE
    is_steady = float(np.std(np.log10(spectra.sum(axis=1) + 1e-20))) < 0.25
    return _kind(spectra, frequencies, noise_from=0.3, may_hum=is_steady)


def _kind(
    power: NDArray[np.float64], frequencies: NDArray[np.float64], *, noise_from: float, may_hum: bool
) -> Background:
    """By flatness, each band as it is loud; hum is tones that lie low."""
    bands = [power[:, (frequencies >= low) & (frequencies < high)] for low, high in BANDS]
    loud = [float(band.sum()) + 1e-20 for band in bands]
    if np.average([_flatness(band) for band in bands], weights=loud) > noise_from:
        return Background.NOISE
    return Background.HUM if may_hum and loud[0] / sum(loud) > HUM_SHARE else Background.MUSIC


def _spectra(samples: Samples) -> tuple[NDArray[Any], NDArray[Any]]:
    count = len(samples) // SPECTRUM_FRAME
    frames = samples[: count * SPECTRUM_FRAME].reshape(count, SPECTRUM_FRAME) * np.hanning(SPECTRUM_FRAME)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    return power, np.fft.rfftfreq(SPECTRUM_FRAME, 1 / MEASURED_RATE)


def _flatness(power: NDArray[np.float64]) -> float:
    """About 0.56 for noise, close to 0 for tones; loud frames count most."""
    mean = power.mean(axis=1)
    flat = np.exp(np.log(power + 1e-20).mean(axis=1)) / (mean + 1e-20)
    return float(np.average(flat, weights=mean + 1e-20))


def _frame_levels(samples: Samples) -> NDArray[np.float64]:
    count = len(samples) // FRAME
    energy = np.square(samples[: count * FRAME].reshape(count, FRAME), dtype=np.float64).mean(axis=1)
    return np.asarray(10 * np.log10(energy + 1e-10))


def _background_db(samples: Samples) -> float:
    """The level of the quietest moments below that of the speech."""
    levels = _frame_levels(samples)
    if not len(levels):
        return 0.0
    speech = 10 * np.log10(np.mean(10 ** (levels[levels >= np.quantile(levels, 0.5)] / 10)))
    return float(speech - np.quantile(levels, 0.08))


def _behind_speech(samples: Samples) -> Background:
    """What goes on all the time: of each frequency what is left when it is quietest."""
    spectra, frequencies = _spectra(samples)
    if not len(spectra):
        return Background.NOISE
    return _kind(np.quantile(spectra, 0.1, axis=0, keepdims=True), frequencies, noise_from=0.5, may_hum=True)


def _reverberation(samples: Samples) -> float:
    """Seconds in which a sound dies away, from the fastest falls after loud moments; the room allows none faster."""
    levels = _frame_levels(samples)
    if len(levels) < 100:
        return 0.0
    smooth = np.convolve(levels, np.ones(3) / 3, "valid")
    floor = np.quantile(smooth, 0.08) + 6
    span = 6  # 120 ms
    falls = (smooth[:-span] - smooth[span:])[(smooth[span:] > floor) & (smooth[:-span] > np.quantile(smooth, 0.6))]
    if len(falls) < 10:
        return 0.0
    rate = float(np.quantile(falls, 0.95)) / (span * FRAME / MEASURED_RATE)
    return 60 / rate if rate > 0 else 0.0


def _echo(samples: Samples) -> float:
    """How strongly the sound comes again after 60 to 600 ms, 0 to 1."""
    samples = samples[: int(ECHO_SAMPLE_SECONDS * MEASURED_RATE)]
    size = 1 << (2 * len(samples)).bit_length()
    spectrum = np.fft.rfft(np.diff(samples, prepend=np.float32(0)), size)
    match = np.fft.irfft(np.square(np.abs(spectrum)), size)
    low, high = int(0.06 * MEASURED_RATE), int(0.6 * MEASURED_RATE)
    if high >= len(samples) or match[0] <= 0:
        return 0.0
    return float(np.abs(match[low:high]).max() / match[0])


def _bandwidth(samples: Samples, rate: int) -> int:
    """The frequency below which nearly all of the sharpened sound lies."""
    count = len(samples) // 1024
    if not count:
        return rate // 2
    frames = samples[: count * 1024].reshape(count, 1024)[:: max(1, count // 200)] * np.hanning(1024)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).mean(axis=0)
    frequencies = np.fft.rfftfreq(1024, 1 / rate)
    loudness = 10 * np.log10(np.convolve(power, np.ones(9) / 9, "same") + 1e-20)
    return int(frequencies[np.flatnonzero(loudness > loudness.max() - 58)[-1]])


def _clipped_percent(samples: Samples) -> float:
    limit = NEAR_PEAK * peak(samples)
    return 100.0 * float(np.count_nonzero(np.abs(samples) >= limit)) / samples.size if limit > 0 else 0.0
