"""Turns a decoded recording into a good reference: the best stretch of speech, trimmed, at a suitable level.

Pure computation on samples; nothing here reads or writes files.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gateway.domain.errors import ErrorKind, GatewayError, Reason
from gateway.domain.sound import Samples, VoiceDetector, clean, dbfs, joined, peak
from gateway.domain.voice.quality import Background, background_of, measure
from gateway.domain.voice.stretches import FRAME_SECONDS, Stretch, find_speech, part_of, total_seconds
from gateway.domain.voice.voice import ReferenceReport

PADDING_SECONDS = 0.15
# Upstream's own demo caps the peak at 0.8 and appends 0.2 s of silence.
PEAK = 0.8
TAIL_SECONDS = 0.2
FADE_SECONDS = 0.005
TARGET_SPEECH_DBFS = -20.0
MAX_GAIN_DB = 40.0
SILENCE_DBFS = -60.0
FULL_SCALE = 0.999
QUIETEST_CUT_SECONDS = 5.0


def not_audio(what: Reason | None = None) -> GatewayError:
    """The upload has no sound that can be decoded.

    Args:
        what: what the file is instead, and what to do; None where that is not known.
    """
    return GatewayError(
        "reference_not_audio",
        ErrorKind.UNUSABLE,
        zh=what.zh if what else "无法识别该文件中的声音，请上传 wav、mp3、m4a 等常见格式的录音。",
        en=what.en
        if what
        else "No sound could be read from this file. Upload a recording, for example wav, mp3 or m4a.",
    )


def recording_lost() -> GatewayError:
    """The upload is no longer on the disk."""
    return GatewayError(
        "reference_lost",
        ErrorKind.UNUSABLE,
        zh="服务器上的原始录音已丢失，请重新上传。",
        en="The recording is no longer on the server. Upload it again.",
    )


def silent() -> GatewayError:
    """The recording has no audible sound."""
    return GatewayError(
        "reference_silent",
        ErrorKind.UNUSABLE,
        zh="录音没有声音，请检查麦克风后重新录制。",
        en="The recording is silent. Check the microphone and record again.",
    )


_HEARD = {
    Background.NOISE: Reason("只有噪声", "only noise"),
    Background.HUM: Reason("只有电流声或低频嗡嗡声", "only a hum"),
    Background.MUSIC: Reason("只有音乐或单纯的音调", "only music or tones"),
}


def no_speech(heard: Background) -> GatewayError:
    """There is sound, but nobody speaks."""
    return GatewayError(
        "reference_no_speech",
        ErrorKind.UNUSABLE,
        zh=f"录音中没有听到人说话，{_HEARD[heard].zh}。请检查麦克风和所选文件，上传一段清晰的人声录音。",
        en=f"Nobody speaks in this recording: it has {_HEARD[heard].en}. Check the microphone and the file, and upload "
        "a recording of clear speech.",
    )


def too_short(speech_seconds: float, minimum: float) -> GatewayError:
    """The recording has too little speech."""
    return GatewayError(
        "reference_too_short",
        ErrorKind.UNUSABLE,
        zh=f"录音中的有效语音只有 {speech_seconds:.1f} 秒，至少需要 {minimum:g} 秒，建议 30 到 90 秒的清晰语音。",
        en=f"The recording has {speech_seconds:.1f} s of speech; at least {minimum:g} s are needed, "
        "30 to 90 s of clear speech are best.",
    )


def _share_at_full_scale(samples: Samples) -> float:
    if peak(samples) < FULL_SCALE:
        return 0.0
    return float(np.count_nonzero(np.abs(samples) >= FULL_SCALE)) / samples.size


def _quietest_cut(samples: Samples, rate: int, start: float, limit: float) -> float:
    """The quietest moment in the last seconds before the limit: most likely between two words."""
    first = max(start, limit - QUIETEST_CUT_SECONDS)
    frame = max(1, int(rate * 0.05))
    part = samples[int(first * rate) : int(limit * rate)]
    count = len(part) // frame
    if count == 0:
        return limit
    energy = np.square(part[: count * frame].reshape(count, frame)).sum(axis=1)
    # Among about equally quiet moments the latest is best.
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
    return _share_at_full_scale(part_of(samples, rate, stretch))


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
    return Stretch(chosen[0].start, chosen[-1].end), total_seconds(chosen)


def _padded(kept: Stretch, speech: list[Stretch], total: float, longest: float) -> Stretch:
    """Some margin before and after, as far as the limit and neighbouring speech allow."""
    before = max((other.end for other in speech if other.end <= kept.start), default=0.0)
    after = min((other.start for other in speech if other.start >= kept.end), default=total)
    margin = max(0.0, longest - kept.seconds) / 2
    pad = min(PADDING_SECONDS, margin)
    return Stretch(max(before, kept.start - pad), min(after, kept.end + pad))


def _gain(kept: Samples, speech_level: float) -> float:
    """Factor that brings speech to the target level, held back where peaks would pass the cap."""
    wanted = 10 ** ((TARGET_SPEECH_DBFS - dbfs(speech_level)) / 20)
    loudest = peak(kept)
    return min(wanted, 10 ** (MAX_GAIN_DB / 20), PEAK / loudest if loudest > 0 else wanted)


def _speech_level(samples: Samples, rate: int, speech: list[Stretch]) -> float:
    parts = [part_of(samples, rate, stretch) for stretch in speech]
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
    channels: NDArray[np.float32],
    rate: int,
    *,
    longest_seconds: float,
    least_speech_seconds: float,
    detector: VoiceDetector | None = None,
) -> tuple[NDArray[np.int16], ReferenceReport]:
    """Make a reference of a recording.

    Args:
        channels: samples of shape (frames, channels), nominally -1 to 1.
        rate: Hz, of input and output.
        longest_seconds: the reference with its closing silence is at most this long.
        least_speech_seconds: less speech is rejected.
        detector: tells speech from noise and music.

    Returns:
        Mono 16-bit samples, and what was found and done.

    Raises:
        GatewayError: ``reference_not_audio``, ``reference_silent``, ``reference_no_speech`` or ``reference_too_short``.
    """
    if channels.size == 0:
        raise not_audio()
    mono, _ = joined(clean(channels), rate, detector)
    clipped_percent = 100.0 * _share_at_full_scale(mono)
    mono -= np.float32(mono.mean())
    total = len(mono) / rate
    if dbfs(peak(mono)) < SILENCE_DBFS:
        raise silent()
    longest = _limit(longest_seconds)
    # Where nothing is clipped, no other stretch can be better than one without a pause that is long enough.
    enough = math.inf if clipped_percent else longest + 2 * FRAME_SECONDS
    speech = find_speech(mono, rate, enough=enough, detector=detector)
    found = total_seconds(speech)
    if found < least_speech_seconds:
        if found == 0 and detector is not None and total >= least_speech_seconds:
            raise no_speech(background_of(mono, rate))
        raise too_short(found, least_speech_seconds)
    kept, kept_speech = best_stretch(mono, rate, speech, longest)
    padded = _padded(kept, speech, total, longest)
    part = part_of(mono, rate, padded)
    level = _speech_level(mono, rate, [one for one in speech if one.end > kept.start and one.start < kept.end])
    gain = _gain(part, level)
    report = ReferenceReport(
        decoded_seconds=round(total, 3),
        speech_seconds=round(kept_speech, 3),
        start_seconds=round(padded.start, 3),
        end_seconds=round(padded.end, 3),
        cut=found - kept_speech > FRAME_SECONDS,
        gain_db=round(dbfs(gain), 2),
        clipped_percent=round(clipped_percent, 4),
        sample_rate=rate,
        quality=measure(part, rate, level_dbfs=dbfs(level), speech_seconds=kept_speech),
    )
    return _finish(part, rate, gain), report
