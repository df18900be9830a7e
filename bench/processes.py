"""Processes under measurement: their memory at its most, their processor time, and servers that are not ours."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.servers import Server

MIB = 2**20
RESET_PEAK = "5"  # proc(5): writing it to clear_refs sets VmHWM back to the present size


def _tree(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def _status_mib(pid: int, field: str) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


def resident_mib(pid: int) -> float:
    """Resident memory of a process and its children now, in MiB."""
    return sum(_status_mib(process.pid, "VmRSS") for process in _tree(pid))


def peak_mib(pid: int) -> float:
    """Sum of the most resident memory that a process and each of its children have had, in MiB."""
    return sum(_status_mib(process.pid, "VmHWM") for process in _tree(pid))


def reset_peak(pid: int) -> None:
    """Let ``peak_mib`` count from now on."""
    for process in _tree(pid):
        with suppress(OSError):
            Path(f"/proc/{process.pid}/clear_refs").write_text(RESET_PEAK, encoding="ascii")


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its living children so far."""
    total = 0.0
    for process in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


class Cost:
    """Processor time and memory that a server uses from now on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        reset_peak(pid)
        self._memory = resident_mib(pid)
        self._cpu = cpu_seconds(pid)

    @property
    def cpu_seconds(self) -> float:
        """Processor time since then."""
        return cpu_seconds(self._pid) - self._cpu

    @property
    def peak_mib(self) -> float:
        """Most resident memory since then."""
        return peak_mib(self._pid)

    @property
    def growth_mib(self) -> float:
        """How far the memory rose above what it was then."""
        return max(0.0, self.peak_mib - self._memory)


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


def run_measured(command: Sequence[str], **options: object) -> tuple[int, os.struct_rusage, float]:
    """Run a command to its end: exit status, its and its children's resource use, seconds of wall clock."""
    started = time.perf_counter()
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage, time.perf_counter() - started
