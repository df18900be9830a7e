"""The servers of a simulated life, on a clock that runs fast."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support import faketime
from tests.support.engine import Engine, running_engine
from tests.support.faults import Faults
from tests.support.servers import Server, free_port
from tests.support.video import DuixServer, duix

SOURCE = Path(__file__).with_name("fast_files.c")
CACHE = Path(__file__).resolve().parents[2] / ".cache"
KEY = "a-key-that-owns-things"
HOUR = 3600
# Ages of a few hours, so that what expires does so several times in a day.
COMMON = {
    "host": "127.0.0.1",
    "engine_mode": "preview",
    "doctor_report": "",
    "api_key": KEY,
    "min_free_bytes": 0,
    "rate_limit_per_minute": 0,
    "resumable_max_age": 2 * HOUR,
}
VOICE = {"files_max_age": 2 * HOUR, "decode_timeout": 2 * HOUR, "max_voices_per_device": 1000}
VIDEO = {
    "engine_warm_up": 0,
    "results_max_age": 2 * HOUR,
    "uploads_max_age": 2 * HOUR,
    "tasks_max_age": 3 * HOUR,
    "conversion_timeout": 24 * HOUR,
    "engine_patience": 4 * HOUR,
}


@cache
def _library() -> Path:
    CACHE.mkdir(exist_ok=True)
    built = CACHE / "fast_files.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", built, SOURCE, "-ldl"], check=True)
    return built


class FastClock:
    """A clock that runs ``rate`` times as fast as the real one from now on."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._start = time.time()

    def hours(self) -> float:
        """How long the simulated life has lasted."""
        return (time.time() - self._start) * self.rate / HOUR

    def environment(self) -> dict[str, str]:
        """For a process that is started now."""
        ahead = (time.time() - self._start) * (self.rate - 1)
        return {
            "LD_PRELOAD": f"{_library()}:{faketime.library()}",
            "FAST_START": f"{self._start:.3f}",
            "FAST_RATE": str(self.rate),
            "FAKETIME": f"+{ahead:.3f} x{self.rate}",
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",  # it knows offsets only
        }


class FastServer(Server):
    """An entry on the fast clock, some of whose system calls can be made to fail."""

    clock: FastClock
    faults: Faults
    settings: Mapping[str, object]

    def start(self) -> Server:
        fast, faulty = self.clock.environment(), self.faults.environment
        self.environment = {
            **{f"TWINPORT_{name.upper()}": str(value) for name, value in self.settings.items()},
            **fast,
            **faulty,
            "LD_PRELOAD": f"{faulty['LD_PRELOAD']}:{fast['LD_PRELOAD']}",
        }
        return super().start()


@dataclass(frozen=True)
class World:
    """All servers."""

    clock: FastClock
    voice: FastServer
    video: FastServer
    speech_engine: Engine
    video_engine: DuixServer
    folder: Path


def _entry(kind: str, clock: FastClock, folder: Path, settings: Mapping[str, object]) -> FastServer:
    disk, port = folder / kind, free_port()
    disk.mkdir()
    command = [sys.executable, "-m", "tests.endure.entry", kind]
    made = FastServer(kind, command, {}, port, folder / f"{kind}.log", "/health")
    made.clock, made.faults = clock, Faults(disk.resolve(), folder / f"{kind}.control")
    made.settings = {**COMMON, **settings, "port": port, "data_dir": disk / "data"}
    return made


@contextmanager
def living(folder: Path, rate: int) -> Iterator[World]:
    """Start everything; all of it ends with the context."""
    clock = FastClock(rate)
    with ExitStack() as stack:
        speech = stack.enter_context(running_engine(folder / "speech", preview_free=1))
        voice = _entry("voice", clock, folder, {**VOICE, "cosyvoice_url": speech.url})
        media = folder / "video" / "media"
        picture = duix(folder / "duix", media)
        video = _entry("video", clock, folder, {**VIDEO, "duix_url": picture.url, "media_dir": media})
        for server in (picture, voice, video):
            stack.callback(server.kill)
            server.start()
        yield World(clock, voice, video, speech, picture, folder)


def processor_seconds(pid: int) -> float:
    """What a process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
