"""Clients in the field, installed once from the pins in ``tests/clients``, and what they hear of an entry."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.servers import ROOT

PINS = ROOT / "tests/clients"
HOME = ROOT / ".cache/clients"
INSTALL_SECONDS = 900
RUN_SECONDS = 120


@contextmanager
def _locked() -> Iterator[None]:
    """Only one process installs; the others wait."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str | Path], *, cwd: Path, seconds: int) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    return done.stdout


def _installed(kind: str, pins: Sequence[str], steps: Sequence[Sequence[str | Path]]) -> Path:
    """The folder of a kind of clients; it is made anew when the pins change."""
    digest = hashlib.sha256(b"".join((PINS / name).read_bytes() for name in pins)).hexdigest()[:16]
    folder = HOME / f"{kind}-{digest}"
    with _locked():
        if not (folder / "complete").exists():
            folder.mkdir(exist_ok=True)
            for name in pins:
                (folder / name).write_bytes((PINS / name).read_bytes())
            for step in steps:
                _run(step, cwd=folder, seconds=INSTALL_SECONDS)
            (folder / "complete").touch()
    return folder


@cache
def _python() -> Path:
    install = ["bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]
    folder = _installed("python", ["requirements.txt"], [[sys.executable, "-m", "venv", "."], install])
    return folder / "bin/python"


@cache
def _node() -> Path:
    install = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    return _installed("node", ["package.json", "package-lock.json"], [install])


def heard_by(program: str, address: str) -> dict[str, Any]:
    """What a program of ``tests/clients`` says of the entry at this address."""
    if program.endswith(".py"):
        command: list[str | Path] = [_python(), PINS / program, address]
        printed = _run(command, cwd=HOME, seconds=RUN_SECONDS)
    else:
        folder = _node()
        # Its packages are found beside it.
        (folder / program).write_bytes((PINS / program).read_bytes())
        printed = _run(["node", program, address], cwd=folder, seconds=RUN_SECONDS)
    heard: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return heard
