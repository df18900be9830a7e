"""Recordings as people send them, made on the spot: speech in every condition, and what is mistaken for speech.

All are 16 kHz mono, nominally -1 to 1, and the same at every call.
"""

from __future__ import annotations

import io
import subprocess
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 16000
# People who read aloud, in the public domain: Debian's pocketsphinx-testdata.
READERS = Path("/usr/share/pocketsphinx/test/data/librivox")
ENGLISH = (
    "Good morning everybody. I would like to read a few sentences about the garden, the river and the old stone "
    "bridge behind our house. Every evening the children walk across it and throw little sticks into the water."
)
CHINESE = "大家早上好，今天我想给大家读一段关于花园和小河的故事。每天傍晚，孩子们都会走过那座石桥，把小树枝扔进水里。"


def _from_wav(content: bytes) -> Samples:
    with wave.open(io.BytesIO(content)) as file:
        rate, frames = file.getframerate(), file.readframes(2**24)
    samples = np.frombuffer(frames[: len(frames) // 2 * 2], dtype="<i2").astype(np.float32) / 32768
    at = np.arange(0, len(samples) - 1, rate / RATE)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


@cache
def spoken(voice: str = "en", text: str = ENGLISH, *, pitch: int = 50, speed: int = 150) -> Samples:
    """A synthetic speaker, at -20 dBFS."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", text]
    return at_level(_from_wav(subprocess.run(command, check=True, capture_output=True).stdout), -20)


@cache
def read_aloud(voice: str = "slt") -> Samples:
    """A voice that was cut out of a person's recordings."""
    command = ["flite", "-voice", voice, "-t", ENGLISH, "-o", "/dev/stdout"]
    return at_level(_from_wav(subprocess.run(command, check=True, capture_output=True).stdout), -20)


@cache
def person() -> Samples:
    """A person who reads a novel, 16 s at most; the synthetic speaker where that is not installed."""
    files = sorted(READERS.glob("*.wav"))
    if not files:
        return read_aloud()
    return at_level(np.concatenate([_from_wav(file.read_bytes()) for file in files])[: 16 * RATE], -20)


def at_level(samples: Samples, dbfs: float) -> Samples:
    """The same sound at such a level (root mean square)."""
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) or 1.0
    return (samples * (10 ** (dbfs / 20) / level)).astype(np.float32)


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _time(seconds: float) -> NDArray[np.float64]:
    return np.arange(int(seconds * RATE)) / RATE


def noise(seconds: float, dbfs: float, *, slope: float = 0.0) -> Samples:
    """Noise whose power falls with frequency to the power of `slope`: 0 white, 1 pink, 2 brown."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(_random(7).standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= np.where(frequencies < 20, 0, np.maximum(frequencies, 20.0) ** (-slope / 2))
    return at_level(np.fft.irfft(spectrum, count).astype(np.float32), dbfs)


def band(samples: Samples, low: float, high: float) -> Samples:
    """Only these frequencies."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def hum(seconds: float, dbfs: float, base: float = 50.0) -> Samples:
    """Mains hum with its harmonics."""
    t = _time(seconds)
    return at_level(sum(np.sin(2 * np.pi * base * n * t + n) / n for n in range(1, 9)).astype(np.float32), dbfs)


def tone(seconds: float, frequency: float | NDArray[np.float64], partials: int = 1) -> NDArray[np.float64]:
    """A tone, of a frequency that may change, with overtones."""
    steady = np.broadcast_to(np.asarray(frequency, dtype=np.float64), (int(seconds * RATE),))
    phase = 2 * np.pi * np.cumsum(steady) / RATE
    return np.asarray(sum(np.sin(n * phase) / n for n in range(1, partials + 1)))


def tremolo_chord(seconds: float, dbfs: float = -20, rate: float = 5.0) -> Samples:
    """A held chord whose loudness swings."""
    chord = sum(tone(seconds, frequency, 4) for frequency in (220.0, 277.2, 329.6))
    return at_level((chord * (0.55 + 0.45 * np.sin(2 * np.pi * rate * _time(seconds)))).astype(np.float32), dbfs)


def plucked(
    seconds: float, dbfs: float = -20, *, notes: int = 4, spread: int = 24, partials: int = 8, seed: int = 11
) -> Samples:
    """Melody and chords of a plucked or struck instrument."""
    result = np.zeros(int(seconds * RATE))
    generator = _random(seed)
    for number in range(int(seconds * notes)):
        start = int(number / notes * RATE)
        frequency = 110.0 * 2 ** (generator.choice([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 19, 24])[()] % (spread + 1) / 12)
        length = min(len(result) - start, RATE)
        fading = np.exp(-np.arange(length) / RATE * 4)
        result[start : start + length] += tone(1.0, frequency, partials)[:length] * fading
    return at_level(result.astype(np.float32), dbfs)


def beats(seconds: float, dbfs: float = -20, rate: float = 2.0) -> Samples:
    """Drums: bursts of noise and of low tones."""
    result = np.zeros(int(seconds * RATE))
    generator = _random(5)
    for number in range(int(seconds * rate * 2)):
        start = int(number / rate / 2 * RATE)
        length = min(len(result) - start, RATE // 5)
        fading = np.exp(-np.arange(length) / RATE * 30)
        hit = generator.standard_normal(length) if number % 2 else np.sin(2 * np.pi * 90 * np.arange(length) / RATE)
        result[start : start + length] += hit * fading
    return at_level(result.astype(np.float32), dbfs)


def clicks(seconds: float, dbfs: float = -30, rate: float = 6.0) -> Samples:
    """Short knocks, as of a keyboard."""
    result = np.zeros(int(seconds * RATE))
    generator = _random(3)
    for start in np.sort(generator.integers(0, len(result) - 400, int(seconds * rate))):
        result[start : start + 320] += generator.standard_normal(320) * np.exp(-np.arange(320) / 60)
    return at_level(result.astype(np.float32), dbfs)


def swelling(samples: Samples, rate: float, depth: float = 1.0) -> Samples:
    """The sound with a loudness that swings as speech does."""
    t = np.arange(len(samples)) / RATE
    return (samples * (1 - depth / 2 + depth / 2 * np.sin(2 * np.pi * rate * t))).astype(np.float32)


def dialled(seconds: float) -> Samples:
    """A telephone being dialled."""
    result = np.zeros(int(seconds * RATE))
    for number, (low, high) in enumerate([(697, 1209), (770, 1336), (852, 1477), (941, 1336)] * int(seconds)):
        start = int(number * 0.25 * RATE)
        length = max(0, min(len(result) - start, int(0.15 * RATE)))
        result[start : start + length] = (tone(0.15, low) + tone(0.15, high))[:length]
    return at_level(result.astype(np.float32), -20)


def sliding(seconds: float, low: float, high: float, rate: float, partials: int = 12) -> Samples:
    """A tone that slides up and down: a siren, a saw, an engine."""
    middle, width = (low + high) / 2, (high - low) / 2
    return at_level(
        tone(seconds, middle + width * np.sin(2 * np.pi * rate * _time(seconds)), partials).astype(np.float32), -20
    )


def chirps(seconds: float) -> Samples:
    """Birds."""
    t = _time(seconds)
    calls = tone(seconds, 3500 + 900 * np.sin(2 * np.pi * 7 * t)) * (np.sin(2 * np.pi * 1.3 * t) > 0.4)
    return at_level(calls.astype(np.float32), -25)


def echoing(samples: Samples, delay: float = 0.25, loss: float = 0.5) -> Samples:
    """With its echoes."""
    result = samples.astype(np.float64).copy()
    gap = int(delay * RATE)
    for number in range(1, 4):
        result[number * gap :] += samples[: -number * gap] * loss**number
    return at_level(result.astype(np.float32), -20)


def in_a_hall(samples: Samples, seconds: float = 0.9) -> Samples:
    """As in a large bare room."""
    tail = _random(2).standard_normal(int(seconds * RATE)) * 10 ** (
        -3 * np.arange(int(seconds * RATE)) / RATE / seconds
    )
    tail[0] = 6.0
    size = len(samples) + len(tail)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    return at_level(wet.astype(np.float32), -20)


def over(front: Samples, back: Samples, ratio_db: float) -> Samples:
    """A sound above another that is this much quieter."""
    behind = np.resize(back, len(front))
    return (at_level(front, -20) + at_level(behind, -20 - ratio_db)).astype(np.float32)


def paused(samples: Samples, pause: float) -> Samples:
    """Four parts with silence between them."""
    silence = np.zeros(int(pause * RATE), dtype=np.float32)
    return np.concatenate([piece for part in np.array_split(samples, 4) for piece in (part, silence)])


@dataclass(frozen=True)
class Recording:
    """One recording of the table: whether it is speech, and how to make it."""

    name: str
    is_speech: bool
    make: Callable[[], Samples]


def _table(is_speech: bool, made: dict[str, Callable[[], Samples]]) -> list[Recording]:
    return [Recording(name, is_speech, make) for name, make in made.items()]


SPEECH = _table(
    True,
    {
        "a person": person,
        "a person, very quiet": lambda: at_level(person(), -58),
        "a person, loud": lambda: at_level(person(), -9).clip(-1, 1),
        "a person, clipped": lambda: (person() * 12).clip(-1, 1),
        "a person on the telephone": lambda: at_level(band(person(), 300, 3400), -20),
        "a person in hiss, 20 dB": lambda: over(person(), noise(16, -20), 20),
        "a person in hiss, 8 dB": lambda: over(person(), noise(16, -20), 8),
        "a person in street noise, 10 dB": lambda: over(person(), noise(16, -20, slope=2), 10),
        "a person over hum": lambda: over(person(), hum(16, -20), 12),
        "a person over music": lambda: over(person(), plucked(16), 12),
        "a person over loud music": lambda: over(person(), tremolo_chord(16), 6),
        "a person with an echo": lambda: echoing(person()),
        "a person in a hall": lambda: in_a_hall(person()),
        "a person at a keyboard": lambda: over(person(), clicks(16), 12),
        "a person, with long pauses": lambda: paused(person(), 5.0),
        "a person after a minute of hiss": lambda: np.concatenate((noise(60, -50), person())),
        "a person after music": lambda: np.concatenate((plucked(30), person())),
        "a person, four seconds": lambda: person()[: int(4.5 * RATE)],
        "a woman": lambda: read_aloud("slt"),
        "a man": lambda: read_aloud("rms"),
        "a Scotsman": lambda: read_aloud("awb"),
        "a machine": lambda: read_aloud("kal16"),
        "a machine, English": spoken,
        "a machine, Chinese": lambda: spoken("cmn", CHINESE),
        "a machine, Chinese and quiet": lambda: at_level(spoken("cmn", CHINESE), -55),
        "a machine, high": lambda: spoken("en+f3", pitch=90),
        "a machine, deep and slow": lambda: spoken("en+m3", pitch=10, speed=100),
        "a machine, fast": lambda: np.tile(spoken("en", speed=280), 2),
        "a machine in a hall": lambda: in_a_hall(spoken()),
        "a machine over music": lambda: over(spoken(), plucked(16), 12),
        "a machine in hiss, 15 dB": lambda: over(spoken(), noise(16, -20), 15),
    },
)
NO_SPEECH = _table(
    False,
    {
        "hiss": lambda: noise(12, -54),
        "loud hiss": lambda: noise(12, -15),
        "hiss that swells": lambda: swelling(noise(12, -25), 4.0),
        "hiss in bursts": lambda: swelling(noise(12, -25), 2.5).clip(0) * 2,
        "pink noise": lambda: noise(12, -25, slope=1),
        "pink noise that swells": lambda: swelling(noise(12, -25, slope=1), 3.0),
        "brown noise": lambda: noise(12, -25, slope=2),
        "noise of a voice's band": lambda: at_level(band(noise(12, -20), 200, 3000), -25),
        "noise of a voice's band that swells": lambda: swelling(at_level(band(noise(12, -20), 200, 3000), -25), 4.0),
        "rain": lambda: over(noise(12, -30), clicks(12, rate=60), 3),
        "hum": lambda: hum(12, -30),
        "hum at 60 Hz, loud": lambda: hum(12, -12, 60.0),
        "hum under hiss": lambda: over(hum(12, -20), noise(12, -20), 6),
        "a tone": lambda: at_level(tone(12, 440.0).astype(np.float32), -20),
        "a tone of a voice's pitch": lambda: at_level(tone(12, 140.0, 20).astype(np.float32), -20),
        "a sweep": lambda: at_level(tone(12, np.linspace(100, 6000, 12 * RATE)).astype(np.float32), -20),
        "a tremolo chord": lambda: tremolo_chord(12),
        "a quiet tremolo chord": lambda: tremolo_chord(12, -45, 4.0),
        "an organ": lambda: at_level(sum(tone(12, f, 6) for f in (130.8, 164.8, 196.0)).astype(np.float32), -20),
        "a guitar": lambda: plucked(12),
        "a fast piano": lambda: plucked(12, notes=8, partials=5),
        "a fast harp": lambda: plucked(45, notes=10, partials=3, seed=1101),
        "a bass": lambda: plucked(12, notes=3, spread=7, partials=12),
        "drums": lambda: beats(12),
        "a band": lambda: over(plucked(12), beats(12), 3),
        "clicks": lambda: clicks(12),
        "a metronome": lambda: beats(12, rate=1.0),
        "dialling": lambda: dialled(12),
        "a siren": lambda: sliding(12, 500, 1200, 0.5),
        "an engine": lambda: sliding(12, 70, 110, 0.3, 30),
        "a violin": lambda: sliding(12, 430, 450, 6.0, 20),
        "a gliding saw of a voice's pitch": lambda: swelling(sliding(12, 90, 220, 0.8, 30), 3.0),
        "birds": lambda: chirps(12),
        "the last bit": lambda: (_random(1).integers(-1, 2, 12 * RATE) / 32768).astype(np.float32),
    },
)
RECORDINGS = SPEECH + NO_SPEECH
