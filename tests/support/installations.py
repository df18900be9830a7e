"""Programs of others that tests run, each kind installed once from its pins into `.cache`."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

INSTALL_SECONDS = 900

Command = Sequence[str | Path]


def run(command: Command, *, cwd: Path, seconds: int) -> str:
    """What the program prints; an AssertionError with all its output where it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    return done.stdout


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Only one process installs; the others wait."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed(home: Path, kind: str, pins: Sequence[Path], steps: Sequence[Command]) -> Path:
    """The folder of one kind below `home`, which holds a copy of its pins; it is made anew when the pins change.

    Each step is a command that runs in that folder.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in pins)).hexdigest()[:16]
    folder = home / f"{kind}-{digest}"
    with _locked(home):
        if not (folder / "complete").exists():
            for old in home.glob(f"{kind}-*"):
                shutil.rmtree(old)
            folder.mkdir()
            for path in pins:
                shutil.copyfile(path, folder / path.name)
            for step in steps:
                run(step, cwd=folder, seconds=INSTALL_SECONDS)
            (folder / "complete").touch()
    return folder
