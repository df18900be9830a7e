"""System calls that fail on demand: a library preloaded into a server, armed from the test while the server runs."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import requests

from tests.support.open_files import descriptors_of
from tests.support.servers import Server

SOURCE = Path(__file__).with_name("nth_fault.c")
CACHE = Path(__file__).resolve().parents[3] / ".cache"
ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS)
# `make faults`; otherwise a sample is tried.
EVERY = os.environ.get("TWINPORT_FAULTS") == "every"
# How an entry that does not start names the disk.
SAID = (*map(os.strerror, ERRORS), "disk")
# SQLite opens its log a second time now and then.
SPARE_FILES = 2
CODES = {"storage_full", "storage_broken", "storage_read_only", "storage_busy"}


@dataclass(frozen=True)
class Sweep:
    """Which calls fail, and with what.

    Attributes:
        errors: taken in turn.
        step: distance between two calls that fail.
    """

    errors: tuple[int, ...]
    step: int = 1

    def __str__(self) -> str:
        return ",".join(errno.errorcode[error] for error in self.errors)


def sweeps(step: int = 1) -> list[Sweep]:
    """One sweep with all errors in turn, or for ``make faults`` each call with each error.

    Args:
        step: of the one sweep; a multiple of three would leave errors out.
    """
    if EVERY:
        return [Sweep((error,)) for error in ERRORS]
    return [Sweep(ERRORS, step)]


class _Control(ctypes.Structure):
    """As in ``nth_fault.c``."""

    _fields_ = (
        ("at", ctypes.c_int32),
        ("error", ctypes.c_int32),
        ("times", ctypes.c_int32),
        ("calls", ctypes.c_int32),
        ("fired", ctypes.c_int32),
        ("only", ctypes.c_char * 16),
        ("call", ctypes.c_char * 48),
    )


@cache
def library() -> Path:
    """The compiled library; needs a C compiler."""
    CACHE.mkdir(exist_ok=True)
    built = CACHE / f"nth_fault.{os.getpid()}.so"
    target = CACHE / "nth_fault.so"
    if not target.exists() or target.stat().st_mtime < SOURCE.stat().st_mtime:
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", built, SOURCE, "-ldl"], check=True)
        built.replace(target)
    return target


class Faults:
    """Fails system calls on files below a folder, in every process that is started with ``environment``.

    Args:
        folder: calls on other files are left alone.
        control: a file that the library and this object share.
    """

    def __init__(self, folder: Path, control: Path) -> None:
        self.folder = folder
        control.write_bytes(bytes(ctypes.sizeof(_Control)))
        self.environment = {
            "LD_PRELOAD": str(library()),
            "FAULT_FOLDER": str(folder),
            "FAULT_CONTROL": str(control),
        }
        with control.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), 0)
        self._control = _Control.from_buffer(self._mapped)

    @contextmanager
    def nth(self, at: int, error: int, *, times: int = 1, only: str = "") -> Iterator[None]:
        """Within the context, the ``at``-th call fails with ``error``; ``fired`` says whether there were so many.

        Args:
            at: counted from 1.
            error: what it fails with.
            times: number of calls in a row that fail.
            only: count only calls whose name begins so.
        """
        self._control.error, self._control.times, self._control.calls, self._control.fired = error, times, 0, 0
        self._control.only, self._control.call = only.encode(), b""
        self._control.at = at
        try:
            yield
        finally:
            self._control.at = 0

    def each(self, sweep: Sweep, *, most: int = 1000) -> Iterator[int]:
        """Arm the first call, then a later one, and so on, until an operation makes fewer calls than that.

        Yields:
            The number of the call that fails while the loop's body runs.
        """
        for at in range(1, most, sweep.step):
            with self.nth(at, sweep.errors[at % len(sweep.errors)]):
                yield at
            if not self.fired:
                return
        raise AssertionError(f"more than {most} calls")

    def disarm(self) -> None:
        """Let every further call succeed."""
        self._control.at = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count no calls within the context."""
        at, self._control.at = self._control.at, 0
        try:
            yield
        finally:
            self._control.calls, self._control.at = 0, at

    @property
    def fired(self) -> bool:
        """Whether the latest fault happened."""
        return bool(self._control.fired)

    @property
    def call(self) -> str:
        """The system call that failed."""
        return self._control.call.decode()


def failed_starts(server: Server, faults: Faults, sweep: Sweep, *, fresh: Path | None = None) -> Iterator[int]:
    """Start an entry with each call failing in turn; it starts, or it ends and says why.

    Args:
        server: not running; the loop's body may start it, and ends it.
        faults: in its environment.
        sweep: which calls fail.
        fresh: a folder that is deleted before each start.

    Yields:
        The number of the call that failed, once the entry has been stopped.
    """
    for at in faults.each(sweep):
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)
        server.log.unlink(missing_ok=True)
        try:
            server.start()
        except AssertionError:
            assert server.process is not None
            status, said = server.process.poll(), server.output()
            assert status not in (None, 0), f"call {at} {faults.call}: neither up nor gone\n{said}"
            assert any(word in said for word in SAID), f"call {at} {faults.call}:\n{said}"
        server.kill()
        faults.disarm()
        yield at


def accepted(answer: requests.Response, what: str) -> bool:
    """Whether a request was done; a refusal names the storage, and 503 says when to come back."""
    if answer.status_code == 200:
        return True
    assert answer.json()["code"] in CODES, f"{what}: {answer.status_code} {answer.text}"
    assert ("Retry-After" in answer.headers) == (answer.status_code == 503)
    return False


def descriptors(server: Server) -> list[str]:
    """What a server's process has open: paths, ``socket:[…]``, ``pipe:[…]``."""
    return descriptors_of(server.pid)


def open_files(server: Server) -> list[str]:
    """The files that a server's process has open."""
    return [link for link in descriptors(server) if link.startswith("/")]


def leftovers(folder: Path) -> list[Path]:
    """Files below a folder that were never finished."""
    return list(folder.rglob(".*.part"))
