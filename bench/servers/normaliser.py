# ruff: noqa: PLC0415 - each way loads its own library only, so that its memory is its own
"""Recordings to 16 kHz mono, by one of several converters, in a lasting process as in a service.

``python -m bench.servers.normaliser WAY FOLDER`` takes one job as JSON per line (``{"files": […], "at_once": n}``) and
answers each with one line: wall clock and processor seconds, the longest stall of the event loop in seconds.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

RATE = 16000
TICK = 0.001
Way = Callable[[Path, Path], Awaitable[None]]


def _twinport(folder: Path) -> Way:
    from gateway.infrastructure.sandbox import Sandbox
    from gateway.infrastructure.voice.normaliser import ReferenceNormaliser, ReferenceRules
    from gateway.infrastructure.voice_detector import voice_detector
    from gateway.settings import VoiceSettings

    settings = VoiceSettings()
    rules = ReferenceRules(
        sample_rate=RATE,
        longest_seconds=settings.reference_max_seconds,
        least_speech_seconds=settings.reference_min_speech_seconds,
        decode_seconds=settings.reference_decode_seconds,
        timeout=settings.decode_timeout,
        memory_bytes=settings.decode_memory_bytes,
    )
    voice_detector()  # as a service has it: loaded once
    normaliser = ReferenceNormaliser(rules=rules, sandbox=Sandbox(), folder=folder, detector=voice_detector)

    async def way(source: Path, target: Path) -> None:
        await normaliser.normalise(source, target)

    return way


def _ffmpeg(*filters: str) -> Way:
    async def way(source: Path, target: Path) -> None:
        command = ("ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(source), "-ac", "1", "-ar", str(RATE), *filters)
        process = await asyncio.create_subprocess_exec(*command, "-c:a", "pcm_s16le", str(target))
        if await process.wait():
            raise RuntimeError(f"ffmpeg ended with {process.returncode}")

    return way


def _in_thread(convert: Callable[[Path], Any]) -> Way:
    import soundfile  # type: ignore[import-untyped]

    def work(source: Path, target: Path) -> None:
        soundfile.write(target, convert(source), RATE, subtype="PCM_16")

    async def way(source: Path, target: Path) -> None:
        await asyncio.to_thread(work, source, target)

    return way


def _soundfile() -> Way:
    import soundfile
    import soxr  # type: ignore[import-untyped]

    def convert(source: Path) -> Any:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
        return soxr.resample(np.mean(samples, axis=1), rate, RATE)

    return _in_thread(convert)


def _librosa() -> Way:
    import librosa

    def convert(source: Path) -> Any:
        samples, _ = librosa.load(source, sr=RATE, mono=True)
        return samples

    return _in_thread(convert)


def _way(name: str, folder: Path) -> Way:
    ways: dict[str, Callable[[], Way]] = {
        "twinport": lambda: _twinport(folder),
        "ffmpeg": lambda: _ffmpeg("-af", "aresample=resampler=soxr"),
        "ffmpeg-default": _ffmpeg,
        "soundfile+soxr": _soundfile,
        "librosa": _librosa,
    }
    return ways[name]()


def _cpu() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


class _Stalls:
    """The longest time for which the event loop did nothing else."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, time.perf_counter() - due)


async def _job(way: Way, files: list[Path], at_once: int, folder: Path) -> dict[str, float]:
    stalls = _Stalls()
    watching = asyncio.create_task(stalls.watch())
    gate = asyncio.Semaphore(at_once)

    async def one(number: int, source: Path) -> None:
        target = folder / f"out-{number}.wav"
        async with gate:
            await way(source, target)
        target.unlink()

    await asyncio.sleep(0)
    cpu, started = _cpu(), time.perf_counter()
    await asyncio.gather(*(one(number, source) for number, source in enumerate(files)))
    wall = time.perf_counter() - started
    watching.cancel()
    return {"wall": wall, "cpu": _cpu() - cpu, "stall": stalls.longest}


async def _serve(name: str, folder: Path) -> None:
    way = _way(name, folder)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        job = json.loads(line)
        try:
            answer = await _job(way, [Path(file) for file in job["files"]], job["at_once"], folder)
        except Exception as error:  # noqa: BLE001 - told to the other side
            failure = {"error": repr(error)}
            sys.stdout.write(json.dumps(failure) + "\n")
        else:
            sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], Path(sys.argv[2])))
