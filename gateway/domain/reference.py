"""Turns a decoded recording into a good reference: the best stretch of speech, trimmed, at a sane level.

Pure computation on samples; nothing here reads or writes files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import webrtcvad  # type: ignore[import-untyped]
from numpy.typing import NDArray

from gateway.domain.errors import GatewayError
from gateway.domain.voice import ReferenceReport

Samples = NDArray[np.float32]

# The detector brings everything down to this rate itself, at a third of its cost.
VAD_RATE = 8000
FRAME_SECONDS = 0.03
FRAMES_AT_ONCE = 300
VAD_AGGRESSIVENESS = 2
# Pauses up to this long belong to the speech around them; a shorter burst is a click.
BRIDGE_SECONDS = 0.3
BURST_SECONDS = 0.09
PADDING_SECONDS = 0.15
# Upstream's own demo caps the peak at 0.8 and appends 0.2 s of silence.
PEAK = 0.8
TAIL_SECONDS = 0.2
FADE_SECONDS = 0.005
TARGET_SPEECH_DBFS = -20.0
MAX_GAIN_DB = 40.0
SILENCE_DBFS = -60.0
FULL_SCALE = 0.999
# Below this share of the louder channel's level, the mix has lost it: the channels are in opposite phase.
MIX_LOSS = 0.35
QUIETEST_CUT_SECONDS = 5.0


@dataclass(frozen=True)
class Stretch:
    """A part of a recording, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def not_audio() -> GatewayError:
    """The upload has no sound that can be decoded."""
    return GatewayError(
        "reference_not_audio",
        422,
        zh="无法识别该文件中的声音，请上传 wav、mp3、m4a 等常见格式的录音。",
        en="No sound could be read from this file. Upload a recording, for example wav, mp3 or m4a.",
    )


def silent() -> GatewayError:
    """The recording has no audible sound."""
    return GatewayError(
        "reference_silent",
        422,
        zh="录音没有声音，请检查麦克风后重新录制。",
        en="The recording is silent. Check the microphone and record again.",
    )


def too_short(speech_seconds: float, minimum: float) -> GatewayError:
    """The recording has too little speech."""
    return GatewayError(
        "reference_too_short",
        422,
        zh=f"录音中的有效语音只有 {speech_seconds:.1f} 秒，至少需要 {minimum:g} 秒，建议 30 到 90 秒的清晰语音。",
        en=f"The recording has {speech_seconds:.1f} s of speech; at least {minimum:g} s are needed, "
        "30 to 90 s of clear speech are best.",
    )


def _level(samples: Samples) -> float:
    """Root mean square, 0 for no samples."""
    return float(np.sqrt(np.dot(samples, samples) / samples.size)) if samples.size else 0.0


def _peak(samples: Samples) -> float:
    """Largest magnitude, 0 for no samples."""
    return max(float(samples.max()), -float(samples.min())) if samples.size else 0.0


def _share_at_full_scale(samples: Samples) -> float:
    if _peak(samples) < FULL_SCALE:
        return 0.0
    return float(np.count_nonzero(np.abs(samples) >= FULL_SCALE)) / samples.size


def _dbfs(level: float) -> float:
    return 20.0 * float(np.log10(max(level, 1e-9)))


def mix_down(channels: NDArray[np.float32]) -> Samples:
    """One channel of a recording of shape (frames, channels), with what is no number in it silenced.

    The mean of all, or the loudest alone where mixing would cancel the voice or halve it with an empty channel.
    """
    levels = _levels(channels)
    if not np.isfinite(levels).all():
        channels = np.nan_to_num(channels, nan=0.0, posinf=0.0, neginf=0.0)
        levels = _levels(channels)
    mixed = _sum_of_columns(channels)
    mixed *= np.float32(1.0 / channels.shape[1])
    if _level(mixed) < MIX_LOSS * max(levels):
        return np.ascontiguousarray(channels[:, int(np.argmax(levels))])
    return mixed


def _sum_of_columns(rows: NDArray[np.float32]) -> Samples:
    """Column by column: numpy's own sum along a short axis takes several times as long."""
    total: Samples = rows[:, 0].copy()
    for column in rows.T[1:]:
        total += column
    return total


def _levels(channels: NDArray[np.float32]) -> list[float]:
    return [_level(channel) for channel in channels.T]


