"""Runs programs on the host with a time limit; nothing else in the package starts a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from typing import Callable, Optional, Sequence

MAX_OUTPUT = 64 << 20  # bytes kept of a program's output
STREAM_PIECE = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Completed:
    """How a program ended. ``returncode`` is 127 where the program is missing and 124 where it ran out of time."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        """True when the program said that it succeeded."""
        return self.returncode == 0

    @property
    def text(self) -> str:
        """Standard output as text without the final line feed."""
        return self.stdout.decode("utf-8", "replace").rstrip("\n")

    @property
    def complaint(self) -> str:
        """The last line a failed program wrote, for an error message."""
        lines = (self.stderr or self.stdout).decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip()[:500] if lines else f"exit code {self.returncode}"


class Commands:
    """Runs programs by argument list, never through a shell."""

    def find(self, program: str) -> Optional[str]:
        """Path of a program, or None."""
        return shutil.which(program)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run to the end. Missing programs and timeouts are results, not exceptions; ``timeout`` is in seconds."""
        try:
            done = subprocess.run(list(argv), input=stdin, capture_output=True, timeout=timeout, check=False)
        except (FileNotFoundError, PermissionError) as error:
            return Completed(127, b"", str(error).encode())
        except subprocess.TimeoutExpired:
            return Completed(124, b"", f"{argv[0]} did not finish within {timeout:g} s".encode())
        return Completed(done.returncode, done.stdout[:MAX_OUTPUT], done.stderr[:MAX_OUTPUT])

    def stream(self, argv: Sequence[str], take: Callable[[bytes], None], *, timeout: float = 600.0) -> Completed:
        """Hand standard output and error to ``take`` piece by piece, in the order in which they were written.

        A program that runs longer than ``timeout`` seconds is killed; what it wrote until then was taken.
        """
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, stdout=writing, stderr=writing)
        except (FileNotFoundError, PermissionError) as error:
            os.close(reading)
            return Completed(127, b"", str(error).encode())
        finally:
            os.close(writing)
        watchdog = threading.Timer(timeout, process.kill)
        watchdog.start()
        last = b""
        try:
            with process, os.fdopen(reading, "rb", buffering=0) as output:
                for piece in iter(lambda: output.read(STREAM_PIECE), b""):
                    last = piece
                    take(piece)
        finally:
            watchdog.cancel()
        return Completed(process.returncode, b"", last[-1000:])
