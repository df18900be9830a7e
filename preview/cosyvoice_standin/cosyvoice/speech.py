"""espeak-ng as a speaker with pitch and pace."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import Any

import numpy as np

from .utils.file_utils import resample

# espeak-ng's sample rate for the voices used here.
ESPEAK_RATE = 22050
HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
# Marks for a model, not to be spoken: <|en|>, <strong>, [laughter].
MARKS = re.compile(r"<\|[^|>]*\|>|</?[a-z]+>|\[[a-z]+\]")


@dataclass(frozen=True)
class Speaker:
    """Parameters of espeak-ng's voice."""

    pitch: int = 50  # espeak-ng's scale, 0 to 99
    words_per_minute: int = 165


def speak(text: str, speaker: Speaker, rate: int, speed: float = 1.0) -> Any:
    """`text` as float32 samples at `rate` Hz. Raises RuntimeError where espeak-ng is missing or fails."""
    spoken = MARKS.sub(" ", text).strip()
    if not spoken:
        return np.zeros(0, dtype=np.float32)
    voice = "cmn" if HAN.search(spoken) else "en-us"
    pace = min(450, max(80, round(speaker.words_per_minute * speed)))
    command = ["espeak-ng", "-v", voice, "-p", str(speaker.pitch), "-s", str(pace), "-b", "1", "--stdin", "--stdout"]
    try:
        done = subprocess.run(command, input=spoken.encode(), capture_output=True, check=True, timeout=120)
    except FileNotFoundError:
        raise RuntimeError("espeak-ng is not installed: the preview engine speaks with it") from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"espeak-ng failed: {error.stderr.decode(errors='replace').strip()}") from error
    return resample(pcm_of(done.stdout), ESPEAK_RATE, rate)


def pcm_of(wav: bytes) -> Any:
    """The samples of a WAV written into a pipe, whose header has no length."""
    start = wav.index(b"data") + 8
    usable = (len(wav) - start) // 2 * 2
    return np.frombuffer(wav[start : start + usable], dtype="<i2").astype(np.float32) / 32768


def tone(rate: int, seconds: float = 0.1) -> Any:
    """A quiet tone, for measurements in which synthesis must cost nothing."""
    return (0.2 * np.sin(2 * np.pi * 220 * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def fundamental(samples: Any, rate: int) -> float:
    """The pitch of a recording in Hz (70 to 400), by autocorrelation of its loudest half second."""
    window = rate // 2
    if len(samples) < window:
        return 150.0
    starts = range(0, len(samples) - window + 1, window // 2)
    loudest = max(starts, key=lambda start: float(np.square(samples[start : start + window]).sum()))
    frame = samples[loudest : loudest + window] - samples[loudest : loudest + window].mean()
    spectrum = np.fft.rfft(frame, 2 * window)
    correlation = np.fft.irfft(np.square(np.abs(spectrum)))[:window]
    shortest, longest = rate // 400, rate // 70
    return float(rate / (shortest + int(np.argmax(correlation[shortest:longest]))))


def pace_of(samples: Any, rate: int) -> float:
    """Bursts of sound per second: roughly the pace of speech."""
    frame = rate // 50
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    if len(frames) < 2:
        return 4.0
    loudness = np.sqrt(np.square(frames).mean(axis=1))
    loud = loudness > loudness.mean()
    return float(np.count_nonzero(loud[1:] & ~loud[:-1]) / (len(samples) / rate))
