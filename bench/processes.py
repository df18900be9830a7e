"""Processes under measurement: their peak memory, their processor time, and servers that are not ours."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil  # type: ignore[import-untyped]

from tests.support.servers import ROOT, Server

WATCH_SECONDS = 0.01
RESET_PEAK = "5"  # proc(5): writing it to clear_refs sets VmHWM back to the present size


def _tree(pid: int) -> list[int]:
    """A process and all below it; proc(5) lists them by thread, which is cheaper than reading every process."""
    found = [pid]
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text(encoding="ascii").split():
                found += _tree(int(child))
    return found


def _status_mib(pid: int, field: str) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


def resident_mib(pid: int) -> float:
    """Resident memory of a process and its children now, in MiB."""
    return sum(_status_mib(process, "VmRSS") for process in _tree(pid))


def peak_mib(pid: int, *, children: bool = True) -> float:
    """Sum of the most resident memory that a process and each of its children have had, in MiB."""
    return sum(_status_mib(process, "VmHWM") for process in (_tree(pid) if children else [pid]))


def reset_peak(pid: int) -> None:
    """Restart the count of ``peak_mib``."""
    for process in _tree(pid):
        with suppress(OSError):
            Path(f"/proc/{process}/clear_refs").write_text(RESET_PEAK, encoding="ascii")


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its living children so far."""
    total = 0.0
    for process in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(process).cpu_times()
            total += times.user + times.system
    return total


class Cost:
    """Processor time and memory that servers use from now on; their children's memory counts where it is asked for."""

    def __init__(self, *pids: int, children: bool = True) -> None:
        self._pids = pids
        self._children = children
        for pid in pids:
            reset_peak(pid)
        self._memory = self.peak_mib
        self._cpu = self._cpu_so_far

    @property
    def cpu_seconds(self) -> float:
        """Processor time since then."""
        return self._cpu_so_far - self._cpu

    @property
    def peak_mib(self) -> float:
        """Most resident memory since then."""
        return sum(peak_mib(pid, children=self._children) for pid in self._pids)

    @property
    def growth_mib(self) -> float:
        """The increase of memory since then."""
        return max(0.0, self.peak_mib - self._memory)

    @property
    def _cpu_so_far(self) -> float:
        return sum(map(cpu_seconds, self._pids))


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    port: int,
    folder: Path,
    *,
    probe: str = "/",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server process, from its first answer on ``probe`` until the context is left."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(name, command, environment or {}, port, folder / f"{name}.log", probe)
    try:
        yield server.start()
    finally:
        if server.process is not None:
            server.kill()


@dataclass
class MemoryWatch:
    """The most resident memory of a process and its children together, sampled continuously.

    ``ru_maxrss`` would not do: a child begins with its parent's.
    """

    pid: int
    peak_mib: float = 0.0

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.peak_mib = max(self.peak_mib, resident_mib(self.pid))
            if self._stop.wait(WATCH_SECONDS):
                return


@dataclass(frozen=True)
class Ended:
    """A command that was run to its end; wall clock in seconds, its most resident memory in MiB."""

    status: int
    output: str
    seconds: float
    peak_mib: float


def run_to_end(command: Sequence[str], *, environment: Mapping[str, str]) -> Ended:
    """Run a command and measure it."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    with MemoryWatch(process.pid) as memory:
        output, _ = process.communicate()
        seconds = time.perf_counter() - started
    return Ended(process.returncode, output, seconds, memory.peak_mib)
