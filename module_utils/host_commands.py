# SPDX-License-Identifier: Apache-2.0
"""Small readers that the host modules share: a program's output and a file's text, never an exception."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Mapping, Optional, Sequence


def output_of(command: Sequence[str], seconds: float = 10, env: Optional[Mapping[str, str]] = None) -> str:
    """Standard output of a program, or "" where it is missing, fails or takes longer than ``seconds``."""
    try:
        done = subprocess.run(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            env=None if env is None else dict(env),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def text_of(path: str, limit: int = 1_000_000) -> str:
    """The first ``limit`` bytes of a file as text, or "" where it can't be read."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""


def root_text_of(path: str) -> str:
    """A file's text, or "" where it is not root's and with mode 0644, and so must be written again."""
    try:
        found = Path(path).stat()
    except OSError:
        return ""
    return text_of(path) if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, 0o644) else ""
