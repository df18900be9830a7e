"""Clients in the field, installed once from the pins in ``tests/clients``, and what they hear of an entry."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.installations import Command, installed, run
from tests.support.servers import ROOT

PINS = ROOT / "tests/clients"
HOME = ROOT / ".cache/clients"
RUN_SECONDS = 120


@cache
def _python() -> Path:
    install = ["bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]
    steps = [[sys.executable, "-m", "venv", "."], install]
    return installed(HOME, "python", [PINS / "requirements.txt"], steps) / "bin/python"


@cache
def _node() -> Path:
    install = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    return installed(HOME, "node", [PINS / "package.json", PINS / "package-lock.json"], [install])


def heard_by(program: str, address: str) -> dict[str, Any]:
    """What a program of ``tests/clients`` says of the entry at this address."""
    if program.endswith(".py"):
        command: Command = [_python(), PINS / program, address]
        printed = run(command, cwd=HOME, seconds=RUN_SECONDS)
    else:
        folder = _node()
        # Its packages are found beside it.
        (folder / program).write_bytes((PINS / program).read_bytes())
        printed = run(["node", program, address], cwd=folder, seconds=RUN_SECONDS)
    heard: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return heard
