"""Asking nvidia-smi on the host that this runs on."""

from __future__ import annotations

import shutil
import subprocess
from typing import Sequence, Tuple

from .nvidia_cards import OLD_QUERY, QUERY, Cards, asks_for_less, parse_cards

_SECONDS = 30


def ask_cards() -> Cards:
    """The GPUs as nvidia-smi tells them, or why it does not."""
    if not shutil.which("nvidia-smi"):
        return Cards(fault="missing")
    code, output = _query(QUERY)
    if asks_for_less(output):
        code, output = _query(OLD_QUERY)
    return parse_cards(code, output)


def _query(fields: Sequence[str]) -> Tuple[int, str]:
    """Exit status and whole output of one query; a driver that hangs counts as unreadable."""
    command = ["nvidia-smi", "--query-gpu=" + ",".join(fields), "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 1, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")
