"""`make test` runs both halves, whatever the first one's outcome, and reports both."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_make_test(folder: Path, *, python_status: int, hosts_status: int) -> subprocess.CompletedProcess[str]:
    """Run the real Makefile's `test` where the programs that it starts only report and exit."""
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "stamp").touch()
    for name, body in {
        ".venv/bin/python": f"echo python ran; exit {python_status}",
        "tests/install-tools": "exit 0",
        "molecule/run": f"echo hosts ran; exit {hosts_status}",
    }.items():
        program = folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "-C", folder, "REQUIREMENTS=", "STAMP=stamp", "test"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("python_status", "hosts_status"),
    [(0, 0), (1, 0), (0, 1), (1, 1)],
    ids=["both pass", "python fails", "hosts fail", "both fail"],
)
def test_both_halves_run_and_are_reported(tmp_path: Path, python_status: int, hosts_status: int) -> None:
    made = run_make_test(tmp_path, python_status=python_status, hosts_status=hosts_status)
    lines = made.stdout.splitlines()
    assert lines.count("python ran") == 1, made.stdout + made.stderr
    assert lines.count("hosts ran") == 1, made.stdout + made.stderr
    words = ["passed", "FAILED"]
    summary = [line for line in lines if line.startswith("make test-")]
    assert summary == [f"make test-python: {words[python_status]}", f"make test-hosts: {words[hosts_status]}"]
    assert (made.returncode == 0) is (python_status == hosts_status == 0)
