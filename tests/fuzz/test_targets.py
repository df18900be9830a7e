"""Inputs that once broke a property stay mended, and a short run, the same each time, finds no new ones."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.fuzz.__main__ import HERE, ROOT, targets

KNOWN = sorted(path for path in (HERE / "corpus").glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", KNOWN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_known_input(path: Path) -> None:
    import_module(f"tests.fuzz.targets.{path.parent.name}").one_input(path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("target", targets())
def test_short_run(target: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--runs", "2000", target]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