def _for_vad(samples: Samples, rate: int, gain: float) -> bytes:
    """16-bit PCM at the detector's rate and a level at which it works."""
    step = rate // VAD_RATE
    if rate % VAD_RATE == 0:
        samples = _sum_of_columns(samples[: len(samples) // step * step].reshape(-1, step))
        gain /= step
    else:
        positions = np.arange(0, len(samples), rate / VAD_RATE)
        samples = np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)
    return (samples * np.float32(gain)).astype("<i2").tobytes()


def _is_speech(samples: Samples, rate: int) -> Iterator[list[bool]]:
    """One decision per 30 ms, some hundreds at a time."""
    peak = _peak(samples)
    gain = 0.7 * 32767 / peak if peak > 0 else 0.0
    count = round(VAD_RATE * FRAME_SECONDS)
    size = 2 * count
    # No length for it to find out: a long recording has thousands of frames, and each costs microseconds.
    is_speech: Any = webrtcvad.Vad(VAD_AGGRESSIVENESS).is_speech
    block = round(rate * FRAME_SECONDS * FRAMES_AT_ONCE)
    for first in range(0, len(samples), block):
        pcm = _for_vad(samples[first : first + block], rate, gain)
        yield [is_speech(pcm[at : at + size], VAD_RATE, count) for at in range(0, len(pcm) - size + 1, size)]


def _runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Start and end (exclusive) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def find_speech(samples: Samples, rate: int, *, enough: float = math.inf) -> list[Stretch]:
    """The stretches of speech in time order; pauses within a sentence are part of them, clicks are not.

    The search ends with a stretch of ``enough`` seconds.
    """
    flags: list[bool] = []
    stretches: list[Stretch] = []
    for decisions in _is_speech(samples, rate):
        flags += decisions
        stretches = _stretches(flags)
        if stretches and stretches[-1].seconds >= enough:
            break
    return [stretch for stretch in stretches if stretch.seconds >= BURST_SECONDS]


def _stretches(flags: list[bool]) -> list[Stretch]:
    stretches: list[Stretch] = []
    for start, end in _runs(np.array(flags, dtype=np.bool_)):
        found = Stretch(start * FRAME_SECONDS, end * FRAME_SECONDS)
        if stretches and found.start - stretches[-1].end <= BRIDGE_SECONDS:
            stretches[-1] = Stretch(stretches[-1].start, found.end)
        else:
            stretches.append(found)
    return stretches


def _quietest_cut(samples: Samples, rate: int, start: float, limit: float) -> float:
    """The quietest instant in the last seconds before the limit: most likely between two words."""
    first = max(start, limit - QUIETEST_CUT_SECONDS)
    frame = max(1, int(rate * 0.05))
    part = samples[int(first * rate) : int(limit * rate)]
    count = len(part) // frame
    if count == 0:
        return limit
    energy = np.square(part[: count * frame].reshape(count, frame)).sum(axis=1)
    # Later is better among about equally quiet places.
    quiet = np.flatnonzero(energy <= 1.5 * energy.min() + 1e-9)
    return first + (int(quiet[-1]) + 0.5) * frame / rate


def _split_long(samples: Samples, rate: int, stretch: Stretch, longest: float) -> list[Stretch]:
    """A stretch longer than the limit as several, cut where it is quietest."""
    parts = []
    start = stretch.start
    while stretch.end - start > longest:
        cut = _quietest_cut(samples, rate, start, start + longest)
        parts.append(Stretch(start, cut))
        start = cut
    return [*parts, Stretch(start, stretch.end)]


def _clipped(samples: Samples, rate: int, stretch: Stretch) -> float:
    return _share_at_full_scale(samples[int(stretch.start * rate) : int(stretch.end * rate)])


def best_stretch(samples: Samples, rate: int, speech: list[Stretch], longest: float) -> tuple[Stretch, float]:
    """The stretch within ``longest`` seconds with the most clean speech, and the seconds of speech in it.

    It begins where speech begins and ends where speech ends; among equals the earliest wins.
    """
    pieces = [part for stretch in speech for part in _split_long(samples, rate, stretch, longest)]
    # A thousandth of clipped samples is audible; it weighs like losing a tenth of the speech.
    worth = [piece.seconds * max(0.0, 1.0 - 100.0 * _clipped(samples, rate, piece)) for piece in pieces]
    best, best_worth = (0, 1), -1.0
    end = 0
    total = 0.0
    for start in range(len(pieces)):
        end = max(end, start)
        while end < len(pieces) and pieces[end].end - pieces[start].start <= longest + 1e-6:
            total += worth[end]
            end += 1
        if total > best_worth + 1e-6:
            best, best_worth = (start, end), total
        total -= worth[start] if end > start else 0.0
    chosen = pieces[best[0] : best[1]]
    return Stretch(chosen[0].start, chosen[-1].end), sum(piece.seconds for piece in chosen)


def _padded(kept: Stretch, speech: list[Stretch], total: float, longest: float) -> Stretch:
    """Some room before and after, as far as neither the limit nor neighbouring speech is in the way."""
    before = max((other.end for other in speech if other.end <= kept.start), default=0.0)
    after = min((other.start for other in speech if other.start >= kept.end), default=total)
    room = max(0.0, longest - kept.seconds) / 2
    pad = min(PADDING_SECONDS, room)
    return Stretch(max(before, kept.start - pad), min(after, kept.end + pad))


def _gain(kept: Samples, speech_level: float) -> float:
    """Factor that brings speech to the target level, held back where peaks would pass the cap."""
    wanted = 10 ** ((TARGET_SPEECH_DBFS - _dbfs(speech_level)) / 20)
    peak = _peak(kept)
    return min(wanted, 10 ** (MAX_GAIN_DB / 20), PEAK / peak if peak > 0 else wanted)


def _speech_level(samples: Samples, rate: int, speech: list[Stretch]) -> float:
    parts = [samples[int(stretch.start * rate) : int(stretch.end * rate)] for stretch in speech]
    energy = sum(float(np.sum(np.square(part), dtype=np.float64)) for part in parts)
    return float(np.sqrt(energy / max(1, sum(part.size for part in parts))))


def _finish(kept: Samples, rate: int, gain: float) -> NDArray[np.int16]:
    """Apply the gain, fade both ends and append silence."""
    result = kept * np.float32(gain)
    fade = min(int(FADE_SECONDS * rate), len(result) // 2)
    if fade:
        ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        result[:fade] *= ramp
        result[-fade:] *= ramp[::-1]
    quantised = np.clip(np.rint(result * 32767), -32768, 32767).astype("<i2")
    return np.concatenate((quantised, np.zeros(int(TAIL_SECONDS * rate), dtype="<i2")))


def _limit(longest_seconds: float) -> float:
    return longest_seconds - TAIL_SECONDS - FRAME_SECONDS


def normalise(
    channels: NDArray[np.float32], rate: int, *, longest_seconds: float, least_speech_seconds: float
) -> tuple[NDArray[np.int16], ReferenceReport]:
    """Make a reference of a recording.

    Args:
        channels: samples of shape (frames, channels), nominally -1 to 1.
        rate: Hz, of input and output.
        longest_seconds: the reference with its closing silence is at most this long.
        least_speech_seconds: less speech is refused.

    Returns:
        Mono 16-bit samples, and what was found and done.

    Raises:
        GatewayError: ``reference_not_audio``, ``reference_silent`` or ``reference_too_short``.
    """
    if channels.size == 0:
        raise not_audio()
    mono = mix_down(channels)
    clipped_percent = 100.0 * _share_at_full_scale(mono)
    mono -= np.float32(mono.mean())
    total = len(mono) / rate
    if _dbfs(_peak(mono)) < SILENCE_DBFS:
        raise silent()
    longest = _limit(longest_seconds)
    # Where nothing is clipped, no other stretch can be better than one without a pause that is long enough.
    speech = find_speech(mono, rate, enough=math.inf if clipped_percent else longest + 2 * FRAME_SECONDS)
    found = sum(stretch.seconds for stretch in speech)
    if found < least_speech_seconds:
        raise too_short(found, least_speech_seconds)
    kept, kept_speech = best_stretch(mono, rate, speech, longest)
    padded = _padded(kept, speech, total, longest)
    part = mono[int(padded.start * rate) : int(padded.end * rate)]
    inside = [stretch for stretch in speech if stretch.end > kept.start and stretch.start < kept.end]
    gain = _gain(part, _speech_level(mono, rate, inside))
    report = ReferenceReport(
        decoded_seconds=round(total, 3),
        speech_seconds=round(kept_speech, 3),
        start_seconds=round(padded.start, 3),
        end_seconds=round(padded.end, 3),
        cut=found - kept_speech > FRAME_SECONDS,
        gain_db=round(_dbfs(gain), 2),
        clipped_percent=round(clipped_percent, 4),
        sample_rate=rate,
    )
    return _finish(part, rate, gain), report
