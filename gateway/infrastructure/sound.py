"""Which sound of a file counts, for both entries: lists its tracks, listens to samples of them, and chooses.

A file of one mono track costs a look at its header, others also a minute of decoding at most, however long they are.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.domain.sound import DETECTOR_RATE, MOST_CHANNELS, Heard, VoiceDetector, best_track, hear
from gateway.domain.storage import storage_busy
from gateway.infrastructure.files import TEMPORARY_SUFFIX, discard, temporary_path
from gateway.infrastructure.sandbox import READ_SAFELY, Bounds, Completed, Sandbox

MOST_TRACKS: Final = 8
# A short file is heard whole, of a long one some windows that are spread over it.
WHOLE_SECONDS: Final = 60.0
WINDOWS: Final = 6
WINDOW_SECONDS: Final = 10.0
SAMPLE_BYTES: Final = 4
MEMORY_BYTES: Final = 1 << 30
LIMIT_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Track:
    """One track of sound that can be decoded; `stream` is its number among all streams."""

    stream: int
    channels: int


@dataclass(frozen=True)
class Tracks:
    """The tracks of a file, and its length in seconds where the header has it."""

    tracks: tuple[Track, ...]
    seconds: float | None


@dataclass(frozen=True)
class ChosenSound:
    """The track of a file that counts, and how much of each of its channels."""

    stream: int
    weights: tuple[float, ...]

    @property
    def filter(self) -> str:
        """The filter that makes one channel of them."""
        parts = [f"{weight:+.6f}*c{number}" for number, weight in enumerate(self.weights) if weight]
        return "pan=mono|c0=" + "".join(parts).removeprefix("+")


class SoundChooser:
    """Chooses the sound of a file that counts.

    Args:
        probes: runs ffprobe.
        conversions: runs ffmpeg.
        detector: tells which tracks and channels speak; asked for where there is a choice.
    """

    def __init__(
        self, *, probes: Sandbox, conversions: Sandbox, detector: Callable[[], VoiceDetector | None] = lambda: None
    ) -> None:
        self._probes = probes
        self._conversions = conversions
        self._detector = detector

    async def choose(self, source: Path, folder: Path) -> ChosenSound | None:
        """The sound of a file that counts; None where it has none that can be decoded.

        Args:
            source: of the sound.
            folder: for files in between.

        Raises:
            StorageError: the system has no process left, or ended the one that looked.
        """
        found = await list_tracks(self._probes, source)
        if not found.tracks:
            return None
        first = found.tracks[0]
        if len(found.tracks) == 1 and first.channels == 1:
            return ChosenSound(first.stream, (1.0,))
        stem = temporary_path(folder).name.removesuffix(TEMPORARY_SUFFIX)
        windows = _windows(found.seconds)
        samples = [
            [folder / f"{stem}-{track.stream}-{number}{TEMPORARY_SUFFIX}" for number in range(len(windows))]
            for track in found.tracks
        ]
        try:
            command = _sampling(source, found.tracks, windows, samples)
            _require_alive(await self._conversions.run(command, folder=folder, bounds=_bounds(found.tracks)))
            return await asyncio.to_thread(self._best, found.tracks, samples)
        finally:
            await asyncio.to_thread(_discard_all, samples)

    def _best(self, tracks: Sequence[Track], samples: Sequence[Sequence[Path]]) -> ChosenSound:
        detector = self._detector()
        heard = []
        for track, files in zip(tracks, samples, strict=True):
            channels = _read(files, min(track.channels, MOST_CHANNELS))
            if len(channels):
                heard.append((track, hear(channels, DETECTOR_RATE, detector, compared=len(tracks) > 1)))
        if not heard:
            # It can't be sampled: then the conversion shows what is wrong.
            count = min(tracks[0].channels, MOST_CHANNELS)
            heard = [(tracks[0], Heard(tuple(1.0 / count for _ in range(count)), 1.0, 1.0))]
        track, chosen = heard[best_track([one for _, one in heard])]
        return ChosenSound(track.stream, chosen.weights)


async def list_tracks(probes: Sandbox, source: Path) -> Tracks:
    """The tracks of sound in a file that this decoder knows; none in what is no permitted media.

    Raises:
        StorageError: the system has no process left, or ended the one that looked.
    """
    entries = "stream=index,codec_type,codec_name,channels:format=duration"
    command = ["ffprobe", "-v", "error", *READ_SAFELY, "-show_entries", entries, "-of", "json", "-i", str(source)]
    bounds = Bounds(LIMIT_SECONDS, math.ceil(LIMIT_SECONDS), MEMORY_BYTES * 2, 0)
    done = await probes.run(command, folder=source.parent, bounds=bounds)
    _require_alive(done)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return Tracks((), None)
    tracks = [
        Track(int(stream["index"]), int(stream["channels"]))
        for stream in found.get("streams", [])
        if stream.get("codec_type") == "audio" and stream.get("codec_name") and stream.get("channels")
    ]
    return Tracks(tuple(tracks[:MOST_TRACKS]), stated_seconds(found.get("format", {}).get("duration")))


def _require_alive(done: Completed) -> None:
    """What the system ended, as where memory runs out, says nothing about the file."""
    if done.killed:
        raise storage_busy()


def stated_seconds(text: object) -> float | None:
    """A time as ffprobe states it; None where it states none that makes sense."""
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _windows(seconds: float | None) -> list[tuple[float, float]]:
    """Start and length of each part that is heard."""
    if seconds is None or seconds <= WHOLE_SECONDS:
        return [(0.0, WHOLE_SECONDS)]
    step = (seconds - WINDOW_SECONDS) / (WINDOWS - 1)
    return [(number * step, WINDOW_SECONDS) for number in range(WINDOWS)]


def _bounds(tracks: Sequence[Track]) -> Bounds:
    widest = max(min(track.channels, MOST_CHANNELS) for track in tracks)
    size = int(WHOLE_SECONDS + 1) * DETECTOR_RATE * SAMPLE_BYTES * widest
    return Bounds(LIMIT_SECONDS, math.ceil(LIMIT_SECONDS), MEMORY_BYTES, size)


def _sampling(
    source: Path, tracks: Sequence[Track], windows: Sequence[tuple[float, float]], samples: Sequence[Sequence[Path]]
) -> list[str]:
    command = ["ffmpeg", "-nostdin", "-v", "error"]
    for start, length in windows:
        command += [*READ_SAFELY, "-ss", f"{start:.3f}", "-t", f"{length:.3f}", "-i", str(source)]
    for track, files in zip(tracks, samples, strict=True):
        for number, path in enumerate(files):
            command += ["-map", f"{number}:{track.stream}", "-af", _all_channels(track.channels)]
            command += ["-c:a", "pcm_f32le", "-f", "f32le", "-y", str(path)]
    return command


def _all_channels(count: int) -> str:
    """The channels as they are; of very many the first, as the resampler knows no layout for them."""
    resample = f"aresample={DETECTOR_RATE}:resampler=soxr"
    if count <= MOST_CHANNELS:
        return resample
    first = "|".join(f"c{number}=c{number}" for number in range(MOST_CHANNELS))
    return f"pan={MOST_CHANNELS}c|{first},{resample}"


def _discard_all(samples: Sequence[Sequence[Path]]) -> None:
    for files in samples:
        for path in files:
            discard(path)


def _read(files: Sequence[Path], channels: int) -> NDArray[np.float32]:
    parts = [np.fromfile(path, dtype="<f4") for path in files if path.is_file()]
    samples = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
    return samples[: len(samples) // channels * channels].reshape(-1, channels)
