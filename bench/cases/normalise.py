"""Recordings normalised for the engine: ours, with all its steps, against plain conversions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.context import Context
from bench.measure import Figure, Rounds, Sample, at_least, at_most
from bench.processes import MemoryWatch
from tests.support.servers import ROOT
from tests.support.voice import spoken_wav

FORMATS: Mapping[str, Sequence[str]] = {
    "wav": ("-c:a", "pcm_s16le"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "192k"),
    "m4a": ("-c:a", "aac", "-b:a", "160k"),
    "ogg": ("-c:a", "libvorbis", "-q:a", "5"),
}
LENGTHS = (30, 90)
PROMISED = (90, "mp3")
WAYS = ("twinport", "ffmpeg", "ffmpeg-default", "soundfile+soxr", "librosa")
BLIND = {"soundfile+soxr": {"m4a"}}  # libsndfile knows no MP4


class Worker:
    """One converter, in its own process."""

    def __init__(self, way: str, folder: Path) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "bench.servers.normaliser", way, str(folder)]
        self._way = way
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def convert(self, file: Path, *, count: int, at_once: int) -> Sample:
        """Convert one file `count` times; seconds are for each."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"files": [str(file)] * count, "at_once": at_once}) + "\n")
        with MemoryWatch(self._process.pid) as memory:
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(f"{self._way}, {file.name}: {answer['error']}")
        return {
            "wall": answer["wall"] / count * 1e3,
            "cpu": answer["cpu"] / count * 1e3,
            "rate": count / answer["wall"],
            "memory": memory.peak_mib,
            "stall": answer["stall"] * 1e3,
        }

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _recordings(context: Context) -> dict[tuple[int, str], Path]:
    """48 kHz stereo of a voice, as long and in such a format."""
    folder = context.subfolder("recordings")
    spoken = folder / "spoken.wav"
    spoken.write_bytes(spoken_wav())
    made: dict[tuple[int, str], Path] = {}
    for seconds in LENGTHS:
        for kind, encode in FORMATS.items():
            path = made[seconds, kind] = folder / f"{seconds}.{kind}"
            command = ["ffmpeg", "-nostdin", "-v", "error", "-stream_loop", "-1", "-i", str(spoken), "-t", str(seconds)]
            subprocess.run([*command, "-ar", "48000", "-ac", "2", *encode, str(path)], check=True)
    return made


@contextmanager
def _workers(context: Context) -> Iterator[dict[str, Worker]]:
    with ExitStack() as stack:
        workers = {way: Worker(way, context.subfolder(way)) for way in WAYS}
        for worker in workers.values():
            stack.callback(worker.close)
        yield workers


def _compare(workers: Mapping[str, Worker], file: Path, rounds: int, *, count: int, at_once: int) -> Rounds:
    able = {way: worker for way, worker in workers.items() if file.suffix[1:] not in BLIND.get(way, ())}
    variants: dict[str, Callable[[], Sample]] = {
        way: partial(worker.convert, file, count=count, at_once=at_once) for way, worker in able.items()
    }
    for run in variants.values():
        run()
    return Rounds.of(variants, rounds)


def _single(rounds: Rounds, seconds: int, kind: str) -> Iterator[Figure]:
    label = f"normalise/{seconds} s {kind}"
    goal = at_most(1.15, "ratio") if (seconds, kind) == PROMISED else None
    yield rounds.figure(f"{label}, wall/twinport", "twinport", "wall", "ms", against="ffmpeg", goal=goal)
    for way in WAYS[2:]:
        if way in rounds.samples:
            yield rounds.figure(f"{label}, wall/{way}", way, "wall", "ms", against="ffmpeg")
    yield rounds.figure(f"{label}, CPU/twinport", "twinport", "cpu", "ms", against="ffmpeg")
    for way in WAYS[3:]:
        if way in rounds.samples:
            yield rounds.figure(f"{label}, CPU/{way}", way, "cpu", "ms", against="ffmpeg")


def _paired(single: Rounds, double: Rounds) -> Iterator[Figure]:
    """Two at once against one at a time, each way with itself."""
    label = "normalise/90 s mp3"
    for way in WAYS:
        both = Rounds({"two": double.samples[way], "one": single.samples[way]})
        goal = at_least(1.8, "ratio") if way == "twinport" else None
        yield both.figure(f"{label}, two at once/{way}", "two", "rate", "files/s", against="one", goal=goal)
    yield double.figure(
        f"{label}, longest stall of the event loop/twinport",
        "twinport",
        "stall",
        "ms",
        against="ffmpeg",
        goal=at_most(20.0),
    )
    for way in ("twinport", *WAYS[3:]):
        yield double.figure(f"{label}, memory/{way}", way, "memory", "MiB", against="ffmpeg")


def measure(context: Context) -> list[Figure]:
    """Every format and length one at a time; the promised one two at a time as well."""
    recordings = _recordings(context)
    rounds = context.times(9)
    figures: list[Figure] = []
    with _workers(context) as workers:
        for (seconds, kind), file in recordings.items():
            if (seconds, kind) != PROMISED and not context.quick:
                context.say(file.name)
                figures += _single(_compare(workers, file, rounds, count=1, at_once=1), seconds, kind)
        context.say("90.mp3, one and two at a time")
        count = 2 if context.quick else 6
        file = recordings[PROMISED]
        single = _compare(workers, file, rounds, count=count, at_once=1)
        double = _compare(workers, file, rounds, count=count, at_once=2)
        figures += _single(single, *PROMISED)
        figures += _paired(single, double)
    return figures
