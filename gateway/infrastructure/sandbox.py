"""Runs ffmpeg and ffprobe on untrusted files: limited in time, memory and output, and ended with the gateway.

The decoders get no standard input, an empty environment and their own process group. `prlimit` limits their
resources; `setpriv --pdeathsig` ends them with the gateway, even when that is killed.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.storage import storage_errors

MAX_STDOUT_BYTES = 1 << 20
MAX_STDERR_BYTES = 16 * 1024
READ_BLOCK = 64 * 1024
ATTEMPTS = 3
PAUSE_SECONDS = 1.0
# Between two looks at a process's processor time.
LOOK_SECONDS = 0.5
FFMPEG_STOPPED_BY_SIGNAL = 255
# A decoder that a file makes crash ends so every time; one whose host lacks descriptors or can't read its code, once.
BROKEN_OFF = (-signal.SIGABRT, -signal.SIGBUS, -signal.SIGSEGV)
# Plain media only: playlists, concat scripts and SDP would make the decoder open other files or addresses.
PLAIN_CONTAINERS = "wav,mp3,mov,ogg,matroska,flac,aac,aiff,amr,caf,asf,avi,mpegts,mpeg,flv,w64,au,ac3,eac3,m4v"
READ_SAFELY = ("-protocol_whitelist", "file", "-format_whitelist", PLAIN_CONTAINERS)


@dataclass(frozen=True)
class Bounds:
    """The limits of one process.

    Attributes:
        wall_seconds: time until it is killed.
        cpu_seconds: processor time, all threads together.
        memory_bytes: address space.
        file_bytes: size of any file it writes.
    """

    wall_seconds: float
    cpu_seconds: int
    memory_bytes: int
    file_bytes: int


@dataclass(frozen=True)
class Completed:
    """How a process ended.

    Attributes:
        status: exit status; negative for a signal.
        stdout: its output, up to a limit.
        stderr: the end of its error output.
        timed_out: it was killed for taking too long.
        killed: the system ended it, as where memory runs out, and not for one of its own limits.
    """

    status: int
    stdout: bytes
    stderr: str
    timed_out: bool = False
    killed: bool = False

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == 0 and not self.timed_out

    @property
    def was_interrupted(self) -> bool:
        """Whether it may have been ended from outside, as by a host that shuts down, or could not even begin."""
        return not self.timed_out and (self.killed or self.status in (FFMPEG_STOPPED_BY_SIGNAL, *BROKEN_OFF))


class Sandbox:
    """Runs at most `workers` processes at once; further callers wait.

    Args:
        workers: processes at once; 0: one per CPU core.
    """

    def __init__(self, workers: int = 0) -> None:
        self._slots = asyncio.Semaphore(workers or os.cpu_count() or 1)

    async def run(self, command: Sequence[str], *, folder: Path, bounds: Bounds) -> Completed:
        """Run a command within a folder; a cancelled caller takes the process with it.

        A process that was broken off is started again: where the host shuts down, we are gone before long.

        Raises:
            StorageError: the system has no process or descriptor left.
        """
        done = await self._once(command, folder, bounds)
        for _ in range(ATTEMPTS - 1):
            if not done.was_interrupted:
                break
            await asyncio.sleep(PAUSE_SECONDS)
            done = await self._once(command, folder, bounds)
        return done

    async def _once(self, command: Sequence[str], folder: Path, bounds: Bounds) -> Completed:
        async with self._slots:
            with storage_errors():
                process = await asyncio.create_subprocess_exec(
                    *_bounded(command, bounds),
                    cwd=folder,
                    env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    start_new_session=True,
                )
            try:
                return await _watch(process, bounds)
            finally:
                await _end(process)


def _bounded(command: Sequence[str], bounds: Bounds) -> list[str]:
    limits = [
        f"--cpu={_allowed(bounds.cpu_seconds, resource.RLIMIT_CPU)}",
        f"--as={_allowed(bounds.memory_bytes, resource.RLIMIT_AS)}",
        f"--fsize={_allowed(bounds.file_bytes, resource.RLIMIT_FSIZE)}",
        "--core=0",
    ]
    return ["setpriv", "--pdeathsig", "KILL", "prlimit", *limits, *command]


def _allowed(wanted: int, kind: int) -> int:
    """The limit, or our own hard limit if that is lower: only a privileged process could exceed it."""
    _, hard = resource.getrlimit(kind)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


async def _watch(process: asyncio.subprocess.Process, bounds: Bounds) -> Completed:
    assert process.stdout is not None  # noqa: S101 - both are pipes
    assert process.stderr is not None  # noqa: S101
    timed_out = False
    meter = _Meter(process.pid)
    metering = asyncio.create_task(meter.run())
    output = asyncio.gather(_head(process.stdout, MAX_STDOUT_BYTES), _tail(process.stderr, MAX_STDERR_BYTES))
    try:
        async with asyncio.timeout(bounds.wall_seconds):
            stdout, stderr = await asyncio.shield(output)
            await process.wait()
    except TimeoutError:
        timed_out = True
        await _end(process)
        stdout, stderr = await output
    finally:
        metering.cancel()
    status = process.returncode if process.returncode is not None else -signal.SIGKILL
    # The kernel's answer to too much processor time is the same signal as its answer to a lack of memory.
    unseen = min(2 * LOOK_SECONDS * (os.cpu_count() or 1), bounds.cpu_seconds / 2)
    used_up = meter.seconds + unseen >= bounds.cpu_seconds
    killed = not timed_out and (status == -signal.SIGTERM or (status == -signal.SIGKILL and not used_up))
    return Completed(status, stdout, stderr.decode("utf-8", "replace"), timed_out, killed)


class _Meter:
    """The processor time of a process, as last seen."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self.seconds = 0.0

    async def run(self) -> None:
        """Look until cancelled, or until the process is gone."""
        with suppress(OSError):
            while True:
                user, system = self._stat.read_text().rpartition(")")[2].split()[11:13]
                self.seconds = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
                await asyncio.sleep(LOOK_SECONDS)


async def _head(stream: asyncio.StreamReader, limit: int) -> bytes:
    kept = b""
    while block := await stream.read(READ_BLOCK):
        kept += block[: limit - len(kept)]
    return kept


async def _tail(stream: asyncio.StreamReader, limit: int) -> bytes:
    kept = b""
    while block := await stream.read(READ_BLOCK):
        kept = (kept + block)[-limit:]
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
